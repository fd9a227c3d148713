/* SPDX-License-Identifier: BSD-2-Clause */
/* What an image is, by its first bytes. */
#ifndef DISK_FORMAT_H
#define DISK_FORMAT_H

#include "file.h"

/*
 * What the user has not said: whether the file is a raw disk or, in *@qcow2, a qcow2 image.
 * -EINVAL with a line for an image of another format or a compressed one, whose bytes mean
 * nothing to a guest, for an ISO 9660 image in a file that the guest could write, and for a
 * qcow2 image that a guest may have written as its raw disk: it could name any file of
 * the host's as its backing. -errno with a line where it cannot be read.
 */
int format_guess(const struct disk_file *file, bool *qcow2, struct error *err);

/* Whether the first bytes of a disk, 512 of them, are those of a known format. */
bool format_is_known(const char sector[512]);

/*
 * Note with the file that a guest writes it as a raw disk, for format_guess(). False: the file
 * system cannot. The note goes when the user says that it is a qcow2 image.
 */
bool format_mark_raw(const struct disk_file *file);
void format_unmark(const struct disk_file *file);

#endif
