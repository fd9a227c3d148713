/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's counter, for the watchdog that counts by it. */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "sbsa_gwdt.h"
#include "vmm/arch.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

const bool arch_has_watchdog = true;

/* Both may be read by user space (Linux, "Documentation/arch/arm64/booting"). */
static u64 counter_frequency(void)
{
	u64 value;

	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(value));
	return value;
}

static u64 counter_now(void)
{
	u64 value;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(value) : : "memory");
	return value;
}

/* The guest's began to count when KVM made the vCPU. */
static int read_guest_counter(const struct vcpu *vcpu, u64 *count)
{
	struct kvm_one_reg reg = { .id = KVM_REG_ARM_TIMER_CNT, .addr = (uintptr_t)count };

	return ioctl(vcpu->fd, KVM_GET_ONE_REG, &reg) ? -errno : 0;
}

int arch_watchdog_create(struct vm *vm, enum watchdog_action action)
{
	struct sbsa_clock clock = { .frequency = counter_frequency(), .now = counter_now };
	u64 count;
	int ret = read_guest_counter(vm->vcpus[0], &count);

	if (ret)
		return ret;
	if (!clock.frequency)
		return -ENODEV;
	clock.offset = counter_now() - count;
	return sbsa_gwdt_create(vm, &clock, action);
}
