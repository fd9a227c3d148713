/* SPDX-License-Identifier: BSD-2-Clause */
/* The packed ring, friendly and hostile drivers both (virtio 1.4, "Packed Virtqueues"). */
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "test.h"
#include "echo.h"

#define RINGS	 0x10000
#define RINGS_2	 0x30000
#define IN	 0x100000
#define OUT	 0x200000
#define TABLE	 0x300000
#define SIZE	 16
#define F(bit)	 (1ULL << (bit))
#define PACKED	 F(VIRTIO_F_RING_PACKED)
#define INDIRECT F(VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT	 F(VIRTIO_RING_F_EVENT_IDX)
#define IN_ORDER F(VIRTIO_F_IN_ORDER)
#define NEXT	 VRING_DESC_F_NEXT
#define WRITE	 VRING_DESC_F_WRITE
#define TABLE_OF VRING_DESC_F_INDIRECT
#define AVAIL	 (1 << VRING_PACKED_DESC_F_AVAIL)
#define USED	 (1 << VRING_PACKED_DESC_F_USED)

static const struct wire_segment pair[] = { { IN, 8, false }, { OUT, 8, true } };

struct bench {
	struct vm *vm;
	struct echo *echo, *other;
	struct wire_queue queue, other_queue;
};

static void bring_up(struct bench *bench, u64 features, u16 size)
{
	assert_true(wire_negotiate(bench->vm, 0, PACKED | features));
	wire_queue_init(&bench->queue, bench->vm, 0, 0, size, RINGS);
	wire_driver_ok(bench->vm, 0);
}

static int setup_as(void **state, u64 features)
{
	static struct bench bench;
	struct device_resource slot;

	memset(&bench, 0, sizeof(bench));
	bench.vm = wire_create();
	bench.echo = echo_alloc(bench.vm);
	bench.echo->device.features |= IN_ORDER;
	wire_slot(0, &slot);
	assert_int_equal(
		virtio_mmio_create(bench.vm, &bench.echo->device, &slot, DEVICE_NO_ENDPOINT, false),
		0);
	bench.other = echo_create(bench.vm, 1, DEVICE_NO_ENDPOINT, false);
	bring_up(&bench, features, SIZE);
	assert_true(wire_negotiate(bench.vm, 1, 0));
	wire_queue_init(&bench.other_queue, bench.vm, 1, 0, SIZE, RINGS_2);
	wire_driver_ok(bench.vm, 1);
	for (unsigned i = 0; i < 256; i++)
		wire_fill(bench.vm, IN + i, i * 7 + 1, 1);
	*state = &bench;
	return 0;
}

static int setup_plain(void **state)
{
	return setup_as(state, 0);
}

static int setup_indirect(void **state)
{
	return setup_as(state, INDIRECT);
}

static int setup_event(void **state)
{
	return setup_as(state, EVENT);
}

static int setup_order(void **state)
{
	return setup_as(state, IN_ORDER);
}

static int teardown(void **state)
{
	wire_destroy(((struct bench *)*state)->vm);
	return 0;
}

static void poll(struct bench *bench)
{
	for (unsigned i = 0; i < 4; i++)
		loop_poll(bench->vm->loop, 0);
}

static void echoes(struct bench *bench, struct wire_queue *queue, unsigned len)
{
	u8 sent[512], got[512];
	u32 used;

	wire_kick(queue);
	assert_true(wire_used(queue, NULL, &used));
	assert_int_equal(used, len);
	if (!len)
		return;
	wire_read(bench->vm, IN, sent, len);
	wire_read(bench->vm, OUT, got, len);
	assert_memory_equal(sent, got, len);
}

