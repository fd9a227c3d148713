/* SPDX-License-Identifier: BSD-2-Clause */
/* The split ring, friendly and hostile drivers both (virtio 1.4, "Split Virtqueues"). */
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
#define INDIRECT (1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT	 (1ULL << VIRTIO_RING_F_EVENT_IDX)

struct bench {
	struct vm *vm;
	struct echo *echo, *other;
	struct wire_queue queue, other_queue;
};

static void bring_up(struct bench *bench, u64 features, u16 size)
{
	assert_true(wire_negotiate(bench->vm, 0, features));
	wire_queue_init(&bench->queue, bench->vm, 0, 0, size, RINGS);
	wire_driver_ok(bench->vm, 0);
}

static int setup_size(void **state, u64 features, u16 size)
{
	static struct bench bench;

	memset(&bench, 0, sizeof(bench));
	bench.vm = wire_create();
	bench.echo = echo_create(bench.vm, 0, DEVICE_NO_ENDPOINT, false);
	bench.other = echo_create(bench.vm, 1, DEVICE_NO_ENDPOINT, false);
	bring_up(&bench, features, size);
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
	return setup_size(state, 0, SIZE);
}

static int setup_indirect(void **state)
{
	return setup_size(state, INDIRECT, SIZE);
}

static int setup_event(void **state)
{
	return setup_size(state, EVENT | INDIRECT, SIZE);
}

static int setup_large(void **state)
{
	return setup_size(state, INDIRECT, VIRTQ_MAX_SIZE);
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
	wire_read(bench->vm, IN, sent, len);
	wire_read(bench->vm, OUT, got, len);
	assert_memory_equal(sent, got, len);
}

/* The device in slot 0 stops, the other works on, a reset brings the first one back. */
static void stops(struct bench *bench)
{
	struct wire_segment pair[] = { { IN, 64, false }, { OUT, 64, true } };
	unsigned interrupts = wire_interrupts(WIRE_GSI);

	wire_kick(&bench->queue);
	poll(bench);
	assert_true(wire_needs_reset(bench->vm, 0));
	assert_int_equal(wire_interrupts(WIRE_GSI), interrupts + 1);
	assert_true(wire_reg_read(bench->vm, 0, VIRTIO_MMIO_INTERRUPT_STATUS) &
		    VIRTIO_MMIO_INT_CONFIG);
	assert_false(wire_has_used(&bench->queue));
	wire_kick(&bench->queue);
	poll(bench);
	assert_int_equal(bench->echo->served, 0);

	wire_fill(bench->vm, OUT, 0, 64);
	wire_add(&bench->other_queue, pair, 2);
	echoes(bench, &bench->other_queue, 64);

	wire_fill(bench->vm, OUT, 0, 64);
	bring_up(bench, 0, SIZE);
	assert_false(wire_needs_reset(bench->vm, 0));
	wire_add(&bench->queue, pair, 2);
	echoes(bench, &bench->queue, 64);
}

/* ---- what works ---- */

TEST_WITH(a_chain_comes_back_with_its_bytes, setup_plain, teardown)
{
	struct bench *bench = *state;
	struct wire_segment pair[] = { { IN, 100, false }, { OUT, 200, true } };
	u16 head = wire_add(&bench->queue, pair, 2), used_head;
	u32 len;

	wire_kick(&bench->queue);
	assert_true(wire_used(&bench->queue, &used_head, &len));
	assert_int_equal(used_head, head);
	assert_int_equal(len, 100);
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
	assert_int_equal(bench->echo->last.readable, 1);
	assert_int_equal(bench->echo->last.writable_len, 200);
}

TEST_WITH(one_byte_descriptors_are_one_request, setup_plain, teardown)
{
	struct bench *bench = *state;
	struct wire_segment bytes[SIZE];

	for (unsigned i = 0; i < SIZE / 2; i++) {
		bytes[i] = (struct wire_segment){ IN + i, 1, false };
		bytes[SIZE / 2 + i] = (struct wire_segment){ OUT + i, 1, true };
	}
	wire_add(&bench->queue, bytes, SIZE);
	echoes(bench, &bench->queue, SIZE / 2);
}

