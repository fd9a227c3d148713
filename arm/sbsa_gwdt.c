/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two signals: the first timeout raises WS0, which interrupts the guest; the second one raises
 * WS1, which resets the machine: that is ours to carry out. A refresh takes both back.
 */
#include <errno.h>
#include <stdlib.h>

#include "board.h"
#include "map.h"
#include "sbsa_gwdt.h"
#include "util/log.h"
#include "vmm/counters.h"
#include "vmm/irq.h"
#include "vmm/loop.h"
#include "vmm/vm.h"

/* Control frame. */
enum {
	GWDT_WCS = 0x000, /* control and status */
	GWDT_WOR = 0x008, /* offset: ticks to a timeout, 48 bits */
	GWDT_WOR_HIGH = 0x00c,
	GWDT_WCV = 0x010, /* compare value: the count of the next timeout */
	GWDT_WCV_HIGH = 0x014,
	GWDT_IIDR = 0xfcc, /* of both frames */
};
#define WCS_ENABLED 0x1
#define WCS_WS0	    0x2
#define WCS_WS1	    0x4
#define IIDR	    0x1043b /* architecture version 1, JEP106 code of Arm */

/* Refresh frame: any write to it refreshes. */
#define GWDT_WRR 0x000

#define WOR_HIGH_MASK 0xffffull
#define NANOSECONDS   1000000000ull
/* A guest may ask for timeouts as often as it likes, and gets a thousand a second. */
#define SHORTEST_NS 1000000ull

struct gwdt {
	struct device device;
	struct bus_region control, refresh;
	struct vm *vm;
	struct irq_line *line; /* owned; WS0 */
	struct loop_timer timer;
	struct sbsa_clock clock;
	enum watchdog_action action;
	bool excused; /* the second timeout was put off, since the last refresh */
	u32 status;
	u64 offset, compare; /* ticks */
	u64 left;	     /* ns: of the timer, while the VM is paused; 0: it was not armed */
	u64 refreshes, timeouts;
};

static u64 guest_count(const struct gwdt *gwdt)
{
	return gwdt->clock.now() - gwdt->clock.offset;
}

static void set_status(struct gwdt *gwdt, u32 status)
{
	gwdt->status = status;
	irq_line_set(gwdt->line, status & WCS_WS0);
}

/* The next timeout is WOR ticks from now. */
static void load_compare(struct gwdt *gwdt)
{
	u64 ns = (u64)((unsigned __int128)gwdt->offset * NANOSECONDS / gwdt->clock.frequency);

	gwdt->compare = guest_count(gwdt) + gwdt->offset;
	loop_timer_arm(&gwdt->timer, MAX(ns, SHORTEST_NS));
}

/* "Explicit watchdog refresh". */
static void refresh(struct gwdt *gwdt)
{
	gwdt->excused = false;
	set_status(gwdt, gwdt->status & WCS_ENABLED);
	if (gwdt->status & WCS_ENABLED)
		load_compare(gwdt);
	else
		loop_timer_disarm(&gwdt->timer);
}

/* The guest could not refresh what ended while all of us stood still. Once, so that it has an end.
 */
static bool excuse(struct gwdt *gwdt)
{
	if (gwdt->excused || !watchdog_slept(&gwdt->timer))
		return false;
	gwdt->excused = true;
	load_compare(gwdt);
	return true;
}

/* With both signals up nothing more happens until a refresh. */
static void on_timeout(struct loop_timer *timer)
{
	struct gwdt *gwdt = container_of(timer, struct gwdt, timer);

	if (gwdt->status & WCS_WS0 && excuse(gwdt))
		return;
	gwdt->timeouts++;
	if (!(gwdt->status & WCS_WS0)) {
		set_status(gwdt, gwdt->status | WCS_WS0);
		load_compare(gwdt);
		return;
	}
	set_status(gwdt, gwdt->status | WCS_WS1);
	watchdog_bite(gwdt->vm, gwdt->device.info.name, gwdt->action);
}

static u64 control_read(struct bus_region *region, u64 offset, unsigned len)
{
	const struct gwdt *gwdt = container_of(region, struct gwdt, control);

	switch (offset) {
	case GWDT_WCS:
		return gwdt->status;
	case GWDT_WOR:
		return gwdt->offset;
	case GWDT_WOR_HIGH:
		return gwdt->offset >> 32;
	case GWDT_WCV:
		return gwdt->compare;
	case GWDT_WCV_HIGH:
		return gwdt->compare >> 32;
	case GWDT_IIDR:
		return IIDR;
	default:
		return 0;
	}
}

