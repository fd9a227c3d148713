/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk on a file system that is frozen: a real one, in a loop mount of this
 * process's own. Skipped where that cannot be had.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "disk/disk.h"
#include "vmm/loop.h"

#define SIZE (4 * MIB)
/* For the tests to be over; after that they have failed, and what hangs goes on. */
#define PATIENCE_MS 20000

struct fixture {
	char folder[40], image[48], path[64];
	bool mounted;
	int fd;	      /* the folder, to freeze and to thaw */
	pid_t keeper; /* thaws when @alive ends, whatever becomes of us */
	int alive;
	int thawed; /* readable when the keeper has thawed */
	pthread_mutex_t lock;
	struct loop *loop;
	struct disk *disk;
};

struct op {
	struct disk_request request;
	struct iovec iov;
	bool done;
	int result;
};

static bool run(const char *format, const char *a, const char *b)
{
	char command[256];

	snprintf(command, sizeof(command), format, a, b);
	return system(command) == 0;
}

/* A second process, because one that waits for a frozen file system cannot thaw it. */
static void keeper_start(struct fixture *f)
{
	int alive[2], thawed[2];

	assert_int_equal(pipe2(alive, O_CLOEXEC), 0);
	assert_int_equal(pipe2(thawed, O_CLOEXEC), 0);
	f->keeper = fork();
	if (!f->keeper) {
		struct pollfd end = { .fd = alive[0], .events = POLLIN };

		close(alive[1]);
		poll(&end, 1, PATIENCE_MS);
		if (write(thawed[1], "", 1) != 1)
			_exit(1);
		_exit(ioctl(f->fd, FITHAW, 0) ? 1 : 0);
	}
	close(alive[0]);
	close(thawed[1]);
	f->alive = alive[1];
	f->thawed = thawed[0];
}

static void freeze(struct fixture *f)
{
	assert_int_equal(ioctl(f->fd, FIFREEZE, 0), 0);
	keeper_start(f);
}

/* Whether the keeper lost its patience: something waited that must not. */
static bool patience_is_over(struct fixture *f)
{
	struct pollfd thawed = { .fd = f->thawed, .events = POLLIN };

	return poll(&thawed, 1, 0);
}

static void thaw(struct fixture *f)
{
	if (!f->keeper)
		return;
	close(f->alive);
	waitpid(f->keeper, NULL, 0);
	close(f->thawed);
	f->keeper = 0;
}

static bool mount_image(struct fixture *f)
{
	if (geteuid() || access("/dev/loop-control", R_OK | W_OK) || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	snprintf(f->image, sizeof(f->image), "%s.img", f->folder);
	if (!run("truncate -s 32M %s && mkfs.ext4 -q -F %s >/dev/null 2>&1", f->image, f->image))
		return false;
	f->mounted = run("mount -o loop %s %s 2>/dev/null", f->image, f->folder);
	f->fd = f->mounted ? open(f->folder, O_RDONLY | O_CLOEXEC) : -1;
	return f->mounted;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct disk_options options = { 0 };

	*state = f;
	strcpy(f->folder, "/var/tmp/lkvm-frozen.XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	if (!mount_image(f))
		return 0;
	snprintf(f->path, sizeof(f->path), "%s/disk", f->folder);
	/* The first half is allocated, the second is not. */
	if (!run("head -c 2M /dev/zero >%s && truncate -s 4M %s && sync", f->path, f->path))
		return -1;
	pthread_mutex_init(&f->lock, NULL);
	return loop_create(&f->loop, &f->lock) || disk_open(&f->disk, f->path, &options, NULL) ||
	       disk_start(f->disk, f->loop, NULL, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	thaw(f);
	disk_close(f->disk);
	loop_destroy(f->loop);
	if (f->mounted) {
		close(f->fd);
		umount(f->folder);
	}
	unlink(f->image);
	rmdir(f->folder);
	free(f);
	return 0;
}

static void op_done(struct disk_request *request, int result)
{
	struct op *op = container_of(request, struct op, request);

	op->done = true;
	op->result = result;
}

static void op_start(struct fixture *f, struct op *op, enum disk_op what, u64 offset)
{
	static u8 memory[8][4096] __attribute__((aligned(4096)));
	static unsigned next;

	memset(op, 0, sizeof(*op));
	op->iov = (struct iovec){ memory[next++ % 8], 4096 };
	op->request = (struct disk_request){ .op = what,
					     .offset = offset,
					     .len = what == DISK_FLUSH ? 0 : 4096,
					     .iov = &op->iov,
					     .iov_count = 1,
					     .done = op_done };
	disk_submit(f->disk, &op->request);
	disk_flush_queue(f->disk);
}

static void op_finish(struct fixture *f, struct op *op)
{
	while (!op->done)
		loop_poll(f->loop, 1000);
	assert_int_equal(op->result, 0);
}

TEST_WITH(nobody_waits_for_a_frozen_file_system_but_who_writes_it, setup, teardown)
{
	struct fixture *f = *state;
	struct op writes[3], flush, clear, read;

	if (!f->mounted)
		skip();
	freeze(f);
	op_start(f, &writes[0], DISK_WRITE, 0);
	op_start(f, &writes[1], DISK_WRITE, 3 * MIB);
	op_start(f, &clear, DISK_WRITE_ZEROES, MIB);
	op_start(f, &writes[2], DISK_WRITE, 4096);
	op_start(f, &flush, DISK_FLUSH, 0);
	/* All five are the kernel's or a thread's, and we are here. */
	op_start(f, &read, DISK_READ, MIB);
	op_finish(f, &read);
	assert_false(patience_is_over(f));
	assert_false(writes[0].done || writes[1].done || writes[2].done || clear.done);
	thaw(f);
	for (unsigned i = 0; i < 3; i++)
		op_finish(f, &writes[i]);
	op_finish(f, &clear);
	op_finish(f, &flush);
}
