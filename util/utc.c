/* SPDX-License-Identifier: BSD-2-Clause */
#include "util/utc.h"

#define DAY	     86400
#define ERA_DAYS     146097 /* of 400 years, after which the calendar repeats */
#define EPOCH_OFFSET 719468 /* days from 1 March 0 to 1 January 1970 */

static s64 floor_div(s64 a, s64 b)
{
	return a / b - (a % b < 0);
}

/*
 * Years are counted from March, so that a leap day is their last. Then the first @month months,
 * March being 0, have (153 month + 2) / 5 days.
 */
static s64 days_of(s64 year, s64 month, s64 day)
{
	s64 march = month - 3, era, year_of_era;

	year += floor_div(march, 12);
	march -= floor_div(march, 12) * 12;
	era = floor_div(year, 400);
	year_of_era = year - era * 400;
	return era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       (153 * march + 2) / 5 + day - 1 - EPOCH_OFFSET;
}

s64 utc_to_seconds(const struct utc *utc)
{
	return days_of(utc->year, utc->month, utc->day) * DAY + utc->hour * 3600 +
	       utc->minute * 60 + utc->second;
}

static void set_date(struct utc *utc, s64 days)
{
	s64 era, day, year, march;

	days += EPOCH_OFFSET;
	era = floor_div(days, ERA_DAYS);
	day = days - era * ERA_DAYS;
	/* Without the leap days that were before it, each year has 365. */
	year = (day - day / 1460 + day / 36524 - day / (ERA_DAYS - 1)) / 365;
	day -= year * 365 + year / 4 - year / 100;
	march = (5 * day + 2) / 153;
	utc->day = day - (153 * march + 2) / 5 + 1;
	utc->month = march < 10 ? march + 3 : march - 9;
	utc->year = era * 400 + year + (utc->month <= 2);
}

void utc_from_seconds(s64 seconds, struct utc *utc)
{
	s64 days = floor_div(seconds, DAY), rest = seconds - days * DAY;

	set_date(utc, days);
	utc->hour = rest / 3600;
	utc->minute = rest / 60 % 60;
	utc->second = rest % 60;
	/* 1 January 1970 was a Thursday. */
	utc->weekday = days + 4 - floor_div(days + 4, 7) * 7;
}
