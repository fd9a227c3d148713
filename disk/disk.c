/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "aio.h"
#include "disk/disk.h"
#include "file.h"
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
 * A request waits in @queue, or in @writes if its submission may block, until
 * disk_flush_queue(), is then the kernel's or a thread's, and comes by way of
 * @finished to its done(). The kernel's context and the worker are made when a
 * request first needs them.
 */
struct disk {
	struct disk_file file;
	struct loop *loop;	   /* borrowed; NULL before disk_start() */
	struct loop_source source; /* its fd is an eventfd, owned: something has completed */
	struct aio *aio;
	bool aio_refused; /* the kernel gave us no context: the worker does it all */
	struct worker *worker;
	struct request_list queue, writes;
	struct aio_batch batch;
	struct write_batch write_batches[DISK_BATCHES];
	struct request_list finished;
	unsigned under_way; /* submitted, done() not called */
	struct log_limit complaints;
};

int disk_open(struct disk **out, const char *path, const struct disk_options *options,
	      struct error *err)
{
	struct disk *disk = calloc(1, sizeof(*disk));
	int ret;

	if (!disk)
		return error_set(err, -ENOMEM, "disk %s: out of memory", path);
	disk->source.fd = -1;
	ret = disk_file_open(&disk->file, path, options, err);
	if (ret) {
		free(disk);
		return ret;
	}
	*out = disk;
	return 0;
}

void disk_close(struct disk *disk)
{
	if (!disk)
		return;
	worker_destroy(disk->worker);
	aio_destroy(disk->aio);
	if (disk->loop)
		loop_remove(disk->loop, &disk->source);
	if (disk->source.fd >= 0)
		close(disk->source.fd);
	disk_file_close(&disk->file);
	free(disk);
}

void disk_get_info(const struct disk *disk, struct disk_info *info)
{
	*info = disk->file.info;
}

void disk_get_id(const struct disk *disk, char id[20])
{
	memcpy(id, disk->file.id, sizeof(disk->file.id));
}

static void disk_finish(struct disk *disk, struct disk_request *request, int result)
{
	request->result = result;
	request_push(&disk->finished, request);
	/* Cannot fail but by overflow, and then it is readable already. */
	eventfd_write(disk->source.fd, 1);
}

/* ---- on the worker's threads ---- */

static void disk_perform(struct worker_job *job)
{
	struct disk_request *request = container_of(job, struct disk_request, job);

	request->result = disk_file_perform(&request->disk->file, request);
}

static void disk_performed(struct worker_job *job)
{
	struct disk_request *request = container_of(job, struct disk_request, job);

	request_push(&request->disk->finished, request);
}

static int disk_give(struct disk *disk, struct worker_job *job)
{
	const struct worker_options options = { .name = "lkvm-disk",
						.threads = DISK_THREADS,
						.files = { disk->file.fd },
						.file_count = 1,
						.event_fd = disk->source.fd };
	int ret = 0;

	if (!disk->worker)
		ret = worker_create(&disk->worker, disk->loop, &options);
	return ret ? ret : worker_submit(disk->worker, job);
}

static void disk_use_worker(struct disk *disk, struct disk_request *request)
{
	int ret;

	request->disk = disk;
	request->job.run = disk_perform;
	request->job.done = disk_performed;
	ret = disk_give(disk, &request->job);
	if (ret)
		disk_finish(disk, request, ret);
}

/* ---- by way of the kernel ---- */

/* Whether io_submit() takes the request without blocking us or refusing it. */
static bool disk_wants_aio(const struct disk *disk, const struct disk_request *request)
{
	if (!disk->file.info.direct || disk->aio_refused)
		return false;
	switch (request->op) {
	case DISK_READ:
	case DISK_WRITE:
		return request->iov_count <= IOV_MAX && disk_file_is_aligned(&disk->file, request);
	case DISK_FLUSH:
		return true;
	default:
		return false;
	}
}

static bool disk_has_aio(struct disk *disk)
{
	if (!disk->aio && !disk->aio_refused &&
	    aio_create(&disk->aio, disk->file.fd, disk->source.fd))
		disk->aio_refused = true;
	return disk->aio;
}

/* aio.h says why: a block device is never frozen. */
static bool disk_may_wait(const struct disk *disk, const struct disk_request *request)
{
	return request->op == DISK_WRITE && !disk->file.block_device;
}

/* What the kernel refuses, a thread does the ordinary way and learns the true reason. */
static void disk_take_refused(struct disk *disk, struct aio_batch *batch)
{
	struct disk_request *request;

	while ((request = aio_take_refused(disk->aio, batch)))
		disk_use_worker(disk, request);
}

static void write_batch_submit(struct worker_job *job)
{
	struct write_batch *batch = container_of(job, struct write_batch, job);

	aio_submit(batch->disk->aio, &batch->aio);
}

static void write_batch_submitted(struct worker_job *job)
{
	struct write_batch *batch = container_of(job, struct write_batch, job);

	batch->busy = false;
	disk_take_refused(batch->disk, &batch->aio);
}

/* No thread is to be had: nobody may wait, so the requests fail. */
static void write_batch_fail(struct write_batch *batch, int error)
{
	struct disk_request *request;

	batch->aio.refused = batch->aio.count;
	while ((request = aio_take_refused(batch->disk->aio, &batch->aio)))
		disk_finish(batch->disk, request, error);
}

