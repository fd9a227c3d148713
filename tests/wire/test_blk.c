/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk on a disk that does what the test says (virtio 1.4, "Block Device"). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "test.h"
#include "fake_disk.h"
#include "virtio/blk.h"
#include "virtio/mmio.h"
#include "vmm/counters.h"
#include "wire.h"

#define RINGS	0x10000
#define HEADER	0x20000
#define STATUS	0x20100
#define TABLE	0x21000
#define DATA	0x100000
#define SECTORS (DISK_SIZE / 512)
#define QUEUE	64
#define F(bit)	(1ULL << (bit))
#define ALL                                                                                        \
	(F(VIRTIO_BLK_F_FLUSH) | F(VIRTIO_BLK_F_DISCARD) | F(VIRTIO_BLK_F_WRITE_ZEROES) |          \
	 F(VIRTIO_RING_F_INDIRECT_DESC) | F(VIRTIO_RING_F_EVENT_IDX))

/* ---- the machine ---- */

struct bench {
	struct vm *vm;
	struct disk *disk;
	struct virtio_device *device;
	struct wire_queue queue;
	unsigned closed;
};

static void bring_up(struct bench *bench, u64 features)
{
	assert_true(wire_negotiate(bench->vm, 0, features));
	wire_queue_init(&bench->queue, bench->vm, 0, 0, QUEUE, RINGS);
	wire_driver_ok(bench->vm, 0);
}

static int setup_disk(void **state, bool read_only, bool can_discard)
{
	static struct bench bench;
	const struct virtio_blk_options options = { .number = 3 };
	struct device_resource slot;

	memset(&bench, 0, sizeof(bench));
	bench.vm = wire_create();
	bench.disk = fake_disk_create(DISK_SIZE, read_only, can_discard, &bench.closed);
	fake_disk_fill(bench.disk);
	assert_int_equal(virtio_blk_create(&bench.device, bench.disk, &options, bench.vm->loop,
					   &bench.vm->identity.space),
			 0);
	wire_slot(0, &slot);
	assert_int_equal(
		virtio_mmio_create(bench.vm, bench.device, &slot, DEVICE_NO_ENDPOINT, false), 0);
	bring_up(&bench, wire_features(bench.vm, 0) & ALL);
	*state = &bench;
	return 0;
}

static int setup(void **state)
{
	return setup_disk(state, false, true);
}

static int setup_read_only(void **state)
{
	return setup_disk(state, true, true);
}

static int setup_no_discard(void **state)
{
	return setup_disk(state, false, false);
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	wire_destroy(bench->vm);
	assert_int_equal(bench->closed, 1);
	return 0;
}

static void put_header(struct bench *bench, gpa_t at, u32 type, u64 sector)
{
	struct virtio_blk_outhdr header = {
		.type = htole32(type),
		.ioprio = 0xffffffff,
		.sector = htole64(sector),
	};

	wire_write(bench->vm, at, &header, sizeof(header));
}

/* One request at @n of several at once. */
static void start_nth(struct bench *bench, unsigned n, u32 type, u64 sector, u64 data, u32 len)
{
	struct wire_segment parts[] = { { HEADER + 16 * n, 16, false },
					{ data, len,
					  type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID },
					{ STATUS + n, 1, true } };

	put_header(bench, parts[0].address, type, sector);
	wire_fill(bench->vm, STATUS + n, 0xee, 1);
	if (!len)
		parts[1] = parts[2];
	wire_add(&bench->queue, parts, len ? 3 : 2);
}

static u8 status_of(struct bench *bench, unsigned n)
{
	u8 status;

	wire_read(bench->vm, STATUS + n, &status, 1);
	return status;
}

static u8 finish(struct bench *bench, u32 *len)
{
	wire_kick(&bench->queue);
	assert_true(wire_used(&bench->queue, NULL, len));
	return status_of(bench, 0);
}

static u8 request(struct bench *bench, u32 type, u64 sector, u64 data, u32 len, u32 *used)
{
	start_nth(bench, 0, type, sector, data, len);
	return finish(bench, used);
}

static void data_is(struct bench *bench, gpa_t gpa, u64 sector, u32 len)
{
	u8 *copy = malloc(len);

	wire_read(bench->vm, gpa, copy, len);
	assert_memory_equal(copy, bench->disk->data + 512 * sector, len);
	free(copy);
}

static void poll(struct bench *bench)
{
	for (unsigned i = 0; i < 4; i++)
		loop_poll(bench->vm->loop, 0);
}

/* ---- what a disk does ---- */

