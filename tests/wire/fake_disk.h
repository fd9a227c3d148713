/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * disk/disk.h in memory, which does what the test says. All of it is in this header: a program
 * that includes it has this disk and not the real one.
 */
#ifndef TESTS_WIRE_FAKE_DISK_H
#define TESTS_WIRE_FAKE_DISK_H

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "disk/disk.h"
#include "vmm/loop.h"

#define DISK_SIZE (8 * MIB)

struct disk {
	u8 data[DISK_SIZE];
	struct disk_info info;
	struct loop *loop;
	void (*settled)(void *context);
	void *context;
	struct loop_source source;
	struct disk_request *queued, *running; /* oldest first */
	bool hold;			       /* complete nothing but what was released */
	unsigned released;
	int fault; /* result of the next requests */
	unsigned submits, flush_queues, syncs, drains, largest;
	unsigned *closed;
};

static void append(struct disk_request **list, struct disk_request *request)
{
	while (*list)
		list = &(*list)->next;
	request->next = NULL;
	*list = request;
}

static void carry_out(struct disk *disk, struct disk_request *request)
{
	u64 at = request->offset, sum = 0;

	if (request->op == DISK_FLUSH) {
		disk->syncs++;
		return;
	}
	assert_int_equal(at % 512, 0);
	assert_int_equal(request->len % 512, 0);
	assert_true(request->len && at + request->len <= DISK_SIZE);
	if (request->op == DISK_WRITE_ZEROES || request->op == DISK_DISCARD) {
		memset(disk->data + at, request->op == DISK_DISCARD ? 0xdd : 0, request->len);
		return;
	}
	disk->largest = MAX(disk->largest, request->len);
	for (unsigned i = 0; i < request->iov_count; i++) {
		const struct iovec *iov = &request->iov[i];

		if (request->op == DISK_READ)
			memcpy(iov->iov_base, disk->data + at + sum, iov->iov_len);
		else
			memcpy(disk->data + at + sum, iov->iov_base, iov->iov_len);
		sum += iov->iov_len;
	}
	assert_int_equal(sum, request->len);
}

static void fake_disk_complete(struct disk *disk, unsigned count)
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
	fake_disk_complete(disk, disk->hold ? disk->released : ~0u);
	disk->released = 0;
}

/* From now on the loop will complete so many of those it has been told to hold. */
static inline void fake_disk_release(struct disk *disk, unsigned count)
{
	u64 one = 1;

	disk->released = count;
	assert_int_equal(write(disk->source.fd, &one, sizeof(one)), sizeof(one));
}

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
	append(&disk->queued, request);
}

void disk_flush_queue(struct disk *disk)
{
	u64 one = 1;

	disk->flush_queues++;
	while (disk->queued) {
		struct disk_request *request = disk->queued;

		disk->queued = request->next;
		append(&disk->running, request);
	}
	assert_int_equal(write(disk->source.fd, &one, sizeof(one)), sizeof(one));
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
	assert_null(disk->queued);
	assert_null(disk->running);
	loop_remove(disk->loop, &disk->source);
	close(disk->source.fd);
	++*disk->closed;
	free(disk);
}

/* @closed: counts that it was. */
static struct disk *fake_disk_create(bool read_only, bool can_discard, unsigned *closed)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	assert_non_null(disk);
	disk->closed = closed;
	disk->info = (struct disk_info){
		.size = DISK_SIZE,
		.read_only = read_only,
		.can_discard = can_discard,
		.block_size = 512,
	};
	for (u32 i = 0; i < DISK_SIZE; i++)
		disk->data[i] = i * 31 + (i >> 9);
	return disk;
}

#endif
