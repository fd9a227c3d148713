/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake_disk.h"
#include "shim.h"
#include "util/range.h"
#include "vmm/loop.h"

#define DISK_SIZE (64 * KIB)

struct list {
	struct disk_request *first;
};

struct disk {
	struct disk_info info;
	struct list queued, running;
	struct loop *loop;
	void (*settled)(void *context);
	void *context;
	struct loop_source source; /* always ready */
	u8 data[DISK_SIZE];
};

struct disk *fake_disk_create(bool read_only, bool can_discard)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	fuzz_check(disk);
	disk->info = (struct disk_info){
		.size = DISK_SIZE,
		.read_only = read_only,
		.can_discard = can_discard,
		.block_size = DISK_SECTOR,
	};
	return disk;
}

static void append(struct list *list, struct disk_request *request)
{
	struct disk_request **at = &list->first;

	while (*at)
		at = &(*at)->next;
	request->next = NULL;
	*at = request;
}

static struct disk_request *take(struct list *list)
{
	struct disk_request *request = list->first;

	if (request)
		list->first = request->next;
	return request;
}

static void move(struct disk *disk, const struct disk_request *request)
{
	u8 *at = disk->data + request->offset;
	u64 sum = 0;

	for (unsigned i = 0; i < request->iov_count; i++) {
		const struct iovec *iov = &request->iov[i];

		fuzz_check(iov->iov_len && iov->iov_len <= request->len - sum);
		if (request->op == DISK_READ)
			memcpy(iov->iov_base, at + sum, iov->iov_len);
		else
			memcpy(at + sum, iov->iov_base, iov->iov_len);
		sum += iov->iov_len;
	}
	fuzz_check(sum == request->len);
}

/* What disk.h promises of a request. */
static void carry_out(struct disk *disk, const struct disk_request *request)
{
	if (request->op == DISK_FLUSH)
		return;
	fuzz_check(is_aligned(request->offset | request->len, DISK_SECTOR));
	fuzz_check(request->len && request->len <= DISK_SIZE);
	fuzz_check(request->offset <= DISK_SIZE - request->len);
	fuzz_check(request->op == DISK_READ || !disk->info.read_only);
	if (request->op == DISK_READ || request->op == DISK_WRITE)
		move(disk, request);
	else
		memset(disk->data + request->offset, 0, request->len);
}

void fake_disk_complete(struct disk *disk, unsigned count, int result)
{
	struct disk_request *request;
	bool any = count && disk->running.first;

	while (count-- && (request = take(&disk->running))) {
		if (!result)
			carry_out(disk, request);
		request->done(request, result);
	}
	if (any)
		disk->settled(disk->context);
	disk_flush_queue(disk);
}

void disk_get_info(const struct disk *disk, struct disk_info *info)
{
	*info = disk->info;
}

void disk_get_id(const struct disk *disk, char id[20])
{
	memcpy(id, "fuzz", 5);
}

static void disk_ready(struct loop_source *source, u32 events)
{
	fake_disk_complete(container_of(source, struct disk, source), 1, 0);
}

int disk_start(struct disk *disk, struct loop *loop, void (*settled)(void *context), void *context)
{
	disk->settled = settled;
	disk->context = context;
	disk->loop = loop;
	disk->source = (struct loop_source){ eventfd(1, EFD_NONBLOCK), 0, disk_ready };
	return loop_add(loop, &disk->source);
}

void fake_disk_wake(struct disk *disk, bool awake)
{
	fuzz_check(!loop_modify(disk->loop, &disk->source, awake ? EPOLLIN : 0));
}

void disk_submit(struct disk *disk, struct disk_request *request)
{
	append(&disk->queued, request);
}

void disk_flush_queue(struct disk *disk)
{
	struct disk_request *request;

	while ((request = take(&disk->queued)))
		append(&disk->running, request);
}

bool disk_drain(struct disk *disk)
{
	while (disk->queued.first || disk->running.first) {
		disk_flush_queue(disk);
		fake_disk_complete(disk, 1, 0);
	}
	return true;
}

void disk_close(struct disk *disk)
{
	fuzz_check(!disk->queued.first && !disk->running.first);
	loop_remove(disk->loop, &disk->source);
	close(disk->source.fd);
	free(disk);
}