/* The device in slot 0 stops, the other works on, a reset brings the first one back. */
static void stops(struct bench *bench)
{
	const unsigned served = bench->echo->served;
	unsigned interrupts = wire_interrupts(WIRE_GSI);

	wire_kick(&bench->queue);
	poll(bench);
	assert_true(wire_needs_reset(bench->vm, 0));
	assert_int_equal(wire_interrupts(WIRE_GSI), interrupts + 1);
	wire_kick(&bench->queue);
	poll(bench);
	assert_int_equal(bench->echo->served, served);

	wire_fill(bench->vm, OUT, 0, 64);
	wire_add(&bench->other_queue, pair, 2);
	echoes(bench, &bench->other_queue, 8);

	wire_fill(bench->vm, OUT, 0, 64);
	bring_up(bench, 0, SIZE);
	assert_false(wire_needs_reset(bench->vm, 0));
	wire_add(&bench->queue, pair, 2);
	echoes(bench, &bench->queue, 8);
}

/* Descriptor @at, as it is. */
static void put(struct bench *bench, gpa_t table, u16 at, u64 address, u32 len, u16 id, u16 flags)
{
	const struct vring_packed_desc desc = { htole64(address), htole32(len), htole16(id),
						htole16(flags) };

	wire_write(bench->vm, table + at * sizeof(desc), &desc, sizeof(desc));
}

static struct vring_packed_desc get(struct bench *bench, u16 at)
{
	struct vring_packed_desc desc;

	wire_read(bench->vm, bench->queue.desc + at * sizeof(desc), &desc, sizeof(desc));
	return desc;
}

/* Chains that the test takes off the ring itself. */
static void pop(struct bench *bench, struct virtq_chain *chain)
{
	assert_true(virtio_device_pop(&bench->echo->device, 0, chain));
}

static void push(struct bench *bench, const struct virtq_chain *chain, u32 written)
{
	virtio_device_push(&bench->echo->device, 0, chain, written);
}

static void fill(struct bench *bench, const struct virtq_chain *chain, u32 written)
{
	virtio_device_fill(&bench->echo->device, 0, chain, written);
}

/* ---- what works ---- */

TEST_WITH(a_chain_comes_back_with_its_bytes_and_its_id, setup_plain, teardown)
{
	struct bench *bench = *state;
	struct vring_packed_desc desc;

	/* The ID is that of the last descriptor, and the driver's to choose. */
	put(bench, RINGS, 1, OUT, 200, 0xbeef, WRITE | AVAIL);
	put(bench, RINGS, 0, IN, 100, 0x1234, NEXT | AVAIL);
	wire_kick(&bench->queue);
	poll(bench);
	desc = get(bench, 0);
	assert_int_equal(le16toh(desc.id), 0xbeef);
	assert_int_equal(le32toh(desc.len), 100);
	assert_int_equal(le16toh(desc.flags), AVAIL | USED | WRITE);
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
	assert_int_equal(bench->echo->last.readable, 1);
	assert_int_equal(bench->echo->last.writable_len, 200);
	/* "Element Length": without a writable part it says nothing. */
	put(bench, RINGS, 2, IN, 10, 7, AVAIL);
	wire_kick(&bench->queue);
	poll(bench);
	assert_int_equal(le16toh(get(bench, 2).flags), AVAIL | USED);
}

TEST_WITH(chains_of_any_length_wrap_in_rings_of_any_size, setup_plain, teardown)
{
	static const u16 sizes[] = { 1, 2, 3, 5, 7, 16, 100, 255, 1000, 1023, 1024 };
	static struct wire_segment parts[VIRTQ_MAX_SIZE];
	struct bench *bench = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		bring_up(bench, 0, sizes[i]);
		for (unsigned round = 0; round < 40; round++) {
			unsigned count = 1 + (round * 37) % sizes[i], in = count / 2;

			for (unsigned n = 0; n < count; n++)
				parts[n] = n < in ? (struct wire_segment){ IN + n, 1, false }
						  : (struct wire_segment){ OUT + n - in, 1, true };
			wire_fill(bench->vm, OUT, 0, 512);
			wire_add(&bench->queue, parts, count);
			echoes(bench, &bench->queue, in);
		}
		assert_false(wire_needs_reset(bench->vm, 0));
	}
}

