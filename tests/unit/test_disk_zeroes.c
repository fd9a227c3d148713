/* SPDX-License-Identifier: BSD-2-Clause */
/* detect-zeroes=: writes of nothing but zeroes, on real files. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "disk/disk.h"
#include "vmm/loop.h"

#define SIZE  (4 * MIB)
#define WRITE (MIB)

static struct fixture {
	char path[64];
	pthread_mutex_t lock;
	struct loop *loop;
	struct disk *disk;
	u8 *data; /* of WRITE bytes */
	bool done;
	int result;
} f;

static void on_done(struct disk_request *request, int result)
{
	f.done = true;
	f.result = result;
}

static int do_at(enum disk_op what, u64 offset, u64 len)
{
	struct iovec iov[2] = { { f.data, 4096 }, { f.data + 4096, len - 4096 } };
	struct disk_request request = { .op = what,
					.offset = offset,
					.len = len,
					.iov = iov,
					.iov_count = 2,
					.done = on_done };

	f.done = false;
	disk_submit(f.disk, &request);
	disk_flush_queue(f.disk);
	while (!f.done)
		loop_poll(f.loop, 1000);
	/* Its owner goes by it. */
	assert_int_equal(request.op, what);
	return f.result;
}

static void open_disk(enum disk_zeroes detect, bool buffered)
{
	struct disk_options options = { .detect_zeroes = detect,
					.buffered = buffered,
					.format = DISK_FORMAT_RAW };
	int fd;

	memset(&f, 0, sizeof(f));
	pthread_mutex_init(&f.lock, NULL);
	assert_int_equal(posix_memalign((void **)&f.data, 4096, WRITE), 0);
	memset(f.data, 0xa5, WRITE);
	strcpy(f.path, "/var/tmp/lkvm-test-XXXXXX");
	fd = mkstemp(f.path);
	assert_true(fd >= 0);
	for (unsigned i = 0; i < SIZE / WRITE; i++)
		assert_int_equal(write(fd, f.data, WRITE), WRITE);
	assert_int_equal(fsync(fd), 0);
	close(fd);
	assert_int_equal(loop_create(&f.loop, &f.lock), 0);
	assert_int_equal(disk_open(&f.disk, f.path, &options, NULL), 0);
	assert_int_equal(disk_start(f.disk, f.loop, NULL, NULL), 0);
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
	disk_drain(f.disk);
	disk_close(f.disk);
	loop_destroy(f.loop);
	unlink(f.path);
	free(f.data);
	return 0;
}

static u64 room(void)
{
	struct stat st;

	assert_int_equal(stat(f.path, &st), 0);
	return st.st_blocks * 512ull;
}

static void reads(u64 offset, u8 value)
{
	memset(f.data, 0xee, WRITE);
	assert_int_equal(do_at(DISK_READ, offset, WRITE), 0);
	for (unsigned i = 0; i < WRITE; i++)
		assert_int_equal(f.data[i], value);
}

static void write_zeroes(void)
{
	memset(f.data, 0, WRITE);
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

	memset(f.data, 0, WRITE);
	f.data[WRITE - 1] = 1;
	assert_int_equal(do_at(DISK_WRITE, WRITE, WRITE), 0);
	memset(f.data, 0xee, WRITE);
	assert_int_equal(do_at(DISK_READ, WRITE, WRITE), 0);
	last = f.data[WRITE - 1];
	assert_int_equal(last, 1);
	f.data[WRITE - 1] = 0;
	for (unsigned i = 0; i < WRITE; i++)
		assert_int_equal(f.data[i], 0);
}

TEST_AGAIN(one_bit_at_the_end_is_no_zero, unmap_buffered, tear_down)

/* What begins like zeroes goes another way than what does not: both are written as they are. */
TEST_WITH(a_first_sector_of_zeroes_decides_nothing, unmap, tear_down)
{
	memset(f.data, 0x5a, WRITE);
	memset(f.data, 0, 512);
	assert_int_equal(do_at(DISK_WRITE, 0, WRITE), 0);
	memset(f.data, 0xee, WRITE);
	assert_int_equal(do_at(DISK_READ, 0, WRITE), 0);
	for (unsigned i = 0; i < WRITE; i++)
		assert_int_equal(f.data[i], i < 512 ? 0 : 0x5a);
}
