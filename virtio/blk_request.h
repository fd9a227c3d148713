/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One virtio-blk request: taken from its chain, run on the disk, answered. blk.c is the device
 * around it, blk_wait.c and blk_resume.c have those that wait for a limit or for the host.
 */
#ifndef VIRTIO_BLK_REQUEST_H
#define VIRTIO_BLK_REQUEST_H

#include "blk_limit.h"
#include "disk/disk.h"
#include "util/list.h"
#include "vmm/loop.h"
#include "vmm/vm.h"

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
	struct blk_request *next; /* while it is free */
	struct list_node waiting; /* on a list of blk_wait's */
	u8 queue;
	bool again;	      /* the host failed it before */
	struct dma_hold hold; /* of the whole chain, until it is answered */
	u8 *status;	      /* host address of the last writable byte, under the hold */
	u32 type;
	u64 moved; /* data bytes behind us */
	u64 total;
	struct iovec iov[BLK_PIECE_IOVS]; /* the chain, or the piece of it that is under way */
	struct virtq_chain chain;
};

struct blk_queue {
	unsigned in_flight; /* requests of it that the disk has */
	bool draining;	    /* a reset is on: they are thrown away as they complete */
	bool answered;	    /* something was pushed since its driver was last told */
};

/*
 * A request that waits is its chain and nothing else: nothing of it was read or is held, and it is
 * served from the beginning when its time has come. So there are never more of them than the
 * driver has put into its rings.
 */
struct blk_wait {
	struct loop *loop; /* borrowed */
	struct vm *vm;	   /* borrowed; NULL: no request ever waits for the host */
	struct blk_limiter limiter;
	/* Lists of requests, first in, first out. */
	struct list_node limited[2]; /* until a limit allows more: reads, writes */
	struct list_node stopped;    /* until the host can do what it failed */
	struct loop_timer timer;     /* when a limit allows more; created if there is one */
	enum virtio_blk_policy policy[2];
	struct loop_timer retry;   /* created if a policy stops; armed while it lacks room */
	struct vm_host_wait pause; /* for all that is stopped or tried again */
	unsigned trying;	   /* requests that are tried again, and are the disk's */
	bool works;		   /* one of them came through: so may the others */
	u64 limits, stops;	   /* how often something had to wait: counters for people */
};

struct blk {
	struct virtio_device device;
	struct virtq virtqs[VIRTIO_BLK_MAX_QUEUES];
	struct blk_queue queues[VIRTIO_BLK_MAX_QUEUES];
	struct disk *disk; /* owned */
	struct disk_info info;
	char name[32];
	char serial[VIRTIO_BLK_MAX_SERIAL]; /* padded with zeroes, not terminated */
	bool start_write_through;	    /* what write_through is after a reset */
	bool write_through;		    /* the driver may change it: VIRTIO_BLK_F_CONFIG_WCE */
	bool ignore_discard;
	struct disk_request flush; /* of what was written before it became write-through */
	bool flushing;		   /* which is under way */
	bool flush_again;	   /* and is not enough */
	struct blk_wait wait;
	struct blk_counters counters;
	struct blk_request *requests; /* as many as may be needed, owned: a mapping */
	unsigned used;		      /* the first so many of them are free, out or waiting */
	struct blk_request *free;     /* the one that was last in use first */
};

/* device.queue_count is set. -ENOMEM. To destroy them none may be under way. */
int blk_requests_create(struct blk *blk);
void blk_requests_destroy(struct blk *blk);

/*
 * Take the next chain of a queue and serve it: answered at once, or handed to the disk and answered
 * when that is done, or it waits; disk_flush_queue() is the caller's. False: there is none, or
 * none may be taken. VM lock held, as for all of these.
 */
bool blk_serve(struct blk *blk, unsigned queue);
/* The same, for one that has waited. */
void blk_serve_request(struct blk_request *request);
/* It is done with; its chain was given back, or never will be. */
void blk_free_request(struct blk_request *request);
/* Tell the driver of all that was answered. */
void blk_interrupt(struct blk *blk);

/* ---- waiting: blk_wait.c ---- */

/* Whether a chain may be taken; if not, the queues are kicked when one may. */
bool blk_may_take(struct blk *blk);
/* Whether @request, a transfer or zeroes, has to wait for a limit: it does then. Else it counts. */
bool blk_is_limited(struct blk_request *request, bool is_write, u64 bytes);
/* Whether @request, which the disk ended with @error, is one to try again: blk_stop() is next. */
bool blk_may_stop(const struct blk_request *request, int error);
/* @request was let go by the disk. The VM pauses. */
void blk_stop(struct blk_request *request, int error);
/* One that was tried again is over, however it ended. */
void blk_tried(struct blk *blk);
/* Whether no limit is against a read or a write now. */
bool blk_may_begin(const struct blk_wait *wait, bool is_write);
/* Wake up when something of what waits, or of what has not been taken, may begin. */
void blk_wait_arm(struct blk_wait *wait);

/* ---- and going on: blk_resume.c ---- */

/* blk->device and what is constant in blk->wait are set. -errno of a timer. */
int blk_wait_create(struct blk *blk, const struct virtio_blk_rate *limits);
void blk_wait_destroy(struct blk *blk);
/* What may go on now does: after requests were over, and after the device was paused. */
void blk_go_on(struct blk *blk);
/* Forget those of @queue that wait. */
void blk_forget(struct blk *blk, unsigned queue);

#endif
