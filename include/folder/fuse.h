/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The FUSE protocol, server side, as virtio-fs carries it (linux/fuse.h; virtio 1.4, "File
 * System Device"): one message in, one answer out, on a folder.
 */
#ifndef FOLDER_FUSE_H
#define FOLDER_FUSE_H

#include <sys/uio.h>

#include "folder/folder.h"

/* For how long the guest trusts what it was told. */
enum fuse_cache {
	FUSE_CACHE_NONE,   /* not at all: reads and writes reach the host each time */
	FUSE_CACHE_AUTO,   /* a second for names and attributes; contents from open to open */
	FUSE_CACHE_ALWAYS, /* for ever: nobody else changes the folder */
};

struct fuse_options {
	enum fuse_cache cache;
	bool writeback; /* the guest collects writes; with FUSE_CACHE_NONE it has no effect */
	u32 max_write;	/* bytes of one READ or WRITE: a multiple of 4096, at most FUSE_LARGEST */
};

#define FUSE_LARGEST (1u << 20)

/* One file system as the guest mounts it: the folder and what INIT settled. */
struct fuse {
	struct folder *folder; /* borrowed */
	struct fuse_options options;
	_Atomic bool ready; /* INIT was answered */
};

void fuse_init(struct fuse *fuse, struct folder *folder, const struct fuse_options *options);

/* The device was reset: the session is over. No message is being served. Blocks. */
void fuse_reset(struct fuse *fuse);

/* What a thread needs to serve messages: buffers that are too large for its stack. */
struct fuse_scratch;
struct fuse_scratch *fuse_scratch_create(void);
void fuse_scratch_destroy(struct fuse_scratch *scratch);

/*
 * Serve one message. @in: what the driver gave; @out: the room that it left for the answer; both
 * are the guest's memory and may change at any time. They are read and written once. Returns the
 * bytes of the answer, of which 0 is right for messages that have none. Blocks; see folder.h for
 * threads.
 */
size_t fuse_serve(struct fuse *fuse, struct fuse_scratch *scratch, const struct iovec *in,
		  unsigned in_count, const struct iovec *out, unsigned out_count);

/*
 * Answer @error, a -errno, to a message that cannot be served; @in needs no more than its header.
 * Returns the bytes of the answer. Does not block.
 */
size_t fuse_refuse(const struct iovec *in, unsigned in_count, const struct iovec *out,
		   unsigned out_count, int error);

#endif
