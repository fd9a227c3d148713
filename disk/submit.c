/* SPDX-License-Identifier: BSD-2-Clause */
/* How requests get to the host: by way of the kernel's AIO, or on the worker's threads. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/eventfd.h>

#include "private.h"
#include "request_memory.h"

/* Memory that is zeroed in the loop; more of it is a thread's. */
#define ZERO_AT_ONCE (64 * KIB)

void disk_finish(struct disk *disk, struct disk_request *request, int result)
{
	request->result = result;
	request_push(&disk->finished, request);
	/* Cannot fail but by overflow, and then it is readable already. */
	eventfd_write(disk->source.fd, 1);
}

/* ---- on the worker's threads ---- */

/*
 * A write of zeroes becomes what needs none to be moved. The guest may change its memory
 * meanwhile: then both are what it wrote at some time.
 */
static int disk_perform_suspect(struct disk *disk, struct disk_request *request)
{
	int ret;

	if (!request_is_zero(request, request->len))
		return disk->image.driver->work(&disk->image, request);
	request->op = DISK_WRITE_ZEROES;
	request->may_unmap = disk->detect_zeroes == DISK_ZEROES_UNMAP;
	ret = disk->image.driver->work(&disk->image, request);
	/* Its owner goes by it. */
	request->op = DISK_WRITE;
	return ret;
}

static void disk_lose(struct disk *disk)
{
	disk_trouble_set(&disk->image.trouble,
			 "the host may have lost what was written: the guest's flushes fail until "
			 "it is run anew",
			 0);
	atomic_fetch_add(&disk->losses, 1);
}

static int disk_flush_in_turn(struct disk *disk, struct disk_request *request)
{
	struct flush_turns *turns = &disk->turns;
	int ret;
	u64 ours;

	pthread_mutex_lock(&turns->lock);
	ours = turns->begun + 1;
	while (turns->done < ours && turns->done != turns->begun)
		pthread_cond_wait(&turns->ended, &turns->lock);
	if (turns->done < ours) {
		turns->begun++;
		pthread_mutex_unlock(&turns->lock);
		ret = disk->image.driver->work(&disk->image, request);
		pthread_mutex_lock(&turns->lock);
		/* Before the next one begins, whose success then means less. */
		if (ret)
			disk_lose(disk);
		turns->result = ret;
		turns->done++;
		pthread_cond_broadcast(&turns->ended);
	}
	ret = turns->result;
	pthread_mutex_unlock(&turns->lock);
	return ret;
}

static int disk_perform_now(struct disk *disk, struct disk_request *request)
{
	const struct disk_driver *driver = disk->image.driver;

	if (request->suspect)
		return disk_perform_suspect(disk, request);
	if (request->op == DISK_FLUSH && driver->flushes_file_alone && !disk->image.file.direct)
		return disk_flush_in_turn(disk, request);
	return driver->work(&disk->image, request);
}

static void disk_perform(struct worker_job *job)
{
	struct disk_request *request = container_of(job, struct disk_request, job);

	request->result = disk_perform_now(request->disk, request);
}

static void disk_performed(struct worker_job *job)
{
	struct disk_request *request = container_of(job, struct disk_request, job);

	request_push(&request->disk->finished, request);
}

int disk_make_ready(struct disk *disk)
{
	struct worker_options options = { .name = "lkvm-disk",
					  .kind = THREAD_WORKER,
					  .threads = DISK_THREADS,
					  .event_fd = disk->source.fd };

	static_assert(DISK_MAX_FILES <= WORKER_KEEP, "a worker has all files of a chain");
	for (const struct disk_image *image = &disk->image; image; image = image->backing)
		options.files[options.file_count++] = image->file.fd;
	if (disk->image.file.direct)
		disk->aio_refused = aio_create(&disk->aio, disk->image.file.fd, disk->source.fd) !=
				    0;
	return worker_create(&disk->worker, disk->loop, &options);
}

void disk_use_worker(struct disk *disk, struct disk_request *request)
{
	int ret;

	request->disk = disk;
	request->job.run = disk_perform;
	request->job.done = disk_performed;
	ret = worker_submit(disk->worker, &request->job);
	if (ret)
		disk_finish(disk, request, ret);
}

/* ---- by way of the kernel ---- */

