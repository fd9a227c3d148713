/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watchdogs: devices that a guest must tell again and again that it lives. One that stock kernels
 * have a driver for: Intel's 6300ESB on PCI, Arm's generic watchdog where the architecture has it.
 */
#ifndef VMM_WATCHDOG_H
#define VMM_WATCHDOG_H

#include "util/types.h"

struct device_place;
struct loop_timer;
struct vm;

/* What is done to a guest that let its watchdog run out. */
enum watchdog_action {
	WATCHDOG_EXIT,	/* the run ends: VM_WATCHDOG */
	WATCHDOG_PAUSE, /* it stands still, for somebody to look at */
	WATCHDOG_NONE,	/* a line of the log says so */
};

/* For the models: the time is over. VM lock held. @who: the device's name. */
void watchdog_bite(struct vm *vm, const char *who, enum watchdog_action action);

/*
 * Whether @timer, which has expired, is heard of so late that lkvm itself stood still: somebody
 * stopped it (SIGSTOP, Ctrl-Z), or the host had no time for it. Nor did the guest run then.
 */
bool watchdog_slept(const struct loop_timer *timer);

/* Intel's 6300ESB at @place, of PCI; @vm owns it. -errno. Main thread. */
int i6300esb_create(struct vm *vm, const struct device_place *place, enum watchdog_action action);

#endif
