/* SPDX-License-Identifier: BSD-2-Clause */
#include "util/clock.h"
#include "util/log.h"
#include "vmm/events.h"
#include "vmm/loop.h"
#include "vmm/vm.h"
#include "vmm/watchdog.h"

/* What is lost in less is a small part of any count that a driver asks for. */
#define SLEEP_NS 2000000000ull

bool watchdog_slept(const struct loop_timer *timer)
{
	return now_ns() - timer->at >= SLEEP_NS;
}

void watchdog_bite(struct vm *vm, const char *who, enum watchdog_action action)
{
	log_limited(&vm->watchdog_log, LOG_WARNING,
		    "%s: the guest did not say in time that it lives%s", who,
		    action == WATCHDOG_PAUSE ? ": it is paused" : "");
	vm_event(vm, "watchdog", who, "%s", "");
	if (action == WATCHDOG_EXIT)
		vm_guest_stop(vm, VM_WATCHDOG);
	else if (action == WATCHDOG_PAUSE)
		vm_pause(vm, VM_PAUSE_USER, NULL);
}
