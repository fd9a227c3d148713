/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vmm/loop.h"

#define NANOSECONDS 1000000000ull

static void on_expiry(struct loop_source *source, u32 events)
{
	struct loop_timer *timer = container_of(source, struct loop_timer, source);
	u64 expirations;

	/* The event may be older than the time that is set now: then there is nothing to read. */
	if (read(source->fd, &expirations, sizeof(expirations)) != sizeof(expirations) ||
	    !timer->armed)
		return;
	timer->armed = false;
	timer->expired(timer);
}

int loop_timer_create(struct loop_timer *timer, struct loop *loop,
		      void (*expired)(struct loop_timer *timer))
{
	int ret;

	*timer = (struct loop_timer){ .expired = expired };
	timer->source.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (timer->source.fd < 0)
		return -errno;
	timer->source.events = EPOLLIN;
	timer->source.handle = on_expiry;
	ret = loop_add(loop, &timer->source);
	if (ret) {
		close(timer->source.fd);
		return ret;
	}
	timer->loop = loop;
	return 0;
}

void loop_timer_destroy(struct loop_timer *timer)
{
	if (!timer->loop)
		return;
	loop_remove(timer->loop, &timer->source);
	close(timer->source.fd);
	memset(timer, 0, sizeof(*timer));
}

void loop_timer_arm(struct loop_timer *timer, u64 nanoseconds)
{
	/* All zeroes would disarm it. */
	const struct itimerspec at = {
		.it_value.tv_sec = nanoseconds / NANOSECONDS,
		.it_value.tv_nsec = nanoseconds ? nanoseconds % NANOSECONDS : 1,
	};

	timer->armed = true;
	timerfd_settime(timer->source.fd, 0, &at, NULL);
}

void loop_timer_disarm(struct loop_timer *timer)
{
	static const struct itimerspec never;

	timer->armed = false;
	timerfd_settime(timer->source.fd, 0, &never, NULL);
}
