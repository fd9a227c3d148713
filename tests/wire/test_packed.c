/* SPDX-License-Identifier: BSD-2-Clause */
/* The packed ring, with drivers that keep its rules (virtio 1.4, "Packed Virtqueues"). */
#include "test.h"
#include "ring_rig.h"

static struct vring_packed_desc get(struct ring_rig *rig, u16 at)
{
	struct vring_packed_desc desc;

	wire_read(rig->vm, rig->queue.desc + at * sizeof(desc), &desc, sizeof(desc));
	return desc;
}

/* Chains that the test takes off the ring itself. */
static void pop(struct ring_rig *rig, struct virtq_chain *chain)
{
	assert_true(virtio_device_pop(&rig->echo->device, 0, chain));
}

static void push(struct ring_rig *rig, const struct virtq_chain *chain, u32 written)
{
	virtio_device_push(&rig->echo->device, 0, chain, written);
}

static void fill(struct ring_rig *rig, const struct virtq_chain *chain, u32 written)
{
	virtio_device_fill(&rig->echo->device, 0, chain, written);
}

/* ---- what works ---- */

TEST_WITH(a_chain_comes_back_with_its_bytes_and_its_id, ring_rig_packed, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	struct vring_packed_desc desc;

	/* The ID is that of the last descriptor, and the driver's to choose. */
	ring_rig_put(rig, RINGS, 1, OUT, 200, 0xbeef, WRITE | AVAIL);
	ring_rig_put(rig, RINGS, 0, IN, 100, 0x1234, NEXT | AVAIL);
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	desc = get(rig, 0);
	assert_int_equal(le16toh(desc.id), 0xbeef);
	assert_int_equal(le32toh(desc.len), 100);
	assert_int_equal(le16toh(desc.flags), AVAIL | USED | WRITE);
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
	assert_int_equal(rig->echo->last.readable, 1);
	assert_int_equal(rig->echo->last.writable_len, 200);
	/* "Element Length": without a writable part it says nothing. */
	ring_rig_put(rig, RINGS, 2, IN, 10, 7, AVAIL);
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	assert_int_equal(le16toh(get(rig, 2).flags), AVAIL | USED);
}

TEST_WITH(chains_of_any_length_wrap_in_rings_of_any_size, ring_rig_packed, ring_rig_teardown)
{
	static const u16 sizes[] = { 1, 2, 3, 5, 7, 16, 100, 255, 1000, 1023, 1024 };
	static struct wire_segment parts[VIRTQ_MAX_SIZE];
	struct ring_rig *rig = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		ring_rig_bring_up(rig, 0, sizes[i]);
		for (unsigned round = 0; round < 40; round++) {
			unsigned count = 1 + (round * 37) % sizes[i], in = count / 2;

			for (unsigned n = 0; n < count; n++)
				parts[n] = n < in ? (struct wire_segment){ IN + n, 1, false }
						  : (struct wire_segment){ OUT + n - in, 1, true };
			wire_fill(rig->vm, OUT, 0, 512);
			wire_add(&rig->queue, parts, count);
			ring_rig_echoes(rig, &rig->queue, in);
		}
		assert_false(wire_needs_reset(rig->vm, 0));
	}
}

TEST_WITH(the_ring_may_be_full_at_each_place, ring_rig_packed, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	const struct wire_segment byte = { IN, 1, false };

	ring_rig_bring_up(rig, 0, 5);
	for (unsigned round = 0; round < 13; round++) {
		for (unsigned i = 0; i < 5; i++)
			wire_add(&rig->queue, &byte, 1);
		wire_kick(&rig->queue);
		for (unsigned i = 0; i < 5; i++)
			assert_true(wire_used(&rig->queue, NULL, NULL));
		assert_false(wire_has_used(&rig->queue));
		wire_add(&rig->queue, &byte, 1);
		wire_kick(&rig->queue);
		assert_true(wire_used(&rig->queue, NULL, NULL));
	}
}

