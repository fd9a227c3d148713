/* SPDX-License-Identifier: BSD-2-Clause */
/* The process that becomes a network's program: its end, on a host that does not do its part. */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../net/user.h"
#include "test.h"
#include "util/thread.h"

#define HOUR 3600

static time_t ahead; /* of the true time: the host's clock is wrong by that */

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int ret = syscall(SYS_clock_gettime, clock, now);

	if (clock == CLOCK_REALTIME)
		now->tv_sec += ahead;
	return ret;
}

/* A program that does not hear of its socket's end. */
static struct net_child *start_deaf(void)
{
	struct net_user_args args = { .text = { "sh", "-c", "exec sleep 600" }, .count = 3 };
	struct net_child *child;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(net_child_prepare(&child, "/bin/sh", &args, ends[1]), 0);
	close(ends[0]);
	assert_int_equal(net_child_go(child), 0);
	return child;
}

/* The clock is set back by an hour while we wait: that is not an hour more. */
TEST(a_program_that_does_not_end_is_left_behind_whatever_the_hosts_clock_does)
{
	struct net_child *child;

	thread_seal();
	child = start_deaf();
	ahead = HOUR;
	alarm(120);
	net_child_end(child);
	alarm(0);
}