TEST_WITH(empty_descriptors_are_harmless, setup_plain, teardown)
{
	struct bench *bench = *state;
	struct wire_segment parts[] = {
		{ ~0ULL, 0, false }, { IN, 32, false }, { IN, 0, false },
		{ 0, 0, true },	     { OUT, 32, true }, { ~0ULL, 0, true }
	};

	wire_add(&bench->queue, parts, 6);
	echoes(bench, &bench->queue, 32);
}

TEST_WITH(indices_wrap_after_65536_chains, setup_plain, teardown)
{
	struct bench *bench = *state;
	struct wire_segment pair[] = { { IN, 8, false }, { OUT, 8, true } };
	unsigned count = 65536 + 3 * SIZE;

	for (unsigned i = 0; i < count; i += 4) {
		for (unsigned n = 0; n < 4; n++)
			wire_add(&bench->queue, pair, 2);
		wire_kick(&bench->queue);
		for (unsigned n = 0; n < 4; n++)
			assert_true(wire_used(&bench->queue, NULL, NULL));
	}
	assert_int_equal(bench->echo->served, count);
	assert_false(wire_needs_reset(bench->vm, 0));
}
TEST_AGAIN(indices_wrap_after_65536_chains, setup_event, teardown)

TEST_WITH(a_chain_as_long_as_the_queue_is_taken, setup_large, teardown)
{
	struct bench *bench = *state;
	struct wire_segment parts[VIRTQ_MAX_SIZE];

	for (unsigned i = 0; i < VIRTQ_MAX_SIZE / 2; i++) {
		parts[i] = (struct wire_segment){ IN + i, 1, false };
		parts[VIRTQ_MAX_SIZE / 2 + i] = (struct wire_segment){ OUT + i, 1, true };
	}
	wire_add(&bench->queue, parts, VIRTQ_MAX_SIZE);
	echoes(bench, &bench->queue, VIRTQ_MAX_SIZE / 2);
	wire_fill(bench->vm, OUT, 0, VIRTQ_MAX_SIZE);
	wire_add_indirect(&bench->queue, parts, VIRTQ_MAX_SIZE, TABLE);
	echoes(bench, &bench->queue, VIRTQ_MAX_SIZE / 2);
}

TEST_WITH(an_indirect_table_is_followed_and_its_write_flag_ignored, setup_indirect, teardown)
{
	struct bench *bench = *state;
	struct wire_segment pair[] = { { IN, 48, false }, { OUT, 48, true } };
	u16 head = wire_add_indirect(&bench->queue, pair, 2, TABLE);

	wire_set_desc(&bench->queue, head, TABLE, 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE,
		      0);
	echoes(bench, &bench->queue, 48);
}

TEST_WITH(an_indirect_table_may_follow_plain_descriptors, setup_indirect, teardown)
{
	struct bench *bench = *state;
	struct wire_segment pair[] = { { IN + 16, 16, false }, { OUT, 32, true } };

	wire_add_indirect(&bench->queue, pair, 2, TABLE); /* descriptor 0 */
	bench->queue.avail_idx = 0;
	wire_set_desc(&bench->queue, 5, IN, 16, VRING_DESC_F_NEXT, 0);
	wire_publish(&bench->queue, 5);
	echoes(bench, &bench->queue, 32);
}

TEST_WITH(a_buffer_may_lie_at_both_edges_of_ram, setup_plain, teardown)
{
	struct bench *bench = *state;
	struct wire_segment pair[] = { { WIRE_RAM - 16, 16, false },
				       { WIRE_HIGH + WIRE_RAM - 16, 16, true } };
	u32 len;

	wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	assert_true(wire_used(&bench->queue, NULL, &len));
	assert_int_equal(len, 16);
	assert_int_equal(bench->echo->faults, 0);
}

