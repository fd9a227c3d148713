/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Seconds since 1970 and the date that they are, in UTC and the proleptic Gregorian calendar,
 * without leap seconds. The C library's functions read /etc/localtime first, which may not be done
 * under a lock.
 */
#ifndef UTIL_UTC_H
#define UTIL_UTC_H

#include "util/types.h"

struct utc {
	s64 year;
	s64 month; /* 1 to 12 */
	s64 day;   /* 1 to 31 */
	s64 hour, minute, second;
	unsigned weekday; /* 0: Sunday */
};

/* Any @seconds of some millions of years. */
void utc_from_seconds(s64 seconds, struct utc *utc);
/* Fields past their end count on: the 32nd is the 1st. weekday is not looked at. */
s64 utc_to_seconds(const struct utc *utc);

#endif
