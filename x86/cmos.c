/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmos.h"

enum {
	CMOS_SECONDS = 0,
	CMOS_MINUTES = 2,
	CMOS_HOURS = 4,
	CMOS_WEEKDAY = 6,
	CMOS_DAY = 7,
	CMOS_MONTH = 8,
	CMOS_YEAR = 9,
	CMOS_A = 10,
	CMOS_B = 11,
	CMOS_C = 12,
	CMOS_D = 13,
	CMOS_CENTURY = 0x32, /* as the FADT says */
};

#define A_UPDATING     0x80
#define A_DIVIDER      0x26 /* 32,768 Hz, 1,024 interrupts a second */
#define B_SET	       0x80
#define B_BINARY       0x04
#define B_24_HOURS     0x02
#define D_VALID	       0x80
#define HOURS_PM       0x80
#define UPDATE_WARNING 244000 /* ns before the second in which "updating" is seen */

void cmos_init(struct cmos *cmos)
{
	*cmos = (struct cmos){ .ram[CMOS_A] = A_DIVIDER, .ram[CMOS_B] = B_24_HOURS };
}

static struct tm time_of(const struct cmos *cmos, const struct timespec *now)
{
	time_t seconds = now->tv_sec + cmos->offset;
	struct tm tm;

	if (cmos->frozen || !gmtime_r(&seconds, &tm))
		return cmos->setting;
	return tm;
}

static u8 encode(const struct cmos *cmos, unsigned value)
{
	return cmos->ram[CMOS_B] & B_BINARY ? value : (value / 10 % 10) << 4 | value % 10;
}

static unsigned decode(const struct cmos *cmos, u8 value)
{
	return cmos->ram[CMOS_B] & B_BINARY ? value : (value >> 4) * 10 + (value & 15);
}

static u8 encode_hours(const struct cmos *cmos, unsigned hours)
{
	if (cmos->ram[CMOS_B] & B_24_HOURS)
		return encode(cmos, hours);
	return encode(cmos, hours % 12 ? hours % 12 : 12) | (hours >= 12 ? HOURS_PM : 0);
}

static unsigned decode_hours(const struct cmos *cmos, u8 value)
{
	if (cmos->ram[CMOS_B] & B_24_HOURS)
		return decode(cmos, value);
	return decode(cmos, value & ~HOURS_PM) % 12 + (value & HOURS_PM ? 12 : 0);
}

static u8 read_data(const struct cmos *cmos, const struct timespec *now)
{
	const struct tm tm = time_of(cmos, now);
	unsigned year = tm.tm_year + 1900;

	switch (cmos->index) {
	case CMOS_SECONDS:
		return encode(cmos, tm.tm_sec);
	case CMOS_MINUTES:
		return encode(cmos, tm.tm_min);
	case CMOS_HOURS:
		return encode_hours(cmos, tm.tm_hour);
	case CMOS_WEEKDAY:
		return encode(cmos, tm.tm_wday + 1);
	case CMOS_DAY:
		return encode(cmos, tm.tm_mday);
	case CMOS_MONTH:
		return encode(cmos, tm.tm_mon + 1);
	case CMOS_YEAR:
		return encode(cmos, year % 100);
	case CMOS_CENTURY:
		return encode(cmos, year / 100 % 100);
	case CMOS_A:
		return cmos->ram[CMOS_A] |
		       (!cmos->frozen && now->tv_nsec >= 1000000000 - UPDATE_WARNING ? A_UPDATING
										     : 0);
	case CMOS_C:
		return 0; /* no interrupt is ever pending */
	case CMOS_D:
		return D_VALID;
	default:
		return cmos->ram[cmos->index];
	}
}

u8 cmos_read(const struct cmos *cmos, unsigned port, const struct timespec *now)
{
	/* The index cannot be read back. */
	return port ? read_data(cmos, now) : 0xff;
}

/* False if @index is no part of the time. */
static bool set_field(const struct cmos *cmos, struct tm *tm, u8 value)
{
	unsigned number = decode(cmos, value), year = tm->tm_year + 1900;

	switch (cmos->index) {
	case CMOS_SECONDS:
		tm->tm_sec = number;
		return true;
	case CMOS_MINUTES:
		tm->tm_min = number;
		return true;
	case CMOS_HOURS:
		tm->tm_hour = decode_hours(cmos, value);
		return true;
	case CMOS_WEEKDAY: /* follows from the date */
		return true;
	case CMOS_DAY:
		tm->tm_mday = number;
		return true;
	case CMOS_MONTH:
		tm->tm_mon = (int)number - 1;
		return true;
	case CMOS_YEAR:
		tm->tm_year = (int)(year - year % 100 + number) - 1900;
		return true;
	case CMOS_CENTURY:
		tm->tm_year = (int)(number * 100 + year % 100) - 1900;
		return true;
	default:
		return false;
	}
}

static void write_b(struct cmos *cmos, u8 value, const struct timespec *now)
{
	bool set = value & B_SET;

	if (set && !cmos->frozen)
		cmos->setting = time_of(cmos, now);
	if (!set && cmos->frozen)
		cmos->offset = timegm(&cmos->setting) - now->tv_sec;
	cmos->frozen = set;
	cmos->ram[CMOS_B] = value;
}

static void write_data(struct cmos *cmos, u8 value, const struct timespec *now)
{
	struct tm tm = time_of(cmos, now);

	if (set_field(cmos, &tm, value)) {
		if (cmos->frozen)
			cmos->setting = tm;
		else
			cmos->offset = timegm(&tm) - now->tv_sec;
	} else if (cmos->index == CMOS_B) {
		write_b(cmos, value, now);
	} else if (cmos->index == CMOS_A) {
		cmos->ram[CMOS_A] = value & ~A_UPDATING;
	} else {
		cmos->ram[cmos->index] = value;
	}
}

void cmos_write(struct cmos *cmos, unsigned port, u8 value, const struct timespec *now)
{
	if (port)
		write_data(cmos, value, now);
	else
		cmos->index = value & 0x7f; /* bit 7 masks NMIs, which we have none of */
}
