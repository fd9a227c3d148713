/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk on a real file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "test.h"
#include "disk/disk.h"
#include "virtio/blk.h"
#include "virtio/mmio.h"
#include "wire.h"

#define RINGS	  0x10000
#define HEADER	  0x20000
#define STATUS	  0x20800
#define DATA	  0x100000
#define DISK_SIZE (8 * MIB)
#define QUEUE	  64
#define F(bit)	  (1ULL << (bit))
#define WANTED                                                                                     \
	(F(VIRTIO_BLK_F_FLUSH) | F(VIRTIO_BLK_F_DISCARD) | F(VIRTIO_BLK_F_WRITE_ZEROES) |          \
	 F(VIRTIO_RING_F_EVENT_IDX))

struct bench {
	struct vm *vm;
	char path[64];
	int fd;
	u8 *image; /* what the file should hold */
	struct wire_queue queue;
};

static int setup_as(void **state, bool buffered, bool read_only)
{
	static struct bench bench;
	struct disk_options options = { .read_only = read_only, .buffered = buffered };
	struct virtio_device *device;
	struct device_resource slot;
	struct disk *disk;
	struct error err = { "" };

	memset(&bench, 0, sizeof(bench));
	strcpy(bench.path, "/var/tmp/lkvm-test-XXXXXX");
	bench.fd = mkstemp(bench.path);
	assert_true(bench.fd >= 0);
	bench.image = malloc(DISK_SIZE);
	for (u32 i = 0; i < DISK_SIZE; i++)
		bench.image[i] = i * 13 + (i >> 9);
	assert_int_equal(write(bench.fd, bench.image, DISK_SIZE), DISK_SIZE);
	bench.vm = wire_create();
	assert_int_equal(disk_open(&disk, bench.path, &options, &err), 0);
	assert_int_equal(
		virtio_blk_create(&device, disk, NULL, bench.vm->loop, &bench.vm->identity.space),
		0);
	wire_slot(0, &slot);
	assert_int_equal(virtio_mmio_create(bench.vm, device, &slot, DEVICE_NO_ENDPOINT, false), 0);
	assert_true(wire_negotiate(bench.vm, 0, wire_features(bench.vm, 0) & WANTED));
	wire_queue_init(&bench.queue, bench.vm, 0, 0, QUEUE, RINGS);
	wire_driver_ok(bench.vm, 0);
	*state = &bench;
	return 0;
}

static int setup(void **state)
{
	return setup_as(state, false, false);
}

static int setup_buffered(void **state)
{
	return setup_as(state, true, false);
}

static int setup_read_only(void **state)
{
	return setup_as(state, false, true);
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	wire_destroy(bench->vm);
	close(bench->fd);
	unlink(bench->path);
	free(bench->image);
	return 0;
}

static void start(struct bench *bench, unsigned n, u32 type, u64 sector, u64 data, u32 len)
{
	struct virtio_blk_outhdr header = { .type = htole32(type), .sector = htole64(sector) };
	struct wire_segment parts[] = { { HEADER + 16 * n, 16, false },
					{ data, len, type == VIRTIO_BLK_T_IN },
					{ STATUS + n, 1, true } };

	wire_write(bench->vm, parts[0].address, &header, sizeof(header));
	wire_fill(bench->vm, STATUS + n, 0xee, 1);
	if (!len)
		parts[1] = parts[2];
	wire_add(&bench->queue, parts, len ? 3 : 2);
}

static u8 finish(struct bench *bench, unsigned count)
{
	u8 all = 0;

	wire_kick(&bench->queue);
	for (unsigned i = 0; i < count; i++)
		assert_true(wire_used(&bench->queue, NULL, NULL));
	for (unsigned i = 0; i < count; i++) {
		u8 status;

		wire_read(bench->vm, STATUS + i, &status, 1);
		all |= status;
	}
	return all;
}

static u8 request(struct bench *bench, u32 type, u64 sector, u64 data, u32 len)
{
	start(bench, 0, type, sector, data, len);
	return finish(bench, 1);
}

static void data_is(struct bench *bench, gpa_t gpa, u64 offset, u32 len)
{
	u8 *copy = malloc(len);

	wire_read(bench->vm, gpa, copy, len);
	assert_memory_equal(copy, bench->image + offset, len);
	free(copy);
}

static void the_file_is_as_it_should_be(struct bench *bench)
{
	u8 *copy = malloc(DISK_SIZE);

	assert_int_equal(pread(bench->fd, copy, DISK_SIZE, 0), DISK_SIZE);
	assert_memory_equal(copy, bench->image, DISK_SIZE);
	free(copy);
}

