/* SPDX-License-Identifier: BSD-2-Clause */
/* The packed ring, with drivers that break its rules (virtio 1.4, "Packed Virtqueues"). */
#include <linux/virtio_mmio.h>

#include "test.h"
#include "ring_rig.h"

TEST_WITH(a_chain_without_an_end_stops_the_device, ring_rig_packed, ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	for (unsigned i = 0; i < SIZE; i++)
		ring_rig_put(rig, RINGS, i, IN, 1, 0, NEXT | AVAIL);
	ring_rig_stops(rig);
}

TEST_WITH(a_chain_into_descriptors_that_are_in_flight_stops_the_device, ring_rig_packed,
	  ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	const unsigned served = 4;

	rig->echo->keep = true;
	for (unsigned i = 0; i < served; i++)
		ring_rig_add(rig);
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	assert_int_equal(rig->echo->served, served);
	for (unsigned i = 2 * served; i < SIZE; i++)
		ring_rig_put(rig, RINGS, i, IN, 1, 0, NEXT | AVAIL);
	rig->echo->keep = false;
	ring_rig_stops(rig);
}

/* All descriptors are in flight, and one more is made available. */
static void overfull_ring_stops(struct ring_rig *rig, bool *how)
{
	*how = true;
	for (unsigned i = 0; i < SIZE / 2; i++)
		ring_rig_add(rig);
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	assert_int_equal(rig->echo->served, SIZE / 2);
	assert_false(wire_needs_reset(rig->vm, 0));
	ring_rig_put(rig, RINGS, 0, IN, 1, 0, USED);
	*how = false;
	ring_rig_stops(rig);
}

TEST_WITH(more_descriptors_than_the_ring_has_stop_the_device, ring_rig_packed, ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	overfull_ring_stops(rig, &rig->echo->keep);
}

TEST_WITH(descriptors_are_the_drivers_again_when_it_is_shown_so, ring_rig_packed_order,
	  ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	/* All are filled, in one batch, and none is shown: none may be used again. */
	overfull_ring_stops(rig, &rig->echo->fill);
}

TEST_WITH(an_indirect_table_in_a_list_stops_the_device, ring_rig_packed_indirect, ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	/* First in the list, last in it, and in the middle of it. */
	for (unsigned i = 0; i < 3; i++) {
		ring_rig_bring_up(rig, INDIRECT, SIZE);
		ring_rig_put(rig, TABLE, 0, IN, 8, 0, 0);
		ring_rig_put(rig, RINGS, 1, TABLE, 16, 0, TABLE_OF | AVAIL | (i == 2 ? NEXT : 0));
		ring_rig_put(rig, RINGS, 2, IN, 8, 0, AVAIL);
		if (i)
			ring_rig_put(rig, RINGS, 0, IN, 8, 0, NEXT | AVAIL);
		else
			ring_rig_put(rig, RINGS, 0, TABLE, 16, 0, TABLE_OF | NEXT | AVAIL);
		ring_rig_stops(rig);
	}
}

TEST_WITH(indirect_tables_of_odd_length_or_place_stop_the_device, ring_rig_packed_indirect,
	  ring_rig_teardown)
{
	static const struct {
		u64 address;
		u32 len;
	} bad[] = { { TABLE, 0 },	  { TABLE, 15 },	{ TABLE, 17 },
		    { ~0ULL - 7, 16 },	  { 2 * GIB, 16 },	{ WIRE_RAM - 8, 16 },
		    { ~0ULL - 14, 1600 }, { TABLE, ~0u & ~15 }, { WIRE_RAM - 16, 32 } };
	struct ring_rig *rig = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		ring_rig_bring_up(rig, INDIRECT, SIZE);
		ring_rig_put(rig, RINGS, 0, bad[i].address, bad[i].len, 0, TABLE_OF | AVAIL);
		ring_rig_stops(rig);
	}
}

TEST_WITH(a_ring_whose_end_is_outside_ram_stops_the_device, ring_rig_packed, ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	/* The first two descriptors are the last of RAM. */
	ring_rig_place(rig, WIRE_RAM - 32, RINGS + 0x4000, RINGS + 0x8000);
	rig->queue.desc = WIRE_RAM - 32;
	ring_rig_add(rig);
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	/* The chain was served, and the device stopped as it looked for the next. */
	assert_int_equal(rig->echo->served, 1);
	assert_true(wire_has_used(&rig->queue));
	assert_true(wire_needs_reset(rig->vm, 0));
}

TEST_WITH(areas_that_wrap_or_are_not_aligned_are_refused, ring_rig_packed, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	static const u64 bad[][3] = {
		{ ~0ULL - 15, RINGS, RINGS }, { RINGS + 8, RINGS, RINGS },
		{ RINGS, RINGS + 2, RINGS },  { RINGS, RINGS, RINGS + 2 },
		{ RINGS, RINGS + 1, RINGS },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		ring_rig_bring_up(rig, 0, SIZE);
		ring_rig_place(rig, bad[i][0], bad[i][1], bad[i][2]);
		assert_true(wire_needs_reset(rig->vm, 0));
		assert_int_equal(wire_reg_read(rig->vm, 0, VIRTIO_MMIO_QUEUE_READY), 0);
	}
	/* The last descriptors and bytes of all addresses are addresses like others. */
	ring_rig_bring_up(rig, 0, SIZE);
	ring_rig_place(rig, ~0ULL - 16 * SIZE + 1, ~0ULL - 3, ~0ULL - 3);
	assert_int_equal(wire_reg_read(rig->vm, 0, VIRTIO_MMIO_QUEUE_READY), 1);
}

TEST_WITH(sizes_above_the_maximum_are_refused, ring_rig_packed, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	static const u32 bad[] = { 0, VIRTQ_MAX_SIZE + 1, 0x8000, 0x10000, 0x10001, ~0u };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		ring_rig_bring_up(rig, 0, SIZE);
		wire_reg_write(rig->vm, 0, VIRTIO_MMIO_QUEUE_READY, 0);
		wire_reg_write(rig->vm, 0, VIRTIO_MMIO_QUEUE_NUM, bad[i]);
		wire_reg_write(rig->vm, 0, VIRTIO_MMIO_QUEUE_READY, 1);
		assert_true(wire_needs_reset(rig->vm, 0));
	}
}
