/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PC's clock and its 128 bytes of memory (Motorola MC146818), in UTC. It
 * keeps the guest's time as a distance from the host's, and has no interrupt.
 */
#ifndef X86_CMOS_H
#define X86_CMOS_H

#include <time.h>

#include "util/types.h"

struct cmos {
	u8 index;
	u8 ram[128];
	s64 offset;	   /* guest's time minus host's, seconds */
	bool frozen;	   /* register B's SET: the guest is writing ... */
	struct tm setting; /* ... this */
};

void cmos_init(struct cmos *cmos);

/* Port 0 is the index, 1 the data. @now is the host's time. */
u8 cmos_read(const struct cmos *cmos, unsigned port, const struct timespec *now);
void cmos_write(struct cmos *cmos, unsigned port, u8 value, const struct timespec *now);

#endif