TEST_WITH(a_buffer_that_leaves_ram_is_an_error_of_its_request_alone, setup_plain, teardown)
{
	struct bench *bench = *state;
	static const u64 bad[] = { WIRE_RAM - 8, WIRE_HIGH - 8, WIRE_HIGH + WIRE_RAM - 8, 2 * GIB,
				   ~0ULL,	 ~0ULL - 14,	WIRE_HIGH + ~0U };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct wire_segment parts[] = { { bad[i], 16, false }, { OUT, 16, true } };
		u32 len;

		wire_add(&bench->queue, parts, 2);
		wire_kick(&bench->queue);
		assert_true(wire_used(&bench->queue, NULL, &len));
		assert_int_equal(len, 0);
		assert_int_equal(bench->echo->faults, i + 1);
	}
	assert_false(wire_needs_reset(bench->vm, 0));
}

TEST_WITH(a_device_that_bounds_its_work_is_kicked_again, setup_plain, teardown)
{
	struct bench *bench = *state;
	struct wire_segment pair[] = { { IN, 8, false }, { OUT, 8, true } };

	bench->echo->budget = 2;
	for (unsigned i = 0; i < 8; i++)
		wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	for (unsigned i = 0; i < 8; i++)
		assert_true(wire_used(&bench->queue, NULL, NULL));
	assert_true(bench->echo->kicks >= 4);
}

/* ---- interrupts and kicks that are not wanted ---- */

TEST_WITH(no_interrupt_where_the_flag_says_so, setup_plain, teardown)
{
	struct bench *bench = *state;
	struct wire_segment pair[] = { { IN, 8, false }, { OUT, 8, true } };
	u16 flags = htole16(VRING_AVAIL_F_NO_INTERRUPT);

	wire_write(bench->vm, bench->queue.avail, &flags, sizeof(flags));
	wire_add(&bench->queue, pair, 2);
	echoes(bench, &bench->queue, 8);
	assert_int_equal(wire_interrupts(WIRE_GSI), 0);
	assert_int_equal(wire_reg_read(bench->vm, 0, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	flags = 0;
	wire_write(bench->vm, bench->queue.avail, &flags, sizeof(flags));
	wire_add(&bench->queue, pair, 2);
	echoes(bench, &bench->queue, 8);
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
}

static void set_used_event(struct bench *bench, u16 value)
{
	value = htole16(value);
	wire_write(bench->vm, bench->queue.avail + 4 + 2 * bench->queue.size, &value, 2);
}

TEST_WITH(event_index_holds_interrupts_back_until_it_is_passed, setup_event, teardown)
{
	struct bench *bench = *state;
	struct wire_segment pair[] = { { IN, 8, false }, { OUT, 8, true } };
	static const unsigned expected[] = { 0, 0, 0, 1, 1, 1 };

	bench->queue.keep_used_event = true;
	set_used_event(bench, 3); /* interrupt when the fourth is used */
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		wire_add(&bench->queue, pair, 2);
		echoes(bench, &bench->queue, 8);
		assert_int_equal(wire_interrupts(WIRE_GSI), expected[i]);
	}
	/* Passed within a batch counts too. */
	set_used_event(bench, 7);
	for (unsigned i = 0; i < 4; i++)
		wire_add(&bench->queue, pair, 2);
	echoes(bench, &bench->queue, 8);
	assert_int_equal(wire_interrupts(WIRE_GSI), 2);
}

TEST_WITH(event_index_asks_for_a_kick_when_the_queue_is_empty, setup_event, teardown)
{
	struct bench *bench = *state;
	struct wire_segment pair[] = { { IN, 8, false }, { OUT, 8, true } };
	u16 avail_event;

	for (unsigned i = 1; i <= 3; i++) {
		wire_add(&bench->queue, pair, 2);
		echoes(bench, &bench->queue, 8);
		wire_read(bench->vm, bench->queue.used + 4 + 8 * bench->queue.size, &avail_event,
			  sizeof(avail_event));
		assert_int_equal(le16toh(avail_event), i);
	}
}

TEST_WITH(a_used_event_that_cannot_be_read_stops_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;
	struct wire_segment pair[] = { { IN, 8, false }, { OUT, 8, true } };
	gpa_t avail = WIRE_RAM - 4 - 2 * SIZE; /* used_event is the first field past RAM */

	assert_true(wire_negotiate(bench->vm, 0, EVENT));
	wire_queue_init(&bench->queue, bench->vm, 0, 0, SIZE, RINGS);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_READY, 0);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_NUM, SIZE);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_DESC_LOW, bench->queue.desc);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_AVAIL_LOW, avail);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_USED_LOW, bench->queue.used);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_READY, 1);
	wire_driver_ok(bench->vm, 0);
	bench->queue.avail = avail;
	wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	poll(bench);
	assert_true(wire_needs_reset(bench->vm, 0));
}

