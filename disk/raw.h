/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A raw image or a block device: opening it, and doing one request with calls
 * that block. Everything in struct raw is constant after raw_open(), so the
 * worker reads it without a lock.
 */
#ifndef DISK_RAW_H
#define DISK_RAW_H

#include "disk/disk.h"

struct raw {
	int fd; /* owned; -1: not open */
	bool block_device;
	/* With O_DIRECT, what offsets, lengths and addresses are multiples of. A power of two. */
	u32 align;
	struct disk_info info;
	char id[20]; /* padded with zeroes, not terminated */
};

/* Memory for transfers that cannot use the guest's: made when first needed. */
struct raw_buffer {
	void *data; /* owned */
};

#define RAW_BUFFER_SIZE (256 * KIB)

int raw_open(struct raw *raw, const char *path, const struct disk_options *options,
	     struct error *err);
void raw_close(struct raw *raw);

/* Whether the kernel takes the request's memory and offset as they are. */
bool raw_is_aligned(const struct raw *raw, const struct disk_request *request);

/*
 * Do @request, from request->moved on, and return its result: 0 or -errno. Any
 * thread, no lock; @buffer is the calling thread's own.
 */
int raw_perform(const struct raw *raw, struct raw_buffer *buffer, struct disk_request *request);
void raw_buffer_free(struct raw_buffer *buffer);

#endif