TEST_WITH(the_ring_may_be_full_at_each_place, setup_plain, teardown)
{
	struct bench *bench = *state;
	const struct wire_segment byte = { IN, 1, false };

	bring_up(bench, 0, 5);
	for (unsigned round = 0; round < 13; round++) {
		for (unsigned i = 0; i < 5; i++)
			wire_add(&bench->queue, &byte, 1);
		wire_kick(&bench->queue);
		for (unsigned i = 0; i < 5; i++)
			assert_true(wire_used(&bench->queue, NULL, NULL));
		assert_false(wire_has_used(&bench->queue));
		wire_add(&bench->queue, &byte, 1);
		wire_kick(&bench->queue);
		assert_true(wire_used(&bench->queue, NULL, NULL));
	}
}

TEST_WITH(the_longest_chain_is_as_long_as_the_ring, setup_indirect, teardown)
{
	static struct wire_segment parts[VIRTQ_MAX_SIZE];
	struct bench *bench = *state;

	for (unsigned i = 0; i < VIRTQ_MAX_SIZE / 2; i++) {
		parts[i] = (struct wire_segment){ IN + i, 1, false };
		parts[VIRTQ_MAX_SIZE / 2 + i] = (struct wire_segment){ OUT + i, 1, true };
	}
	bring_up(bench, INDIRECT, VIRTQ_MAX_SIZE);
	for (unsigned round = 0; round < 3; round++) {
		wire_add(&bench->queue, parts, VIRTQ_MAX_SIZE);
		echoes(bench, &bench->queue, VIRTQ_MAX_SIZE / 2);
		wire_add_indirect(&bench->queue, parts, VIRTQ_MAX_SIZE, TABLE);
		echoes(bench, &bench->queue, VIRTQ_MAX_SIZE / 2);
	}
}

TEST_WITH(an_indirect_table_is_followed_and_its_write_flag_ignored, setup_indirect, teardown)
{
	struct bench *bench = *state;

	put(bench, TABLE, 0, IN, 48, 0x5555, 0);
	/* What makes a descriptor of the ring available means nothing there. */
	put(bench, TABLE, 1, OUT, 48, 0x6666, WRITE | AVAIL | USED);
	put(bench, RINGS, 0, TABLE, 32, 9, TABLE_OF | WRITE | AVAIL);
	wire_kick(&bench->queue);
	poll(bench);
	assert_int_equal(le16toh(get(bench, 0).id), 9);
	assert_int_equal(le32toh(get(bench, 0).len), 48);
	assert_int_equal(le16toh(get(bench, 0).flags), AVAIL | USED | WRITE);
}

/* "Others are reserved and are ignored by the device": all of the table is the chain. */
TEST_WITH(flags_but_write_mean_nothing_in_a_table, setup_indirect, teardown)
{
	struct bench *bench = *state;
	static const u16 flags[] = { NEXT, TABLE_OF, NEXT | TABLE_OF, (u16)~WRITE };

	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		bring_up(bench, INDIRECT, SIZE);
		put(bench, TABLE, 0, IN, 48, 0, flags[i]);
		put(bench, TABLE, 1, OUT, 48, 0, flags[i] | WRITE);
		put(bench, RINGS, 0, TABLE, 32, 9, TABLE_OF | AVAIL);
		wire_kick(&bench->queue);
		poll(bench);
		assert_false(wire_needs_reset(bench->vm, 0));
		assert_int_equal(le32toh(get(bench, 0).len), 48);
		assert_int_equal(virtq_chain_segments(&bench->echo->last), 2);
	}
}

TEST_WITH(chains_may_come_back_in_any_order, setup_plain, teardown)
{
	struct bench *bench = *state;
	static struct virtq_chain chains[4];
	static const unsigned order[] = { 2, 0, 3, 1 };
	const struct wire_segment parts[] = { { IN, 1, false },
					      { IN, 1, false },
					      { OUT, 4, true } };
	u16 heads[4], head;
	u32 len;

	for (unsigned round = 0; round < 9; round++) {
		for (unsigned i = 0; i < 4; i++) {
			heads[i] = wire_add(&bench->queue, parts + i % 3, 3 - i % 3);
			pop(bench, &chains[i]);
		}
		for (unsigned i = 0; i < 4; i++)
			push(bench, &chains[order[i]], order[i]);
		for (unsigned i = 0; i < 4; i++) {
			assert_true(wire_used(&bench->queue, &head, &len));
			assert_int_equal(head, heads[order[i]]);
			assert_int_equal(len, order[i]);
		}
	}
}