TEST_WITH(the_whole_file_is_read, setup, teardown)
{
	struct bench *bench = *state;

	for (u64 at = 0; at < DISK_SIZE; at += 128 * KIB) {
		unsigned n = at / (128 * KIB) % 16;

		start(bench, n, VIRTIO_BLK_T_IN, at / 512, DATA + n * 128 * KIB, 128 * KIB);
		if (n == 15) {
			assert_int_equal(finish(bench, 16), 0);
			data_is(bench, DATA, at - 15 * 128 * KIB, 2 * MIB);
		}
	}
}
TEST_AGAIN(the_whole_file_is_read, setup_buffered, teardown)

TEST_WITH(odd_buffers_and_large_requests_are_read, setup, teardown)
{
	struct bench *bench = *state;

	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 3, DATA + 7, 512), 0);
	data_is(bench, DATA + 7, 3 * 512, 512);
	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 5, WIRE_HIGH + 512, 3 * MIB + 512), 0);
	data_is(bench, WIRE_HIGH + 512, 5 * 512, 3 * MIB + 512);
}
TEST_AGAIN(odd_buffers_and_large_requests_are_read, setup_buffered, teardown)

TEST_WITH(writes_and_flushes_reach_the_file, setup, teardown)
{
	struct bench *bench = *state;

	for (unsigned i = 0; i < 8; i++) {
		memset(bench->image + 4096 * (3 + i), 0x50 + i, 4096);
		wire_fill(bench->vm, DATA + 4096 * i, 0x50 + i, 4096);
		start(bench, i, VIRTIO_BLK_T_OUT, 8 * (3 + i), DATA + 4096 * i, 4096);
	}
	assert_int_equal(finish(bench, 8), 0);
	memset(bench->image + DISK_SIZE - 512, 0x11, 512);
	wire_fill(bench->vm, DATA + 3, 0x11, 512);
	assert_int_equal(request(bench, VIRTIO_BLK_T_OUT, DISK_SIZE / 512 - 1, DATA + 3, 512), 0);
	assert_int_equal(request(bench, VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
	the_file_is_as_it_should_be(bench);
}
TEST_AGAIN(writes_and_flushes_reach_the_file, setup_buffered, teardown)

TEST_WITH(write_zeroes_clears_the_file, setup, teardown)
{
	struct bench *bench = *state;
	struct virtio_blk_discard_write_zeroes range = { htole64(16), htole32(24), 0 };

	if (!(wire_features(bench->vm, 0) & F(VIRTIO_BLK_F_WRITE_ZEROES)))
		skip();
	wire_write(bench->vm, DATA, &range, sizeof(range));
	assert_int_equal(request(bench, VIRTIO_BLK_T_WRITE_ZEROES, 0, DATA, sizeof(range)), 0);
	memset(bench->image + 16 * 512, 0, 24 * 512);
	the_file_is_as_it_should_be(bench);
	assert_int_equal(request(bench, VIRTIO_BLK_T_DISCARD, 0, DATA, sizeof(range)), 0);
}
TEST_AGAIN(write_zeroes_clears_the_file, setup_buffered, teardown)

TEST_WITH(a_file_cut_short_behind_us_is_an_io_error, setup, teardown)
{
	struct bench *bench = *state;

	assert_int_equal(ftruncate(bench->fd, DISK_SIZE / 2), 0);
	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, DISK_SIZE / 512 - 8, DATA, 4096),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 0, DATA, 4096), 0);
	data_is(bench, DATA, 0, 4096);
}
TEST_AGAIN(a_file_cut_short_behind_us_is_an_io_error, setup_buffered, teardown)

TEST_WITH(a_reset_with_requests_under_way_loses_none_of_our_memory, setup, teardown)
{
	struct bench *bench = *state;

	for (unsigned i = 0; i < 16; i++)
		start(bench, i, VIRTIO_BLK_T_IN, 256 * i, DATA + 128 * KIB * i, 128 * KIB);
	wire_kick(&bench->queue);
	loop_poll(bench->vm->loop, 0);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_STATUS, 0);
	assert_true(list_empty(&bench->vm->identity.space.holds));
	assert_true(wire_negotiate(bench->vm, 0, 0));
	wire_queue_init(&bench->queue, bench->vm, 0, 0, QUEUE, RINGS);
	wire_driver_ok(bench->vm, 0);
	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 0, DATA, 4096), 0);
	data_is(bench, DATA, 0, 4096);
}
TEST_AGAIN(a_reset_with_requests_under_way_loses_none_of_our_memory, setup_buffered, teardown)

TEST_WITH(a_file_opened_to_be_read_stays_as_it_is, setup_read_only, teardown)
{
	struct bench *bench = *state;

	assert_int_equal(request(bench, VIRTIO_BLK_T_OUT, 0, DATA, 4096), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(bench, VIRTIO_BLK_T_IN, 0, DATA, 4096), 0);
	data_is(bench, DATA, 0, 4096);
	assert_int_equal(request(bench, VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
	the_file_is_as_it_should_be(bench);
}
