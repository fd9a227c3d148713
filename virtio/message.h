/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What devices share whose requests are messages that block the one who serves them: virtio-fs and
 * virtio-9p. A chain is a message with room for its answer. It is taken in the loop and
 * served on a thread, out of the guest's own memory, which a hold keeps where it is; then
 * the loop gives it back.
 *
 * Threads: the worker's are in a process aside, as no call to the host's file systems is sure
 * to return. They share a set of files that nobody else has, so what the guest left open is closed
 * there, too: by a job of a reset, after the last message.
 */
#ifndef VIRTIO_MESSAGE_H
#define VIRTIO_MESSAGE_H

#include <sys/uio.h>

#include "folder/p9.h"
#include "util/log.h"
#include "virtio/device.h"
#include "vmm/worker.h"

/* At once, of each queue: what else the driver has waits in the ring. */
#define MESSAGES_PER_QUEUE 64
#define MESSAGE_THREADS	   8
/* Pieces of memory of a message, and of its answer: what the kernel takes in one call. */
#define MESSAGE_PIECES	   1024
#define MESSAGE_MAX_QUEUES 16
#define MESSAGE_HEAD	   64

struct message_device;

/* Most of one is never touched: what a small message uses comes first. */
struct message {
	struct worker_job job;
	struct message_device *owner;
	struct message *next; /* while free */
	struct dma_hold hold;
	struct p9_message p9; /* virtio-9p's */
	unsigned queue;
	unsigned in_count, out_count;
	size_t written; /* bytes of the answer */
	struct iovec in[MESSAGE_PIECES], out[MESSAGE_PIECES];
	struct virtq_chain chain;
};

struct message_ops {
	/* On each thread first, and what is left of it at the end. NULL: it cannot serve. */
	void *(*thread_begin)(struct message_device *device);
	void (*thread_end)(void *state);
	/* On a thread: returns the bytes of the answer. */
	size_t (*serve)(struct message_device *device, void *state, struct message *message);
	/* On a thread, when no message is under way: the driver has forgotten everything. */
	void (*forget)(struct message_device *device);
	/* In the order of the ring, before it is served; and it will not be. VM lock. NULL: none.
	 */
	void (*taken)(struct message_device *device, struct message *message);
	void (*abandoned)(struct message_device *device, struct message *message);
	/* -EIO as an answer to a message of which @in is at least the head; see fuse_refuse(). */
	size_t (*refuse)(const struct iovec *in, unsigned in_count, const struct iovec *out,
			 unsigned out_count);
	size_t head_size; /* at most MESSAGE_HEAD */
	bool urgent;	  /* what is in queue 0 must not wait for what is in others */
	/* Something that the user should hear of, an errno; 0: nothing (more). VM lock. */
	int (*trouble)(struct message_device *device);
	/* The device alone; frees what is around it. */
	void (*destroy)(struct message_device *device);
};

struct message_queue {
	struct message *free; /* the one that was last in use first */
	unsigned used;	      /* the first so many of the queue's are free or out */
	unsigned in_flight;
	bool draining; /* a reset is on: answers are thrown away */
	bool starved;  /* chains wait because all messages are out */
	bool answered; /* since the last interrupt */
};

/* The first member of its device. */
struct message_device {
	struct virtio_device device;
	const struct message_ops *ops;
	struct worker *worker;	  /* owned */
	struct message *messages; /* MESSAGES_PER_QUEUE of each queue; owned, a mapping */
	unsigned in_flight;
	bool used;	    /* a message was served since the last reset */
	bool ever_used;	    /* and before it */
	bool forget_wanted; /* when in_flight is 0 */
	bool forgetting;
	struct worker_job forget;
	struct log_limit limit;
	struct virtq queues[MESSAGE_MAX_QUEUES];
	struct message_queue states[MESSAGE_MAX_QUEUES];
};

/*
 * The queues' part of @device: messages, worker and virtio_device_ops but config_read. @file: what
 * its threads keep open; @name: of the threads. device.queue_count, name, id, features,
 * config_size and space are the caller's to set before. -errno with nothing left behind.
 */
int message_device_init(struct message_device *device, const struct message_ops *ops,
			struct virtio_device_ops *device_ops, u16 queue_size, struct loop *loop,
			const char *name, int file);
/* The driver has sent a message at some time. Of a device that message_device_init() made. */
bool message_device_was_used(const struct virtio_device *device);

#endif
