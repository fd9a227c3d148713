/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest whose kernel panicked. That it did is kept for the end; until then it is left to what it
 * still has to do: a stack trace, a dump of its trace buffer, a crash kernel that saves memory to
 * a disk. Only a guest that does nothing visible any more is ended.
 *
 * What is visible is vm->activity: accesses to devices and kicks of queues. A guest that loops
 * after its panic makes none, and neither does one that halts.
 */
#include "panic.h"
#include "util/log.h"
#include "vmm/events.h"
#include "vmm/vm.h"

/* Looks at the guest in each config->panic_timeout: so the bound is kept within an eighth. */
#define PANIC_LOOKS 8

static void look_later(struct vm *vm)
{
	loop_timer_arm(&vm->panic_timer, vm->config->panic_timeout * 1000000000ULL / PANIC_LOOKS);
}

static void look(struct loop_timer *timer)
{
	struct vm *vm = container_of(timer, struct vm, panic_timer);

	if (vm->panic_activity != vm->activity || vm_is_paused(vm)) {
		vm->panic_activity = vm->activity;
		vm->panic_quiet = 0;
	} else if (++vm->panic_quiet == PANIC_LOOKS) {
		log_info("the guest has done nothing for %u s since its panic",
			 vm->config->panic_timeout);
		vm->panic_quiet = 0;
		vm_guest_stop(vm, VM_PANIC);
	}
	/* One that is kept may be resumed. */
	if (atomic_load(&vm->stop) == VM_RUNNING)
		look_later(vm);
}

int panic_create(struct vm *vm)
{
	return loop_timer_create(&vm->panic_timer, vm->loop, look);
}

void panic_destroy(struct vm *vm)
{
	loop_timer_destroy(&vm->panic_timer);
}

void vm_panicked(struct vm *vm, bool crash_loaded)
{
	/* The console and the device may both say so. */
	if (!atomic_load(&vm->panicked) || crash_loaded)
		vm_event(vm, "panic", NULL, "%s",
			 crash_loaded ? "its crash kernel takes over" : "");
	atomic_store(&vm->panicked, true);
	log_limited(&vm->panic_log, LOG_INFO,
		    crash_loaded ? "the guest's kernel panicked, and its crash kernel takes over"
				 : "the guest's kernel panicked");
	vm->panic_activity = vm->activity;
	vm->panic_quiet = 0;
	if (crash_loaded)
		loop_timer_disarm(&vm->panic_timer);
	else
		look_later(vm);
}

static void keep(struct vm *vm)
{
	vm->kept = true;
	vm_pause(vm, VM_PAUSE_USER, NULL);
	log_warning("the guest died and is kept, paused: 'lkvm debug %s' shows its processors; "
		    "Ctrl-A x, or 'lkvm stop --timeout 0 %s', ends the run",
		    vm->config->name, vm->config->name);
}

/* Resumed by its user, it may die once more: that is the end. Others may be about to park yet. */
void vm_guest_stop(struct vm *vm, enum vm_stop reason)
{
	bool died = reason == VM_PANIC || vm->kept || atomic_load(&vm->panicked);

	if (!died || !vm->config->keep_dead || (vm->kept && !vm_is_held(vm)))
		vm_stop(vm, reason);
	else if (!vm->kept)
		keep(vm);
}
