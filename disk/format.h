/* SPDX-License-Identifier: BSD-2-Clause */
/* What an image is, by its first bytes. */
#ifndef DISK_FORMAT_H
#define DISK_FORMAT_H

#include "file.h"

/*
 * Whether the file is what a raw disk should be. -EINVAL with a line for an image of
 * another format or a compressed one, whose bytes mean nothing to a guest, and for
 * an ISO 9660 image in a file that the guest could write. -errno with a line where
 * it cannot be read.
 */
int format_check_raw(const struct disk_file *file, struct error *err);

#endif
