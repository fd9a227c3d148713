/* SPDX-License-Identifier: BSD-2-Clause */
/* A time of the host's clock that is waited for, also when that clock is set meanwhile. */
#ifndef VMM_ALARM_H
#define VMM_ALARM_H

#include "vmm/loop.h"

/* Lives inside its owner. All calls have the locking of loop_add(). */
struct alarm {
	struct loop_timer timer; /* alarm.c's */
	s64 seconds;		 /* CLOCK_REALTIME, when it is due */
	/* Main thread, VM lock held; the alarm is no longer set and may be set again. */
	void (*due)(struct alarm *alarm);
};

/* Not set yet. -errno: nothing was made; alarm_destroy() is harmless all the same. */
int alarm_create(struct alarm *alarm, struct loop *loop, void (*due)(struct alarm *alarm));
/* Legal on a zeroed alarm. */
void alarm_destroy(struct alarm *alarm);
/* due() at @seconds, or at once if that was; replaces an earlier time. */
void alarm_set(struct alarm *alarm, s64 seconds);
/* Once it returns, due() will not be called until the alarm is set again. */
void alarm_clear(struct alarm *alarm);

#endif
