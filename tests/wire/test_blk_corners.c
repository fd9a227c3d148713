/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests of virtio-blk that are odd, and lie outside memory in part. */
#include <linux/virtio_blk.h>
#include <string.h>

#include "fake_disk.h"
#include "test.h"
#include "virtio/blk.h"
#include "virtio/mmio.h"
#include "wire.h"

#define RINGS	0x10000
#define HEADER	0x20000
#define STATUS	0x20100
#define RANGE	0x20200
#define DATA	0x100000
#define SECTORS (DISK_SIZE / 512)
#define F(bit)	(1ULL << (bit))
#define ALL                                                                                        \
	(F(VIRTIO_BLK_F_FLUSH) | F(VIRTIO_BLK_F_DISCARD) | F(VIRTIO_BLK_F_WRITE_ZEROES) |          \
	 F(VIRTIO_BLK_F_CONFIG_WCE))
#define WCE offsetof(struct virtio_blk_config, wce)

static struct bench {
	struct vm *vm;
	struct disk *disk;
	struct virtio_device *device;
	struct wire_queue queue;
	unsigned closed;
} bench;

static int setup_disk(bool read_only)
{
	const struct virtio_blk_options options = { .number = 3 };
	struct device_resource slot;

	memset(&bench, 0, sizeof(bench));
	bench.vm = wire_create();
	bench.disk = fake_disk_create(DISK_SIZE, read_only, true, &bench.closed);
	fake_disk_fill(bench.disk);
	assert_int_equal(virtio_blk_create(&bench.device, bench.disk, &options, bench.vm->loop,
					   &bench.vm->identity.space),
			 0);
	wire_slot(0, &slot);
	assert_int_equal(
		virtio_mmio_create(bench.vm, bench.device, &slot, DEVICE_NO_ENDPOINT, false), 0);
	assert_true(wire_negotiate(bench.vm, 0, wire_features(bench.vm, 0) & ALL));
	wire_queue_init(&bench.queue, bench.vm, 0, 0, 64, RINGS);
	wire_driver_ok(bench.vm, 0);
	return 0;
}

static int setup(void **state)
{
	return setup_disk(false);
}

static int setup_read_only(void **state)
{
	return setup_disk(true);
}

static int teardown(void **state)
{
	wire_destroy(bench.vm);
	assert_int_equal(bench.closed, 1);
	return 0;
}

static u8 ask(u32 type, u64 sector, const struct wire_segment *parts, unsigned count)
{
	const struct virtio_blk_outhdr header = { .type = htole32(type),
						  .sector = htole64(sector) };
	struct wire_segment all[48] = { { HEADER, 16, false } };
	u8 status = 0xee;

	wire_write(bench.vm, HEADER, &header, sizeof(header));
	wire_write(bench.vm, STATUS, &status, 1);
	memcpy(all + 1, parts, count * sizeof(*parts));
	all[count + 1] = (struct wire_segment){ STATUS, 1, true };
	wire_add(&bench.queue, all, count + 2);
	wire_kick(&bench.queue);
	assert_true(wire_used(&bench.queue, NULL, NULL));
	wire_read(bench.vm, STATUS, &status, 1);
	return status;
}

static u8 clear(u32 type, u64 sector, u32 sectors, u32 flags, u32 len)
{
	const struct virtio_blk_discard_write_zeroes range[2] = {
		{ htole64(sector), htole32(sectors), htole32(flags) },
	};
	const struct wire_segment part = { RANGE, len, false };

	wire_write(bench.vm, RANGE, range, sizeof(range));
	return ask(type, 0, &part, 1);
}