static void disk_flush_writes(struct disk *disk)
{
	for (unsigned i = 0; i < DISK_BATCHES && disk->writes.first; i++) {
		struct write_batch *batch = &disk->write_batches[i];
		struct disk_request *request;
		int ret;

		if (batch->busy)
			continue;
		batch->disk = disk;
		batch->job.run = write_batch_submit;
		batch->job.done = write_batch_submitted;
		while ((request = disk->writes.first) &&
		       aio_add(disk->aio, &batch->aio, request, false))
			request_pop(&disk->writes);
		if (!batch->aio.count)
			return;
		batch->busy = true;
		ret = disk_give(disk, &batch->job);
		if (ret) {
			batch->busy = false;
			write_batch_fail(batch, ret);
		}
	}
}

static void disk_flush_others(struct disk *disk)
{
	struct disk_request *request;

	while ((request = request_pop(&disk->queue))) {
		if (!disk_wants_aio(disk, request) || !disk_has_aio(disk)) {
			disk_use_worker(disk, request);
		} else if (disk_may_wait(disk, request)) {
			request_push(&disk->writes, request);
		} else if (!aio_add(disk->aio, &disk->batch, request, true)) {
			request_push_front(&disk->queue, request);
			return;
		}
	}
}

void disk_flush_queue(struct disk *disk)
{
	do {
		disk_flush_others(disk);
		if (!disk->batch.count)
			break;
		aio_submit(disk->aio, &disk->batch);
		disk_take_refused(disk, &disk->batch);
	} while (disk->queue.first);
	if (disk->writes.first)
		disk_flush_writes(disk);
}

/* What is wrong before the host is asked: a caller's bug must not grow or change the file. */
static int disk_check(const struct disk *disk, const struct disk_request *request)
{
	u64 size = disk->file.info.size;

	if (request->op == DISK_FLUSH)
		return 0;
	if (disk->file.info.read_only && request->op != DISK_READ)
		return -EROFS;
	if (request->offset > size || request->len > size - request->offset)
		return -EINVAL;
	return (request->offset | request->len) % DISK_SECTOR ? -EINVAL : 0;
}

void disk_submit(struct disk *disk, struct disk_request *request)
{
	int ret = disk_check(disk, request);

	request->moved = 0;
	request->refused = ret;
	disk->under_way++;
	if (ret)
		disk_finish(disk, request, ret);
	else
		request_push(&disk->queue, request);
}

/* Gather what has completed; an interrupted transfer goes on in the worker. */
static void disk_reap(struct disk *disk)
{
	struct request_list reaped = { 0 };
	struct disk_request *request;

	if (disk->worker)
		worker_reap(disk->worker);
	if (disk->aio)
		aio_reap(disk->aio, &reaped);
	while ((request = request_pop(&reaped))) {
		if (request->result == -EAGAIN)
			disk_use_worker(disk, request);
		else
			request_push(&disk->finished, request);
	}
}

static const char *op_name(enum disk_op op)
{
	static const char *const names[] = {
		[DISK_READ] = "read",	    [DISK_WRITE] = "write",	  [DISK_FLUSH] = "flush",
		[DISK_DISCARD] = "discard", [DISK_WRITE_ZEROES] = "zero",
	};

	return names[op];
}

/* The guest is told of an I/O error alone; why there was one the user learns here. */
static void disk_complain(struct disk *disk, const struct disk_request *request)
{
	int error = request->result;

	/* Refused by disk_check(): the host was not asked. */
	if (request->refused)
		return;
	if (request->op == DISK_FLUSH)
		log_limited(&disk->complaints, LOG_WARNING, "disk %s: cannot flush: %s",
			    disk->file.path, strerror(-error));
	else
		log_limited(&disk->complaints, LOG_WARNING,
			    "disk %s: cannot %s %llu bytes at %llu: %s", disk->file.path,
			    op_name(request->op), (unsigned long long)request->len,
			    (unsigned long long)request->offset, strerror(-error));
}

/*
 * One at a time and off the list first: done() may submit more, or drain the
 * disk and so come back here.
 */
static void disk_complete(struct disk *disk)
{
	struct disk_request *request;

	disk_reap(disk);
	while ((request = request_pop(&disk->finished))) {
		disk->under_way--;
		if (request->result)
			disk_complain(disk, request);
		request->done(request, request->result);
	}
	disk_flush_queue(disk);
}

static void disk_handle_event(struct loop_source *source, u32 events)
{
	eventfd_t count;

	eventfd_read(source->fd, &count);
	disk_complete(container_of(source, struct disk, source));
}

int disk_start(struct disk *disk, struct loop *loop)
{
	int ret;

	disk->source.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (disk->source.fd < 0)
		return -errno;
	disk->source.events = EPOLLIN;
	disk->source.handle = disk_handle_event;
	ret = loop_add(loop, &disk->source);
	if (!ret)
		disk->loop = loop;
	return ret;
}

void disk_drain(struct disk *disk)
{
	struct pollfd ready = { .fd = disk->source.fd, .events = POLLIN };
	eventfd_t count;

	disk_flush_queue(disk);
	while (disk->under_way) {
		/* First: what an outer disk_complete() has gathered rings no more. */
		eventfd_read(disk->source.fd, &count);
		disk_complete(disk);
		if (disk->under_way)
			poll(&ready, 1, -1);
	}
}