/* ---- rings that break the rules ---- */

TEST_WITH(a_head_past_the_queue_stops_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;

	wire_publish(&bench->queue, SIZE);
	stops(bench);
}

TEST_WITH(a_next_past_the_queue_stops_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;

	wire_set_desc(&bench->queue, 0, IN, 8, VRING_DESC_F_NEXT, SIZE);
	wire_publish(&bench->queue, 0);
	stops(bench);
}

TEST_WITH(a_loop_of_descriptors_stops_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;

	wire_set_desc(&bench->queue, 0, IN, 8, VRING_DESC_F_NEXT, 1);
	wire_set_desc(&bench->queue, 1, IN, 8, VRING_DESC_F_NEXT, 0);
	wire_publish(&bench->queue, 0);
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

TEST_WITH(an_avail_index_that_jumps_stops_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;

	bench->queue.avail_idx = SIZE;
	wire_publish(&bench->queue, 0);
	stops(bench);
}

TEST_WITH(an_avail_index_that_goes_back_stops_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;

	bench->queue.avail_idx = 0xfffe;
	wire_publish(&bench->queue, 0);
	stops(bench);
}

TEST_WITH(more_chains_than_descriptors_stop_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;
	struct wire_segment pair[] = { { IN, 8, false }, { OUT, 8, true } };

	bench->echo->keep = true;
	for (unsigned i = 0; i < SIZE; i++)
		wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	poll(bench);
	assert_int_equal(bench->echo->served, SIZE);
	assert_false(wire_needs_reset(bench->vm, 0));
	wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	poll(bench);
	assert_true(wire_needs_reset(bench->vm, 0));
	assert_int_equal(bench->echo->served, SIZE);
}

TEST_WITH(an_indirect_table_that_was_not_negotiated_stops_the_device, setup_plain, teardown)
{
	struct bench *bench = *state;
	struct wire_segment pair[] = { { IN, 8, false }, { OUT, 8, true } };

	wire_add_indirect(&bench->queue, pair, 2, TABLE);
	stops(bench);
}

TEST_WITH(a_nested_indirect_table_stops_the_device, setup_indirect, teardown)
{
	struct bench *bench = *state;
	struct vring_desc desc = { htole64(TABLE), htole32(16), htole16(VRING_DESC_F_INDIRECT), 0 };

	wire_write(bench->vm, TABLE, &desc, sizeof(desc));
	wire_set_desc(&bench->queue, 0, TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	wire_publish(&bench->queue, 0);
	stops(bench);
}

TEST_WITH(an_indirect_descriptor_with_a_next_stops_the_device, setup_indirect, teardown)
{
	struct bench *bench = *state;
	struct wire_segment pair[] = { { IN, 8, false }, { OUT, 8, true } };

	wire_add_indirect(&bench->queue, pair, 2, TABLE);
	wire_set_desc(&bench->queue, 0, TABLE, 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	stops(bench);
}

TEST_WITH(an_indirect_loop_stops_the_device, setup_indirect, teardown)
{
	struct bench *bench = *state;
	struct vring_desc desc = { htole64(IN), htole32(1), htole16(VRING_DESC_F_NEXT), 0 };

	wire_write(bench->vm, TABLE, &desc, sizeof(desc));
	wire_set_desc(&bench->queue, 0, TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	wire_publish(&bench->queue, 0);
	stops(bench);
}

TEST_WITH(an_indirect_next_past_its_table_stops_the_device, setup_indirect, teardown)
{
	struct bench *bench = *state;
	struct vring_desc desc = { htole64(IN), htole32(1), htole16(VRING_DESC_F_NEXT),
				   htole16(1) };

	wire_write(bench->vm, TABLE, &desc, sizeof(desc));
	desc.flags = 0;
	wire_write(bench->vm, TABLE + 16, &desc, sizeof(desc));
	wire_set_desc(&bench->queue, 0, TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	wire_publish(&bench->queue, 0);
	stops(bench);
}

TEST_WITH(indirect_tables_of_odd_length_or_place_stop_the_device, setup_indirect, teardown)
{
	static const struct {
		u64 address;
		u32 len;
	} bad[] = { { TABLE, 0 },    { TABLE, 15 },	   { TABLE, 17 },	{ ~0ULL - 7, 16 },
		    { 2 * GIB, 16 }, { WIRE_RAM - 8, 16 }, { ~0ULL - 14, 1600 } };
	struct bench *bench = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		bring_up(bench, INDIRECT, SIZE);
		bench->echo->served = 0;
		wire_set_desc(&bench->queue, 0, bad[i].address, bad[i].len, VRING_DESC_F_INDIRECT,
			      0);
		wire_publish(&bench->queue, 0);
		stops(bench);
	}
}

TEST_WITH(an_indirect_chain_longer_than_the_queue_stops_the_device, setup_indirect, teardown)
{
	struct bench *bench = *state;
	struct wire_segment parts[SIZE + 1];

	for (unsigned i = 0; i <= SIZE; i++)
		parts[i] = (struct wire_segment){ IN + i, 1, false };
	wire_add_indirect(&bench->queue, parts, SIZE + 1, TABLE);
	stops(bench);
}

static void place_rings(struct bench *bench, u64 desc, u64 avail, u64 used)
{
	static const u32 at[] = { VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_AVAIL_LOW,
				  VIRTIO_MMIO_QUEUE_USED_LOW };
	u64 rings[] = { desc, avail, used };

	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_SEL, 0);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_READY, 0);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_NUM, SIZE);
	for (unsigned i = 0; i < 3; i++) {
		wire_reg_write(bench->vm, 0, at[i], rings[i]);
		wire_reg_write(bench->vm, 0, at[i] + 4, rings[i] >> 32);
	}
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_READY, 1);
}

