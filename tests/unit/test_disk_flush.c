/* SPDX-License-Identifier: BSD-2-Clause */
/* Flushes that the host fails: it says so once, whoever's data it could not write. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "test.h"
#include "disk_rig.h"

static struct disk_rig rig;

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

static void op_start(struct disk_rig_op *op, enum disk_op what)
{
	disk_rig_submit(&rig, op, what, 0, what == DISK_WRITE ? DISK_SECTOR : 0);
	disk_flush_queue(rig.disk);
}

static int op_do(enum disk_op what)
{
	return disk_rig_run(&rig, what, 0, what == DISK_WRITE ? DISK_SECTOR : 0);
}

static int set_up(void **state)
{
	struct disk_options options = { .buffered = true, .format = DISK_FORMAT_RAW };
	int fd;

	disk_rig_create(&rig, DISK_SECTOR);
	memset(rig.data, 0xa5, DISK_SECTOR);
	fd = open("disk", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, MIB), 0);
	close(fd);
	disk_rig_open(&rig, "disk", options);
	atomic_store(&host_error, 0);
	atomic_store(&stuck, false);
	atomic_store(&calls, 0);
	return 0;
}

static int tear_down(void **state)
{
	disk_rig_destroy(&rig);
	return 0;
}

TEST_WITH(flushes_that_are_under_way_when_the_host_loses_something_all_fail, set_up, tear_down)
{
	struct disk_rig_op flushes[3];

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
		assert_int_equal(disk_rig_wait(&rig, &flushes[i]), -EIO);
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

static int flush_for(const struct disk_rig_op *write)
{
	struct disk_rig_op flush;

	op_start(&flush, DISK_FLUSH);
	flush.request.losses = write->request.losses;
	return disk_rig_wait(&rig, &flush);
}

TEST_WITH(a_flush_for_what_was_written_before_the_host_lost_something_fails, set_up, tear_down)
{
	struct disk_rig_op write;

	op_start(&write, DISK_WRITE);
	assert_int_equal(disk_rig_wait(&rig, &write), 0);
	/* Somebody else's tells of what may be ours. */
	atomic_store(&host_error, EIO);
	assert_int_equal(op_do(DISK_FLUSH), -EIO);
	assert_int_equal(flush_for(&write), -EIO);
}

TEST_WITH(what_is_written_through_anew_after_a_loss_is_safe, set_up, tear_down)
{
	struct disk_rig_op write;

	atomic_store(&host_error, ENOSPC);
	assert_int_equal(op_do(DISK_FLUSH), -ENOSPC);
	op_start(&write, DISK_WRITE);
	assert_int_equal(disk_rig_wait(&rig, &write), 0);
	assert_int_equal(flush_for(&write), 0);
}
