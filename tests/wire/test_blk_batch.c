/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk: many requests at once, and the disk that answers them together. */
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "test.h"
#include "fake_disk.h"
#include "virtio/blk.h"
#include "virtio/mmio.h"
#include "wire.h"

#define RINGS  0x10000
#define HEADER 0x20000
#define STATUS 0x24000
#define TABLES 0x30000 /* an indirect table for each request, 64 bytes */
#define DATA   0x100000
#define QUEUE  256

struct bench {
	struct vm *vm;
	struct disk *disk;
	struct virtio_device *device;
	struct wire_queue queue;
	unsigned closed;
};

static int setup(void **state)
{
	static struct bench bench;
	struct device_resource slot;

	memset(&bench, 0, sizeof(bench));
	bench.vm = wire_create();
	bench.disk = fake_disk_create(DISK_SIZE, false, true, &bench.closed);
	fake_disk_fill(bench.disk);
	assert_int_equal(virtio_blk_create(&bench.device, bench.disk, NULL, bench.vm->loop,
					   &bench.vm->identity.space),
			 0);
	wire_slot(0, &slot);
	assert_int_equal(
		virtio_mmio_create(bench.vm, bench.device, &slot, DEVICE_NO_ENDPOINT, false), 0);
	/* Without EVENT_IDX: each decision to interrupt is an interrupt. */
	assert_true(wire_negotiate(bench.vm, 0, 1ULL << VIRTIO_RING_F_INDIRECT_DESC));
	wire_queue_init(&bench.queue, bench.vm, 0, 0, QUEUE, RINGS);
	wire_driver_ok(bench.vm, 0);
	bench.disk->hold = true;
	*state = &bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	wire_destroy(bench->vm);
	assert_int_equal(bench->closed, 1);
	return 0;
}

/* A read of sector @n to its own place; one descriptor of the ring. */
static void start(struct bench *bench, unsigned n)
{
	struct virtio_blk_outhdr header = { .type = htole32(VIRTIO_BLK_T_IN),
					    .sector = htole64(n) };
	struct wire_segment parts[] = { { HEADER + 16 * n, 16, false },
					{ DATA + 512 * n, 512, true },
					{ STATUS + n, 1, true } };

	wire_write(bench->vm, parts[0].address, &header, sizeof(header));
	wire_fill(bench->vm, STATUS + n, 0xee, 1);
	wire_add_indirect(&bench->queue, parts, 3, TABLES + 64 * n);
}

/* The disk has all that was started when this returns. */
static void kick(struct bench *bench)
{
	wire_kick(&bench->queue);
	for (unsigned i = 0; i < 4; i++)
		loop_poll(bench->vm->loop, 0);
}

/* The disk ends @count requests in one go; so many are answered. */
static void complete(struct bench *bench, unsigned count)
{
	fake_disk_release(bench->disk, count);
	for (unsigned i = 0; i < count; i++)
		assert_true(wire_used(&bench->queue, NULL, NULL));
	assert_false(wire_has_used(&bench->queue));
}

TEST_WITH(a_batch_of_completions_raises_one_interrupt, setup, teardown)
{
	struct bench *bench = *state;

	for (unsigned i = 0; i < 32; i++)
		start(bench, i);
	kick(bench);
	assert_int_equal(bench->disk->flush_queues, 1);
	complete(bench, 20);
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
	complete(bench, 1);
	assert_int_equal(wire_interrupts(WIRE_GSI), 2);
	complete(bench, 11);
	assert_int_equal(wire_interrupts(WIRE_GSI), 3);
}

TEST_WITH(as_many_as_the_queue_has_may_be_out_at_once_again_and_again, setup, teardown)
{
	struct bench *bench = *state;
	u8 status[QUEUE], data[512];

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < QUEUE; i++)
			start(bench, i);
		kick(bench);
		complete(bench, QUEUE - 3);
		complete(bench, 3);
		wire_read(bench->vm, STATUS, status, sizeof(status));
		for (unsigned i = 0; i < QUEUE; i++) {
			assert_int_equal(status[i], 0);
			wire_read(bench->vm, DATA + 512 * i, data, sizeof(data));
			assert_memory_equal(data, bench->disk->data + 512 * i, sizeof(data));
		}
	}
	assert_true(list_empty(&bench->vm->identity.space.holds));
}

TEST_WITH(one_more_than_the_queue_has_stops_the_device_and_not_us, setup, teardown)
{
	struct bench *bench = *state;

	for (unsigned i = 0; i < QUEUE; i++)
		start(bench, i);
	kick(bench);
	assert_false(wire_needs_reset(bench->vm, 0));
	wire_publish(&bench->queue, 0);
	kick(bench);
	assert_true(wire_needs_reset(bench->vm, 0));
	bench->disk->hold = false;
	fake_disk_release(bench->disk, QUEUE);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_STATUS, 0);
	assert_true(list_empty(&bench->vm->identity.space.holds));
	assert_true(wire_negotiate(bench->vm, 0, 1ULL << VIRTIO_RING_F_INDIRECT_DESC));
	wire_queue_init(&bench->queue, bench->vm, 0, 0, QUEUE, RINGS);
	wire_driver_ok(bench->vm, 0);
	start(bench, 5);
	wire_kick(&bench->queue);
	assert_true(wire_used(&bench->queue, NULL, NULL));
}
