/* SPDX-License-Identifier: BSD-2-Clause */
/* util/fds.h: the limit of open files, and what fits under it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "util/fds.h"

static struct rlimit before;

static int start(void **state)
{
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	return 0;
}

static int stop(void **state)
{
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	return 0;
}

static void set_soft(rlim_t soft)
{
	const struct rlimit limit = { soft, before.rlim_max };

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* In a process of the caller's, for which no kernel has close_range(2). */
static bool be_old(void)
{
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { ARRAY_SIZE(steps), steps };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

enum { CLOSED, OPEN, NO_FILTER };

static int close_some(bool old)
{
	bool right;

	for (int fd = 100; fd <= 104; fd++)
		dup2(STDIN_FILENO, fd);
	if (old && !be_old())
		return NO_FILTER;
	fds_close(101, 103);
	fds_close(103, 102);
	right = fcntl(100, F_GETFD) >= 0 && fcntl(101, F_GETFD) < 0 && fcntl(102, F_GETFD) < 0 &&
		fcntl(103, F_GETFD) < 0 && fcntl(104, F_GETFD) >= 0;
	fds_close(100, ~0u);
	return right && fcntl(104, F_GETFD) < 0 ? CLOSED : OPEN;
}

static void closes(bool old)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(close_some(old));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_FILTER)
		skip();
	assert_int_equal(status, CLOSED);
}

TEST(those_of_a_range_are_closed)
{
	closes(false);
}

TEST(on_a_kernel_without_a_call_for_it_too)
{
	closes(true);
}

TEST_WITH(the_soft_limit_becomes_the_hard_one, start, stop)
{
	struct rlimit now;

	set_soft(16);
	fds_raise_limit();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
	assert_int_equal(now.rlim_cur, before.rlim_max);
	assert_int_equal(now.rlim_max, before.rlim_max);
}

/* How many there are exactly is found by opening them. */
static unsigned open_all(int *fds, unsigned max)
{
	unsigned count = 0;

	while (count < max && (fds[count] = open("/dev/null", O_RDONLY)) >= 0)
		count++;
	return count;
}

TEST_WITH(what_fits_is_counted_to_the_last_one, start, stop)
{
	struct error err = { "" };
	int fds[64], high = fcntl(STDERR_FILENO, F_DUPFD, 40);
	unsigned count;

	/* One that was inherited, far up. */
	assert_true(high >= 40);
	set_soft(50);
	count = open_all(fds, 64);
	assert_in_range(count, 2, 46);
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	assert_int_equal(fds_check(count, &err), 0);
	assert_int_equal(fds_check(count + 1, &err), -EMFILE);
	close(high);
}

TEST_WITH(a_refusal_names_a_limit_that_suffices, start, stop)
{
	struct error err = { "" };
	unsigned limit;
	char *at;

	set_soft(30);
	assert_int_equal(fds_check(200, &err), -EMFILE);
	at = strstr(err.text, "ulimit -n ");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "ulimit -n %u", &limit), 1);
	set_soft(limit);
	assert_int_equal(fds_check(200, &err), 0);
	set_soft(limit - 1);
	assert_int_equal(fds_check(200, &err), -EMFILE);
}
