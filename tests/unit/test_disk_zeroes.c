/* SPDX-License-Identifier: BSD-2-Clause */
/* detect-zeroes=: writes of nothing but zeroes, on real files. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "disk_rig.h"

#define SIZE  (4 * MIB)
#define WRITE (MIB)

static struct disk_rig rig;

/* With the beginning of rig.data, in two pieces. */
static int do_at(enum disk_op what, u64 offset, u64 len)
{
	struct iovec iov[2] = { { rig.data, 4096 }, { rig.data + 4096, len - 4096 } };
	struct disk_rig_op op;
	int ret;

	disk_rig_begin(&rig, &op, what, offset, len, iov, 2);
	ret = disk_rig_wait(&rig, &op);
	/* Its owner goes by it. */
	assert_int_equal(op.request.op, what);
	return ret;
}

static void open_disk(enum disk_zeroes detect, bool buffered)
{
	struct disk_options options = { .detect_zeroes = detect,
					.buffered = buffered,
					.format = DISK_FORMAT_RAW };
	int fd;

	disk_rig_create(&rig, WRITE);
	memset(rig.data, 0xa5, WRITE);
	fd = open("disk", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	for (unsigned i = 0; i < SIZE / WRITE; i++)
		assert_int_equal(write(fd, rig.data, WRITE), WRITE);
	assert_int_equal(fsync(fd), 0);
	close(fd);
	disk_rig_open(&rig, "disk", options);
}

static int off(void **state)
{
	open_disk(DISK_ZEROES_WRITE, false);
	return 0;
}

static int on(void **state)
{
	open_disk(DISK_ZEROES_DETECT, false);
	return 0;
}

static int unmap(void **state)
{
	open_disk(DISK_ZEROES_UNMAP, false);
	return 0;
}

static int unmap_buffered(void **state)
{
	open_disk(DISK_ZEROES_UNMAP, true);
	return 0;
}

static int tear_down(void **state)
{
	disk_rig_destroy(&rig);
	return 0;
}

static u64 room(void)
{
	struct stat st;

	assert_int_equal(stat("disk", &st), 0);
	return st.st_blocks * 512ull;
}

static void reads(u64 offset, u8 value)
{
	memset(rig.data, 0xee, WRITE);
	assert_int_equal(do_at(DISK_READ, offset, WRITE), 0);
	for (unsigned i = 0; i < WRITE; i++)
		assert_int_equal(rig.data[i], value);
}

static void write_zeroes(void)
{
	memset(rig.data, 0, WRITE);
	assert_int_equal(do_at(DISK_WRITE, WRITE, WRITE), 0);
	reads(0, 0xa5);
	reads(WRITE, 0);
	reads(2 * WRITE, 0xa5);
}

TEST_WITH(zeroes_that_are_not_looked_for_take_room, off, tear_down)
{
	u64 before = room();

	write_zeroes();
	assert_true(room() >= before);
}

TEST_WITH(zeroes_that_are_found_keep_their_room, on, tear_down)
{
	u64 before = room();

	write_zeroes();
	assert_true(room() + 64 * KIB >= before);
}

TEST_WITH(zeroes_that_are_found_give_their_room_back, unmap, tear_down)
{
	u64 before = room();

	write_zeroes();
	assert_true(room() <= before - WRITE + 64 * KIB);
}

TEST_AGAIN(zeroes_that_are_found_give_their_room_back, unmap_buffered, tear_down)

TEST_WITH(one_bit_at_the_end_is_no_zero, unmap, tear_down)
{
	u8 last;

	memset(rig.data, 0, WRITE);
	rig.data[WRITE - 1] = 1;
	assert_int_equal(do_at(DISK_WRITE, WRITE, WRITE), 0);
	memset(rig.data, 0xee, WRITE);
	assert_int_equal(do_at(DISK_READ, WRITE, WRITE), 0);
	last = rig.data[WRITE - 1];
	assert_int_equal(last, 1);
	rig.data[WRITE - 1] = 0;
	for (unsigned i = 0; i < WRITE; i++)
		assert_int_equal(rig.data[i], 0);
}

TEST_AGAIN(one_bit_at_the_end_is_no_zero, unmap_buffered, tear_down)

/* What begins like zeroes goes another way than what does not: both are written as they are. */
TEST_WITH(a_first_sector_of_zeroes_decides_nothing, unmap, tear_down)
{
	memset(rig.data, 0x5a, WRITE);
	memset(rig.data, 0, 512);
	assert_int_equal(do_at(DISK_WRITE, 0, WRITE), 0);
	memset(rig.data, 0xee, WRITE);
	assert_int_equal(do_at(DISK_READ, 0, WRITE), 0);
	for (unsigned i = 0; i < WRITE; i++)
		assert_int_equal(rig.data[i], i < 512 ? 0 : 0x5a);
}
