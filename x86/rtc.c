/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "cmos.h"
#include "layout.h"
#include "rtc.h"
#include "vmm/alarm.h"
#include "vmm/vm.h"

struct rtc {
	struct device device;
	struct bus_region region;
	struct vm *vm;
	struct irq_line *line; /* owned */
	struct alarm alarm;
	struct cmos cmos;
};

/* Anything may have changed: the interrupt is as it must be, and looked at again in time. */
static void update(struct rtc *rtc, const struct timespec *now)
{
	s64 next;

	irq_line_set(rtc->line, cmos_interrupt(&rtc->cmos, now));
	if (cmos_next(&rtc->cmos, now, &next))
		alarm_set(&rtc->alarm, next);
	else
		alarm_clear(&rtc->alarm);
}

static void on_alarm(struct alarm *alarm)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	update(container_of(alarm, struct rtc, alarm), &now);
}

static u64 rtc_read(struct bus_region *region, u64 offset, unsigned len)
{
	struct rtc *rtc = container_of(region, struct rtc, region);
	struct timespec now;
	u8 value;

	clock_gettime(CLOCK_REALTIME, &now);
	value = cmos_read(&rtc->cmos, offset, &now);
	/* Only register C is changed by a read. */
	if (rtc->cmos.index == CMOS_FLAGS)
		update(rtc, &now);
	return value;
}

static void rtc_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct rtc *rtc = container_of(region, struct rtc, region);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	cmos_write(&rtc->cmos, offset, value, &now);
	/* A word written to the index port is index and data. */
	if (len > 1 && !offset)
		cmos_write(&rtc->cmos, 1, value >> 8, &now);
	if (len > 1 || offset)
		update(rtc, &now);
}

static const struct bus_ops rtc_bus_ops = { .read = rtc_read, .write = rtc_write };

static void rtc_destroy(struct device *device)
{
	struct rtc *rtc = container_of(device, struct rtc, device);

	alarm_destroy(&rtc->alarm);
	bus_remove(rtc->vm->ports, &rtc->region);
	irq_line_destroy(rtc->line);
	free(rtc);
}

static void rtc_pause(struct device *device)
{
	alarm_clear(&container_of(device, struct rtc, device)->alarm);
}

/* What came meanwhile comes now. */
static void rtc_resume(struct device *device)
{
	on_alarm(&container_of(device, struct rtc, device)->alarm);
}

static const struct device_ops rtc_ops = {
	.pause = rtc_pause,
	.resume = rtc_resume,
	.destroy = rtc_destroy,
};

int rtc_create(struct vm *vm)
{
	struct rtc *rtc = calloc(1, sizeof(*rtc));
	struct timespec now;
	int ret;

	if (!rtc)
		return -ENOMEM;
	rtc->vm = vm;
	clock_gettime(CLOCK_REALTIME, &now);
	cmos_init(&rtc->cmos, &now);
	rtc->device.ops = &rtc_ops;
	rtc->device.info = (struct device_info){
		.name = "rtc",
		.kind = DEVICE_LEGACY,
		.resource = { .port = true, .base = PORT_RTC, .size = 2, .gsi = GSI_RTC },
		.endpoint = DEVICE_NO_ENDPOINT,
	};
	rtc->region = (struct bus_region){ PORT_RTC, PORT_RTC + 1, &rtc_bus_ops };
	ret = irq_line_create(&rtc->line, vm->irq, GSI_RTC, IRQ_LEVEL);
	if (!ret)
		ret = alarm_create(&rtc->alarm, vm->loop, on_alarm);
	if (!ret)
		ret = bus_add(vm->ports, &rtc->region);
	if (ret) {
		rtc_destroy(&rtc->device);
		return ret;
	}
	vm_add_device(vm, &rtc->device);
	return 0;
}
