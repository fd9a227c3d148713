/* SPDX-License-Identifier: BSD-2-Clause */
/* What a queue counts, since power-on (virtio/queue.h). */
#include <linux/virtio_mmio.h>

#include "test.h"
#include "echo.h"

#define RINGS 0x10000
#define DATA  0x100000

static int setup(void **state)
{
	struct vm *vm = wire_create();

	*state = vm;
	return 0;
}

static int teardown(void **state)
{
	wire_destroy(*state);
	return 0;
}

/* One chain there and back. */
static void echo_one(struct vm *vm)
{
	struct wire_segment chain[] = { { DATA, 8, false }, { DATA + 8, 8, true } };
	struct wire_queue queue;
	u32 len;

	assert_true(wire_negotiate(vm, 0, 0));
	wire_queue_init(&queue, vm, 0, 0, 16, RINGS);
	wire_driver_ok(vm, 0);
	wire_add(&queue, chain, 2);
	wire_kick(&queue);
	assert_true(wire_used(&queue, NULL, &len));
}

/* Linux resets its devices when it powers off, and --debug is asked after that. */
TEST_WITH(a_reset_forgets_no_count, setup, teardown)
{
	struct vm *vm = *state;
	struct echo *echo = echo_create(vm, 0, DEVICE_NO_ENDPOINT, false);
	const struct virtq *queue = &echo->queues[0];

	echo_one(vm);
	assert_int_equal(queue->chains, 1);
	assert_int_equal(queue->interrupts, 1);
	assert_true(queue->kicks >= 1);
	wire_reg_write(vm, 0, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(queue->chains, 1);
	assert_int_equal(queue->interrupts, 1);
	assert_true(queue->kicks >= 1);
	echo_one(vm);
	assert_int_equal(queue->chains, 2);
	assert_int_equal(queue->interrupts, 2);
}
