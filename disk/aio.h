/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux AIO (io_submit(2)): reads, writes and fdatasync of a file that is open
 * with O_DIRECT. Completions are announced by an eventfd.
 */
#ifndef DISK_AIO_H
#define DISK_AIO_H

#include "request_list.h"

/* Requests that the kernel has at a time. */
#define AIO_DEPTH 128

struct aio;

/* @fd: to read and write, @event_fd: both borrowed. -errno of io_setup(), -ENOMEM. */
int aio_create(struct aio **aio, int fd, int event_fd);
/* Nothing is under way. NULL is fine. */
void aio_destroy(struct aio *aio);

/* Put READ, WRITE or FLUSH into the next batch; false: no room before something completes. */
bool aio_queue(struct aio *aio, struct disk_request *request);
/*
 * Hand the batch to the kernel. NULL: it has all, or as much as it takes before
 * something completes. Otherwise a request that it refuses, taken out of the
 * batch: the caller finds another way for it, then calls again.
 */
struct disk_request *aio_submit(struct aio *aio);

/*
 * Append what is complete to @finished; result is 0, -errno, or -EAGAIN where only
 * request->moved bytes were transferred.
 */
void aio_reap(struct aio *aio, struct request_list *finished);

#endif
