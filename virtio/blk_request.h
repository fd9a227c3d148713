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

/*
 * Larger transfers go to the disk in pieces of this size, one after the other. A
 * mapping is a page or more, so a piece is in at most this many places: those of a
 * segment are one for each whole page and two for its ends (the kernel takes 1024 in a call).
 */
#define BLK_PIECE      (2 * MIB)
#define BLK_PIECE_IOVS (BLK_PIECE / 4096 + 2 * BLK_QUEUE_SIZE)

struct blk;

/*
 * One for each chain that may be out. Most is only touched by large requests: what a small one
 * uses of it comes first.
 */
struct blk_request {
	struct disk_request disk;
	struct blk *blk;
	struct blk_request *next; /* while free */
	struct dma_hold hold;	  /* of the whole chain, until it is answered */
	u8 *status;		  /* host address of the last writable byte, under the hold */
	u32 type;
	u64 moved; /* data bytes behind us */
	u64 total;
	struct iovec iov[BLK_PIECE_IOVS]; /* the chain, or the piece of it that is under way */
	struct virtq_chain chain;
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
	struct blk_request *requests; /* as many as may be needed, owned: a mapping */
	unsigned used;		      /* the first so many of them are free or out */
	struct blk_request *free;     /* the one that was last in use first */
};

/* -ENOMEM. To destroy them none may be under way. */
int blk_requests_create(struct blk *blk);
void blk_requests_destroy(struct blk *blk);

/*
 * Take the next chain and serve it: answered at once, or handed to the disk and answered when that
 * is done; disk_flush_queue() is the caller's. False: there is none. VM lock held.
 */
bool blk_serve(struct blk *blk);

#endif
