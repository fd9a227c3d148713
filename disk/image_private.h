/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DISK_IMAGE_PRIVATE_H
#define DISK_IMAGE_PRIVATE_H

#include <limits.h>

#include "file.h"

struct image_name {
	const char *path;    /* borrowed */
	char part[PATH_MAX]; /* what it is called until it is whole; "": nothing */
};

/* A file that is to be @path, which must not exist; buffered. -errno with a line. */
int image_new_file(struct disk_file *file, struct image_name *name, const char *path,
		   struct error *err);
/*
 * The file is whole, if @ret is 0: it gets its name, and both are on the disk. Else it is gone. It
 * is closed. @ret, or -errno with a line.
 */
int image_end_file(struct disk_file *file, struct image_name *name, int ret, struct error *err);
/* @size 0: the usual. -EINVAL with a line. */
int image_cluster_bits(const char *path, u64 size, unsigned *bits, struct error *err);

#endif
