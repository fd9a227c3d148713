/* SPDX-License-Identifier: BSD-2-Clause */
#include <time.h>

#include "vmm/alarm.h"

#define SECOND 1000000000LL
/* How late it may be when the host's clock is set. */
#define LONGEST (10 * SECOND)

/* 0: due. */
static s64 ns_left(const struct alarm *alarm)
{
	struct timespec now;
	s64 seconds;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec >= alarm->seconds)
		return 0;
	seconds = alarm->seconds - now.tv_sec;
	return seconds > LONGEST / SECOND ? LONGEST : MIN(seconds * SECOND - now.tv_nsec, LONGEST);
}

static void on_expiry(struct loop_timer *timer)
{
	struct alarm *alarm = container_of(timer, struct alarm, timer);
	s64 left = ns_left(alarm);

	if (left)
		loop_timer_arm(timer, left);
	else
		alarm->due(alarm);
}

int alarm_create(struct alarm *alarm, struct loop *loop, void (*due)(struct alarm *alarm))
{
	*alarm = (struct alarm){ .due = due };
	return loop_timer_create(&alarm->timer, loop, on_expiry);
}

void alarm_destroy(struct alarm *alarm)
{
	loop_timer_destroy(&alarm->timer);
}

void alarm_set(struct alarm *alarm, s64 seconds)
{
	alarm->seconds = seconds;
	loop_timer_arm(&alarm->timer, ns_left(alarm));
}

void alarm_clear(struct alarm *alarm)
{
	loop_timer_disarm(&alarm->timer);
}