TEST_WITH(buffer_ids_mean_nothing_to_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;

	/* All of them are the same, and beyond the ring. */
	for (unsigned i = 0; i < SIZE; i++)
		put(bench, RINGS, i, IN, 1, 0xffff, AVAIL);
	wire_kick(&bench->queue);
	poll(bench);
	for (unsigned i = 0; i < SIZE; i++) {
		assert_int_equal(le16toh(get(bench, i).id), 0xffff);
		assert_int_equal(le16toh(get(bench, i).flags), AVAIL | USED);
	}
	assert_int_equal(bench->echo->served, SIZE);
	assert_false(wire_needs_reset(bench->vm, 0));
}

TEST_WITH(chains_that_are_filled_are_seen_at_once, setup_plain, teardown)
{
	struct bench *bench = *state;

	bench->echo->fill = true;
	for (unsigned i = 0; i < 5; i++)
		wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	poll(bench);
	assert_int_equal(bench->echo->served, 5);
	assert_false(wire_has_used(&bench->queue));
	assert_int_equal(wire_interrupts(WIRE_GSI), 0);
	virtio_device_flush(&bench->echo->device, 0);
	virtio_device_interrupt(&bench->echo->device, 0);
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
	for (unsigned i = 0; i < 5; i++)
		assert_true(wire_has_used(&bench->queue) && wire_used(&bench->queue, NULL, NULL));
	assert_false(wire_has_used(&bench->queue));
}

TEST_WITH(a_descriptor_of_another_round_is_not_taken, setup_plain, teardown)
{
	struct bench *bench = *state;
	static const u16 flags[] = { 0, USED, USED | AVAIL, USED | NEXT, WRITE };

	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		put(bench, RINGS, 0, IN, 1, 0, flags[i]);
		wire_kick(&bench->queue);
		poll(bench);
		assert_int_equal(bench->echo->served, 0);
	}
	put(bench, RINGS, 0, IN, 1, 0, AVAIL);
	wire_kick(&bench->queue);
	poll(bench);
	assert_int_equal(bench->echo->served, 1);
}

TEST_WITH(a_device_that_bounds_its_work_is_kicked_again, setup_plain, teardown)
{
	struct bench *bench = *state;

	bench->echo->budget = 2;
	for (unsigned i = 0; i < 8; i++)
		wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	for (unsigned i = 0; i < 8; i++)
		assert_true(wire_used(&bench->queue, NULL, NULL));
	assert_true(bench->echo->kicks >= 4);
}

TEST_WITH(a_queue_that_is_reset_begins_at_its_start, setup_plain, teardown)
{
	struct bench *bench = *state;

	assert_true(wire_negotiate(bench->vm, 0, PACKED | F(VIRTIO_F_RING_RESET)));
	for (unsigned round = 0; round < 3; round++) {
		wire_queue_init(&bench->queue, bench->vm, 0, 0, 7, RINGS);
		if (!round)
			wire_driver_ok(bench->vm, 0);
		for (unsigned i = 0; i < 5; i++) {
			wire_add(&bench->queue, pair, 2);
			echoes(bench, &bench->queue, 8);
		}
		wire_reg_write(bench->vm, 0, 0x0c0, 1);
	}
}

/* ---- in order ---- */

