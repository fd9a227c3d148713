/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "fake_disk.h"
#include "util/range.h"

struct disk *fake_disk_create(u64 size, bool read_only, bool can_discard, unsigned *closed)
{
	struct disk *disk = calloc(1, sizeof(*disk) + size);

	assert_non_null(disk);
	disk->pace = ~0u;
	disk->closed = closed;
	disk->info = (struct disk_info){
		.size = size,
		.read_only = read_only,
		.can_discard = can_discard,
		.block_size = DISK_SECTOR,
	};
	return disk;
}

void fake_disk_fill(struct disk *disk)
{
	for (u32 i = 0; i < disk->info.size; i++)
		disk->data[i] = i * 31 + (i >> 9);
}

static void append(struct disk_request **list, struct disk_request *request)
{
	while (*list)
		list = &(*list)->next;
	request->next = NULL;
	*list = request;
}

static void wake(struct disk *disk)
{
	u64 one = 1;

	assert_int_equal(write(disk->source.fd, &one, sizeof(one)), sizeof(one));
}

static void move(struct disk *disk, const struct disk_request *request)
{
	u8 *at = disk->data + request->offset;
	u64 sum = 0;

	disk->largest = MAX(disk->largest, request->len);
	for (unsigned i = 0; i < request->iov_count; i++) {
		const struct iovec *iov = &request->iov[i];

		assert_true(iov->iov_len && iov->iov_len <= request->len - sum);
		if (request->op == DISK_READ)
			memcpy(iov->iov_base, at + sum, iov->iov_len);
		else
			memcpy(at + sum, iov->iov_base, iov->iov_len);
		sum += iov->iov_len;
	}
	assert_true(sum == request->len);
}

/* And judge it: what disk.h promises of a request. */
static void carry_out(struct disk *disk, const struct disk_request *request)
{
	u64 size = disk->info.size;

	if (request->op == DISK_FLUSH) {
		disk->syncs++;
		disk->synced_losses = request->losses;
		return;
	}
	assert_true(is_aligned(request->offset | request->len, DISK_SECTOR));
	assert_true(request->len && request->len <= size);
	assert_true(request->offset <= size - request->len);
	assert_true(request->op == DISK_READ || !disk->info.read_only);
	if (request->op == DISK_READ || request->op == DISK_WRITE)
		move(disk, request);
	else
		memset(disk->data + request->offset, request->op == DISK_DISCARD ? 0xdd : 0,
		       request->len);
}

void fake_disk_complete(struct disk *disk, unsigned count)
{
	struct disk_request *request;
	bool any = count && disk->running;

	while (count-- && (request = disk->running)) {
		disk->running = request->next;
		if (!disk->fault)
			carry_out(disk, request);
		request->done(request, disk->fault);
	}
	if (any)
		disk->settled(disk->context);
	/* What a done() has submitted. */
	if (disk->queued)
		disk_flush_queue(disk);
}

static void disk_ready(struct loop_source *source, u32 events)
{
	struct disk *disk = container_of(source, struct disk, source);
	u64 count;

	assert_int_equal(read(source->fd, &count, sizeof(count)), sizeof(count));
	fake_disk_complete(disk, disk->hold ? disk->released : disk->pace);
	disk->released = 0;
	if (disk->running && !disk->hold)
		wake(disk);
}

void fake_disk_release(struct disk *disk, unsigned count)
{
	disk->released = count;
	wake(disk);
}

void fake_disk_hold(struct disk *disk, bool hold)
{
	disk->hold = hold;
	if (!hold)
		wake(disk);
}

/* ---- disk/disk.h ---- */

void disk_get_info(const struct disk *disk, struct disk_info *info)
{
	*info = disk->info;
}

void disk_get_id(const struct disk *disk, char id[20])
{
	memcpy(id, "0123456789abcdefghij", 20);
}

int disk_start(struct disk *disk, struct loop *loop, void (*settled)(void *context), void *context)
{
	disk->settled = settled;
	disk->context = context;
	disk->loop = loop;
	disk->source = (struct loop_source){ eventfd(0, EFD_NONBLOCK), EPOLLIN, disk_ready };
	return loop_add(loop, &disk->source);
}

void disk_submit(struct disk *disk, struct disk_request *request)
{
	disk->submits++;
	request->losses = disk->losses;
	append(&disk->queued, request);
}

void disk_flush_queue(struct disk *disk)
{
	disk->flush_queues++;
	while (disk->queued) {
		struct disk_request *request = disk->queued;

		disk->queued = request->next;
		append(&disk->running, request);
	}
	wake(disk);
}

bool disk_drain(struct disk *disk)
{
	disk->drains++;
	while (disk->queued || disk->running) {
		disk_flush_queue(disk);
		fake_disk_complete(disk, ~0u);
	}
	return true;
}

void disk_close(struct disk *disk)
{
	assert_true(!disk->queued && !disk->running);
	loop_remove(disk->loop, &disk->source);
	close(disk->source.fd);
	if (disk->closed)
		++*disk->closed;
	free(disk);
}
