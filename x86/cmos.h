/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PC's clock and its 128 bytes of memory (Motorola MC146818), in UTC. It
 * keeps the guest's time as a distance from the host's. Of its interrupts it has the alarm's and
 * the update's; there is no periodic one, which Linux makes from its own timers.
 */
#ifndef X86_CMOS_H
#define X86_CMOS_H

#include <time.h>

#include "util/types.h"
#include "util/utc.h"

/* Register C: reading it clears it. */
#define CMOS_FLAGS 12

struct cmos {
	u8 index;
	u8 ram[128];
	s64 offset;	    /* guest's time minus host's, seconds */
	bool frozen;	    /* register B's SET: the guest is writing ... */
	struct utc setting; /* ... this */
	s64 seen;	    /* the guest's second up to which alarm and updates are in register C */
};

void cmos_init(struct cmos *cmos, const struct timespec *now);

/* Port 0 is the index, 1 the data. @now is the host's time, in all calls. */
u8 cmos_read(struct cmos *cmos, unsigned port, const struct timespec *now);
void cmos_write(struct cmos *cmos, unsigned port, u8 value, const struct timespec *now);

/* The line of its interrupt, with what came up to @now. */
bool cmos_interrupt(struct cmos *cmos, const struct timespec *now);
/* When that may change by itself: the host's *seconds. False: it does not. */
bool cmos_next(const struct cmos *cmos, const struct timespec *now, s64 *seconds);

#endif
