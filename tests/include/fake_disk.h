/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * disk/disk.h in memory, which does what the test says and judges what is asked of it. A program
 * that is linked with tests/fake/disk.c has this disk and not the real one (see fake in
 * tests/tests.mk).
 */
#ifndef TESTS_FAKE_DISK_H
#define TESTS_FAKE_DISK_H

#include "disk/disk.h"
#include "vmm/loop.h"

#define DISK_SIZE (8 * MIB) /* of those whose size does not matter */

struct disk {
	struct disk_info info;
	struct loop *loop;
	void (*settled)(void *context);
	void *context;
	struct loop_source source;
	struct disk_request *queued, *running; /* oldest first */
	unsigned
		pace; /* the loop completes at most so many at a turn; all, unless told otherwise */
	bool hold;    /* complete nothing but what was released */
	unsigned released;
	int fault; /* result of the next requests */
	unsigned submits, flush_queues, syncs, drains;
	unsigned losses, synced_losses; /* disk_request.losses: of what begins, of the last flush */
	u32 largest;			/* read or write, in bytes */
	unsigned *closed;
	u8 data[]; /* info.size bytes */
};

/* @closed: counts that it was; NULL. The disk's data are zeroes. */
struct disk *fake_disk_create(u64 size, bool read_only, bool can_discard, unsigned *closed);
/* Other bytes in each sector. */
void fake_disk_fill(struct disk *disk);
/* Complete up to @count requests, the oldest first. */
void fake_disk_complete(struct disk *disk, unsigned count);
/* The loop will complete so many of those it has been told to hold. */
void fake_disk_release(struct disk *disk, unsigned count);
/* Hold, or complete again what comes and what was held. */
void fake_disk_hold(struct disk *disk, bool hold);

#endif