/* Whether io_submit() takes the request without blocking us or refusing it. */
static bool disk_wants_aio(const struct disk *disk, const struct disk_request *request)
{
	if (!disk->image.file.direct || disk->aio_refused)
		return false;
	switch (request->op) {
	case DISK_READ:
	case DISK_WRITE:
		return request->iov_count <= IOV_MAX &&
		       disk_file_is_aligned(&disk->image.file, request, 0, request->place);
	case DISK_FLUSH:
		return true;
	default:
		return false;
	}
}

/* aio.h says why: a block device is never frozen. */
static bool disk_may_wait(const struct disk *disk, const struct disk_request *request)
{
	return request->op == DISK_WRITE && !disk->image.file.block_device;
}

/* @request went DISK_WAY_FILE, and is there no more. */
static void disk_unmap(struct disk *disk, struct disk_request *request)
{
	if (disk->image.driver->unmap)
		disk->image.driver->unmap(&disk->image, request);
}

/* What the kernel refuses, a thread does the ordinary way and learns the true reason. */
static void disk_take_refused(struct disk *disk, struct aio_batch *batch)
{
	struct disk_request *request;

	while ((request = aio_take_refused(disk->aio, batch))) {
		disk_unmap(disk, request);
		disk_use_worker(disk, request);
	}
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
	while ((request = aio_take_refused(batch->disk->aio, &batch->aio))) {
		disk_unmap(batch->disk, request);
		disk_finish(batch->disk, request, error);
	}
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
		ret = worker_submit(disk->worker, &batch->job);
		if (ret) {
			batch->busy = false;
			write_batch_fail(batch, ret);
		}
	}
}

/* False: the kernel has no room for it before something completes. */
static bool disk_use_kernel(struct disk *disk, struct disk_request *request)
{
	if (disk_may_wait(disk, request)) {
		request_push(&disk->writes, request);
		return true;
	}
	return aio_add(disk->aio, &disk->batch, request, true);
}

/* The loop looks at the beginning, which most other data fail; a thread at all of it. */
static bool disk_is_suspect(const struct disk *disk, const struct disk_request *request)
{
	return disk->detect_zeroes && request->op == DISK_WRITE && !request->moved &&
	       request_is_zero(request, DISK_SECTOR);
}

static void disk_prepared(struct disk_request *request, int result)
{
	request->disk->preparing = false;
}

static void disk_prepare(struct disk *disk)
{
	const struct disk_driver *driver = disk->image.driver;

	if (disk->preparing || !driver->wants || !driver->wants(&disk->image))
		return;
	disk->preparing = true;
	disk->under_way++;
	disk->preparation = (struct disk_request){ .op = DISK_PREPARE, .done = disk_prepared };
	disk_use_worker(disk, &disk->preparation);
}

/* Send @request on its way. False: not now, as above. */
static bool disk_send(struct disk *disk, struct disk_request *request)
{
	enum disk_way way;
	bool kernel;

	request->suspect = disk_is_suspect(disk, request);
	if (request->suspect) {
		disk_use_worker(disk, request);
		return true;
	}
	way = disk->image.driver->map(&disk->image, request);
	kernel = way == DISK_WAY_FILE && disk_wants_aio(disk, request) && disk->aio;
	if (request->op == DISK_WRITE)
		disk_prepare(disk);
	if (kernel && disk_use_kernel(disk, request))
		return true;
	if (way == DISK_WAY_FILE)
		disk_unmap(disk, request);
	if (kernel)
		return false;
	if (way == DISK_WAY_ZERO && request->len <= ZERO_AT_ONCE) {
		request_zero(request, 0, request->len);
		disk_finish(disk, request, 0);
	} else {
		disk_use_worker(disk, request);
	}
	return true;
}

static void disk_flush_others(struct disk *disk)
{
	struct disk_request *request;

	while ((request = disk->queue.first)) {
		request_pop(&disk->queue);
		if (disk_send(disk, request))
			continue;
		request_push_front(&disk->queue, request);
		return;
	}
}

void disk_send_queue(struct disk *disk)
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

/* Gather what has completed; an interrupted transfer goes on in the worker. */
void disk_reap(struct disk *disk)
{
	struct request_list reaped = { 0 };
	struct disk_request *request;

	if (disk->worker)
		worker_reap(disk->worker);
	if (disk->aio)
		aio_reap(disk->aio, &reaped);
	while ((request = request_pop(&reaped))) {
		disk_unmap(disk, request);
		if (request->result == -EAGAIN)
			disk_use_worker(disk, request);
		else
			request_push(&disk->finished, request);
	}
}