TEST_WITH(the_longest_chain_is_as_long_as_the_ring, ring_rig_packed_indirect, ring_rig_teardown)
{
	static struct wire_segment parts[VIRTQ_MAX_SIZE];
	struct ring_rig *rig = *state;

	for (unsigned i = 0; i < VIRTQ_MAX_SIZE / 2; i++) {
		parts[i] = (struct wire_segment){ IN + i, 1, false };
		parts[VIRTQ_MAX_SIZE / 2 + i] = (struct wire_segment){ OUT + i, 1, true };
	}
	ring_rig_bring_up(rig, INDIRECT, VIRTQ_MAX_SIZE);
	for (unsigned round = 0; round < 3; round++) {
		wire_add(&rig->queue, parts, VIRTQ_MAX_SIZE);
		ring_rig_echoes(rig, &rig->queue, VIRTQ_MAX_SIZE / 2);
		assert_int_equal(virtq_chain_descriptors(&rig->echo->last), VIRTQ_MAX_SIZE);
		wire_add_indirect(&rig->queue, parts, VIRTQ_MAX_SIZE, TABLE);
		ring_rig_echoes(rig, &rig->queue, VIRTQ_MAX_SIZE / 2);
		assert_int_equal(virtq_chain_descriptors(&rig->echo->last), 1);
	}
}

TEST_WITH(an_indirect_table_is_followed_and_its_write_flag_ignored, ring_rig_packed_indirect,
	  ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	ring_rig_put(rig, TABLE, 0, IN, 48, 0x5555, 0);
	/* What makes a descriptor of the ring available means nothing there. */
	ring_rig_put(rig, TABLE, 1, OUT, 48, 0x6666, WRITE | AVAIL | USED);
	ring_rig_put(rig, RINGS, 0, TABLE, 32, 9, TABLE_OF | WRITE | AVAIL);
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	assert_int_equal(le16toh(get(rig, 0).id), 9);
	assert_int_equal(le32toh(get(rig, 0).len), 48);
	assert_int_equal(le16toh(get(rig, 0).flags), AVAIL | USED | WRITE);
}

/* "Others are reserved and are ignored by the device": all of the table is the chain. */
TEST_WITH(flags_but_write_mean_nothing_in_a_table, ring_rig_packed_indirect, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	static const u16 flags[] = { NEXT, TABLE_OF, NEXT | TABLE_OF, (u16)~WRITE };

	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		ring_rig_bring_up(rig, INDIRECT, SIZE);
		ring_rig_put(rig, TABLE, 0, IN, 48, 0, flags[i]);
		ring_rig_put(rig, TABLE, 1, OUT, 48, 0, flags[i] | WRITE);
		ring_rig_put(rig, RINGS, 0, TABLE, 32, 9, TABLE_OF | AVAIL);
		wire_kick(&rig->queue);
		ring_rig_poll(rig);
		assert_false(wire_needs_reset(rig->vm, 0));
		assert_int_equal(le32toh(get(rig, 0).len), 48);
		assert_int_equal(virtq_chain_segments(&rig->echo->last), 2);
	}
}

TEST_WITH(chains_may_come_back_in_any_order, ring_rig_packed, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	static struct virtq_chain chains[4];
	static const unsigned order[] = { 2, 0, 3, 1 };
	const struct wire_segment parts[] = { { IN, 1, false },
					      { IN, 1, false },
					      { OUT, 4, true } };
	u16 heads[4], head;
	u32 len;

	for (unsigned round = 0; round < 9; round++) {
		for (unsigned i = 0; i < 4; i++) {
			heads[i] = wire_add(&rig->queue, parts + i % 3, 3 - i % 3);
			pop(rig, &chains[i]);
		}
		for (unsigned i = 0; i < 4; i++)
			push(rig, &chains[order[i]], order[i]);
		for (unsigned i = 0; i < 4; i++) {
			assert_true(wire_used(&rig->queue, &head, &len));
			assert_int_equal(head, heads[order[i]]);
			assert_int_equal(len, order[i]);
		}
	}
}

