/* SPDX-License-Identifier: BSD-2-Clause */
/* The split ring, friendly and hostile drivers both (virtio 1.4, "Split Virtqueues"). */
#include <linux/virtio_mmio.h>

#include "test.h"
#include "ring_rig.h"

static int setup_event(void **state)
{
	return ring_rig_setup(state, EVENT | INDIRECT, SIZE);
}

static int setup_large(void **state)
{
	return ring_rig_setup(state, INDIRECT, VIRTQ_MAX_SIZE);
}

/* ---- what works ---- */

TEST_WITH(a_chain_comes_back_with_its_bytes, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	struct wire_segment pair[] = { { IN, 100, false }, { OUT, 200, true } };
	u16 head = wire_add(&rig->queue, pair, 2), used_head;
	u32 len;

	wire_kick(&rig->queue);
	assert_true(wire_used(&rig->queue, &used_head, &len));
	assert_int_equal(used_head, head);
	assert_int_equal(len, 100);
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
	assert_int_equal(rig->echo->last.readable, 1);
	assert_int_equal(rig->echo->last.writable_len, 200);
}

TEST_WITH(one_byte_descriptors_are_one_request, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	struct wire_segment bytes[SIZE];

	for (unsigned i = 0; i < SIZE / 2; i++) {
		bytes[i] = (struct wire_segment){ IN + i, 1, false };
		bytes[SIZE / 2 + i] = (struct wire_segment){ OUT + i, 1, true };
	}
	wire_add(&rig->queue, bytes, SIZE);
	ring_rig_echoes(rig, &rig->queue, SIZE / 2);
}

TEST_WITH(empty_descriptors_are_harmless, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	struct wire_segment parts[] = {
		{ ~0ULL, 0, false }, { IN, 32, false }, { IN, 0, false },
		{ 0, 0, true },	     { OUT, 32, true }, { ~0ULL, 0, true }
	};

	wire_add(&rig->queue, parts, 6);
	ring_rig_echoes(rig, &rig->queue, 32);
}

TEST_WITH(indices_wrap_after_65536_chains, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	unsigned count = 65536 + 3 * SIZE;

	for (unsigned i = 0; i < count; i += 4) {
		for (unsigned n = 0; n < 4; n++)
			ring_rig_add(rig);
		wire_kick(&rig->queue);
		for (unsigned n = 0; n < 4; n++)
			assert_true(wire_used(&rig->queue, NULL, NULL));
	}
	assert_int_equal(rig->echo->served, count);
	assert_false(wire_needs_reset(rig->vm, 0));
}
TEST_AGAIN(indices_wrap_after_65536_chains, setup_event, ring_rig_teardown)

TEST_WITH(a_chain_as_long_as_the_queue_is_taken, setup_large, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	struct wire_segment parts[VIRTQ_MAX_SIZE];

	for (unsigned i = 0; i < VIRTQ_MAX_SIZE / 2; i++) {
		parts[i] = (struct wire_segment){ IN + i, 1, false };
		parts[VIRTQ_MAX_SIZE / 2 + i] = (struct wire_segment){ OUT + i, 1, true };
	}
	wire_add(&rig->queue, parts, VIRTQ_MAX_SIZE);
	ring_rig_echoes(rig, &rig->queue, VIRTQ_MAX_SIZE / 2);
	assert_int_equal(virtq_chain_descriptors(&rig->echo->last), VIRTQ_MAX_SIZE);
	wire_fill(rig->vm, OUT, 0, VIRTQ_MAX_SIZE);
	wire_add_indirect(&rig->queue, parts, VIRTQ_MAX_SIZE, TABLE);
	ring_rig_echoes(rig, &rig->queue, VIRTQ_MAX_SIZE / 2);
	assert_int_equal(virtq_chain_descriptors(&rig->echo->last), 1);
}

