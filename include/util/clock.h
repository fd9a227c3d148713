/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <time.h>

#include "util/types.h"

static inline u64 clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* For how long something takes: it starts anywhere, and is never set. */
static inline u64 now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static inline u64 now_ms(void)
{
	return now_ns() / 1000000;
}

#endif