TEST_WITH(buffer_ids_mean_nothing_to_the_device, ring_rig_packed, ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	/* All of them are the same, and beyond the ring. */
	for (unsigned i = 0; i < SIZE; i++)
		ring_rig_put(rig, RINGS, i, IN, 1, 0xffff, AVAIL);
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	for (unsigned i = 0; i < SIZE; i++) {
		assert_int_equal(le16toh(get(rig, i).id), 0xffff);
		assert_int_equal(le16toh(get(rig, i).flags), AVAIL | USED);
	}
	assert_int_equal(rig->echo->served, SIZE);
	assert_false(wire_needs_reset(rig->vm, 0));
}

TEST_WITH(chains_that_are_filled_are_seen_at_once, ring_rig_packed, ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	rig->echo->fill = true;
	for (unsigned i = 0; i < 5; i++)
		ring_rig_add(rig);
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	assert_int_equal(rig->echo->served, 5);
	assert_false(wire_has_used(&rig->queue));
	assert_int_equal(wire_interrupts(WIRE_GSI), 0);
	virtio_device_flush(&rig->echo->device, 0);
	virtio_device_interrupt(&rig->echo->device, 0);
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
	for (unsigned i = 0; i < 5; i++)
		assert_true(wire_has_used(&rig->queue) && wire_used(&rig->queue, NULL, NULL));
	assert_false(wire_has_used(&rig->queue));
}

TEST_WITH(a_descriptor_of_another_round_is_not_taken, ring_rig_packed, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	static const u16 flags[] = { 0, USED, USED | AVAIL, USED | NEXT, WRITE };

	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		ring_rig_put(rig, RINGS, 0, IN, 1, 0, flags[i]);
		wire_kick(&rig->queue);
		ring_rig_poll(rig);
		assert_int_equal(rig->echo->served, 0);
	}
	ring_rig_put(rig, RINGS, 0, IN, 1, 0, AVAIL);
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	assert_int_equal(rig->echo->served, 1);
}

TEST_WITH(a_queue_that_is_reset_begins_at_its_start, ring_rig_packed, ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	assert_true(wire_negotiate(rig->vm, 0, PACKED | 1ull << VIRTIO_F_RING_RESET));
	for (unsigned round = 0; round < 3; round++) {
		wire_queue_init(&rig->queue, rig->vm, 0, 0, 7, RINGS);
		if (!round)
			wire_driver_ok(rig->vm, 0);
		for (unsigned i = 0; i < 5; i++) {
			ring_rig_add(rig);
			ring_rig_echoes(rig, &rig->queue, 8);
		}
		wire_reg_write(rig->vm, 0, 0x0c0, 1);
	}
}

/* ---- in order ---- */

TEST_WITH(in_order_one_used_descriptor_is_enough_for_a_batch, ring_rig_packed_order,
	  ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	u16 heads[5], head;
	u32 len;

	rig->echo->fill = true;
	for (unsigned i = 0; i < 5; i++)
		heads[i] = ring_rig_add(rig);
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	virtio_device_flush(&rig->echo->device, 0);
	assert_int_equal(le16toh(get(rig, 0).id), heads[4]);
	assert_int_equal(le16toh(get(rig, 0).flags), AVAIL | USED | WRITE);
	/* Those that it skips are as the driver left them. */
	for (unsigned i = 2; i < 10; i += 2)
		assert_int_equal(le16toh(get(rig, i).flags), AVAIL | NEXT);
	for (unsigned i = 0; i < 5; i++) {
		assert_true(wire_used(&rig->queue, &head, &len));
		assert_int_equal(head, heads[i]);
		assert_int_equal(len, 8);
	}
	assert_false(wire_has_used(&rig->queue));
}

