/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "loop_private.h"
#include "util/clock.h"

#define NANOSECONDS 1000000000ull
#define FOREVER	    (~0ull)

static struct loop_timer *timer_at(struct list_node *node)
{
	return list_entry(node, struct loop_timer, node);
}

/* Have the timerfd expire at the earliest time there is. */
static void set_clock(struct loop_timers *timers)
{
	struct itimerspec next = { .it_value = { 0 } };
	struct list_node *node;
	u64 at = FOREVER;

	list_for_each(node, &timers->list) {
		const struct loop_timer *timer = timer_at(node);

		if (timer->armed)
			at = MIN(at, timer->at);
	}
	at = at == FOREVER ? 0 : at;
	if (at == timers->at)
		return;
	timers->at = at;
	next.it_value.tv_sec = at / NANOSECONDS;
	next.it_value.tv_nsec = at % NANOSECONDS;
	timerfd_settime(timers->source.fd, TFD_TIMER_ABSTIME, &next, NULL);
}

/* Those whose time has come. One that expired() arms anew is not among them: it has its turn. */
static void mark_due(struct loop_timers *timers)
{
	struct list_node *node;
	u64 now = now_ns();

	list_for_each(node, &timers->list) {
		struct loop_timer *timer = timer_at(node);

		timer->due = timer->armed && timer->at <= now;
	}
}

static struct loop_timer *find_due(struct loop_timers *timers)
{
	struct list_node *node;

	list_for_each(node, &timers->list) {
		if (timer_at(node)->due)
			return timer_at(node);
	}
	return NULL;
}

/* Each is looked for anew: expired() may arm, disarm, create and destroy any of them. */
static void on_expiry(struct loop_source *source, u32 events)
{
	struct loop_timers *timers = container_of(source, struct loop_timers, source);
	struct loop_timer *timer;
	u64 expirations;

	/* The event may be older than the time that is set now: then there is nothing to read. */
	if (read(source->fd, &expirations, sizeof(expirations)) != sizeof(expirations))
		return;
	timers->at = 0;
	mark_due(timers);
	while ((timer = find_due(timers))) {
		timer->armed = timer->due = false;
		timer->expired(timer);
	}
	/* The last timer takes the timerfd with it. */
	if (!list_empty(&timers->list))
		set_clock(timers);
}

static int make_clock(struct loop_timers *timers, struct loop *loop)
{
	int ret;

	timers->source.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (timers->source.fd < 0)
		return -errno;
	timers->source.events = EPOLLIN;
	timers->source.handle = on_expiry;
	timers->at = 0;
	ret = loop_add(loop, &timers->source);
	if (ret)
		close(timers->source.fd);
	return ret;
}

int loop_timer_create(struct loop_timer *timer, struct loop *loop,
		      void (*expired)(struct loop_timer *timer))
{
	struct loop_timers *timers = loop_timers(loop);
	int ret = list_empty(&timers->list) ? make_clock(timers, loop) : 0;

	*timer = (struct loop_timer){ .expired = expired };
	if (ret)
		return ret;
	timer->loop = loop;
	list_add_tail(&timers->list, &timer->node);
	return 0;
}

void loop_timer_destroy(struct loop_timer *timer)
{
	struct loop_timers *timers;

	if (!timer->loop)
		return;
	timers = loop_timers(timer->loop);
	list_del(&timer->node);
	if (list_empty(&timers->list)) {
		loop_remove(timer->loop, &timers->source);
		close(timers->source.fd);
	} else if (timer->armed) {
		set_clock(timers);
	}
	memset(timer, 0, sizeof(*timer));
}

void loop_timer_arm(struct loop_timer *timer, u64 nanoseconds)
{
	u64 now = now_ns();

	timer->armed = true;
	timer->due = false;
	timer->at = now + MIN(nanoseconds, FOREVER - 1 - now);
	set_clock(loop_timers(timer->loop));
}

void loop_timer_disarm(struct loop_timer *timer)
{
	timer->armed = timer->due = false;
	set_clock(loop_timers(timer->loop));
}

u64 loop_timer_left(const struct loop_timer *timer)
{
	u64 now = now_ns();

	return timer->armed && timer->at > now ? timer->at - now : 0;
}