TEST_WITH(in_order_one_used_descriptor_is_enough_for_a_batch, setup_order, teardown)
{
	struct bench *bench = *state;
	u16 heads[5], head;
	u32 len;

	bench->echo->fill = true;
	for (unsigned i = 0; i < 5; i++)
		heads[i] = wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	poll(bench);
	virtio_device_flush(&bench->echo->device, 0);
	assert_int_equal(le16toh(get(bench, 0).id), heads[4]);
	assert_int_equal(le16toh(get(bench, 0).flags), AVAIL | USED | WRITE);
	/* Those that it skips are as the driver left them. */
	for (unsigned i = 2; i < 10; i += 2)
		assert_int_equal(le16toh(get(bench, i).flags), AVAIL | NEXT);
	for (unsigned i = 0; i < 5; i++) {
		assert_true(wire_used(&bench->queue, &head, &len));
		assert_int_equal(head, heads[i]);
		assert_int_equal(len, 8);
	}
	assert_false(wire_has_used(&bench->queue));
}

TEST_WITH(in_order_a_chain_that_was_written_in_part_ends_its_batch, setup_order, teardown)
{
	struct bench *bench = *state;
	static struct virtq_chain chain;
	static const u32 written[] = { 8, 8, 3, 8, 0, 0, 8, 8 };
	u32 len;

	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < ARRAY_SIZE(written); i++)
			wire_add(&bench->queue, pair, 2);
		for (unsigned i = 0; i < ARRAY_SIZE(written); i++) {
			pop(bench, &chain);
			fill(bench, &chain, written[i]);
		}
		assert_false(wire_has_used(&bench->queue));
		virtio_device_flush(&bench->echo->device, 0);
		for (unsigned i = 0; i < ARRAY_SIZE(written); i++) {
			assert_true(wire_used(&bench->queue, NULL, &len));
			assert_int_equal(len, written[i]);
		}
		assert_false(wire_has_used(&bench->queue));
	}
}

static void early_chains_wait(struct bench *bench)
{
	static struct virtq_chain chains[4];
	u16 heads[4], head;
	u32 len;

	for (unsigned round = 0; round < 7; round++) {
		for (unsigned i = 0; i < 4; i++) {
			heads[i] = wire_add(&bench->queue, pair, 2);
			pop(bench, &chains[i]);
		}
		push(bench, &chains[3], 3);
		push(bench, &chains[1], 1);
		assert_false(wire_has_used(&bench->queue));
		push(bench, &chains[0], 0);
		for (unsigned i = 0; i < 2; i++) {
			assert_true(wire_used(&bench->queue, &head, &len));
			assert_int_equal(head, heads[i]);
			assert_int_equal(len, i);
		}
		assert_false(wire_has_used(&bench->queue));
		push(bench, &chains[2], 2);
		for (unsigned i = 2; i < 4; i++) {
			assert_true(wire_used(&bench->queue, &head, &len));
			assert_int_equal(head, heads[i]);
			assert_int_equal(len, i);
		}
	}
}

TEST_WITH(in_order_a_chain_that_is_done_early_waits_for_its_turn, setup_order, teardown)
{
	struct bench *bench = *state;
	static struct virtq_chain chain;

	early_chains_wait(bench);
	/* One that waits when the device is reset is forgotten with it. */
	wire_add(&bench->queue, pair, 2);
	wire_add(&bench->queue, pair, 2);
	pop(bench, &chain);
	pop(bench, &chain);
	push(bench, &chain, 0);
	bring_up(bench, IN_ORDER, SIZE);
	early_chains_wait(bench);
}

TEST_WITH(in_order_and_split_a_batch_is_one_element, setup_order, teardown)
{
	struct bench *bench = *state;
	struct vring_used_elem elem;
	u16 idx, head = 0;

	assert_true(wire_negotiate(bench->vm, 0, IN_ORDER));
	wire_queue_init(&bench->queue, bench->vm, 0, 0, SIZE, RINGS);
	wire_driver_ok(bench->vm, 0);
	early_chains_wait(bench);
	bench->echo->fill = true;
	for (unsigned i = 0; i < 3; i++)
		head = wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	poll(bench);
	assert_false(wire_has_used(&bench->queue));
	virtio_device_flush(&bench->echo->device, 0);
	wire_read(bench->vm, bench->queue.used + 2, &idx, sizeof(idx));
	assert_int_equal((u16)(le16toh(idx) - bench->queue.last_used), 3);
	wire_read(bench->vm, bench->queue.used + 4 + sizeof(elem) * (bench->queue.last_used % SIZE),
		  &elem, sizeof(elem));
	assert_int_equal(le32toh(elem.id), head);
	for (unsigned i = 0; i < 3; i++)
		assert_true(wire_used(&bench->queue, NULL, NULL));
}