TEST_WITH(configuration_space_describes_the_disk, setup, teardown)
{
	struct bench *bench = *state;
	struct virtio_blk_config config;

	for (unsigned i = 0; i < sizeof(config) / 4; i++)
		((u32 *)&config)[i] = wire_config_read(bench->vm, 0, 4 * i, 4);
	assert_int_equal(config.capacity, SECTORS);
	assert_int_equal(config.seg_max, 254);
	assert_int_equal(config.blk_size, 512);
	assert_int_equal(config.max_discard_seg, 1);
	assert_int_equal(config.max_write_zeroes_seg, 1);
	assert_true(config.max_discard_sectors && config.max_write_zeroes_sectors);
	assert_string_equal(bench->device->name, "virtio-blk 3");
}

TEST_WITH(a_read_brings_the_sectors, setup, teardown)
{
	struct bench *bench = *state;
	u32 used;

	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 100, DATA, 4096, &used), 0);
	assert_int_equal(used, 4097);
	data_is(bench, DATA, 100, 4096);
	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, SECTORS - 1, DATA, 512, &used), 0);
	data_is(bench, DATA, SECTORS - 1, 512);
}

TEST_WITH(a_write_reaches_the_disk, setup, teardown)
{
	struct bench *bench = *state;
	u32 used;

	wire_fill(bench->vm, DATA, 0xa5, 1024);
	assert_int_equal(request(bench, VIRTIO_BLK_T_OUT, 7, DATA, 1024, &used), 0);
	assert_int_equal(used, 1);
	data_is(bench, DATA, 7, 1024);
	assert_int_equal(bench->disk->syncs, 0);
	assert_int_equal(request(bench, VIRTIO_BLK_T_FLUSH, 0, 0, 0, &used), 0);
	assert_int_equal(bench->disk->syncs, 1);
}

TEST_WITH(without_flush_every_write_is_flushed_before_its_answer, setup, teardown)
{
	struct bench *bench = *state;

	bring_up(bench, 0);
	assert_int_equal(request(bench, VIRTIO_BLK_T_OUT, 7, DATA, 1024, NULL), 0);
	assert_int_equal(bench->disk->syncs, 1);
	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 7, DATA, 1024, NULL), 0);
	assert_int_equal(bench->disk->syncs, 1);
}

TEST_WITH(framing_does_not_matter, setup, teardown)
{
	struct bench *bench = *state;
	struct wire_segment parts[QUEUE];
	unsigned n = 0;
	u8 status;

	wire_fill(bench->vm, DATA + 512, 0xee, 1);
	/* The header byte by byte, data and status in one descriptor. */
	put_header(bench, HEADER, VIRTIO_BLK_T_IN, 5);
	for (; n < 16; n++)
		parts[n] = (struct wire_segment){ HEADER + n, 1, false };
	parts[n++] = (struct wire_segment){ DATA, 1, true };
	parts[n++] = (struct wire_segment){ DATA + 1, 512, true };
	wire_add(&bench->queue, parts, n);
	wire_kick(&bench->queue);
	assert_true(wire_used(&bench->queue, NULL, NULL));
	data_is(bench, DATA, 5, 512);
	wire_read(bench->vm, DATA + 512, &status, 1);
	assert_int_equal(status, 0);

	/* Header and data in one descriptor, through an indirect table. */
	put_header(bench, DATA, VIRTIO_BLK_T_OUT, 6);
	wire_fill(bench->vm, DATA + 16, 0x77, 512);
	wire_add_indirect(&bench->queue,
			  (struct wire_segment[]){ { DATA, 528, false }, { STATUS, 1, true } }, 2,
			  TABLE);
	assert_int_equal(finish(bench, NULL), 0);
	data_is(bench, DATA + 16, 6, 512);
}

TEST_WITH(a_request_of_many_pieces_is_carried_out_in_parts, setup, teardown)
{
	struct bench *bench = *state;
	u32 len = 3 * MIB + 512, used;

	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 9, WIRE_HIGH, len, &used), 0);
	assert_int_equal(used, len + 1);
	data_is(bench, WIRE_HIGH, 9, len);
	assert_int_equal(bench->disk->submits, 2);
	assert_true(bench->disk->largest < len);
	assert_int_equal(request(bench, VIRTIO_BLK_T_OUT, 1000, WIRE_HIGH, len, &used), 0);
	data_is(bench, WIRE_HIGH, 1000, len);
}

TEST_WITH(get_id_names_the_disk, setup, teardown)
{
	struct bench *bench = *state;
	char id[20];
	u32 used;

	assert_int_equal(request(bench, VIRTIO_BLK_T_GET_ID, 0, DATA, 20, &used), 0);
	assert_int_equal(used, 21);
	wire_read(bench->vm, DATA, id, 20);
	assert_memory_equal(id, "0123456789abcdefghij", 20);
	assert_int_equal(request(bench, VIRTIO_BLK_T_GET_ID, 0, DATA, 19, NULL),
			 VIRTIO_BLK_S_IOERR);
}

