/* SPDX-License-Identifier: BSD-2-Clause */
/* A test's own clock_gettime(): what is not told here is true. */
#ifndef TESTS_WIRE_HOST_CLOCK_H
#define TESTS_WIRE_HOST_CLOCK_H

#include <time.h>

#include "util/types.h"

/* A time of which a microsecond is missing to @seconds: what is due then comes while one waits. */
void host_clock_almost(s64 seconds);
void host_clock_set(s64 seconds);
/*
 * Who asks for the monotonic time is told what @ask says, or the truth if it returns false. On any
 * thread; NULL: no more.
 */
void host_clock_ask(bool (*ask)(struct timespec *now));

#endif
