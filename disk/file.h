/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An image file or a block device: opening it, and doing one request with calls
 * that block. Everything in struct disk_file is constant after disk_file_open(), so the
 * worker's threads read it without a lock.
 */
#ifndef DISK_FILE_H
#define DISK_FILE_H

#include "disk/disk.h"

struct disk_file {
	int fd;	    /* owned; -1: not open */
	char *path; /* owned: as the user gave it */
	bool block_device;
	/* With O_DIRECT, what offsets, lengths and addresses are multiples of. A power of two. */
	u32 align;
	struct disk_info info;
	char id[20]; /* padded with zeroes, not terminated */
};

int disk_file_open(struct disk_file *file, const char *path, const struct disk_options *options,
		   struct error *err);
void disk_file_close(struct disk_file *file);

/* Whether the kernel takes the request's memory and offset as they are. */
bool disk_file_is_aligned(const struct disk_file *file, const struct disk_request *request);

/*
 * Do @request, from request->moved on, with calls that block, and return its result: 0 or
 * -errno. Any thread, no lock.
 */
int disk_file_perform(const struct disk_file *file, struct disk_request *request);

#endif
