/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One virtio-blk request: taken from its chain, run on the disk, answered.
 * blk.c is the device around it.
 */
#ifndef VIRTIO_BLK_REQUEST_H
#define VIRTIO_BLK_REQUEST_H

#include "disk/disk.h"
#include "virtio/blk.h"

#define BLK_QUEUE_SIZE 256
/* Header and status take a descriptor each. */
#define BLK_SEG_MAX (BLK_QUEUE_SIZE - 2)
/* One range per discard or write-zeroes request, of at most 2 GiB. */
#define BLK_RANGE_SECTORS (1u << 22)

struct blk_counters {
	u64 reads, writes, flushes, discards, zeroes;
	u64 bytes_read, bytes_written;
	u64 errors; /* answered with another status than OK */
};

struct blk {
	struct virtio_device device;
	struct virtq queue;
	struct disk *disk; /* owned */
	struct disk_info info;
	char name[32];
	unsigned in_flight; /* requests that the disk has */
	bool draining;	    /* a reset is on: they are thrown away as they complete */
	struct blk_counters counters;
};

/*
 * Serve one chain: answered at once, or handed to the disk and answered when that is done;
 * disk_flush_queue() is the caller's. VM lock held.
 */
void blk_serve(struct blk *blk, const struct virtq_chain *chain);

#endif
