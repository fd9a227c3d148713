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
#include "raw.h"
#include "request_list.h"
#include "vmm/loop.h"
#include "worker.h"

/*
 * A request waits in @queue until disk_flush_queue(), is then the kernel's or the
 * worker's, and comes by way of @finished to its done(). The kernel's context
 * and the worker are made when a request first needs them.
 */
struct disk {
	struct raw raw;
	struct loop *loop;	   /* borrowed; NULL before disk_start() */
	struct loop_source source; /* its fd is an eventfd, owned: something has completed */
	struct aio *aio;
	bool aio_refused; /* the kernel gave us no context: the worker does it all */
	struct worker *worker;
	struct request_list queue;
	struct request_list finished;
	unsigned under_way; /* submitted, done() not called */
};

int disk_open(struct disk **out, const char *path, const struct disk_options *options,
	      struct error *err)
{
	struct disk *disk = calloc(1, sizeof(*disk));
	int ret;

	if (!disk)
		return error_set(err, -ENOMEM, "disk %s: out of memory", path);
	disk->source.fd = -1;
	ret = raw_open(&disk->raw, path, options, err);
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
	raw_close(&disk->raw);
	free(disk);
}

void disk_get_info(const struct disk *disk, struct disk_info *info)
{
	*info = disk->raw.info;
}

void disk_get_id(const struct disk *disk, char id[20])
{
	memcpy(id, disk->raw.id, sizeof(disk->raw.id));
}

static void disk_finish(struct disk *disk, struct disk_request *request, int result)
{
	request->result = result;
	request_push(&disk->finished, request);
	/* Cannot fail but by overflow, and then it is readable already. */
	eventfd_write(disk->source.fd, 1);
}

static void disk_use_worker(struct disk *disk, struct disk_request *request)
{
	int ret = 0;

	if (!disk->worker)
		ret = worker_create(&disk->worker, &disk->raw, disk->source.fd);
	if (ret)
		disk_finish(disk, request, ret);
	else
		worker_submit(disk->worker, request);
}

/* Whether io_submit() takes the request without blocking us or refusing it. */
static bool disk_wants_aio(const struct disk *disk, const struct disk_request *request)
{
	if (!disk->raw.info.direct || disk->aio_refused)
		return false;
	switch (request->op) {
	case DISK_READ:
	case DISK_WRITE:
		return request->iov_count <= IOV_MAX && raw_is_aligned(&disk->raw, request);
	case DISK_FLUSH:
		return true;
	default:
		return false;
	}
}

static bool disk_has_aio(struct disk *disk)
{
	if (!disk->aio && !disk->aio_refused &&
	    aio_create(&disk->aio, disk->raw.fd, disk->source.fd))
		disk->aio_refused = true;
	return disk->aio;
}

/* What is wrong before the host is asked: a caller's bug must not grow or change the file. */
static int disk_check(const struct disk *disk, const struct disk_request *request)
{
	u64 size = disk->raw.info.size;

	if (request->op == DISK_FLUSH)
		return 0;
	if (disk->raw.info.read_only && request->op != DISK_READ)
		return -EROFS;
	if (request->offset > size || request->len > size - request->offset)
		return -EINVAL;
	return (request->offset | request->len) % DISK_SECTOR ? -EINVAL : 0;
}

void disk_submit(struct disk *disk, struct disk_request *request)
{
	int ret = disk_check(disk, request);

	request->moved = 0;
	disk->under_way++;
	if (ret)
		disk_finish(disk, request, ret);
	else
		request_push(&disk->queue, request);
}

void disk_flush_queue(struct disk *disk)
{
	struct disk_request *request;

	while ((request = request_pop(&disk->queue))) {
		if (!disk_wants_aio(disk, request) || !disk_has_aio(disk)) {
			disk_use_worker(disk, request);
		} else if (!aio_queue(disk->aio, request)) {
			request_push_front(&disk->queue, request);
			break;
		}
	}
	/* What the kernel refuses, the worker does the ordinary way and learns the true reason. */
	while (disk->aio && (request = aio_submit(disk->aio)))
		disk_use_worker(disk, request);
}

/* Gather what has completed; an interrupted transfer goes on in the worker. */
static void disk_reap(struct disk *disk)
{
	struct request_list reaped = { 0 };
	struct disk_request *request;

	if (disk->aio)
		aio_reap(disk->aio, &reaped);
	while ((request = request_pop(&reaped))) {
		if (request->result == -EAGAIN)
			disk_use_worker(disk, request);
		else
			request_push(&disk->finished, request);
	}
	if (disk->worker)
		worker_reap(disk->worker, &disk->finished);
}

/*
 * One at a time and off the list first: done() may submit more, or drain the
 * disk and so come back here.
 */
static void disk_complete(struct disk *disk)
{
	struct disk_request *request;
	eventfd_t count;

	eventfd_read(disk->source.fd, &count);
	disk_reap(disk);
	while ((request = request_pop(&disk->finished))) {
		disk->under_way--;
		request->done(request, request->result);
	}
	disk_flush_queue(disk);
}

static void disk_handle_event(struct loop_source *source, u32 events)
{
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

	disk_flush_queue(disk);
	while (disk->under_way) {
		/* First: what an outer disk_complete() has gathered rings no more. */
		disk_complete(disk);
		if (disk->under_way)
			poll(&ready, 1, -1);
	}
}
