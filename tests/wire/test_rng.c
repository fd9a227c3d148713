/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>

#include "test.h"
#include "virtio/mmio.h"
#include "virtio/rng.h"
#include "wire.h"

#define RINGS 0x10000
#define DATA  0x100000

static struct wire_queue bring_up(struct vm *vm)
{
	struct wire_queue queue;

	assert_true(wire_negotiate(vm, 0, 0));
	wire_queue_init(&queue, vm, 0, 0, 16, RINGS);
	wire_driver_ok(vm, 0);
	return queue;
}

static int setup(void **state)
{
	struct vm *vm = wire_create();
	struct virtio_device *device;
	struct device_resource slot;

	assert_int_equal(virtio_rng_create(&device, &vm->identity.space), 0);
	wire_slot(0, &slot);
	assert_int_equal(virtio_mmio_create(vm, device, &slot, DEVICE_NO_ENDPOINT, false), 0);
	*state = vm;
	return 0;
}

static int teardown(void **state)
{
	wire_destroy(*state);
	return 0;
}

TEST_WITH(buffers_are_filled_with_noise, setup, teardown)
{
	struct vm *vm = *state;
	struct wire_queue queue = bring_up(vm);
	struct wire_segment buffers[] = { { DATA, 64, true }, { DATA + 64, 64, true } };
	u8 zero[64] = { 0 }, a[64], b[64];
	u32 len;

	assert_int_equal(wire_reg_read(vm, 0, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_RNG);
	wire_add(&queue, &buffers[0], 1);
	wire_add(&queue, &buffers[1], 1);
	wire_kick(&queue);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(wire_used(&queue, NULL, &len));
		assert_int_equal(len, 64);
	}
	wire_read(vm, DATA, a, 64);
	wire_read(vm, DATA + 64, b, 64);
	assert_memory_not_equal(a, zero, 64);
	assert_memory_not_equal(a, b, 64);
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
}

TEST_WITH(a_large_buffer_is_filled_in_part, setup, teardown)
{
	struct vm *vm = *state;
	struct wire_queue queue = bring_up(vm);
	struct wire_segment buffer = { WIRE_HIGH, WIRE_RAM, true };
	u8 beyond;
	u32 len;

	wire_add(&queue, &buffer, 1);
	wire_kick(&queue);
	assert_true(wire_used(&queue, NULL, &len));
	assert_true(len && len <= 4096);
	wire_read(vm, WIRE_HIGH + len, &beyond, 1);
	assert_int_equal(beyond, 0);
}

TEST_WITH(buffers_that_cannot_be_filled_come_back_empty, setup, teardown)
{
	struct vm *vm = *state;
	struct wire_queue queue = bring_up(vm);
	struct wire_segment bad[] = { { DATA, 64, false },
				      { DATA, 0, true },
				      { 2 * GIB, 64, true } };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		u32 len;

		wire_add(&queue, &bad[i], 1);
		wire_kick(&queue);
		assert_true(wire_used(&queue, NULL, &len));
		assert_int_equal(len, 0);
	}
	assert_false(wire_needs_reset(vm, 0));
}

TEST_WITH(a_full_queue_is_served_to_the_end_again_and_again, setup, teardown)
{
	struct vm *vm = *state;
	struct wire_queue queue = bring_up(vm);
	struct wire_segment buffer = { DATA, 8, true };

	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < 16; i++)
			wire_add(&queue, &buffer, 1);
		wire_kick(&queue);
		for (unsigned i = 0; i < 16; i++)
			assert_true(wire_used(&queue, NULL, NULL));
	}
}

TEST_WITH(a_broken_ring_is_forgiven_by_a_reset, setup, teardown)
{
	struct vm *vm = *state;
	struct wire_queue queue = bring_up(vm);
	struct wire_segment buffer = { DATA, 8, true };

	wire_break_ring(&queue);
	wire_kick(&queue);
	assert_false(wire_used(&queue, NULL, NULL));
	assert_true(wire_needs_reset(vm, 0));
	queue = bring_up(vm);
	wire_add(&queue, &buffer, 1);
	wire_kick(&queue);
	assert_true(wire_used(&queue, NULL, NULL));
}