TEST_WITH(an_indirect_table_is_followed_and_its_write_flag_ignored, ring_rig_split_indirect,
	  ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	struct wire_segment pair[] = { { IN, 48, false }, { OUT, 48, true } };
	u16 head = wire_add_indirect(&rig->queue, pair, 2, TABLE);

	wire_set_desc(&rig->queue, head, TABLE, 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	ring_rig_echoes(rig, &rig->queue, 48);
}

TEST_WITH(an_indirect_table_may_follow_plain_descriptors, ring_rig_split_indirect,
	  ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	struct wire_segment pair[] = { { IN + 16, 16, false }, { OUT, 32, true } };

	wire_add_indirect(&rig->queue, pair, 2, TABLE); /* descriptor 0 */
	rig->queue.avail_idx = 0;
	wire_set_desc(&rig->queue, 5, IN, 16, VRING_DESC_F_NEXT, 0);
	wire_publish(&rig->queue, 5);
	ring_rig_echoes(rig, &rig->queue, 32);
	assert_int_equal(virtq_chain_descriptors(&rig->echo->last), 2);
}

TEST_WITH(a_buffer_may_lie_at_both_edges_of_ram, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	struct wire_segment pair[] = { { WIRE_RAM - 16, 16, false },
				       { WIRE_HIGH + WIRE_RAM - 16, 16, true } };
	u32 len;

	wire_add(&rig->queue, pair, 2);
	wire_kick(&rig->queue);
	assert_true(wire_used(&rig->queue, NULL, &len));
	assert_int_equal(len, 16);
	assert_int_equal(rig->echo->faults, 0);
}

TEST_WITH(a_buffer_that_leaves_ram_is_an_error_of_its_request_alone, ring_rig_split,
	  ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	static const u64 bad[] = { WIRE_RAM - 8, WIRE_HIGH - 8, WIRE_HIGH + WIRE_RAM - 8, 2 * GIB,
				   ~0ULL,	 ~0ULL - 14,	WIRE_HIGH + ~0U };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct wire_segment parts[] = { { bad[i], 16, false }, { OUT, 16, true } };
		u32 len;

		wire_add(&rig->queue, parts, 2);
		wire_kick(&rig->queue);
		assert_true(wire_used(&rig->queue, NULL, &len));
		assert_int_equal(len, 0);
		assert_int_equal(rig->echo->faults, i + 1);
	}
	assert_false(wire_needs_reset(rig->vm, 0));
}

/* ---- interrupts and kicks that are not wanted ---- */

TEST_WITH(no_interrupt_where_the_flag_says_so, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	u16 flags = htole16(VRING_AVAIL_F_NO_INTERRUPT);

	wire_write(rig->vm, rig->queue.avail, &flags, sizeof(flags));
	ring_rig_add(rig);
	ring_rig_echoes(rig, &rig->queue, 8);
	assert_int_equal(wire_interrupts(WIRE_GSI), 0);
	assert_int_equal(wire_reg_read(rig->vm, 0, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	flags = 0;
	wire_write(rig->vm, rig->queue.avail, &flags, sizeof(flags));
	ring_rig_add(rig);
	ring_rig_echoes(rig, &rig->queue, 8);
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
}

static void set_used_event(struct ring_rig *rig, u16 value)
{
	value = htole16(value);
	wire_write(rig->vm, rig->queue.avail + 4 + 2 * rig->queue.size, &value, 2);
}

TEST_WITH(event_index_holds_interrupts_back_until_it_is_passed, setup_event, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	static const unsigned expected[] = { 0, 0, 0, 1, 1, 1 };

	rig->queue.keep_used_event = true;
	set_used_event(rig, 3); /* interrupt when the fourth is used */
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		ring_rig_add(rig);
		ring_rig_echoes(rig, &rig->queue, 8);
		assert_int_equal(wire_interrupts(WIRE_GSI), expected[i]);
	}
	/* Passed within a batch counts too. */
	set_used_event(rig, 7);
	for (unsigned i = 0; i < 4; i++)
		ring_rig_add(rig);
	ring_rig_echoes(rig, &rig->queue, 8);
	assert_int_equal(wire_interrupts(WIRE_GSI), 2);
}

TEST_WITH(event_index_asks_for_a_kick_when_the_queue_is_empty, setup_event, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	u16 avail_event;

	for (unsigned i = 1; i <= 3; i++) {
		ring_rig_add(rig);
		ring_rig_echoes(rig, &rig->queue, 8);
		wire_read(rig->vm, rig->queue.used + 4 + 8 * rig->queue.size, &avail_event,
			  sizeof(avail_event));
		assert_int_equal(le16toh(avail_event), i);
	}
}

TEST_WITH(a_used_event_that_cannot_be_read_stops_the_device, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	gpa_t avail = WIRE_RAM - 4 - 2 * SIZE; /* used_event is the first field past RAM */

	assert_true(wire_negotiate(rig->vm, 0, EVENT));
	wire_queue_init(&rig->queue, rig->vm, 0, 0, SIZE, RINGS);
	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_QUEUE_READY, 0);
	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_QUEUE_NUM, SIZE);
	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_QUEUE_DESC_LOW, rig->queue.desc);
	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_QUEUE_AVAIL_LOW, avail);
	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_QUEUE_USED_LOW, rig->queue.used);
	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_QUEUE_READY, 1);
	wire_driver_ok(rig->vm, 0);
	rig->queue.avail = avail;
	ring_rig_add(rig);
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	assert_true(wire_needs_reset(rig->vm, 0));
}

/* ---- rings that break the rules ---- */

TEST_WITH(a_head_past_the_queue_stops_the_device, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	wire_publish(&rig->queue, SIZE);
	ring_rig_stops(rig);
}

