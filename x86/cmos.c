/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmos.h"

enum {
	CMOS_SECONDS = 0,
	CMOS_SECONDS_ALARM = 1,
	CMOS_MINUTES = 2,
	CMOS_MINUTES_ALARM = 3,
	CMOS_HOURS = 4,
	CMOS_HOURS_ALARM = 5,
	CMOS_WEEKDAY = 6,
	CMOS_DAY = 7,
	CMOS_MONTH = 8,
	CMOS_YEAR = 9,
	CMOS_A = 10,
	CMOS_B = 11,
	CMOS_C = CMOS_FLAGS,
	CMOS_D = 13,
	CMOS_CENTURY = 0x32, /* as the FADT says */
};

#define A_UPDATING     0x80
#define A_DIVIDER      0x26 /* 32,768 Hz, 1,024 interrupts a second */
#define B_SET	       0x80
#define B_ALARM	       0x20 /* and register C's flag of it */
#define B_UPDATE       0x10 /* and register C's flag of it */
#define B_BINARY       0x04
#define B_24_HOURS     0x02
#define C_REQUEST      0x80
#define D_VALID	       0x80
#define ALARM_ANY      0xc0 /* and above: "don't care" */
#define HOURS_PM       0x80
#define UPDATE_WARNING 244000 /* ns before the second in which "updating" is seen */

void cmos_init(struct cmos *cmos, const struct timespec *now)
{
	*cmos = (struct cmos){
		.ram[CMOS_A] = A_DIVIDER,
		.ram[CMOS_B] = B_24_HOURS,
		.seen = now->tv_sec,
	};
}

static struct utc time_of(const struct cmos *cmos, const struct timespec *now)
{
	struct utc utc;

