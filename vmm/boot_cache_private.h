/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the boot cache are to each other. */
#ifndef VMM_BOOT_CACHE_PRIVATE_H
#define VMM_BOOT_CACHE_PRIVATE_H

#include "util/types.h"

/*
 * The cache's folder, open. -ENOENT: it is not there, and @make is not set; -EPERM: it or its
 * parent is not ours alone; -EINVAL: no variable names one; -errno.
 */
int boot_folder_open(bool make);

/* An entry's file, open to be read. -EPERM: not ours alone, or no file; -errno. */
int boot_folder_open_entry(int folder, const char *name);

/* The file that whoever writes into @folder has locked. -EBUSY: somebody has; -errno. */
int boot_folder_lock(int folder);

/* Remove the oldest files, by their last use, until all that are left have @max bytes at most. */
void boot_folder_trim(int folder, u64 max);

/* Of one that is TRIED, by what boot_cache_judge() said. Writes. */
struct boot_cache;
void boot_cache_mark(const struct boot_cache *cache, bool ran);

#endif