/* ---- interrupts and kicks that are not wanted ---- */

static void set_event(struct bench *bench, u16 off, bool wrap, u16 flags)
{
	const struct vring_packed_desc_event event = {
		.off_wrap = htole16(off | wrap << VRING_PACKED_EVENT_F_WRAP_CTR),
		.flags = htole16(flags),
	};

	wire_write(bench->vm, bench->queue.avail, &event, sizeof(event));
}

static u32 asked(struct bench *bench)
{
	u32 event;

	wire_read(bench->vm, bench->queue.used, &event, sizeof(event));
	return le32toh(event);
}

TEST_WITH(no_interrupt_where_the_flags_say_so, setup_plain, teardown)
{
	struct bench *bench = *state;
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

		set_event(bench, 9, true, cases[i].flags);
		wire_add(&bench->queue, pair, 2);
		echoes(bench, &bench->queue, 8);
		assert_int_equal(wire_interrupts(WIRE_GSI) - before, cases[i].interrupts);
	}
}

TEST_WITH(interrupts_wait_until_the_position_is_passed, setup_event, teardown)
{
	struct bench *bench = *state;
	/* In a ring of 6, chains of 2: the driver waits for descriptor 5, which is in the third. */
	static const unsigned expected[] = { 0, 0, 1, 1, 1, 1 };

	bring_up(bench, EVENT, 6);
	set_event(bench, 5, true, VRING_PACKED_EVENT_FLAG_DESC);
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		wire_add(&bench->queue, pair, 2);
		echoes(bench, &bench->queue, 8);
		assert_int_equal(wire_interrupts(WIRE_GSI), expected[i]);
	}
	/* Its next round has begun; passed within a batch counts, also across the ring's end. */
	set_event(bench, 1, false, VRING_PACKED_EVENT_FLAG_DESC);
	wire_add(&bench->queue, pair, 2);
	echoes(bench, &bench->queue, 8);
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
	set_event(bench, 0, false, VRING_PACKED_EVENT_FLAG_DESC);
	for (unsigned i = 0; i < 3; i++)
		wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	poll(bench);
	assert_int_equal(wire_interrupts(WIRE_GSI), 2);
	for (unsigned i = 0; i < 3; i++)
		assert_true(wire_used(&bench->queue, NULL, NULL));
	/* A position that the ring does not have. */
	set_event(bench, 6, true, VRING_PACKED_EVENT_FLAG_DESC);
	wire_add(&bench->queue, pair, 2);
	echoes(bench, &bench->queue, 8);
	assert_int_equal(wire_interrupts(WIRE_GSI), 3);
}

TEST_WITH(a_position_is_asked_for_when_the_queue_is_empty, setup_event, teardown)
{
	struct bench *bench = *state;
	u16 at = 0;
	bool wrap = true;

	bring_up(bench, EVENT, 5);
	for (unsigned i = 0; i < 11; i++) {
		wire_add(&bench->queue, pair, 2);
		echoes(bench, &bench->queue, 8);
		at += 2;
		wrap ^= at >= 5;
		at %= 5;
		assert_int_equal(asked(bench),
				 (u32)VRING_PACKED_EVENT_FLAG_DESC << 16 | wrap << 15 | at);
	}
}

TEST_WITH(without_positions_the_driver_is_always_asked, setup_plain, teardown)
{
	struct bench *bench = *state;

	for (unsigned i = 0; i < 3; i++) {
		wire_add(&bench->queue, pair, 2);
		echoes(bench, &bench->queue, 8);
		assert_int_equal(asked(bench), VRING_PACKED_EVENT_FLAG_ENABLE);
	}
}

/* ---- rings that break the rules ---- */