TEST_WITH(in_order_a_chain_that_was_written_in_part_ends_its_batch, ring_rig_packed_order,
	  ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	static struct virtq_chain chain;
	static const u32 written[] = { 8, 8, 3, 8, 0, 0, 8, 8 };
	u32 len;

	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < ARRAY_SIZE(written); i++)
			ring_rig_add(rig);
		for (unsigned i = 0; i < ARRAY_SIZE(written); i++) {
			pop(rig, &chain);
			fill(rig, &chain, written[i]);
		}
		assert_false(wire_has_used(&rig->queue));
		virtio_device_flush(&rig->echo->device, 0);
		for (unsigned i = 0; i < ARRAY_SIZE(written); i++) {
			assert_true(wire_used(&rig->queue, NULL, &len));
			assert_int_equal(len, written[i]);
		}
		assert_false(wire_has_used(&rig->queue));
	}
}

static void early_chains_wait(struct ring_rig *rig)
{
	static struct virtq_chain chains[4];
	u16 heads[4], head;
	u32 len;

	for (unsigned round = 0; round < 7; round++) {
		for (unsigned i = 0; i < 4; i++) {
			heads[i] = ring_rig_add(rig);
			pop(rig, &chains[i]);
		}
		push(rig, &chains[3], 3);
		push(rig, &chains[1], 1);
		assert_false(wire_has_used(&rig->queue));
		push(rig, &chains[0], 0);
		for (unsigned i = 0; i < 2; i++) {
			assert_true(wire_used(&rig->queue, &head, &len));
			assert_int_equal(head, heads[i]);
			assert_int_equal(len, i);
		}
		assert_false(wire_has_used(&rig->queue));
		push(rig, &chains[2], 2);
		for (unsigned i = 2; i < 4; i++) {
			assert_true(wire_used(&rig->queue, &head, &len));
			assert_int_equal(head, heads[i]);
			assert_int_equal(len, i);
		}
	}
}

TEST_WITH(in_order_a_chain_that_is_done_early_waits_for_its_turn, ring_rig_packed_order,
	  ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	static struct virtq_chain chain;

	early_chains_wait(rig);
	/* One that waits when the device is reset is forgotten with it. */
	ring_rig_add(rig);
	ring_rig_add(rig);
	pop(rig, &chain);
	pop(rig, &chain);
	push(rig, &chain, 0);
	ring_rig_bring_up(rig, IN_ORDER, SIZE);
	early_chains_wait(rig);
}

TEST_WITH(in_order_and_split_a_batch_is_one_element, ring_rig_packed_order, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	struct vring_used_elem elem;
	u16 idx, head = 0;

	assert_true(wire_negotiate(rig->vm, 0, IN_ORDER));
	wire_queue_init(&rig->queue, rig->vm, 0, 0, SIZE, RINGS);
	wire_driver_ok(rig->vm, 0);
	early_chains_wait(rig);
	rig->echo->fill = true;
	for (unsigned i = 0; i < 3; i++)
		head = ring_rig_add(rig);
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	assert_false(wire_has_used(&rig->queue));
	virtio_device_flush(&rig->echo->device, 0);
	wire_read(rig->vm, rig->queue.used + 2, &idx, sizeof(idx));
	assert_int_equal((u16)(le16toh(idx) - rig->queue.last_used), 3);
	wire_read(rig->vm, rig->queue.used + 4 + sizeof(elem) * (rig->queue.last_used % SIZE),
		  &elem, sizeof(elem));
	assert_int_equal(le32toh(elem.id), head);
	for (unsigned i = 0; i < 3; i++)
		assert_true(wire_used(&rig->queue, NULL, NULL));
}

/* ---- interrupts and kicks that are not wanted ---- */

static void set_event(struct ring_rig *rig, u16 off, bool wrap, u16 flags)
{
	const struct vring_packed_desc_event event = {
		.off_wrap = htole16(off | wrap << VRING_PACKED_EVENT_F_WRAP_CTR),
		.flags = htole16(flags),
	};

	wire_write(rig->vm, rig->queue.avail, &event, sizeof(event));
}

