/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux AIO (io_submit(2)): reads, writes and fdatasync of a file that is open
 * with O_DIRECT. Completions are announced by an eventfd.
 *
 * io_submit() is not as asynchronous as it looks. RWF_NOWAIT makes a transfer come back
 * with -EAGAIN where it would wait for an allocation or a lock. But a write to a file waits,
 * even so, while its file system is frozen: such a batch is for another thread.
 */
#ifndef DISK_AIO_H
#define DISK_AIO_H

#include "request_list.h"

/* Requests that the kernel has at a time. */
#define AIO_DEPTH 128
/* And of them in one call. */
#define AIO_BATCH 64

struct aio;
struct iocb;

/* Requests for one io_submit(). Zero-initialised: empty. */
struct aio_batch {
	struct iocb *iocbs[AIO_BATCH];
	unsigned count;	  /* filled in */
	unsigned refused; /* the first so many of them, after aio_submit() */
};

/* @fd: to read and write, @event_fd: both borrowed. -errno of io_setup(), -ENOMEM. */
int aio_create(struct aio **aio, int fd, int event_fd);
/* Nothing is under way. NULL is fine. */
void aio_destroy(struct aio *aio);

/*
 * Put READ, WRITE or FLUSH into @batch. @nowait: a transfer may not wait. False: no room
 * before something completes, or in the batch.
 */
bool aio_add(struct aio *aio, struct aio_batch *batch, struct disk_request *request, bool nowait);

/*
 * Hand the batch to the kernel: any thread, no lock, the batch is its own. What the
 * kernel does not take stays in the batch, for aio_take_refused().
 */
void aio_submit(struct aio *aio, struct aio_batch *batch);
/* The next request that the kernel refused, for another way; NULL: the batch is empty again. */
struct disk_request *aio_take_refused(struct aio *aio, struct aio_batch *batch);

/* Whether something is complete, as far as that is seen without a call. */
bool aio_is_ready(const struct aio *aio);
/*
 * Append what is complete to @finished; result is 0, -errno, or -EAGAIN where only
 * request->moved bytes were transferred, as the rest, or all, would have waited.
 */
void aio_reap(struct aio *aio, struct request_list *finished);

#endif
