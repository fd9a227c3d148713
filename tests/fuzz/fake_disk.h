/* SPDX-License-Identifier: BSD-2-Clause */
/* disk/disk.h in memory: it completes when it is told to, well or badly. */
#ifndef TESTS_FUZZ_FAKE_DISK_H
#define TESTS_FUZZ_FAKE_DISK_H

#include "disk/disk.h"

struct disk *fake_disk_create(bool read_only, bool can_discard);
/* Complete up to @count requests, the oldest first, with @result. */
void fake_disk_complete(struct disk *disk, unsigned count, int result);
/* The loop completes requests, one at each round, while @awake. */
void fake_disk_wake(struct disk *disk, bool awake);

#endif
