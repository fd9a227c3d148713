/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the machine that devices call: they need no KVM. */
#include "vmm/vm.h"

void vm_add_device(struct vm *vm, struct device *device)
{
	list_add_tail(&vm->devices, &device->node);
}

void vm_stop(struct vm *vm, enum vm_stop reason)
{
	int running = VM_RUNNING;

	if (!atomic_compare_exchange_strong(&vm->stop, &running, reason))
		return;
	loop_stop(vm->loop);
}

/* Accesses to devices between the words and the reset: enough for another line on the console. */
#define RESTART_ACTIVITY 2000

void vm_restarting(struct vm *vm)
{
	vm->restarting = true;
	vm->restart_activity = vm->activity;
}

bool vm_is_restarting(const struct vm *vm)
{
	return vm->restarting && vm->activity - vm->restart_activity < RESTART_ACTIVITY;
}
