/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ARM_GUNZIP_H
#define ARM_GUNZIP_H

#include "util/types.h"

/*
 * Decompress the gzip file @fd, from its start, to at most @max bytes at @out;
 * *produced says how many they were, on errors too. 0: that was all of it, and
 * its checksum is right. -ENOSPC: there is more. -ENODATA: the file ends early.
 * -EINVAL: not gzip, or damaged. -ENOMEM, -errno of pread(). Keeps no more than
 * a buffer's worth of the file in memory; moves no file offset.
 */
int gunzip_file(int fd, void *out, u64 max, u64 *produced);

#endif
