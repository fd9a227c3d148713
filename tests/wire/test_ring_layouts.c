/* SPDX-License-Identifier: BSD-2-Clause */
/* What holds of rings of both layouts: each test runs on a split one and on a packed one. */
#include "test.h"
#include "ring_rig.h"

TEST_WITH(a_device_that_bounds_its_work_is_kicked_again, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	rig->echo->budget = 2;
	for (unsigned i = 0; i < 8; i++)
		ring_rig_add(rig);
	wire_kick(&rig->queue);
	for (unsigned i = 0; i < 8; i++)
		assert_true(wire_used(&rig->queue, NULL, NULL));
	assert_true(rig->echo->kicks >= 4);
}
TEST_AGAIN(a_device_that_bounds_its_work_is_kicked_again, ring_rig_packed, ring_rig_teardown)

TEST_WITH(a_readable_part_behind_a_writable_one_stops_the_device, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	struct wire_segment parts[] = { { IN, 8, false }, { OUT, 8, true }, { IN, 8, false } };

	wire_add(&rig->queue, parts, 3);
	ring_rig_stops(rig);
}
TEST_AGAIN(a_readable_part_behind_a_writable_one_stops_the_device, ring_rig_packed,
	   ring_rig_teardown)

TEST_WITH(a_chain_of_4_gib_stops_the_device, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	struct wire_segment parts[] = { { IN, ~0u, false }, { OUT, 1, true } };

	wire_add(&rig->queue, parts, 2);
	ring_rig_stops(rig);
}
TEST_AGAIN(a_chain_of_4_gib_stops_the_device, ring_rig_packed, ring_rig_teardown)

TEST_WITH(an_indirect_table_that_was_not_negotiated_stops_the_device, ring_rig_split,
	  ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	wire_add_indirect(&rig->queue, ring_rig_pair, 2, TABLE);
	ring_rig_stops(rig);
}
TEST_AGAIN(an_indirect_table_that_was_not_negotiated_stops_the_device, ring_rig_packed,
	   ring_rig_teardown)

TEST_WITH(an_indirect_chain_longer_than_the_queue_stops_the_device, ring_rig_split_indirect,
	  ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	struct wire_segment parts[SIZE + 1];

	for (unsigned i = 0; i <= SIZE; i++)
		parts[i] = (struct wire_segment){ IN + i, 1, false };
	wire_add_indirect(&rig->queue, parts, SIZE + 1, TABLE);
	ring_rig_stops(rig);
}
TEST_NAMED("an_indirect_chain_longer_than_the_ring_stops_the_device",
	   an_indirect_chain_longer_than_the_queue_stops_the_device, ring_rig_packed_indirect,
	   ring_rig_teardown, NULL)

TEST_WITH(rings_outside_ram_stop_the_device, ring_rig_split, ring_rig_teardown)
{
	static const u64 nowhere[] = { 2 * GIB, WIRE_RAM, 1ULL << 60 };
	struct ring_rig *rig = *state;

	for (unsigned i = 0; i < 3 * ARRAY_SIZE(nowhere); i++) {
		u64 bad = nowhere[i / 3];
		struct wire_queue *queue = &rig->queue;

		ring_rig_bring_up(rig, EVENT, SIZE);
		for (unsigned n = 0; n < 4; n++)
			ring_rig_add(rig);
		ring_rig_place(rig, i % 3 == 0 ? bad : queue->desc, i % 3 == 1 ? bad : queue->avail,
			       i % 3 == 2 ? bad : queue->used);
		wire_kick(queue);
		ring_rig_poll(rig);
		assert_true(wire_needs_reset(rig->vm, 0));
	}
}
TEST_NAMED("areas_outside_ram_stop_the_device", rings_outside_ram_stop_the_device,
	   ring_rig_packed_event, ring_rig_teardown, NULL)
