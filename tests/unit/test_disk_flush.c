/* SPDX-License-Identifier: BSD-2-Clause */
/* Flushes that the host fails: it says so once, whoever's data it could not write. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"
#include "disk/disk.h"
#include "vmm/loop.h"

#define SIZE MIB

static struct fixture {
	char path[64];
	pthread_mutex_t lock;
	struct loop *loop;
	struct disk *disk;
	u8 *data; /* of a sector */
} f;

/* As the kernel: the first call that comes back tells of it, and no other. */
static atomic_int host_error;
static atomic_bool stuck;
static atomic_uint calls;

int fdatasync(int fd)
{
	atomic_fetch_add(&calls, 1);
	while (atomic_load(&stuck))
		usleep(1000);
	errno = atomic_exchange(&host_error, 0);
	return errno ? -1 : 0;
}

struct op {
	struct disk_request request;
	struct iovec iov;
	bool done;
	int result;
};

static void on_done(struct disk_request *request, int result)
{
	struct op *op = container_of(request, struct op, request);

	op->done = true;
	op->result = result;
}

static void op_start(struct op *op, enum disk_op what)
{
	op->iov = (struct iovec){ f.data, DISK_SECTOR };
	op->request = (struct disk_request){
		.op = what,
		.len = what == DISK_WRITE ? DISK_SECTOR : 0,
		.iov = &op->iov,
		.iov_count = what == DISK_WRITE,
		.done = on_done,
	};
	op->done = false;
	disk_submit(f.disk, &op->request);
	disk_flush_queue(f.disk);
}

static int op_end(struct op *op)
{
	while (!op->done)
		loop_poll(f.loop, 1000);
	return op->result;
}

static int op_do(enum disk_op what)
{
	struct op op;

	op_start(&op, what);
	return op_end(&op);
}

static int set_up(void **state)
{
	struct disk_options options = { .buffered = true, .format = DISK_FORMAT_RAW };
	int fd;

	memset(&f, 0, sizeof(f));
	pthread_mutex_init(&f.lock, NULL);
	assert_int_equal(posix_memalign((void **)&f.data, 4096, DISK_SECTOR), 0);
	memset(f.data, 0xa5, DISK_SECTOR);
	strcpy(f.path, "/var/tmp/lkvm-test-XXXXXX");
	fd = mkstemp(f.path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	close(fd);
	assert_int_equal(loop_create(&f.loop, &f.lock), 0);
	assert_int_equal(disk_open(&f.disk, f.path, &options, NULL), 0);
	assert_int_equal(disk_start(f.disk, f.loop, NULL, NULL), 0);
	atomic_store(&host_error, 0);
	atomic_store(&stuck, false);
	atomic_store(&calls, 0);
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

TEST_WITH(flushes_that_are_under_way_when_the_host_loses_something_all_fail, set_up, tear_down)
{
	struct op flushes[3];

	assert_int_equal(op_do(DISK_WRITE), 0);
	atomic_store(&host_error, EIO);
	atomic_store(&stuck, true);
	for (unsigned i = 0; i < 3; i++)
		op_start(&flushes[i], DISK_FLUSH);
	while (!atomic_load(&calls))
		usleep(1000);
	assert_int_equal(atomic_load(&calls), 1);
	atomic_store(&stuck, false);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(op_end(&flushes[i]), -EIO);
}

/* To one of the guest's file systems, that is; the others may have lost something as well. */
TEST_WITH(a_loss_is_told_by_all_later_flushes, set_up, tear_down)
{
	assert_int_equal(op_do(DISK_WRITE), 0);
	atomic_store(&host_error, ENOSPC);
	assert_int_equal(op_do(DISK_FLUSH), -ENOSPC);
	assert_int_equal(op_do(DISK_WRITE), 0);
	assert_int_equal(op_do(DISK_FLUSH), -EIO);
	assert_int_equal(op_do(DISK_FLUSH), -EIO);
}

static int flush_for(const struct op *write)
{
	struct op flush;

	op_start(&flush, DISK_FLUSH);
	flush.request.losses = write->request.losses;
	return op_end(&flush);
}

TEST_WITH(a_flush_for_what_was_written_before_the_host_lost_something_fails, set_up, tear_down)
{
	struct op write;

	op_start(&write, DISK_WRITE);
	assert_int_equal(op_end(&write), 0);
	/* Somebody else's tells of what may be ours. */
	atomic_store(&host_error, EIO);
	assert_int_equal(op_do(DISK_FLUSH), -EIO);
	assert_int_equal(flush_for(&write), -EIO);
}

TEST_WITH(what_is_written_through_anew_after_a_loss_is_safe, set_up, tear_down)
{
	struct op write;

	atomic_store(&host_error, ENOSPC);
	assert_int_equal(op_do(DISK_FLUSH), -ENOSPC);
	op_start(&write, DISK_WRITE);
	assert_int_equal(op_end(&write), 0);
	assert_int_equal(flush_for(&write), 0);
}