static void control_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct gwdt *gwdt = container_of(region, struct gwdt, control);

	switch (offset) {
	case GWDT_WCS:
		gwdt->status = (gwdt->status & ~WCS_ENABLED) | (value & WCS_ENABLED);
		refresh(gwdt);
		break;
	case GWDT_WOR:
		if (len == 8)
			gwdt->offset = value & (WOR_HIGH_MASK << 32 | 0xffffffff);
		else
			gwdt->offset = (gwdt->offset & ~0xffffffffull) | (u32)value;
		refresh(gwdt);
		break;
	case GWDT_WOR_HIGH:
		gwdt->offset = (u32)gwdt->offset | (value & WOR_HIGH_MASK) << 32;
		refresh(gwdt);
		break;
	case GWDT_WCV:
	case GWDT_WCV_HIGH:
		/* Where the next timeout is goes by refreshes alone. */
		break;
	}
}

static u64 refresh_read(struct bus_region *region, u64 offset, unsigned len)
{
	return offset == GWDT_IIDR ? IIDR : 0;
}

static void refresh_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct gwdt *gwdt = container_of(region, struct gwdt, refresh);

	if (offset != GWDT_WRR)
		return;
	gwdt->refreshes++;
	refresh(gwdt);
}

static const struct bus_ops control_ops = { .read = control_read, .write = control_write };
static const struct bus_ops refresh_ops = { .read = refresh_read, .write = refresh_write };

/* ---- its life ---- */

/* The guest cannot show that it lives. */
static void gwdt_pause(struct device *device)
{
	struct gwdt *gwdt = container_of(device, struct gwdt, device);

	gwdt->left = gwdt->timer.armed ? MAX(loop_timer_left(&gwdt->timer), 1ull) : 0;
	loop_timer_disarm(&gwdt->timer);
}

static void gwdt_resume(struct device *device)
{
	struct gwdt *gwdt = container_of(device, struct gwdt, device);

	if (gwdt->left)
		loop_timer_arm(&gwdt->timer, gwdt->left);
}

static void gwdt_report(const struct device *device, struct counters *counters)
{
	const struct gwdt *gwdt = container_of(device, struct gwdt, device);

	counters_begin(counters, device->info.name);
	counters_number(counters, "refreshes", gwdt->refreshes);
	counters_number(counters, "timeouts", gwdt->timeouts);
}

static void gwdt_destroy(struct device *device)
{
	struct gwdt *gwdt = container_of(device, struct gwdt, device);

	loop_timer_destroy(&gwdt->timer);
	bus_remove(gwdt->vm->mmio, &gwdt->refresh);
	bus_remove(gwdt->vm->mmio, &gwdt->control);
	irq_line_destroy(gwdt->line);
	free(gwdt);
}

static const struct device_ops gwdt_ops = {
	.pause = gwdt_pause,
	.resume = gwdt_resume,
	.report = gwdt_report,
	.destroy = gwdt_destroy,
};

int sbsa_gwdt_create(struct vm *vm, const struct sbsa_clock *clock, enum watchdog_action action)
{
	struct gwdt *gwdt = calloc(1, sizeof(*gwdt));
	int ret;

	if (!gwdt)
		return -ENOMEM;
	gwdt->vm = vm;
	gwdt->clock = *clock;
	gwdt->action = action;
	gwdt->device.ops = &gwdt_ops;
	gwdt->device.info = board_info("sbsa_gwdt", DEVICE_WATCHDOG, MAP_WATCHDOG,
				       MAP_WATCHDOG_FRAME, MAP_SPI_WATCHDOG);
	gwdt->control = board_frame(MAP_WATCHDOG, MAP_WATCHDOG_FRAME, &control_ops);
	gwdt->refresh = board_frame(MAP_WATCHDOG_REFRESH, MAP_WATCHDOG_FRAME, &refresh_ops);
	ret = irq_line_create(&gwdt->line, vm->irq, MAP_SPI_WATCHDOG, IRQ_LEVEL);
	if (!ret)
		ret = loop_timer_create(&gwdt->timer, vm->loop, on_timeout);
	if (!ret)
		ret = bus_add(vm->mmio, &gwdt->control);
	if (!ret)
		ret = bus_add(vm->mmio, &gwdt->refresh);
	if (ret) {
		gwdt_destroy(&gwdt->device);
		return ret;
	}
	vm_add_device(vm, &gwdt->device);
	return 0;
}
