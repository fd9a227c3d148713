/* SPDX-License-Identifier: BSD-2-Clause */
/* A new qcow2 image. */
#ifndef DISK_QCOW2_CREATE_H
#define DISK_QCOW2_CREATE_H

#include "file.h"

struct qcow2_creation {
	u64 size;			      /* of the disk: bytes, whole sectors */
	unsigned cluster_bits;		      /* 9 to 21 */
	const char *backing, *backing_format; /* NULL: none */
};

/*
 * Version 3, in a file that is empty and open for writing: it has an end afterwards, and file->size
 * says so. -errno with a line.
 */
int qcow2_create(struct disk_file *file, const struct qcow2_creation *creation, struct error *err);

#endif
