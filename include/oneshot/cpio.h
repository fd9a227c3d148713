/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cpio archive as Linux unpacks it for an initial RAM disk: "new ASCII format", Linux's
 * Documentation/driver-api/early-userspace/buffer-format.rst.
 */
#ifndef ONESHOT_CPIO_H
#define ONESHOT_CPIO_H

#include "util/types.h"

struct cpio {
	int fd; /* the caller's; written from its offset on; -1: bytes are counted alone */
	u64 at; /* bytes written */
	unsigned inode;
	int error; /* the first -errno: nothing is written after it */
};

struct cpio_entry {
	const char *name;
	u32 mode, uid, gid, mtime;
	/* Names of one file have its @inode and more than one link; the first has the contents.
	 * 0: a file of its own. */
	u32 inode, links;
	u32 major, minor; /* of a device */
	u64 len;
};

/* @data of @len is its contents, or, of a symbolic link, its target; else NULL and 0. */
void cpio_add(struct cpio *cpio, const char *name, u32 mode, const void *data, size_t len);
/* A character device. */
void cpio_add_device(struct cpio *cpio, const char *name, u32 mode, u32 major, u32 minor);
/*
 * An entry in pieces: begin, so many bytes as it has said in any number of writes, end. Returns its
 * inode.
 */
u32 cpio_begin_entry(struct cpio *cpio, const struct cpio_entry *entry);
void cpio_write(struct cpio *cpio, const void *data, size_t len);
/* Only counted: it would be @len bytes. */
void cpio_skip(struct cpio *cpio, u64 len);
void cpio_end_entry(struct cpio *cpio);
/* The end of the archive. 0, or the first -errno of all calls; -EFBIG: a file of 4 GiB. */
int cpio_end(struct cpio *cpio);

#endif
