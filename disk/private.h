/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk from within: disk.c takes requests and answers them, submit.c finds their way. */
#ifndef DISK_PRIVATE_H
#define DISK_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "aio.h"
#include "driver.h"
#include "request_list.h"
#include "util/log.h"
#include "vmm/loop.h"
#include "vmm/worker.h"

/* Threads for what blocks: some may wait for ever, on a frozen file system, and others go on. */
#define DISK_THREADS 4
/* Batches of writes under way to the kernel, each on a thread: fewer than threads. */
#define DISK_BATCHES 2

struct write_batch {
	struct worker_job job;
	struct disk *disk;
	struct aio_batch aio;
	bool busy; /* a thread's */
};

/*
 * Flushes of what is in the page cache, one after the other. Of several at once the kernel tells
 * one alone that something could not be written, whoever's it was (errseq_t). Those who come while
 * one is under way share the next.
 */
struct flush_turns {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	u64 begun, done; /* one is under way if they differ */
	int result;	 /* of the last that is done */
};

/*
 * A request waits in @queue, or in @writes if its submission may block, until
 * disk_flush_queue(), is then the kernel's or a thread's, and comes by way of
 * @finished to its done(). The kernel's context and the worker are there before the
 * first request; the worker's threads come with the requests that need them.
 */
struct disk {
	struct disk_image image;
	struct loop *loop;	   /* borrowed; NULL before disk_start() */
	struct loop_source source; /* its fd is an eventfd, owned: something has completed */
	void (*settled)(void *context);
	void *context;
	struct aio *aio;
	bool aio_refused; /* the kernel gave us no context: the worker does it all */
	struct worker *worker;
	enum disk_zeroes detect_zeroes;
	struct request_list queue, writes;
	struct aio_batch batch;
	struct write_batch write_batches[DISK_BATCHES];
	struct request_list finished;
	bool completing;		 /* done() is called, or settled() */
	unsigned under_way;		 /* submitted, done() not called */
	struct disk_request last;	 /* disk_drain()'s own flush */
	unsigned lasts;			 /* how often there was one */
	struct disk_request preparation; /* what the driver wants, of the disk's own too */
	bool preparing;
	atomic_uint losses; /* flushes that failed, by way of the page cache */
	struct flush_turns turns;
	struct log_limit complaints;
};

/* submit.c: the kernel's context and the worker. -errno: no worker. */
int disk_make_ready(struct disk *disk);
/* submit.c: what waits goes to the kernel, or to a thread. */
void disk_send_queue(struct disk *disk);
/* submit.c: append what is complete to disk->finished; a transfer that was cut short goes on. */
void disk_reap(struct disk *disk);
/* For driver->work(), on a thread. */
void disk_use_worker(struct disk *disk, struct disk_request *request);
/* @request is complete, without the host or because it cannot be asked. */
void disk_finish(struct disk *disk, struct disk_request *request, int result);

#endif