static u32 asked(struct ring_rig *rig)
{
	u32 event;

	wire_read(rig->vm, rig->queue.used, &event, sizeof(event));
	return le32toh(event);
}

TEST_WITH(no_interrupt_where_the_flags_say_so, ring_rig_packed, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	static const struct {
		u16 flags;
		unsigned interrupts;
	} cases[] = {
		{ VRING_PACKED_EVENT_FLAG_DISABLE, 0 },
		{ VRING_PACKED_EVENT_FLAG_ENABLE, 1 },
		{ VRING_PACKED_EVENT_FLAG_DISABLE, 0 },
		/* Not negotiated, or of no meaning: one too many is better than none. */
		{ VRING_PACKED_EVENT_FLAG_DESC, 1 },
		{ 3, 1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned before = wire_interrupts(WIRE_GSI);

		set_event(rig, 9, true, cases[i].flags);
		ring_rig_add(rig);
		ring_rig_echoes(rig, &rig->queue, 8);
		assert_int_equal(wire_interrupts(WIRE_GSI) - before, cases[i].interrupts);
	}
}

TEST_WITH(interrupts_wait_until_the_position_is_passed, ring_rig_packed_event, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	/* In a ring of 6, chains of 2: the driver waits for descriptor 5, which is in the third. */
	static const unsigned expected[] = { 0, 0, 1, 1, 1, 1 };

	ring_rig_bring_up(rig, EVENT, 6);
	set_event(rig, 5, true, VRING_PACKED_EVENT_FLAG_DESC);
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		ring_rig_add(rig);
		ring_rig_echoes(rig, &rig->queue, 8);
		assert_int_equal(wire_interrupts(WIRE_GSI), expected[i]);
	}
	/* Its next round has begun; passed within a batch counts, also across the ring's end. */
	set_event(rig, 1, false, VRING_PACKED_EVENT_FLAG_DESC);
	ring_rig_add(rig);
	ring_rig_echoes(rig, &rig->queue, 8);
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
	set_event(rig, 0, false, VRING_PACKED_EVENT_FLAG_DESC);
	for (unsigned i = 0; i < 3; i++)
		ring_rig_add(rig);
	wire_kick(&rig->queue);
	ring_rig_poll(rig);
	assert_int_equal(wire_interrupts(WIRE_GSI), 2);
	for (unsigned i = 0; i < 3; i++)
		assert_true(wire_used(&rig->queue, NULL, NULL));
	/* A position that the ring does not have. */
	set_event(rig, 6, true, VRING_PACKED_EVENT_FLAG_DESC);
	ring_rig_add(rig);
	ring_rig_echoes(rig, &rig->queue, 8);
	assert_int_equal(wire_interrupts(WIRE_GSI), 3);
}

TEST_WITH(a_position_is_asked_for_when_the_queue_is_empty, ring_rig_packed_event, ring_rig_teardown)
{
	struct ring_rig *rig = *state;
	u16 at = 0;
	bool wrap = true;

	ring_rig_bring_up(rig, EVENT, 5);
	for (unsigned i = 0; i < 11; i++) {
		ring_rig_add(rig);
		ring_rig_echoes(rig, &rig->queue, 8);
		at += 2;
		wrap ^= at >= 5;
		at %= 5;
		assert_int_equal(asked(rig),
				 (u32)VRING_PACKED_EVENT_FLAG_DESC << 16 | wrap << 15 | at);
	}
}

TEST_WITH(without_positions_the_driver_is_always_asked, ring_rig_packed, ring_rig_teardown)
{
	struct ring_rig *rig = *state;

	for (unsigned i = 0; i < 3; i++) {
		ring_rig_add(rig);
		ring_rig_echoes(rig, &rig->queue, 8);
		assert_int_equal(asked(rig), VRING_PACKED_EVENT_FLAG_ENABLE);
	}
}
