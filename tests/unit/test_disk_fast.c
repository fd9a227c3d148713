/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk whose device is so fast that it has answered when the kernel's call returns. */
#include <fcntl.h>
#include <libaio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "disk_rig.h"
#include "test.h"

#define SIZE	   (64 * KIB)
#define PATIENCE_S 20

/* libaio's, which waits until the kernel's ring (disk/aio.c) has so many answers more. */
int io_submit(io_context_t context, long count, struct iocb **iocbs)
{
	const volatile u32 *ring = (const volatile u32 *)context;
	u32 size = ring[1], tail = ring[3];
	time_t end = time(NULL) + PATIENCE_S;
	long ret = syscall(SYS_io_submit, context, count, iocbs);

	while (ret > 0 && (ring[3] + size - tail) % size < (u32)ret && time(NULL) < end)
		usleep(100);
	return ret;
}

static int setup(void **state)
{
	static struct disk_rig rig;
	int fd;

	disk_rig_create(&rig, SIZE);
	memset(rig.data, 'x', SIZE);
	fd = open("image", O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, rig.data, SIZE), SIZE);
	close(fd);
	memset(rig.data, 0, SIZE);
	disk_rig_open(&rig, "image", (struct disk_options){ .format = DISK_FORMAT_RAW });
	*state = disk_rig_needs_no_thread("image") ? &rig : NULL;
	if (!*state)
		disk_rig_destroy(&rig);
	return 0;
}

static int teardown(void **state)
{
	if (*state)
		disk_rig_destroy(*state);
	return 0;
}

TEST_WITH(what_is_answered_within_the_call_is_done_when_it_returns, setup, teardown)
{
	struct disk_rig *rig = *state;
	static struct disk_rig_op
		ops[4]; /* the rig has them to its end, also where a claim fails */

	if (!rig)
		skip(); /* a file system that needs one */
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
		disk_rig_submit(rig, &ops[i], DISK_READ, i * 4096, 4096);
	disk_flush_queue(rig->disk);
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		assert_true(ops[i].done);
		assert_int_equal(ops[i].result, 0);
		assert_int_equal(rig->data[i * 4096], 'x');
	}
	/* Nothing is left for the loop. */
	assert_int_equal(loop_poll(rig->loop, 0), 0);
}

static struct disk_rig *chained;
static unsigned depth, deepest, answers;

static void submit_another(struct disk_request *request, int result)
{
	assert_int_equal(result, 0);
	depth++;
	deepest = MAX(deepest, depth);
	if (++answers < 100) {
		disk_submit(chained->disk, request);
		disk_flush_queue(chained->disk);
	}
	depth--;
}

TEST_WITH(a_done_that_asks_for_more_is_not_entered_again, setup, teardown)
{
	struct iovec iov = { 0 };
	struct disk_request request = {
		.op = DISK_READ, .len = 4096, .iov = &iov, .iov_count = 1, .done = submit_another
	};

	chained = *state;
	if (!chained)
		skip();
	iov = (struct iovec){ chained->data, 4096 };
	disk_submit(chained->disk, &request);
	disk_flush_queue(chained->disk);
	while (answers < 100)
		loop_poll(chained->loop, 1000);
	assert_int_equal(deepest, 1);
}
