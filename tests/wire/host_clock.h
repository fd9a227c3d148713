/* SPDX-License-Identifier: BSD-2-Clause */
/* A test's own clock_gettime(): the host's time of day is what the test says, other clocks are
 * true. */
#ifndef TESTS_WIRE_HOST_CLOCK_H
#define TESTS_WIRE_HOST_CLOCK_H

#include "util/types.h"

/* A time of which a microsecond is missing to @seconds: what is due then comes while one waits. */
void host_clock_almost(s64 seconds);
void host_clock_set(s64 seconds);

#endif
