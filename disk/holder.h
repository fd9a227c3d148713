/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who uses a block device or a file, in words for a refusal. It is read from
 * proc and sys below @root, which tests replace ("" is the host's). Nothing is
 * opened but files there, so a device or a file system that does not answer cannot
 * hang this; what may not be read is left out.
 *
 * @text: what comes after the disk's name, such as "is mounted at /data".
 */
#ifndef DISK_HOLDER_H
#define DISK_HOLDER_H

#include <sys/types.h>

#include "util/types.h"

/*
 * Who has block device @device, which refused to be opened exclusively: a mount,
 * swap, a device built on it, or a process, of it or of its partitions. There is
 * always a text.
 */
void holder_of_device(const char *root, dev_t device, char *text, size_t size);

/*
 * Who holds a lock on the file of this @name, which is what /proc/self/fd says of it.
 * @pid: what the kernel says of the lock, -1 if it does not say. There is always a text.
 */
void holder_of_lock(const char *root, const char *name, pid_t pid, char *text, size_t size);

/* Whether the file of this @name is what is behind a loop device, and behind which. */
bool holder_is_loop(const char *root, const char *name, char *text, size_t size);

#endif