	if (cmos->frozen)
		return cmos->setting;
	utc_from_seconds(now->tv_sec + cmos->offset, &utc);
	return utc;
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

/* ---- the interrupt ---- */

/* What an alarm register asks for; -1: anything. */
static int alarm_field(const struct cmos *cmos, unsigned index)
{
	u8 value = cmos->ram[index];

	if (value >= ALARM_ANY)
		return -1;
	return index == CMOS_HOURS_ALARM ? decode_hours(cmos, value) : decode(cmos, value);
}

/* The first second after @after that the alarm is for; false: it is for none. */
static bool alarm_after(const struct cmos *cmos, s64 after, s64 *match)
{
	int hour = alarm_field(cmos, CMOS_HOURS_ALARM);
	int minute = alarm_field(cmos, CMOS_MINUTES_ALARM);
	int second = alarm_field(cmos, CMOS_SECONDS_ALARM);
	struct utc utc;

	if (hour > 23 || minute > 59 || second > 59)
		return false;
	/* From one hour to the next, then minute, then second: some 140 steps at most. */
	for (*match = after + 1;;) {
		utc_from_seconds(*match, &utc);
		if (hour >= 0 && utc.hour != hour)
			*match += 3600 - utc.minute * 60 - utc.second;
		else if (minute >= 0 && utc.minute != minute)
			*match += 60 - utc.second;
		else if (second >= 0 && utc.second != second)
			*match += 1;
		else
			return true;
	}
}

/* Set the flags of what happened since the last look. Nothing happens while the guest sets the
 * clock. */
static void catch_up(struct cmos *cmos, const struct timespec *now)
{
	s64 guest = now->tv_sec + cmos->offset, match;

	if (cmos->frozen)
		return;
	if (guest > cmos->seen) {
		cmos->ram[CMOS_C] |= B_UPDATE;
		if (alarm_after(cmos, cmos->seen, &match) && match <= guest)
			cmos->ram[CMOS_C] |= B_ALARM;
	}
	cmos->seen = guest;
}

static u8 pending(const struct cmos *cmos)
{
	return cmos->ram[CMOS_B] & cmos->ram[CMOS_C] & (B_ALARM | B_UPDATE);
}

bool cmos_interrupt(struct cmos *cmos, const struct timespec *now)
{
	catch_up(cmos, now);
	return pending(cmos);
}

bool cmos_next(const struct cmos *cmos, const struct timespec *now, s64 *seconds)
{
	s64 guest = now->tv_sec + cmos->offset;

	/* The line is up already, and stays so until register C is read. */
	if (cmos->frozen || pending(cmos))
		return false;
	*seconds = now->tv_sec + 1;
	if (cmos->ram[CMOS_B] & B_UPDATE)
		return true;
	if (!(cmos->ram[CMOS_B] & B_ALARM) || !alarm_after(cmos, guest, seconds))
		return false;
	*seconds -= cmos->offset;
	return true;
}

/* "The interrupt flags are cleared" by a read. */
static u8 read_flags(struct cmos *cmos)
{
	u8 flags = cmos->ram[CMOS_C] | (pending(cmos) ? C_REQUEST : 0);

	cmos->ram[CMOS_C] = 0;
	return flags;
}

/* ---- the registers ---- */

static u8 read_data(struct cmos *cmos, const struct timespec *now)
{
	const struct utc utc = time_of(cmos, now);

	switch (cmos->index) {
	case CMOS_SECONDS:
		return encode(cmos, utc.second);
	case CMOS_MINUTES:
		return encode(cmos, utc.minute);
	case CMOS_HOURS:
		return encode_hours(cmos, utc.hour);
	case CMOS_WEEKDAY:
		return encode(cmos, utc.weekday + 1);
	case CMOS_DAY:
		return encode(cmos, utc.day);
	case CMOS_MONTH:
		return encode(cmos, utc.month);
	case CMOS_YEAR:
		return encode(cmos, utc.year % 100);
	case CMOS_CENTURY:
		return encode(cmos, utc.year / 100 % 100);
	case CMOS_A:
		return cmos->ram[CMOS_A] |
		       (!cmos->frozen && now->tv_nsec >= 1000000000 - UPDATE_WARNING ? A_UPDATING
										     : 0);
	case CMOS_C:
		return read_flags(cmos);
	case CMOS_D:
		return D_VALID;
	default:
		return cmos->ram[cmos->index];
	}
}

u8 cmos_read(struct cmos *cmos, unsigned port, const struct timespec *now)
{
	catch_up(cmos, now);
	/* The index cannot be read back. */
	return port ? read_data(cmos, now) : 0xff;
}

/* False if @index is no part of the time. */
static bool set_field(const struct cmos *cmos, struct utc *utc, u8 value)
{
	unsigned number = decode(cmos, value);

	switch (cmos->index) {
	case CMOS_SECONDS:
		utc->second = number;
		return true;
	case CMOS_MINUTES:
		utc->minute = number;
		return true;
	case CMOS_HOURS:
		utc->hour = decode_hours(cmos, value);
		return true;
	case CMOS_WEEKDAY: /* follows from the date */
		return true;
	case CMOS_DAY:
		utc->day = number;
		return true;
	case CMOS_MONTH:
		utc->month = number;
		return true;
	case CMOS_YEAR:
		utc->year = utc->year / 100 % 100 * 100 + number;
		return true;
	case CMOS_CENTURY:
		utc->year = utc->year % 100 + number * 100;
		return true;
	default:
		return false;
	}
}

/* The guest's clock shows @utc at @now. */
static void set_clock(struct cmos *cmos, const struct utc *utc, const struct timespec *now)
{
	cmos->offset = utc_to_seconds(utc) - now->tv_sec;
	cmos->seen = now->tv_sec + cmos->offset;
}

static void write_b(struct cmos *cmos, u8 value, const struct timespec *now)
{
	bool set = value & B_SET;

	if (set && !cmos->frozen)
		cmos->setting = time_of(cmos, now);
	if (!set && cmos->frozen)
		set_clock(cmos, &cmos->setting, now);
	cmos->frozen = set;
	cmos->ram[CMOS_B] = value;
}

static void write_data(struct cmos *cmos, u8 value, const struct timespec *now)
{
	struct utc utc = time_of(cmos, now);

	if (set_field(cmos, &utc, value)) {
		if (cmos->frozen)
			cmos->setting = utc;
		else
			set_clock(cmos, &utc, now);
	} else if (cmos->index == CMOS_B) {
		write_b(cmos, value, now);
	} else if (cmos->index == CMOS_A) {
		cmos->ram[CMOS_A] = value & ~A_UPDATING;
	} else if (cmos->index != CMOS_C && cmos->index != CMOS_D) {
		cmos->ram[cmos->index] = value;
	}
}

void cmos_write(struct cmos *cmos, unsigned port, u8 value, const struct timespec *now)
{
	catch_up(cmos, now);
	if (port)
		write_data(cmos, value, now);
	else
		cmos->index = value & 0x7f; /* bit 7 masks NMIs, which we have none of */
}
