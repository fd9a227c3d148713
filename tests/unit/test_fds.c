/* SPDX-License-Identifier: BSD-2-Clause */
/* util/fds.h: the limit of open files, and what fits under it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
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
