/* SPDX-License-Identifier: BSD-2-Clause */
/* A lock that the host does not answer, as on a network's file system, is waited for by those of
 * its file alone. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../folder/private.h"
#include "temp_folder.h"
#include "test.h"

static const struct folder_cred root_cred;
static struct temp_folder base;
static struct folder *folder;
/* Calls to set locks of this inode hang, until they are told how often they may go on. */
static _Atomic ino_t hanging;
static sem_t hangs, let_go;

/* In place of the C library's. */
int fcntl(int fd, int command, ...)
{
	struct stat st;
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	if (command == F_OFD_SETLK && hanging && !fstat(fd, &st) && st.st_ino == hanging) {
		sem_post(&hangs);
		while (sem_wait(&let_go))
			;
	}
	return syscall(SYS_fcntl, fd, command, arg);
}

static int setup(void **state)
{
	const struct folder_options options = { .map = FOLDER_MAP_SQUASH };
	struct error err = { 0 };

	temp_folder_create(&base, "/tmp");
	assert_int_equal(folder_open(&folder, base.path, &options, &err), 0);
	assert_int_equal(folder_thread_start(folder), 0);
	sem_init(&hangs, 0, 0);
	sem_init(&let_go, 0, 0);
	return 0;
}

static int teardown(void **state)
{
	hanging = 0;
	folder_close(folder);
	folder = NULL;
	temp_folder_remove(&base);
	return 0;
}

static u64 create(const char *name, u64 *node, ino_t *ino)
{
	struct folder_entry entry;
	u64 file;

	assert_int_equal(
		folder_create(folder, &root_cred, FOLDER_ROOT, name, O_RDWR, 0600, &entry, &file),
		0);
	*node = entry.node;
	*ino = entry.attr.ino;
	return file;
}

/* ---- what is done meanwhile, each on a thread of its own ---- */

struct call {
	void (*act)(struct call *call);
	u64 file, owner;
	int ret;
	pthread_t thread;
};

static void set_lock(struct call *call)
{
	call->ret = folder_lock(folder, call->file, call->owner, F_WRLCK, 0, 0);
}

static void close_file(struct call *call)
{
	call->ret = folder_close_file(folder, call->file);
}

static void *run(void *arg)
{
	struct call *call = arg;

	call->act(call);
	return NULL;
}

static void start(struct call *call)
{
	call->ret = 1;
	assert_int_equal(pthread_create(&call->thread, NULL, run, call), 0);
}

/* Whether it is over within @ms. */
static bool is_over(struct call *call, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += ms % 1000 * 1000000l;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return !pthread_timedjoin_np(call->thread, NULL, &until);
}

static bool is_done(void (*act)(struct call *call), u64 file, u64 owner, int ret)
{
	struct call call = { .act = act, .file = file, .owner = owner };

	start(&call);
	if (is_over(&call, 10000))
		return call.ret == ret;
	/* It would never end, and so neither would we. */
	hanging = 0;
	for (unsigned i = 0; i < 100; i++)
		sem_post(&let_go);
	pthread_join(call.thread, NULL);
	return false;
}

/* A lock of the file is under way, and hangs. */
static void hang(struct call *call, u64 file, u64 owner)
{
	*call = (struct call){ .act = set_lock, .file = file, .owner = owner };
	start(call);
	sem_wait(&hangs);
}

static void let_one_go(struct call *call)
{
	sem_post(&let_go);
	assert_true(is_over(call, 10000));
}

TEST_WITH(a_lock_that_hangs_stops_neither_locks_nor_closes_of_other_files, setup, teardown)
{
	u64 a_node, b_node;
	ino_t a_ino, b_ino;
	u64 a = create("a", &a_node, &a_ino), b = create("b", &b_node, &b_ino);
	bool locks, closes;
	struct call slow;

	hanging = a_ino;
	hang(&slow, a, 1);
	locks = is_done(set_lock, b, 2, 0);
	closes = is_done(close_file, b, 0, 0);
	let_one_go(&slow);
	assert_int_equal(slow.ret, 0);
	assert_true(locks);
	assert_true(closes);
}

TEST_WITH(a_lock_that_hangs_does_not_stop_a_close_of_another_handle_of_its_file, setup, teardown)
{
	u64 node, other;
	ino_t ino;
	u64 file = create("a", &node, &ino);
	bool closes;
	struct call slow;

	assert_int_equal(folder_open_file(folder, node, O_RDWR, &other), 0);
	assert_int_equal(folder_lock(folder, other, 2, F_RDLCK, 10, 10), 0);
	hanging = ino;
	hang(&slow, file, 1);
	closes = is_done(close_file, other, 0, 0);
	let_one_go(&slow);
	assert_true(closes);
	/* What was locked through it goes no later than the call that was under way. */
	hanging = 0;
	assert_int_equal(folder_open_file(folder, node, O_RDWR, &other), 0);
	assert_int_equal(folder_unlock(folder, file, 1, 0, 0), 0);
	assert_int_equal(folder_lock(folder, other, 3, F_WRLCK, 0, 0), 0);
}

TEST_WITH(locks_of_one_file_are_set_one_after_the_other, setup, teardown)
{
	struct call first, second = { .act = set_lock, .owner = 2 };
	u64 node, other;
	ino_t ino;
	u64 file = create("a", &node, &ino);

	assert_int_equal(folder_open_file(folder, node, O_RDWR, &other), 0);
	hanging = ino;
	hang(&first, file, 1);
	second.file = other;
	start(&second);
	assert_false(is_over(&second, 50));
	assert_int_equal(sem_trywait(&hangs), -1); /* nor has it come to the host */
	let_one_go(&first);
	let_one_go(&second);
	assert_int_equal(first.ret, 0);
	assert_int_equal(second.ret, -EAGAIN);
}