TEST_WITH(a_range_is_one_and_whole, setup, teardown)
{
	for (u32 len = 1; len <= 32; len++)
		assert_int_equal(clear(VIRTIO_BLK_T_DISCARD, 0, 8, 0, len),
				 len == 16 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
}

TEST_WITH(a_range_of_no_sectors_is_done, setup, teardown)
{
	assert_int_equal(clear(VIRTIO_BLK_T_WRITE_ZEROES, 5, 0, 0, 16), VIRTIO_BLK_S_OK);
	assert_int_equal(clear(VIRTIO_BLK_T_DISCARD, SECTORS, 0, 0, 16), VIRTIO_BLK_S_OK);
}

TEST_WITH(a_range_beyond_the_end_is_an_error, setup, teardown)
{
	assert_int_equal(clear(VIRTIO_BLK_T_DISCARD, SECTORS - 1, 2, 0, 16), VIRTIO_BLK_S_IOERR);
	assert_int_equal(clear(VIRTIO_BLK_T_WRITE_ZEROES, UINT64_MAX, 2, 0, 16),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(clear(VIRTIO_BLK_T_WRITE_ZEROES, 0, UINT32_MAX, 0, 16),
			 VIRTIO_BLK_S_IOERR);
}

TEST_WITH(a_range_outside_memory_is_an_error, setup, teardown)
{
	const struct wire_segment outside = { WIRE_RAM, 16, false };
	const struct wire_segment half = { WIRE_RAM - 8, 16, false };

	assert_int_equal(ask(VIRTIO_BLK_T_DISCARD, 0, &outside, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(VIRTIO_BLK_T_WRITE_ZEROES, 0, &half, 1), VIRTIO_BLK_S_IOERR);
}

TEST_WITH(flags_of_the_other_request_are_unsupported, setup, teardown)
{
	const u32 unmap = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

	assert_int_equal(clear(VIRTIO_BLK_T_DISCARD, 0, 1, unmap, 16), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(clear(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, unmap, 16), VIRTIO_BLK_S_OK);
	assert_int_equal(clear(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, unmap | 2, 16),
			 VIRTIO_BLK_S_UNSUPP);
}

TEST_WITH(a_name_outside_memory_is_an_error, setup, teardown)
{
	const struct wire_segment outside = { WIRE_RAM, 20, true };
	const struct wire_segment small = { DATA, 19, true };

	assert_int_equal(ask(VIRTIO_BLK_T_GET_ID, 0, &outside, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(VIRTIO_BLK_T_GET_ID, 0, &small, 1), VIRTIO_BLK_S_IOERR);
}

/* More pieces than are carried out at once, of which one in the middle or the last is nowhere. */
TEST_WITH(a_large_request_that_leaves_memory_is_an_error, setup, teardown)
{
	for (unsigned bad = 0; bad < 40; bad += 13) {
		struct wire_segment parts[40];

		for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
			parts[i] = (struct wire_segment){ DATA + 4096 * i, 512, true };
		parts[bad].address = WIRE_RAM;
		assert_int_equal(ask(VIRTIO_BLK_T_IN, 0, parts, ARRAY_SIZE(parts)),
				 VIRTIO_BLK_S_IOERR);
	}
	assert_false(wire_needs_reset(bench.vm, 0));
}

TEST_WITH(a_large_request_whose_status_is_nowhere_stops_the_device, setup, teardown)
{
	const struct virtio_blk_outhdr header = { .type = htole32(VIRTIO_BLK_T_IN) };
	struct wire_segment parts[42] = { { HEADER, 16, false } };

	wire_write(bench.vm, HEADER, &header, sizeof(header));
	for (unsigned i = 1; i < ARRAY_SIZE(parts); i++)
		parts[i] = (struct wire_segment){ DATA + 4096 * i, 512, true };
	parts[41] = (struct wire_segment){ WIRE_RAM, 1, true };
	wire_add(&bench.queue, parts, ARRAY_SIZE(parts));
	wire_kick(&bench.queue);
	for (unsigned i = 0; i < 8; i++)
		loop_poll(bench.vm->loop, 0);
	assert_true(wire_needs_reset(bench.vm, 0));
}

TEST_WITH(a_read_only_disk_clears_nothing, setup_read_only, teardown)
{
	u8 status = clear(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0, 16);

	assert_int_not_equal(status, VIRTIO_BLK_S_OK);
	assert_int_not_equal(clear(VIRTIO_BLK_T_DISCARD, 0, 8, 0, 16), VIRTIO_BLK_S_OK);
}

TEST_WITH(a_read_only_disk_has_nothing_to_flush_when_its_cache_goes_off, setup_read_only, teardown)
{
	wire_config_write(bench.vm, 0, WCE, 0, 1);
	assert_int_equal(wire_config_read(bench.vm, 0, WCE, 1), 0);
	wire_config_write(bench.vm, 0, WCE, 0, 1);
	wire_config_write(bench.vm, 0, WCE, 1, 1);
	assert_int_equal(wire_config_read(bench.vm, 0, WCE, 1), 1);
}

TEST_WITH(what_is_written_beside_the_cache_switch_is_not_for_it, setup, teardown)
{
	wire_config_write(bench.vm, 0, 0, 0, 4);
	wire_config_write(bench.vm, 0, WCE + 1, 0, 1);
	assert_int_equal(wire_config_read(bench.vm, 0, WCE, 1), 1);
}
