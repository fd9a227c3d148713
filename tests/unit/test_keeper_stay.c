/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process that becomes another user undoes: by a thread that was there before. */
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"
#include "util/keeper.h"

#define PATIENCE_MS 20000

static struct keeper *keeper;
static atomic_int undone_by, undone_in; /* a thread's number, and its process's */
static atomic_bool let_go;

static bool is_quick(const void *data)
{
	return *(const int *)data;
}

static int undo(const void *data, const int *fds, struct error *err)
{
	atomic_store(&undone_by, syscall(SYS_gettid));
	atomic_store(&undone_in, syscall(SYS_getpid));
	return *(const int *)data == 2 ? error_set(err, -EIO, "it does not go") : 0;
}

static int hang(const void *data, const int *fds, struct error *err)
{
	while (!atomic_load(&let_go))
		usleep(1000);
	return 0;
}

static const struct keeper_kind kind = {
	.name = "thing",
	.worth = KEEPER_ALONG,
	.size = sizeof(int),
	.undo_ms = PATIENCE_MS,
	.is_quick = is_quick,
	.undo = undo,
};

static const struct keeper_kind hanging = {
	.name = "thing that hangs",
	.worth = KEEPER_ALONG,
	.size = sizeof(int),
	.undo_ms = 50,
	.undo = hang,
};

static const struct keeper_kind *const kinds[] = { &kind, &hanging, NULL };

static int add(const struct keeper_kind *which, int quick)
{
	const struct keeper_note note = { .kind = which, .data = &quick, .give_up_fd = -1 };
	struct error err;
	int id = keeper_add(keeper, &note, &err);

	assert_true(id >= 0);
	return id;
}

static int begin(void **state)
{
	atomic_store(&undone_by, 0);
	return keeper_create(&keeper, kinds);
}

static int end(void **state)
{
	keeper_destroy(keeper);
	return 0;
}

TEST_WITH(what_waits_for_nobody_the_thread_undoes_itself, begin, end)
{
	int id = add(&kind, 1);

	keeper_seal(keeper);
	assert_int_equal(keeper_stay(keeper), 0);
	assert_int_equal(keeper_undo(keeper, id, NULL), 0);
	assert_int_equal(atomic_load(&undone_in), getpid());
	assert_int_not_equal(atomic_load(&undone_by), 0);
	assert_int_not_equal(atomic_load(&undone_by), syscall(SYS_gettid));
}

TEST_WITH(what_may_wait_a_process_of_the_threads_undoes, begin, end)
{
	int id = add(&kind, 0);

	keeper_seal(keeper);
	assert_int_equal(keeper_stay(keeper), 0);
	assert_int_equal(keeper_undo(keeper, id, NULL), 0);
	assert_int_not_equal(atomic_load(&undone_in), 0);
	assert_int_not_equal(atomic_load(&undone_in), getpid());
}

TEST_WITH(one_after_the_other_is_undone_and_why_not_is_said, begin, end)
{
	int first = add(&kind, 1), second = add(&kind, 2), third = add(&kind, 0);
	struct error err = { "" };

	keeper_seal(keeper);
	assert_int_equal(keeper_stay(keeper), 0);
	assert_int_equal(keeper_undo(keeper, third, NULL), 0);
	assert_int_equal(keeper_undo(keeper, second, &err), -EIO);
	assert_string_equal(err.text, "it does not go");
	assert_int_equal(keeper_undo(keeper, first, NULL), 0);
}

TEST_WITH(what_never_ends_is_left_behind_and_so_is_what_comes_after_it, begin, NULL)
{
	int first = add(&hanging, 0), second = add(&kind, 1);

	keeper_seal(keeper);
	assert_int_equal(keeper_stay(keeper), 0);
	assert_int_equal(keeper_undo(keeper, first, NULL), -ETIMEDOUT);
	assert_int_equal(keeper_undo(keeper, second, NULL), -ETIMEDOUT);
	assert_int_equal(atomic_load(&undone_by), 0);
	keeper_destroy(keeper);
	/* For the process that still is at it. */
	atomic_store(&let_go, true);
}

static unsigned thread_count(void)
{
	DIR *tasks = opendir("/proc/self/task");
	unsigned count = 0;

	assert_non_null(tasks);
	while (readdir(tasks))
		count++;
	closedir(tasks);
	return count;
}

TEST_WITH(where_nothing_is_to_be_undone_there_is_no_thread, begin, end)
{
	unsigned before = thread_count();

	keeper_drop(keeper, add(&kind, 1));
	keeper_seal(keeper);
	assert_int_equal(keeper_stay(keeper), 0);
	assert_int_equal(thread_count(), before);
}