static u8 clear(struct bench *bench, u32 type, u64 sector, u32 sectors, u32 flags)
{
	struct virtio_blk_discard_write_zeroes range = { htole64(sector), htole32(sectors),
							 htole32(flags) };

	wire_write(bench->vm, DATA, &range, sizeof(range));
	return request(bench, type, 0, DATA, sizeof(range), NULL);
}

TEST_WITH(discard_and_write_zeroes_clear_a_range, setup, teardown)
{
	struct bench *bench = *state;

	assert_int_equal(clear(bench, VIRTIO_BLK_T_DISCARD, 10, 2, 0), 0);
	assert_int_equal(bench->disk->data[10 * 512], 0xdd);
	assert_int_equal(bench->disk->data[12 * 512 - 1], 0xdd);
	assert_int_equal(
		clear(bench, VIRTIO_BLK_T_WRITE_ZEROES, 11, 1, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP),
		0);
	assert_int_equal(bench->disk->data[11 * 512], 0);
	assert_int_equal(bench->disk->data[12 * 512 - 1], 0);
	assert_int_equal(clear(bench, VIRTIO_BLK_T_DISCARD, 0, 0, 0), 0);
	assert_int_equal(bench->disk->submits, 2);
}

TEST_WITH(many_requests_go_to_the_disk_in_one_call, setup, teardown)
{
	struct bench *bench = *state;

	for (unsigned i = 0; i < 16; i++)
		start_nth(bench, i, VIRTIO_BLK_T_IN, i, DATA + 512 * i, 512);
	wire_kick(&bench->queue);
	for (unsigned i = 0; i < 16; i++) {
		assert_true(wire_used(&bench->queue, NULL, NULL));
		assert_int_equal(status_of(bench, i), 0);
	}
	data_is(bench, DATA, 0, 16 * 512);
	assert_int_equal(bench->disk->flush_queues, 1);
	/* used_event was passed by the first completion: one interrupt for all. */
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
}

static char counted[256];

static void take_line(struct counters_text *text, const char *line)
{
	snprintf(counted, sizeof(counted), "%s", line);
}

TEST_WITH(the_counters_count, setup, teardown)
{
	struct counters_text text = { .line = take_line };
	struct bench *bench = *state;

	request(bench, VIRTIO_BLK_T_IN, 0, DATA, 1024, NULL);
	request(bench, VIRTIO_BLK_T_OUT, 0, DATA, 512, NULL);
	request(bench, VIRTIO_BLK_T_FLUSH, 0, 0, 0, NULL);
	request(bench, 99, 0, 0, 0, NULL);
	counters_text_begin(&text);
	virtio_blk_count(bench->device, &text.counters);
	counters_text_end(&text);
	assert_string_equal(counted, "virtio-blk 3: reads=1 bytes_read=1024 writes=1 "
				     "bytes_written=512 flushes=1 discards=0 write_zeroes=0 "
				     "errors=1");
	/* Each request was a kick, a chain and an interrupt. */
	counters_text_begin(&text);
	virtio_device_count(bench->device, &text.counters);
	counters_text_end(&text);
	assert_string_equal(counted, "virtio-blk 3 queue 0: kicks=4 chains=4 interrupts=4");
}

/* ---- what it refuses ---- */

TEST_WITH(requests_beyond_the_end_are_refused, setup, teardown)
{
	struct bench *bench = *state;
	static const struct {
		u64 sector;
		u32 len;
	} bad[] = { { SECTORS, 512 },	  { SECTORS - 1, 1024 }, { ~0ULL, 512 },
		    { ~0ULL / 512, 512 }, { 1ULL << 55, 512 },	 { SECTORS + 1, 512 } };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		u32 used;

		assert_int_equal(
			request(bench, VIRTIO_BLK_T_IN, bad[i].sector, DATA, bad[i].len, &used),
			VIRTIO_BLK_S_IOERR);
		assert_int_equal(used, 0);
		assert_int_equal(
			request(bench, VIRTIO_BLK_T_OUT, bad[i].sector, DATA, bad[i].len, &used),
			VIRTIO_BLK_S_IOERR);
		assert_int_equal(
			clear(bench, VIRTIO_BLK_T_DISCARD, bad[i].sector, bad[i].len / 512, 0),
			VIRTIO_BLK_S_IOERR);
		assert_int_equal(
			clear(bench, VIRTIO_BLK_T_WRITE_ZEROES, bad[i].sector, bad[i].len / 512, 0),
			VIRTIO_BLK_S_IOERR);
	}
	assert_int_equal(clear(bench, VIRTIO_BLK_T_WRITE_ZEROES, 0, ~0u, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(bench->disk->submits, 0);
}

TEST_WITH(lengths_that_are_no_sectors_are_refused, setup, teardown)
{
	struct bench *bench = *state;

	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 0, DATA, 511, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(bench, VIRTIO_BLK_T_OUT, 0, DATA, 513, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(bench, VIRTIO_BLK_T_DISCARD, 0, DATA, 15, NULL),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(bench, VIRTIO_BLK_T_DISCARD, 0, DATA, 32, NULL),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 0, DATA, 0, NULL), 0);
	assert_int_equal(bench->disk->submits, 0);
}

