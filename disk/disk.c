/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "private.h"

static void disk_free(struct disk *disk)
{
	pthread_cond_destroy(&disk->turns.ended);
	pthread_mutex_destroy(&disk->turns.lock);
	free(disk);
}

static int disk_open_as(struct disk **out, const struct disk_driver *driver, const char *path,
			const struct disk_options *options, struct error *err)
{
	struct disk *disk = calloc(1, sizeof(*disk));
	int ret;

	if (!disk)
		return error_set(err, -ENOMEM, "disk %s: out of memory", path);
	disk->source.fd = -1;
	disk->detect_zeroes = options->detect_zeroes;
	pthread_mutex_init(&disk->turns.lock, NULL);
	pthread_cond_init(&disk->turns.ended, NULL);
	ret = options->snapshot ? disk_snapshot_open(&disk->image, path, options, err)
				: disk_image_open(&disk->image, driver, path, options, err);
	if (ret) {
		disk_free(disk);
		return ret;
	}
	*out = disk;
	return 0;
}

int disk_open(struct disk **disk, const char *path, const struct disk_options *options,
	      struct error *err)
{
	return disk_open_as(disk, NULL, path, options, err);
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
	disk_image_close(&disk->image);
	disk_free(disk);
}

void disk_get_info(const struct disk *disk, struct disk_info *info)
{
	*info = disk->image.info;
}

void disk_get_id(const struct disk *disk, char id[20])
{
	memcpy(id, disk->image.file.id, sizeof(disk->image.file.id));
}

/* What is wrong before the host is asked: a caller's bug must not grow or change the file. */
static int disk_check(const struct disk *disk, const struct disk_request *request)
{
	u64 size = disk->image.info.size;

	if (request->op == DISK_FLUSH)
		return 0;
	if (disk->image.info.read_only && request->op != DISK_READ)
		return -EROFS;
	if (request->offset > size || request->len > size - request->offset)
		return -EINVAL;
	return (request->offset | request->len) % DISK_SECTOR ? -EINVAL : 0;
}

void disk_submit(struct disk *disk, struct disk_request *request)
{
	int ret = disk_check(disk, request);

	request->moved = 0;
	request->last = false;
	request->refused = ret;
	request->suspect = false;
	request->losses = request->op == DISK_FLUSH ? 0 : atomic_load(&disk->losses);
	disk->under_way++;
	if (ret)
		disk_finish(disk, request, ret);
	else
		request_push(&disk->queue, request);
}

static const char *op_name(enum disk_op op)
{
	static const char *const names[] = {
		[DISK_READ] = "read",	      [DISK_WRITE] = "write",
		[DISK_FLUSH] = "flush",	      [DISK_DISCARD] = "discard",
		[DISK_WRITE_ZEROES] = "zero", [DISK_PREPARE] = "prepare",
	};

	return names[op];
}

static void disk_tell_trouble(struct disk *disk)
{
	for (struct disk_image *image = &disk->image; image; image = image->backing) {
		u64 value;
		const char *text = disk_trouble_take(&image->trouble, &value);

		if (text && value)
			log_limited(&disk->complaints, LOG_WARNING, "disk %s: %s %#llx",
				    image->file.path, text, (unsigned long long)value);
		else if (text)
			log_limited(&disk->complaints, LOG_WARNING, "disk %s: %s", image->file.path,
				    text);
	}
}

/* The guest is told of an I/O error alone; why there was one the user learns here. */
static void disk_complain(struct disk *disk, const struct disk_request *request)
{
	int error = request->result;

	/* Refused by disk_check(): the host was not asked. */
	if (request->refused || request->quiet || request->op == DISK_PREPARE)
		return;
	disk_tell_trouble(disk);
	if (request->op == DISK_FLUSH)
		log_limited(&disk->complaints, LOG_WARNING, "disk %s: cannot flush: %s",
			    disk->image.file.path, strerror(-error));
	else
		log_limited(&disk->complaints, LOG_WARNING,
			    "disk %s: cannot %s %llu bytes at %llu: %s", disk->image.file.path,
			    op_name(request->op), (unsigned long long)request->len,
			    (unsigned long long)request->offset, strerror(-error));
}

/* It tells of success, and another has told of a loss that may be its owner's. */
static bool is_doubtful(struct disk *disk, const struct disk_request *request)
{
	return request->op == DISK_FLUSH && !request->result &&
	       request->losses != atomic_load(&disk->losses);
}

/*
 * One at a time and off the list first: done() may submit more, or drain the
 * disk and so come back here.
 */
static void disk_complete(struct disk *disk)
{
	struct disk_request *request;
	bool any, inner = disk->completing;

	disk->completing = true;
	disk_reap(disk);
	any = disk->finished.first;
	while ((request = request_pop(&disk->finished))) {
		disk->under_way--;
		if (is_doubtful(disk, request))
			request->result = -EIO;
		if (request->result)
			disk_complain(disk, request);
		request->done(request, request->result);
	}
	if (any && disk->settled)
		disk->settled(disk->context);
	disk_send_queue(disk);
	disk->completing = inner;
}

static void disk_handle_event(struct loop_source *source, u32 events)
{
	eventfd_t count;

	eventfd_read(source->fd, &count);
	disk_complete(container_of(source, struct disk, source));
}

/* A fast device has answered by now: that spares a turn of the loop, and the guest an interrupt. */
void disk_flush_queue(struct disk *disk)
{
	disk_send_queue(disk);
	if (!disk->completing && disk->aio && aio_is_ready(disk->aio))
		disk_handle_event(&disk->source, 0);
}

int disk_start(struct disk *disk, struct loop *loop, void (*settled)(void *context), void *context)
{
	int ret;

	disk->source.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (disk->source.fd < 0)
		return -errno;
	disk->settled = settled;
	disk->context = context;
	disk->source.events = EPOLLIN;
	disk->source.handle = disk_handle_event;
	ret = loop_add(loop, &disk->source);
	if (ret)
		return ret;
	disk->loop = loop;
	return disk_make_ready(disk);
}

static void disk_last_flushed(struct disk_request *request, int result)
{
}

/*
 * What the driver has in memory of acknowledged writes is the file's at the end, as a raw
 * disk's would be. The second time it is what became free in the first.
 */
static void disk_flush_last(struct disk *disk)
{
	const struct disk_driver *driver = disk->image.driver;
	struct disk_request *request = &disk->last;

	if (!disk->loop || !driver->is_dirty || disk->lasts == 2 || !driver->is_dirty(&disk->image))
		return;
	disk->lasts++;
	*request =
		(struct disk_request){ .op = DISK_FLUSH, .last = true, .done = disk_last_flushed };
	disk->under_way++;
	disk_use_worker(disk, request);
}

/* Whether nothing is under way, nor anything left to do. */
static bool disk_is_done(struct disk *disk)
{
	if (!disk->under_way)
		disk_flush_last(disk);
	return !disk->under_way;
}

bool disk_drain(struct disk *disk)
{
	eventfd_t count;

	disk_flush_queue(disk);
	while (!disk_is_done(disk)) {
		/* First: what an outer disk_complete() has gathered rings no more. */
		eventfd_read(disk->source.fd, &count);
		disk_complete(disk);
		if (disk->under_way && !loop_await(disk->loop, disk->source.fd))
			return false;
	}
	return true;
}
