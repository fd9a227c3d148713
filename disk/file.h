/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An image file or a block device: opening it, and reading and writing it with
 * calls that block, on any thread. Everything in struct disk_file is constant after
 * disk_file_open(), so the worker's threads read it without a lock.
 */
#ifndef DISK_FILE_H
#define DISK_FILE_H

#include "disk/disk.h"

struct disk_file {
	int fd;	    /* owned; -1: not open */
	char *path; /* owned: as the user gave it */
	bool block_device, read_only;
	bool direct;	/* open with O_DIRECT */
	u64 size;	/* bytes */
	u32 block_size; /* logical: 512 or what a block device says */
	/* With O_DIRECT, what offsets, lengths and addresses are multiples of. A power of two. */
	u32 align;
	char id[20]; /* padded with zeroes, not terminated */
};

/* Open, lock and measure, as disk_open() says. -errno with a line. */
int disk_file_open(struct disk_file *file, const char *path, const struct disk_options *options,
		   struct error *err);
/* Take @fd, which is open for reading and writing and has no name, for a file called @path. */
int disk_file_adopt(struct disk_file *file, int fd, const char *path, struct error *err);
/* Use the page cache from now on: for a format whose blocks are smaller than O_DIRECT takes. */
int disk_file_leave_direct(struct disk_file *file);
void disk_file_close(struct disk_file *file);

/*
 * Whether the kernel takes the request's memory, from byte @at of it on, for @offset of the file
 * as it is.
 */
bool disk_file_is_aligned(const struct disk_file *file, const struct disk_request *request, u64 at,
			  u64 offset);

/* ---- what blocks; 0 or -errno ---- */

/*
 * Move @len bytes of the memory of a READ or WRITE, from byte @at of it on, from or to @offset of
 * the file. -EIO at the end of the file.
 */
int disk_file_move(const struct disk_file *file, const struct disk_request *request, u64 at,
		   u64 len, u64 offset);
/*
 * @data, @len and @offset: aligned for O_DIRECT, and @len and @offset at least to sectors.
 * What is behind the end of the file reads as zeroes.
 */
int disk_file_read(const struct disk_file *file, void *data, u64 len, u64 offset);
int disk_file_write(const struct disk_file *file, const void *data, u64 len, u64 offset);
/* Where the file ends now, in bytes. */
int disk_file_end(const struct disk_file *file, u64 *end);
int disk_file_flush(const struct disk_file *file);
/*
 * The file ends at @end or later, and reads as zeroes where nothing was written. Nobody writes
 * behind
 * @end meanwhile: that might be cut off.
 */
int disk_file_grow(const struct disk_file *file, u64 end);
/* What the host cannot do is no error: a discard is a hint. */
int disk_file_discard(const struct disk_file *file, u64 offset, u64 len);
/* @may_unmap: a hole is welcome. */
int disk_file_zero(const struct disk_file *file, u64 offset, u64 len, bool may_unmap);

#endif