TEST_WITH(a_chain_without_an_end_stops_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;

	for (unsigned i = 0; i < SIZE; i++)
		put(bench, RINGS, i, IN, 1, 0, NEXT | AVAIL);
	stops(bench);
}

TEST_WITH(a_chain_into_descriptors_that_are_in_flight_stops_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;
	const unsigned served = 4;

	bench->echo->keep = true;
	for (unsigned i = 0; i < served; i++)
		wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	poll(bench);
	assert_int_equal(bench->echo->served, served);
	for (unsigned i = 2 * served; i < SIZE; i++)
		put(bench, RINGS, i, IN, 1, 0, NEXT | AVAIL);
	bench->echo->keep = false;
	stops(bench);
}

TEST_WITH(more_descriptors_than_the_ring_has_stop_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;

	bench->echo->keep = true;
	for (unsigned i = 0; i < SIZE / 2; i++)
		wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	poll(bench);
	assert_int_equal(bench->echo->served, SIZE / 2);
	assert_false(wire_needs_reset(bench->vm, 0));
	put(bench, RINGS, 0, IN, 1, 0, USED);
	bench->echo->keep = false;
	stops(bench);
}

TEST_WITH(descriptors_are_the_drivers_again_when_it_is_shown_so, setup_order, teardown)
{
	struct bench *bench = *state;

	/* All are filled, in one batch, and none is shown: none may be used again. */
	bench->echo->fill = true;
	for (unsigned i = 0; i < SIZE / 2; i++)
		wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	poll(bench);
	assert_int_equal(bench->echo->served, SIZE / 2);
	assert_false(wire_needs_reset(bench->vm, 0));
	put(bench, RINGS, 0, IN, 1, 0, USED);
	bench->echo->fill = false;
	stops(bench);
}

TEST_WITH(a_readable_part_behind_a_writable_one_stops_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;
	struct wire_segment parts[] = { { IN, 8, false }, { OUT, 8, true }, { IN, 8, false } };

	wire_add(&bench->queue, parts, 3);
	stops(bench);
}

TEST_WITH(a_chain_of_4_gib_stops_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;
	struct wire_segment parts[] = { { IN, ~0u, false }, { OUT, 1, true } };

	wire_add(&bench->queue, parts, 2);
	stops(bench);
}

TEST_WITH(an_indirect_table_that_was_not_negotiated_stops_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;

	wire_add_indirect(&bench->queue, pair, 2, TABLE);
	stops(bench);
}

TEST_WITH(an_indirect_table_in_a_list_stops_the_device, setup_indirect, teardown)
{
	struct bench *bench = *state;

	/* First in the list, last in it, and in the middle of it. */
	for (unsigned i = 0; i < 3; i++) {
		bring_up(bench, INDIRECT, SIZE);
		put(bench, TABLE, 0, IN, 8, 0, 0);
		put(bench, RINGS, 1, TABLE, 16, 0, TABLE_OF | AVAIL | (i == 2 ? NEXT : 0));
		put(bench, RINGS, 2, IN, 8, 0, AVAIL);
		if (i)
			put(bench, RINGS, 0, IN, 8, 0, NEXT | AVAIL);
		else
			put(bench, RINGS, 0, TABLE, 16, 0, TABLE_OF | NEXT | AVAIL);
		stops(bench);
	}
}

TEST_WITH(indirect_tables_of_odd_length_or_place_stop_the_device, setup_indirect, teardown)
{
	static const struct {
		u64 address;
		u32 len;
	} bad[] = { { TABLE, 0 },	  { TABLE, 15 },	{ TABLE, 17 },
		    { ~0ULL - 7, 16 },	  { 2 * GIB, 16 },	{ WIRE_RAM - 8, 16 },
		    { ~0ULL - 14, 1600 }, { TABLE, ~0u & ~15 }, { WIRE_RAM - 16, 32 } };
	struct bench *bench = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		bring_up(bench, INDIRECT, SIZE);
		put(bench, RINGS, 0, bad[i].address, bad[i].len, 0, TABLE_OF | AVAIL);
		stops(bench);
	}
}

