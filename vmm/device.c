/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the machine that devices call: they need no KVM. */
#include <sys/timerfd.h>

#include "util/log.h"
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

void vm_panicked(struct vm *vm)
{
	static const struct itimerspec grace = { .it_value.tv_sec = VM_PANIC_GRACE };

	if (atomic_exchange(&vm->panicked, true))
		return;
	log_info("the guest's kernel panicked");
	timerfd_settime(vm->panic_timer.fd, 0, &grace, NULL);
}