TEST_WITH(a_next_past_the_queue_stops_the_device, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	wire_set_desc(&rig->queue, 0, IN, 8, VRING_DESC_F_NEXT, SIZE);
	wire_publish(&rig->queue, 0);
	ring_rig_stops(rig);
}

TEST_WITH(a_loop_of_descriptors_stops_the_device, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	wire_set_desc(&rig->queue, 0, IN, 8, VRING_DESC_F_NEXT, 1);
	wire_set_desc(&rig->queue, 1, IN, 8, VRING_DESC_F_NEXT, 0);
	wire_publish(&rig->queue, 0);
	ring_rig_stops(rig);
}

TEST_WITH(an_avail_index_that_jumps_stops_the_device, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	rig->queue.avail_idx = SIZE;
	wire_publish(&rig->queue, 0);
	ring_rig_stops(rig);
}

TEST_WITH(an_avail_index_that_goes_back_stops_the_device, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	rig->queue.avail_idx = 0xfffe;
	wire_publish(&rig->queue, 0);
	ring_rig_stops(rig);
}

TEST_WITH(more_chains_than_descriptors_stop_the_device, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	rig->echo->keep = true;
	for (unsigned i = 0; i < SIZE; i++)
		ring_rig_add(rig);
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	assert_int_equal(rig->echo->served, SIZE);
	assert_false(wire_needs_reset(rig->vm, 0));
	ring_rig_add(rig);
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	assert_true(wire_needs_reset(rig->vm, 0));
	assert_int_equal(rig->echo->served, SIZE);
}

TEST_WITH(a_nested_indirect_table_stops_the_device, ring_rig_split_indirect, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	struct vring_desc desc = { htole64(TABLE), htole32(16), htole16(VRING_DESC_F_INDIRECT), 0 };

	wire_write(rig->vm, TABLE, &desc, sizeof(desc));
	wire_set_desc(&rig->queue, 0, TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	wire_publish(&rig->queue, 0);
	ring_rig_stops(rig);
}

TEST_WITH(an_indirect_descriptor_with_a_next_stops_the_device, ring_rig_split_indirect,
	  ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	wire_add_indirect(&rig->queue, ring_rig_pair, 2, TABLE);
	wire_set_desc(&rig->queue, 0, TABLE, 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	ring_rig_stops(rig);
}

TEST_WITH(an_indirect_loop_stops_the_device, ring_rig_split_indirect, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	struct vring_desc desc = { htole64(IN), htole32(1), htole16(VRING_DESC_F_NEXT), 0 };

	wire_write(rig->vm, TABLE, &desc, sizeof(desc));
	wire_set_desc(&rig->queue, 0, TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	wire_publish(&rig->queue, 0);
	ring_rig_stops(rig);
}

TEST_WITH(an_indirect_next_past_its_table_stops_the_device, ring_rig_split_indirect,
	  ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	struct vring_desc desc = { htole64(IN), htole32(1), htole16(VRING_DESC_F_NEXT),
				   htole16(1) };

	wire_write(rig->vm, TABLE, &desc, sizeof(desc));
	desc.flags = 0;
	wire_write(rig->vm, TABLE + 16, &desc, sizeof(desc));
	wire_set_desc(&rig->queue, 0, TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	wire_publish(&rig->queue, 0);
	ring_rig_stops(rig);
}

TEST_WITH(indirect_tables_of_odd_length_or_place_stop_the_device, ring_rig_split_indirect,
	  ring_rig_teardown)
{
	static const struct {
		u64 address;
		u32 len;
	} bad[] = { { TABLE, 0 },    { TABLE, 15 },	   { TABLE, 17 },	{ ~0ULL - 7, 16 },
		    { 2 * GIB, 16 }, { WIRE_RAM - 8, 16 }, { ~0ULL - 14, 1600 } };
	struct ring_rig *rig = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		ring_rig_bring_up(rig, INDIRECT, SIZE);
		wire_set_desc(&rig->queue, 0, bad[i].address, bad[i].len, VRING_DESC_F_INDIRECT, 0);
		wire_publish(&rig->queue, 0);
		ring_rig_stops(rig);
	}
}

TEST_WITH(rings_that_wrap_or_are_not_aligned_are_refused, ring_rig_split, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	static const u64 bad[][3] = {
		{ ~0ULL - 15, RINGS, RINGS }, { RINGS, ~0ULL - 1, RINGS },
		{ RINGS, RINGS, ~0ULL - 3 },  { RINGS + 8, RINGS, RINGS },
		{ RINGS, RINGS + 1, RINGS },  { RINGS, RINGS, RINGS + 2 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		ring_rig_bring_up(rig, 0, SIZE);
		ring_rig_place(rig, bad[i][0], bad[i][1], bad[i][2]);
		assert_true(wire_needs_reset(rig->vm, 0));
		assert_int_equal(wire_reg_read(rig->vm, 0, VIRTIO_MMIO_QUEUE_READY), 0);
	}
}
