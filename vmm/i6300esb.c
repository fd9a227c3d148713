/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The watchdog of Intel's 6300ESB I/O controller hub (its datasheet, "Watchdog Timer"). It counts
 * down twice: the end of the first count may be an interrupt, the end of the second one is a reset
 * of the machine, which is ours to carry out.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>

#include "util/log.h"
#include "vmm/counters.h"
#include "vmm/device_class.h"
#include "vmm/loop.h"
#include "vmm/pci.h"
#include "vmm/vm.h"
#include "vmm/watchdog.h"

#define ESB_VENDOR 0x8086
#define ESB_DEVICE 0x25ab
#define ESB_CLASS  0x088000

/* Configuration space. */
#define ESB_CONFIG	  0x60
#define ESB_CONFIG_IRQ	  0x03 /* 0: the first count ends with an interrupt; 3: without */
#define ESB_CONFIG_FAST	  0x04 /* counts cycles / 2^5, not / 2^15 */
#define ESB_CONFIG_NO_END 0x20 /* the second count ends without a reset */
#define ESB_LOCK	  0x68
#define ESB_LOCK_LOCKED	  0x01 /* this register is as it is, to the machine's reset */
#define ESB_LOCK_ENABLED  0x02
#define ESB_LOCK_FREE	  0x04 /* there is the first count alone, again and again */
#define ESB_LOCK_WRITABLE 0x07

/* Registers of BAR 0. */
enum { ESB_PRELOAD1 = 0x0, ESB_PRELOAD2 = 0x4, ESB_INTERRUPT = 0x8, ESB_RELOAD = 0xc };
#define ESB_BAR_SIZE	   16
#define ESB_PRELOAD_MASK   0xfffff
#define ESB_RELOAD_NOW	   0x100
#define ESB_RELOAD_TIMEOUT 0x200 /* it ended; writing 1 clears it */
#define ESB_UNLOCK_FIRST   0x80
#define ESB_UNLOCK_SECOND  0x86

#define ESB_CYCLE_NS 30 /* of a PCI clock */
/* A guest may ask for interrupts as often as it likes, and gets a thousand a second. */
#define ESB_SHORTEST_NS 1000000ull

struct i6300esb {
	struct pci_function function;
	struct bus_region region;
	struct loop_timer timer;
	enum watchdog_action action;
	u32 preload[2];
	unsigned count;			      /* 0, 1: the one that runs, if the timer is armed */
	enum { SHUT, FIRST_SEEN, OPEN } lock; /* the next write to a register, OPEN, is taken */
	bool timed_out, interrupt;
	bool excused; /* the second count began anew, since the last reload */
	bool enabled;
	u64 left; /* ns: of the timer, while the VM is paused; 0: it was not armed */
	u64 reloads, bites;
};

static struct i6300esb *esb_of(const struct pci_function *function)
{
	return container_of(function, struct i6300esb, function);
}

static void start_count(struct i6300esb *esb, unsigned count)
{
	bool fast = pci_get16(&esb->function, ESB_CONFIG) & ESB_CONFIG_FAST;
	u64 cycles = (u64)esb->preload[count] << (fast ? 5 : 15);

	esb->excused &= count;
	esb->count = count;
	loop_timer_arm(&esb->timer, MAX(cycles * ESB_CYCLE_NS, ESB_SHORTEST_NS));
}

static void set_interrupt(struct i6300esb *esb, bool level)
{
	esb->interrupt = level;
	pci_intx(&esb->function, level);
}

static void end_first_count(struct i6300esb *esb)
{
	if (!(pci_get16(&esb->function, ESB_CONFIG) & ESB_CONFIG_IRQ))
		set_interrupt(esb, true);
	start_count(esb, esb->function.config[ESB_LOCK] & ESB_LOCK_FREE ? 0 : 1);
}

/* The guest could not reload what ended while all of us stood still. Once, so that it has an end.
 */
static bool excuse(struct i6300esb *esb)
{
	if (esb->excused || !watchdog_slept(&esb->timer))
		return false;
	esb->excused = true;
	start_count(esb, 1);
	return true;
}

/* The timer stands until the guest reloads it: a machine would have been reset by now. */
static void end_second_count(struct i6300esb *esb)
{
	esb->timed_out = true;
	esb->bites++;
	if (!(pci_get16(&esb->function, ESB_CONFIG) & ESB_CONFIG_NO_END))
		watchdog_bite(esb->function.vm, "i6300esb", esb->action);
}

static void on_expiry(struct loop_timer *timer)
{
	struct i6300esb *esb = container_of(timer, struct i6300esb, timer);

	if (esb->count == 0)
		end_first_count(esb);
	else if (!excuse(esb))
		end_second_count(esb);
}

/* ---- registers ---- */

static u64 esb_read(struct bus_region *region, u64 offset, unsigned len)
{
	const struct i6300esb *esb = container_of(region, struct i6300esb, region);

	switch (offset) {
	case ESB_PRELOAD1:
	case ESB_PRELOAD2:
		return esb->preload[offset / 4];
	case ESB_INTERRUPT:
		return esb->interrupt;
	case ESB_RELOAD:
		return esb->timed_out ? ESB_RELOAD_TIMEOUT : 0;
	default:
		return 0;
	}
}

