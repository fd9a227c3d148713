/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A few threads for calls that block, so that the loop never does: what may
 * wait for the host (a file system, a server, a device) is a job of a worker's,
 * and its completion comes back into the loop.
 *
 * A job belongs to its caller, who has memory for as many as it may want at once;
 * the worker itself never allocates for one, and has no more than its share of threads.
 * Jobs begin in the order of their submission, but for urgent ones; with more than one thread they
 * end in any.
 *
 * All calls with the VM lock held, or before there is a VM.
 */
#ifndef VMM_WORKER_H
#define VMM_WORKER_H

#include "util/thread.h"
#include "util/types.h"

struct loop;
struct worker;

/* Lives inside its owner until done() is called. */
struct worker_job {
	/* On one of the worker's threads, without any lock; may block. */
	void (*run)(struct worker_job *job);
	/*
	 * Afterwards, main thread, VM lock held, never from within worker_submit(). May submit
	 * this job or others.
	 */
	void (*done)(struct worker_job *job);
	struct worker_job *next; /* the worker's, until done() */
	/* Begins before all that wait, and with worker_options.keeps_one at once, or nearly so. */
	bool urgent;
	/* While run() runs: what worker_options.begin returned on its thread, else NULL. */
	void *thread_state;
};

#define WORKER_MAX_THREADS 8

#define WORKER_KEEP 10

struct worker_options {
	const char *name;      /* of the threads, at most 15 characters; borrowed */
	enum thread_kind kind; /* what its threads are confined to, after @begin */
	unsigned threads;      /* at most; each is made when there is a job and nobody to do it */
	/* Of several threads one is for urgent jobs alone: no other can keep these waiting. */
	bool keeps_one;
	/*
	 * The fds that run() uses, open now. Its threads are then processes aside (util/aside.h)
	 * with these files and no others: a call that never returns does not keep lkvm from
	 * ending. None: run() opens and closes what it likes, and its threads are threads, which
	 * an ending lkvm waits for.
	 */
	int files[WORKER_KEEP];
	unsigned file_count;
	/*
	 * For run() that opens files and may never return: all threads are in one process aside,
	 * whose files are copies of @files and what they open and close themselves. They share
	 * those with each other and with nobody else: what is open there only a job can close. All
	 * are made with the first job.
	 */
	bool shared_files;
	/*
	 * On each thread before its first job, and after its last, with what begin() returned; both
	 * may be NULL. NULL is a state as any other.
	 */
	void *(*begin)(void *context);
	void (*end)(void *state);
	/*
	 * The eventfd of a caller who waits for jobs and other things at once and calls
	 * worker_reap() when it is readable, borrowed; 0: the worker has its own in the loop.
	 */
	int event_fd;
	/* After the done() of each batch of jobs that have ended; may be NULL. As done(). */
	void (*settled)(void *context);
	void *context;
};

/* @loop: where jobs complete, borrowed. -errno of eventfd() or epoll_ctl(), -ENOMEM. */
int worker_create(struct worker **worker, struct loop *loop, const struct worker_options *options);
/* No job is under way. NULL is fine. */
void worker_destroy(struct worker *worker);

/* Never blocks. -errno: no thread could be had, and the job is the caller's again. */
int worker_submit(struct worker *worker, struct worker_job *job);

/* Call done() for what has ended, as the loop does. */
void worker_reap(struct worker *worker);

/*
 * At the end, when nobody serves the loop: wait for a job to end, and reap. Main thread. False:
 * the loop's patience is over, and what jobs use must be left as it is, the worker too.
 */
bool worker_await(struct worker *worker);
/* The same as loop_await_for() has it: for at most @longest_ms. */
bool worker_await_for(struct worker *worker, int longest_ms);

#endif
