/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cpio archive as Linux unpacks it for an initial RAM disk: "new ASCII format", Linux's
 * Documentation/driver-api/early-userspace/buffer-format.rst.
 */
#ifndef ONESHOT_CPIO_H
#define ONESHOT_CPIO_H

#include "util/types.h"

struct cpio {
	int fd; /* the caller's; written from its offset on */
	u64 at; /* bytes written */
	unsigned inode;
	int error; /* the first -errno: nothing is written after it */
};

/* @data of @len is its contents, or, of a symbolic link, its target; else NULL and 0. */
void cpio_add(struct cpio *cpio, const char *name, u32 mode, const void *data, size_t len);
/* A character device. */
void cpio_add_device(struct cpio *cpio, const char *name, u32 mode, u32 major, u32 minor);
/* The end of the archive. 0, or the first -errno of all calls; -EFBIG: a file of 4 GiB. */
int cpio_end(struct cpio *cpio);

#endif
