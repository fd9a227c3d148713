/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include <linux/virtio_mmio.h>

#include "cmocka_all.h"
#include "ring_rig.h"

#define OTHER_RINGS 0x30000

const struct wire_segment ring_rig_pair[2] = { { IN, 8, false }, { OUT, 8, true } };

/* ---- fixtures ---- */

void ring_rig_bring_up(struct ring_rig *rig, u64 features, u16 size)
{
	assert_true(wire_negotiate(rig->vm, 0, rig->layout | features));
	wire_queue_init(&rig->queue, rig->vm, 0, 0, size, RINGS);
	wire_driver_ok(rig->vm, 0);
}

static struct echo *create_in_order(struct vm *vm)
{
	struct echo *echo = echo_alloc(vm);
	struct device_resource slot;

	echo->device.features |= IN_ORDER;
	wire_slot(0, &slot);
	assert_int_equal(virtio_mmio_create(vm, &echo->device, &slot, DEVICE_NO_ENDPOINT, false),
			 0);
	return echo;
}

static int setup(void **state, u64 layout, u64 features, u16 size)
{
	static struct ring_rig rig;

	memset(&rig, 0, sizeof(rig));
	rig.layout = layout;
	rig.vm = wire_create();
	rig.echo = layout ? create_in_order(rig.vm)
			  : echo_create(rig.vm, 0, DEVICE_NO_ENDPOINT, false);
	rig.other = echo_create(rig.vm, 1, DEVICE_NO_ENDPOINT, false);
	ring_rig_bring_up(&rig, features, size);
	assert_true(wire_negotiate(rig.vm, 1, 0));
	wire_queue_init(&rig.other_queue, rig.vm, 1, 0, SIZE, OTHER_RINGS);
	wire_driver_ok(rig.vm, 1);
	for (unsigned i = 0; i < 256; i++)
		wire_fill(rig.vm, IN + i, i * 7 + 1, 1);
	*state = &rig;
	return 0;
}

int ring_rig_setup(void **state, u64 features, u16 size)
{
	return setup(state, 0, features, size);
}

int ring_rig_split(void **state)
{
	return setup(state, 0, 0, SIZE);
}

int ring_rig_split_indirect(void **state)
{
	return setup(state, 0, INDIRECT, SIZE);
}

int ring_rig_packed(void **state)
{
	return setup(state, PACKED, 0, SIZE);
}

int ring_rig_packed_indirect(void **state)
{
	return setup(state, PACKED, INDIRECT, SIZE);
}

int ring_rig_packed_event(void **state)
{
	return setup(state, PACKED, EVENT, SIZE);
}

int ring_rig_packed_order(void **state)
{
	return setup(state, PACKED, IN_ORDER, SIZE);
}

int ring_rig_teardown(void **state)
{
	wire_destroy(((struct ring_rig *)*state)->vm);
	return 0;
}

/* ---- the driver ---- */

void ring_rig_place(struct ring_rig *rig, u64 desc, u64 driver, u64 device)
{
	static const u32 at[] = { VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_AVAIL_LOW,
				  VIRTIO_MMIO_QUEUE_USED_LOW };
	const u64 areas[] = { desc, driver, device };

	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_QUEUE_SEL, 0);
	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_QUEUE_READY, 0);
	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_QUEUE_NUM, SIZE);
	for (unsigned i = 0; i < 3; i++) {
		wire_reg_write(rig->vm, 0, at[i], areas[i]);
		wire_reg_write(rig->vm, 0, at[i] + 4, areas[i] >> 32);
	}
	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_QUEUE_READY, 1);
}

u16 ring_rig_add(struct ring_rig *rig)
{
	return wire_add(&rig->queue, ring_rig_pair, 2);
}

void ring_rig_put(struct ring_rig *rig, gpa_t table, u16 at, u64 address, u32 len, u16 id,
		  u16 flags)
{
	const struct vring_packed_desc desc = { htole64(address), htole32(len), htole16(id),
						htole16(flags) };

	wire_write(rig->vm, table + at * sizeof(desc), &desc, sizeof(desc));
}

void ring_rig_poll(struct ring_rig *rig)
{
	for (unsigned i = 0; i < 4; i++)
		loop_poll(rig->vm->loop, 0);
}

/* ---- what must hold ---- */

void ring_rig_echoes(struct ring_rig *rig, struct wire_queue *queue, unsigned len)
{
	u8 sent[512], got[512];
	u32 used;

	wire_kick(queue);
	assert_true(wire_used(queue, NULL, &used));
	assert_int_equal(used, len);
	if (!len)
		return;
	wire_read(rig->vm, IN, sent, len);
	wire_read(rig->vm, OUT, got, len);
	assert_memory_equal(sent, got, len);
}

static void kick_stops(struct ring_rig *rig)
{
	const unsigned served = rig->echo->served, interrupts = wire_interrupts(WIRE_GSI);

	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	assert_true(wire_needs_reset(rig->vm, 0));
	assert_int_equal(wire_interrupts(WIRE_GSI), interrupts + 1);
	assert_true(wire_reg_read(rig->vm, 0, VIRTIO_MMIO_INTERRUPT_STATUS) &
		    VIRTIO_MMIO_INT_CONFIG);
	assert_false(wire_has_used(&rig->queue));
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	assert_int_equal(rig->echo->served, served);
}

void ring_rig_stops(struct ring_rig *rig)
{
	const struct wire_segment parts[] = { { IN, 64, false }, { OUT, 64, true } };

	kick_stops(rig);
	wire_fill(rig->vm, OUT, 0, 64);
	wire_add(&rig->other_queue, parts, 2);
	ring_rig_echoes(rig, &rig->other_queue, 64);

	wire_fill(rig->vm, OUT, 0, 64);
	ring_rig_bring_up(rig, 0, SIZE);
	assert_false(wire_needs_reset(rig->vm, 0));
	wire_add(&rig->queue, parts, 2);
	ring_rig_echoes(rig, &rig->queue, 64);
}