TEST_WITH(unknown_types_and_flags_are_unsupported, setup, teardown)
{
	struct bench *bench = *state;
	static const u32 types[] = { 2, 3, 5, 9, VIRTIO_BLK_T_SECURE_ERASE, 0x80000000, ~0u };

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
		assert_int_equal(request(bench, types[i], 0, DATA, 512, NULL), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(clear(bench, VIRTIO_BLK_T_DISCARD, 0, 1, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(clear(bench, VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 2), VIRTIO_BLK_S_UNSUPP);
}

TEST_WITH(a_disk_that_cannot_discard_says_so, setup_no_discard, teardown)
{
	struct bench *bench = *state;

	assert_false(wire_features(bench->vm, 0) &
		     (F(VIRTIO_BLK_F_DISCARD) | F(VIRTIO_BLK_F_WRITE_ZEROES)));
	assert_int_equal(clear(bench, VIRTIO_BLK_T_DISCARD, 0, 1, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(clear(bench, VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 0), VIRTIO_BLK_S_UNSUPP);
}

TEST_WITH(a_read_only_disk_refuses_writes, setup_read_only, teardown)
{
	struct bench *bench = *state;

	assert_true(wire_features(bench->vm, 0) & F(VIRTIO_BLK_F_RO));
	assert_int_equal(request(bench, VIRTIO_BLK_T_OUT, 0, DATA, 512, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_not_equal(clear(bench, VIRTIO_BLK_T_DISCARD, 0, 1, 0), 0);
	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 0, DATA, 512, NULL), 0);
	data_is(bench, DATA, 0, 512);
	assert_int_equal(bench->disk->submits, 1);
}

TEST_WITH(a_short_header_is_an_error, setup, teardown)
{
	struct bench *bench = *state;
	struct wire_segment parts[] = { { HEADER, 15, false }, { STATUS, 1, true } };

	wire_add(&bench->queue, parts, 2);
	assert_int_equal(finish(bench, NULL), VIRTIO_BLK_S_IOERR);
	wire_add(&bench->queue, parts + 1, 1);
	assert_int_equal(finish(bench, NULL), VIRTIO_BLK_S_IOERR);
}

TEST_WITH(a_request_without_a_status_byte_stops_the_device, setup, teardown)
{
	struct bench *bench = *state;
	struct wire_segment header = { HEADER, 16, false };

	wire_add(&bench->queue, &header, 1);
	wire_kick(&bench->queue);
	poll(bench);
	assert_true(wire_needs_reset(bench->vm, 0));
	bring_up(bench, ALL);
	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 0, DATA, 512, NULL), 0);
}

TEST_WITH(data_outside_ram_is_an_error, setup, teardown)
{
	struct bench *bench = *state;
	static const u64 bad[] = { 2 * GIB, WIRE_RAM - 256, ~0ULL - 10, WIRE_HIGH - 1 };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 0, bad[i], 512, NULL),
				 VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(bench, VIRTIO_BLK_T_OUT, 0, bad[i], 512, NULL),
				 VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(bench, VIRTIO_BLK_T_GET_ID, 0, bad[i], 20, NULL) ==
					 VIRTIO_BLK_S_IOERR,
				 bad[i] != WIRE_RAM - 256);
	}
	assert_int_equal(bench->disk->submits, 0);
	assert_false(wire_needs_reset(bench->vm, 0));
}

