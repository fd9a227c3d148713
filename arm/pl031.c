/* SPDX-License-Identifier: BSD-2-Clause */
/* "Programmer's Model": a counter of seconds, and one value that it may match. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "board.h"
#include "map.h"
#include "pl031.h"
#include "vmm/alarm.h"
#include "vmm/vm.h"

enum {
	RTC_DR = 0x00,	 /* the time */
	RTC_MR = 0x04,	 /* the match */
	RTC_LR = 0x08,	 /* sets the time */
	RTC_CR = 0x0c,	 /* bit 0: it runs, which it always does */
	RTC_IMSC = 0x10, /* bit 0: the interrupt is enabled */
	RTC_RIS = 0x14,	 /* bit 0: it matched */
	RTC_MIS = 0x18,	 /* both */
	RTC_ICR = 0x1c,	 /* clears that */
	RTC_ID = 0xfe0,	 /* eight bytes, one to a word */
};

struct pl031 {
	struct device device;
	struct bus_region region;
	struct vm *vm;
	struct irq_line *line; /* owned */
	struct alarm alarm;
	u32 offset; /* guest's time minus host's, modulo 2^32 */
	u32 load, match;
	bool enabled, matched;
	bool waiting; /* for alarm.seconds, the match */
};

static u32 guest_time(const struct pl031 *rtc, s64 *host)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*host = now.tv_sec;
	return (u32)now.tv_sec + rtc->offset;
}

static void update_line(struct pl031 *rtc)
{
	irq_line_set(rtc->line, rtc->enabled && rtc->matched);
}

static void on_alarm(struct alarm *alarm)
{
	struct pl031 *rtc = container_of(alarm, struct pl031, alarm);

	rtc->matched = true;
	rtc->waiting = false;
	update_line(rtc);
}

/* The time or the match is another. What is past comes again when the counter has wrapped. */
static void wait_for_match(struct pl031 *rtc)
{
	s64 host;
	u32 left = rtc->match - guest_time(rtc, &host);

	rtc->waiting = true;
	alarm_set(&rtc->alarm, host + left);
}

static u32 read_id(u64 offset)
{
	/* "Peripheral identification registers", part 0x031 of ARM's, revision 1; and PrimeCell's.
	 */
	static const u8 id[] = { 0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	return id[(offset - RTC_ID) / 4];
}

static u64 pl031_read(struct bus_region *region, u64 offset, unsigned len)
{
	const struct pl031 *rtc = container_of(region, struct pl031, region);
	s64 host;

	if (offset >= RTC_ID)
		return read_id(offset);
	switch (offset) {
	case RTC_DR:
		return guest_time(rtc, &host);
	case RTC_MR:
		return rtc->match;
	case RTC_LR:
		return rtc->load;
	case RTC_CR:
		return 1;
	case RTC_IMSC:
		return rtc->enabled;
	case RTC_RIS:
		return rtc->matched;
	case RTC_MIS:
		return rtc->enabled && rtc->matched;
	default:
		return 0;
	}
}

static void set_time(struct pl031 *rtc, u32 value)
{
	s64 host;

	rtc->load = value;
	rtc->offset += value - guest_time(rtc, &host);
}

static void pl031_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct pl031 *rtc = container_of(region, struct pl031, region);

	switch (offset) {
	case RTC_MR:
		rtc->match = value;
		wait_for_match(rtc);
		break;
	case RTC_LR:
		set_time(rtc, value);
		wait_for_match(rtc);
		break;
	case RTC_IMSC:
		rtc->enabled = value & 1;
		break;
	case RTC_ICR:
		rtc->matched = rtc->matched && !(value & 1);
		break;
	}
	update_line(rtc);
}

static const struct bus_ops pl031_bus_ops = { .read = pl031_read, .write = pl031_write };

static void pl031_destroy(struct device *device)
{
	struct pl031 *rtc = container_of(device, struct pl031, device);

	alarm_destroy(&rtc->alarm);
	bus_remove(rtc->vm->mmio, &rtc->region);
	irq_line_destroy(rtc->line);
	free(rtc);
}

static void pl031_pause(struct device *device)
{
	alarm_clear(&container_of(device, struct pl031, device)->alarm);
}

/* An alarm that fell into the pause is raised now. */
static void pl031_resume(struct device *device)
{
	struct pl031 *rtc = container_of(device, struct pl031, device);

	if (rtc->waiting)
		alarm_set(&rtc->alarm, rtc->alarm.seconds);
}

static const struct device_ops pl031_ops = {
	.pause = pl031_pause,
	.resume = pl031_resume,
	.destroy = pl031_destroy,
};

int pl031_create(struct vm *vm)
{
	struct pl031 *rtc = calloc(1, sizeof(*rtc));
	int ret;

	if (!rtc)
		return -ENOMEM;
	rtc->vm = vm;
	rtc->device.ops = &pl031_ops;
	rtc->device.info = board_info("rtc", DEVICE_RTC, MAP_RTC, MAP_RTC_SIZE, MAP_SPI_RTC);
	rtc->region = board_frame(MAP_RTC, MAP_RTC_SIZE, &pl031_bus_ops);
	ret = irq_line_create(&rtc->line, vm->irq, MAP_SPI_RTC, IRQ_LEVEL);
	if (!ret)
		ret = alarm_create(&rtc->alarm, vm->loop, on_alarm);
	if (!ret)
		ret = bus_add(vm->mmio, &rtc->region);
	if (ret) {
		pl031_destroy(&rtc->device);
		return ret;
	}
	vm_add_device(vm, &rtc->device);
	return 0;
}