TEST_WITH(rings_outside_ram_stop_the_device, setup_plain, teardown)
{
	static const u64 nowhere[] = { 2 * GIB, WIRE_RAM, 1ULL << 60 };
	struct bench *bench = *state;
	struct wire_segment pair[] = { { IN, 8, false }, { OUT, 8, true } };

	for (unsigned i = 0; i < 3 * ARRAY_SIZE(nowhere); i++) {
		u64 bad = nowhere[i / 3];
		struct wire_queue *queue = &bench->queue;

		bring_up(bench, EVENT, SIZE);
		for (unsigned n = 0; n < 4; n++)
			wire_add(queue, pair, 2);
		place_rings(bench, i % 3 == 0 ? bad : queue->desc, i % 3 == 1 ? bad : queue->avail,
			    i % 3 == 2 ? bad : queue->used);
		wire_kick(queue);
		poll(bench);
		assert_true(wire_needs_reset(bench->vm, 0));
	}
}

TEST_WITH(rings_that_wrap_or_are_not_aligned_are_refused, setup_plain, teardown)
{
	struct bench *bench = *state;
	static const u64 bad[][3] = {
		{ ~0ULL - 15, RINGS, RINGS }, { RINGS, ~0ULL - 1, RINGS },
		{ RINGS, RINGS, ~0ULL - 3 },  { RINGS + 8, RINGS, RINGS },
		{ RINGS, RINGS + 1, RINGS },  { RINGS, RINGS, RINGS + 2 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		bring_up(bench, 0, SIZE);
		place_rings(bench, bad[i][0], bad[i][1], bad[i][2]);
		assert_true(wire_needs_reset(bench->vm, 0));
		assert_int_equal(wire_reg_read(bench->vm, 0, VIRTIO_MMIO_QUEUE_READY), 0);
	}
}
