/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk on a disk (virtio 1.4, "Block Device"). */
#ifndef VIRTIO_BLK_H
#define VIRTIO_BLK_H

#include "virtio/device.h"

struct disk;
struct loop;
struct vm;

#define VIRTIO_BLK_MAX_QUEUES 8
/* Bytes of a serial number: VIRTIO_BLK_ID_BYTES. */
#define VIRTIO_BLK_MAX_SERIAL 20

/* What is limited. Each has an allowance of its own; a request needs all that are about it. */
enum virtio_blk_limit {
	VIRTIO_BLK_BPS, /* bytes a second, read and written */
	VIRTIO_BLK_BPS_RD,
	VIRTIO_BLK_BPS_WR,
	VIRTIO_BLK_IOPS, /* requests a second */
	VIRTIO_BLK_IOPS_RD,
	VIRTIO_BLK_IOPS_WR,
	VIRTIO_BLK_LIMITS,
};

struct virtio_blk_rate {
	u64 rate;  /* a second; 0: no limit */
	u64 burst; /* what may go at once after a rest; 0: what a tenth of a second brings */
};

/* What becomes of a request that the host failed. */
enum virtio_blk_policy {
	VIRTIO_BLK_REPORT, /* the guest is told */
	VIRTIO_BLK_STOP,   /* the guest pauses, and the request is tried again */
	VIRTIO_BLK_NOSPC,  /* the same, where the host has no room; else the guest is told */
};

/* All zero: the defaults. */
struct virtio_blk_options {
	unsigned number;     /* for the name alone */
	const char *serial;  /* at most VIRTIO_BLK_MAX_SERIAL bytes, copied; NULL: the disk's own */
	unsigned queues;     /* up to VIRTIO_BLK_MAX_QUEUES; 0: one */
	bool write_through;  /* a write is on stable storage when it is answered */
	bool ignore_discard; /* nothing is ever given back to the host */
	struct virtio_blk_rate limits[VIRTIO_BLK_LIMITS];
	enum virtio_blk_policy on_write_error, on_read_error;
	struct vm *vm; /* which pauses, borrowed; may be NULL where both are REPORT */
};

/*
 * @disk becomes the device's own, also on error. @options: borrowed, NULL for the defaults.
 * @space: borrowed. -ENOMEM, what disk_start() or a timer said.
 */
int virtio_blk_create(struct virtio_device **device, struct disk *disk,
		      const struct virtio_blk_options *options, struct loop *loop,
		      struct dma_space *space);

/* Tell its requests. */
void virtio_blk_count(const struct virtio_device *device, struct counters *counters);

#endif
