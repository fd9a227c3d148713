/* SPDX-License-Identifier: BSD-2-Clause */
/* The process that becomes a network's program: its end, on a host that does not do its part. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../net/user.h"
#include "net_space.h"
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

static bool full, full_of_threads; /* the user may have no more processes; no more threads */

pid_t fork(void)
{
	if (!full)
		return _Fork();
	errno = EAGAIN;
	return -1;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *), void *arg)
{
	int (*true_one)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

	if (full_of_threads)
		return EAGAIN;
	true_one = dlsym(RTLD_NEXT, "pthread_create");
	return true_one(thread, attr, body, arg);
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

/* 0, or -errno of net_open(). *net may be NULL then. */
static int open_network(struct net_backend **net, bool on_demand, struct error *err)
{
	struct net_options options;

	*net = NULL;
	net_space_options(&options, NET_USER, "");
	options.on_demand = on_demand;
	return net_open(net, &options, err);
}

static int setup(void **state)
{
	full = full_of_threads = false;
	return 0;
}

static ssize_t receive(struct net_backend *net)
{
	u8 frame[64];
	struct iovec iov = { frame, sizeof(frame) };

	return net->ops->receive(net, 0, &iov, 1);
}

/* A link that is up leads nowhere, and the guest would wait for an address. @lacking: at its start.
 */
static void assert_link_is_down(bool *lacking)
{
	struct error err = { "" };
	struct net_backend *net;

	assert_int_equal(open_network(&net, true, &err), 0);
	*lacking = true;
	net->ops->start(net);
	*lacking = false;
	assert_int_equal(receive(net), -EPIPE);
	net_close(net);
}

TEST_WITH(a_network_nobody_asked_for_that_gets_no_process_is_a_link_that_is_down, setup, NULL)
{
	if (net_user_available()) {
		skip();
		return;
	}
	full = true;
	assert_link_is_down(&full);
}

TEST_WITH(a_network_nobody_asked_for_that_gets_no_thread_is_a_link_that_is_down, setup, NULL)
{
	if (net_user_available()) {
		skip();
		return;
	}
	assert_link_is_down(&full_of_threads);
}

TEST_WITH(a_network_that_was_asked_for_and_gets_no_thread_is_refused, setup, NULL)
{
	struct error err = { "" };
	struct net_backend *net;

	if (net_user_available()) {
		skip();
		return;
	}
	full_of_threads = true;
	assert_int_equal(open_network(&net, false, &err), -EAGAIN);
	assert_non_null(strstr(err.text, "mode=user"));
}