TEST_WITH(an_indirect_chain_longer_than_the_ring_stops_the_device, setup_indirect, teardown)
{
	struct bench *bench = *state;
	struct wire_segment parts[SIZE + 1];

	for (unsigned i = 0; i <= SIZE; i++)
		parts[i] = (struct wire_segment){ IN + i, 1, false };
	wire_add_indirect(&bench->queue, parts, SIZE + 1, TABLE);
	stops(bench);
}

static void place_areas(struct bench *bench, u64 desc, u64 driver, u64 device)
{
	static const u32 at[] = { VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_AVAIL_LOW,
				  VIRTIO_MMIO_QUEUE_USED_LOW };
	u64 areas[] = { desc, driver, device };

	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_SEL, 0);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_READY, 0);
	for (unsigned i = 0; i < 3; i++) {
		wire_reg_write(bench->vm, 0, at[i], areas[i]);
		wire_reg_write(bench->vm, 0, at[i] + 4, areas[i] >> 32);
	}
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_READY, 1);
}

TEST_WITH(areas_outside_ram_stop_the_device, setup_event, teardown)
{
	static const u64 nowhere[] = { 2 * GIB, WIRE_RAM, 1ULL << 60 };
	struct bench *bench = *state;

	for (unsigned i = 0; i < 3 * ARRAY_SIZE(nowhere); i++) {
		u64 bad = nowhere[i / 3];
		struct wire_queue *queue = &bench->queue;

		bring_up(bench, EVENT, SIZE);
		for (unsigned n = 0; n < 4; n++)
			wire_add(queue, pair, 2);
		place_areas(bench, i % 3 == 0 ? bad : queue->desc, i % 3 == 1 ? bad : queue->avail,
			    i % 3 == 2 ? bad : queue->used);
		wire_kick(queue);
		poll(bench);
		assert_true(wire_needs_reset(bench->vm, 0));
	}
}

TEST_WITH(a_ring_whose_end_is_outside_ram_stops_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;

	/* The first two descriptors are the last of RAM. */
	place_areas(bench, WIRE_RAM - 32, RINGS + 0x4000, RINGS + 0x8000);
	bench->queue.desc = WIRE_RAM - 32;
	wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	poll(bench);
	/* The chain was served, and the device stopped as it looked for the next. */
	assert_int_equal(bench->echo->served, 1);
	assert_true(wire_has_used(&bench->queue));
	assert_true(wire_needs_reset(bench->vm, 0));
}

TEST_WITH(areas_that_wrap_or_are_not_aligned_are_refused, setup_plain, teardown)
{
	struct bench *bench = *state;
	static const u64 bad[][3] = {
		{ ~0ULL - 15, RINGS, RINGS }, { RINGS + 8, RINGS, RINGS },
		{ RINGS, RINGS + 2, RINGS },  { RINGS, RINGS, RINGS + 2 },
		{ RINGS, RINGS + 1, RINGS },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		bring_up(bench, 0, SIZE);
		place_areas(bench, bad[i][0], bad[i][1], bad[i][2]);
		assert_true(wire_needs_reset(bench->vm, 0));
		assert_int_equal(wire_reg_read(bench->vm, 0, VIRTIO_MMIO_QUEUE_READY), 0);
	}
	/* The last descriptors and bytes of all addresses are addresses like others. */
	bring_up(bench, 0, SIZE);
	place_areas(bench, ~0ULL - 16 * SIZE + 1, ~0ULL - 3, ~0ULL - 3);
	assert_int_equal(wire_reg_read(bench->vm, 0, VIRTIO_MMIO_QUEUE_READY), 1);
}

TEST_WITH(sizes_above_the_maximum_are_refused, setup_plain, teardown)
{
	struct bench *bench = *state;
	static const u32 bad[] = { 0, VIRTQ_MAX_SIZE + 1, 0x8000, 0x10000, 0x10001, ~0u };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		bring_up(bench, 0, SIZE);
		wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_READY, 0);
		wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_NUM, bad[i]);
		wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_READY, 1);
		assert_true(wire_needs_reset(bench->vm, 0));
	}
}