TEST_WITH(errors_of_the_disk_reach_the_guest, setup, teardown)
{
	struct bench *bench = *state;
	static const int faults[] = { -EIO, -ENOSPC, -ENOMEM, -EBADF };

	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		u32 used;

		bench->disk->fault = faults[i];
		assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 0, DATA, 512, &used),
				 VIRTIO_BLK_S_IOERR);
		assert_int_equal(used, 0);
		assert_int_equal(request(bench, VIRTIO_BLK_T_OUT, 0, DATA, 512, &used),
				 VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(bench, VIRTIO_BLK_T_FLUSH, 0, 0, 0, &used),
				 VIRTIO_BLK_S_IOERR);
	}
	bench->disk->fault = -EOPNOTSUPP;
	assert_int_equal(clear(bench, VIRTIO_BLK_T_DISCARD, 0, 1, 0), VIRTIO_BLK_S_UNSUPP);
	bench->disk->fault = 0;
	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 0, DATA, 512, NULL), 0);
}

/* ---- in flight ---- */

TEST_WITH(buffers_are_held_while_the_disk_works, setup, teardown)
{
	struct bench *bench = *state;
	struct dma_space *space = &bench->vm->identity.space;

	bench->disk->hold = true;
	start_nth(bench, 0, VIRTIO_BLK_T_IN, 0, DATA, 512);
	wire_kick(&bench->queue);
	poll(bench);
	assert_true(dma_space_held(space, DATA, DATA));
	assert_true(dma_space_held(space, DATA + 511, DATA + 4096));
	assert_false(dma_space_held(space, DATA + 512, DATA + 4096));
	assert_true(dma_space_held(space, STATUS, STATUS));
	fake_disk_complete(bench->disk, ~0u);
	assert_false(dma_space_held(space, 0, ~0ULL));
	assert_true(wire_used(&bench->queue, NULL, NULL));
}

TEST_WITH(a_reset_waits_for_the_disk_and_writes_nothing_back, setup, teardown)
{
	struct bench *bench = *state;
	unsigned interrupts = wire_interrupts(WIRE_GSI);

	bench->disk->hold = true;
	for (unsigned i = 0; i < 8; i++)
		start_nth(bench, i, VIRTIO_BLK_T_IN, i, DATA + 512 * i, 512);
	wire_kick(&bench->queue);
	poll(bench);
	fake_disk_release(bench->disk, ~0u);
	assert_non_null(bench->disk->running);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(bench->disk->drains, 0);
	assert_null(bench->disk->running);
	assert_false(dma_space_held(&bench->vm->identity.space, 0, ~0ULL));
	assert_false(wire_has_used(&bench->queue));
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(status_of(bench, i), 0xee);
	assert_int_equal(wire_interrupts(WIRE_GSI), interrupts);
	bench->disk->hold = false;
	bring_up(bench, ALL);
	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 0, DATA, 512, NULL), 0);
}

TEST_WITH(a_queue_reset_waits_for_the_disk, setup, teardown)
{
	struct bench *bench = *state;

	bring_up(bench, ALL | F(VIRTIO_F_RING_RESET));
	bench->disk->hold = true;
	start_nth(bench, 0, VIRTIO_BLK_T_OUT, 0, DATA, 4 * 512);
	wire_kick(&bench->queue);
	poll(bench);
	fake_disk_release(bench->disk, ~0u);
	wire_reg_write(bench->vm, 0, 0x0c0, 1);
	assert_null(bench->disk->running);
	assert_int_equal(bench->disk->drains, 0);
	assert_false(wire_has_used(&bench->queue));
	bench->disk->hold = false;
	wire_queue_init(&bench->queue, bench->vm, 0, 0, QUEUE, RINGS);
	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 0, DATA, 512, NULL), 0);
}

TEST_WITH(a_machine_may_end_with_requests_under_way, setup, teardown)
{
	struct bench *bench = *state;

	bench->disk->hold = true;
	start_nth(bench, 0, VIRTIO_BLK_T_IN, 0, WIRE_HIGH, 3 * MIB);
	start_nth(bench, 1, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	wire_kick(&bench->queue);
	poll(bench);
	assert_non_null(bench->disk->running);
}

TEST_WITH(a_ring_that_breaks_leaves_the_disk_in_order, setup, teardown)
{
	struct bench *bench = *state;

	bench->disk->hold = true;
	start_nth(bench, 0, VIRTIO_BLK_T_IN, 0, DATA, 512);
	wire_break_ring(&bench->queue);
	wire_kick(&bench->queue);
	poll(bench);
	assert_true(wire_needs_reset(bench->vm, 0));
	fake_disk_complete(bench->disk, ~0u);
	assert_false(wire_has_used(&bench->queue));
	assert_int_equal(status_of(bench, 0), 0xee);
	assert_false(dma_space_held(&bench->vm->identity.space, 0, ~0ULL));
	bench->disk->hold = false;
	bring_up(bench, ALL);
	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 0, DATA, 512, NULL), 0);
}
