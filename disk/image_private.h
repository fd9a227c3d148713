/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DISK_IMAGE_PRIVATE_H
#define DISK_IMAGE_PRIVATE_H

#include "file.h"

/* Open @path, which must not exist, buffered. -errno with a line. */
int image_new_file(struct disk_file *file, const char *path, struct error *err);
/* @size 0: the usual. -EINVAL with a line. */
int image_cluster_bits(const char *path, u32 size, unsigned *bits, struct error *err);

#endif
