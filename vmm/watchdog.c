/* SPDX-License-Identifier: BSD-2-Clause */
#include "util/log.h"
#include "vmm/events.h"
#include "vmm/vm.h"
#include "vmm/watchdog.h"

void watchdog_bite(struct vm *vm, const char *who, enum watchdog_action action)
{
	log_limited(&vm->watchdog_log, LOG_WARNING,
		    "%s: the guest did not say in time that it lives%s", who,
		    action == WATCHDOG_PAUSE ? ": it is paused" : "");
	vm_event(vm, "watchdog", who, "%s", "");
	if (action == WATCHDOG_EXIT)
		vm_stop(vm, VM_WATCHDOG);
	else if (action == WATCHDOG_PAUSE)
		vm_pause(vm, VM_PAUSE_USER, NULL);
}
