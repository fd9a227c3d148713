/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <time.h>

#include "util/utc.h"

/* The C library's functions are what ours are compared with. */
static void assert_as_in_libc(s64 seconds)
{
	time_t time = seconds;
	struct utc utc;
	struct tm tm;

	assert_non_null(gmtime_r(&time, &tm));
	utc_from_seconds(seconds, &utc);
	assert_int_equal(utc.year, tm.tm_year + 1900);
	assert_int_equal(utc.month, tm.tm_mon + 1);
	assert_int_equal(utc.day, tm.tm_mday);
	assert_int_equal(utc.hour, tm.tm_hour);
	assert_int_equal(utc.minute, tm.tm_min);
	assert_int_equal(utc.second, tm.tm_sec);
	assert_int_equal(utc.weekday, tm.tm_wday);
	assert_int_equal(utc_to_seconds(&utc), seconds);
}

TEST(every_day_of_a_thousand_years_is_that_of_the_c_library)
{
	for (s64 day = -200000; day < 200000; day++) {
		assert_as_in_libc(day * 86400);
		assert_as_in_libc(day * 86400 - 1);
	}
}

TEST(so_are_seconds_far_away)
{
	for (s64 seconds = 1; seconds < 1LL << 55; seconds = seconds * 3 + 1) {
		assert_as_in_libc(seconds);
		assert_as_in_libc(-seconds);
	}
}

TEST(fields_past_their_end_count_on)
{
	const struct utc utc = { .year = 2025, .month = 14, .day = 30, .hour = 25, .second = 61 };
	struct utc back;

	utc_from_seconds(utc_to_seconds(&utc), &back);
	assert_int_equal(back.year, 2026);
	assert_int_equal(back.month, 3);
	assert_int_equal(back.day, 3); /* 30 February, and a day */
	assert_int_equal(back.hour, 1);
	assert_int_equal(back.minute, 1);
	assert_int_equal(back.second, 1);
}

TEST(fields_before_their_start_count_back)
{
	const struct utc utc = { .year = 2026, .month = 0, .day = 0 };
	struct utc back;

	utc_from_seconds(utc_to_seconds(&utc), &back);
	assert_int_equal(back.year, 2025);
	assert_int_equal(back.month, 11);
	assert_int_equal(back.day, 30);
}