static void reload(struct i6300esb *esb, u64 value)
{
	if (value & ESB_RELOAD_TIMEOUT)
		esb->timed_out = false;
	if (!(value & ESB_RELOAD_NOW))
		return;
	esb->reloads++;
	if (esb->enabled)
		start_count(esb, 0);
}

/* A write that is part of the sequence, 0x80 and 0x86, does nothing else. */
static bool unlocks(struct i6300esb *esb, u64 offset, u64 value)
{
	if (offset != ESB_RELOAD)
		return false;
	if (value == ESB_UNLOCK_FIRST)
		esb->lock = FIRST_SEEN;
	else if (value == ESB_UNLOCK_SECOND && esb->lock == FIRST_SEEN)
		esb->lock = OPEN;
	else
		return false;
	return true;
}

static void esb_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct i6300esb *esb = container_of(region, struct i6300esb, region);

	if (offset == ESB_INTERRUPT) {
		if (value & 1)
			set_interrupt(esb, false);
		return;
	}
	if (unlocks(esb, offset, value))
		return;
	if (esb->lock == OPEN && (offset == ESB_PRELOAD1 || offset == ESB_PRELOAD2))
		esb->preload[offset / 4] = value & ESB_PRELOAD_MASK;
	else if (esb->lock == OPEN && offset == ESB_RELOAD)
		reload(esb, value);
	esb->lock = SHUT;
}

static const struct bus_ops esb_bus_ops = { .read = esb_read, .write = esb_write };

/* ---- the function ---- */

static void esb_config_written(struct pci_function *function, u32 offset, unsigned len, u32 value)
{
	struct i6300esb *esb = esb_of(function);
	bool enable = function->config[ESB_LOCK] & ESB_LOCK_ENABLED;

	if (function->config[ESB_LOCK] & ESB_LOCK_LOCKED)
		function->writable[ESB_LOCK] = 0;
	if (enable == esb->enabled)
		return;
	esb->enabled = enable;
	if (enable)
		start_count(esb, 0);
	else
		loop_timer_disarm(&esb->timer);
}

static void esb_bar_changed(struct pci_function *function, unsigned n)
{
	struct i6300esb *esb = esb_of(function);

	if (!function->bars[n].decoded)
		pci_region_remove(function, n, &esb->region);
	else if (pci_region_add(function, n, 0, ESB_BAR_SIZE, &esb->region))
		log_debug("i6300esb: its registers are where others are");
}

/* The guest cannot show that it lives. */
static void esb_pause(struct pci_function *function)
{
	struct i6300esb *esb = esb_of(function);

	esb->left = esb->timer.armed ? MAX(loop_timer_left(&esb->timer), 1ull) : 0;
	loop_timer_disarm(&esb->timer);
}

static void esb_resume(struct pci_function *function)
{
	struct i6300esb *esb = esb_of(function);

	if (esb->left)
		loop_timer_arm(&esb->timer, esb->left);
}

static void esb_report(const struct pci_function *function, struct counters *counters)
{
	const struct i6300esb *esb = esb_of(function);

	counters_begin(counters, function->device.info.name);
	counters_number(counters, "reloads", esb->reloads);
	counters_number(counters, "ends", esb->bites);
}

static void esb_destroy(struct pci_function *function)
{
	struct i6300esb *esb = esb_of(function);

	pci_function_release(function);
	loop_timer_destroy(&esb->timer);
	free(esb);
}

static const struct pci_function_ops esb_ops = {
	.config_written = esb_config_written,
	.bar_changed = esb_bar_changed,
	.pause = esb_pause,
	.resume = esb_resume,
	.report = esb_report,
	.destroy = esb_destroy,
};

static int init_function(struct i6300esb *esb, struct vm *vm, struct dma_space *space)
{
	struct pci_function *function = &esb->function;

	pci_function_init(function, vm, &esb_ops, space, ESB_VENDOR, ESB_DEVICE, ESB_CLASS, 0);
	function->device.info.name = "i6300esb";
	function->device.info.endpoint = DEVICE_NO_ENDPOINT;
	function->writable[ESB_CONFIG] = ESB_CONFIG_IRQ | ESB_CONFIG_FAST | ESB_CONFIG_NO_END;
	function->writable[ESB_LOCK] = ESB_LOCK_WRITABLE;
	pci_set_interrupt_pin(function, 1);
	return pci_add_bar(function, 0, PCI_BAR_MEMORY32, ESB_BAR_SIZE, false);
}

int i6300esb_create(struct vm *vm, const struct device_place *place, enum watchdog_action action)
{
	struct i6300esb *esb = calloc(1, sizeof(*esb));
	int ret;

	if (!esb)
		return -ENOMEM;
	esb->action = action;
	esb->region.ops = &esb_bus_ops;
	esb->preload[0] = esb->preload[1] = ESB_PRELOAD_MASK;
	ret = loop_timer_create(&esb->timer, vm->loop, on_expiry);
	if (!ret)
		ret = init_function(esb, vm, place->space);
	if (!ret)
		ret = pci_bus_add(vm->pci, &esb->function, place->pci_slot, place->pci_function);
	if (ret) {
		loop_timer_destroy(&esb->timer);
		free(esb);
	}
	return ret;
}
