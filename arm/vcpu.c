/* SPDX-License-Identifier: BSD-2-Clause */
#include <asm/ptrace.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "features.h"
#include "image.h"
#include "util/log.h"
#include "vcpu.h"
#include "vmm/arch.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#define CORE_REG(name)                                                                             \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(name))
#define REG_X(n)	     (CORE_REG(regs.regs[0]) + 2 * (n)) /* counted in words of 32 bits */
#define REG_MPIDR_EL1	     ARM64_SYS_REG(3, 0, 0, 0, 5)
#define REG_ESR_EL1	     ARM64_SYS_REG(3, 0, 5, 2, 0)
#define REG_FAR_EL1	     ARM64_SYS_REG(3, 0, 6, 0, 0)
#define REG_ID_AA64MMFR0_EL1 ARM64_SYS_REG(3, 0, 0, 7, 0)

/* booting.rst, "CPU mode": interrupts masked, EL1 or EL2 with its own stack pointer. */
#define BOOT_PSTATE (PSR_D_BIT | PSR_A_BIT | PSR_I_BIT | PSR_F_BIT)

static int reg_get(const struct vcpu *vcpu, u64 id, u64 *value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)value };

	return ioctl(vcpu->fd, KVM_GET_ONE_REG, &reg) ? -errno : 0;
}

static int reg_set(const struct vcpu *vcpu, u64 id, u64 value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	return ioctl(vcpu->fd, KVM_SET_ONE_REG, &reg) ? -errno : 0;
}

int vcpu_get_mpidr(const struct vcpu *vcpu, u64 *mpidr)
{
	return reg_get(vcpu, REG_MPIDR_EL1, mpidr);
}

int vcpu_get_physical_bits(const struct vcpu *vcpu, unsigned *bits)
{
	/* Arm ARM, "ID_AA64MMFR0_EL1", PARange. */
	static const u8 ranges[] = { 32, 36, 40, 42, 44, 48, 52 };
	u64 value;
	int ret = reg_get(vcpu, REG_ID_AA64MMFR0_EL1, &value);

	if (ret)
		return ret;
	*bits = ranges[MIN(value & 0xf, ARRAY_SIZE(ranges) - 1)];
	return 0;
}

int arch_vcpu_create(struct vcpu *vcpu)
{
	const struct features *features = vcpu_features(vcpu);
	struct kvm_vcpu_init init;

	if (ioctl(vcpu->vm->fd, KVM_ARM_PREFERRED_TARGET, &init))
		return -errno;
	init.features[0] |= 1u << KVM_ARM_VCPU_PSCI_0_2 | features->init;
	/* The others wait for the first one's PSCI CPU_ON. */
	if (vcpu->index)
		init.features[0] |= 1u << KVM_ARM_VCPU_POWER_OFF;
	if (ioctl(vcpu->fd, KVM_ARM_VCPU_INIT, &init))
		return -errno;
	return features_begin_vcpu(features, vcpu->fd);
}

int arch_vcpu_boot(struct vcpu *vcpu, const struct arch_image *image)
{
	u64 level = vcpu->vm->config->arch.nested ? PSR_MODE_EL2h : PSR_MODE_EL1h;
	int ret;

	if (vcpu->index)
		return 0;
	ret = reg_set(vcpu, CORE_REG(regs.pstate), BOOT_PSTATE | level);
	if (!ret)
		ret = reg_set(vcpu, CORE_REG(regs.pc), image->entry);
	if (!ret)
		ret = reg_set(vcpu, REG_X(0), image->dtb);
	/* "x1 = 0 (reserved for future use)", and so on. */
	for (unsigned n = 1; n <= 3 && !ret; n++)
		ret = reg_set(vcpu, REG_X(n), 0);
	return ret;
}

/*
 * An access of several registers, or one that counts its address on, tells KVM not what it is: on
 * hardware, too, devices take only simple ones. The guest gets a synchronous external abort.
 */
static int abort_access(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events = { .exception.ext_dabt_pending = 1 };

	log_limited(&vcpu->aborts, LOG_INFO,
		    "vCPU %u: an access to 0x%llx by no simple load or store was aborted",
		    vcpu->index, (unsigned long long)vcpu->run->arm_nisv.fault_ipa);
	return ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events) ? -errno : 0;
}

int arch_vcpu_exit(struct vcpu *vcpu)
{
	return vcpu->run->exit_reason == KVM_EXIT_ARM_NISV ? abort_access(vcpu) : -ENOSYS;
}

/* PSCI has calls for it. */
bool arch_vcpu_handed_over(const struct vcpu *vcpu)
{
	return false;
}

/* ENOSYS: what abort_access() is for, on a host from before Linux 5.5. */
bool arch_vcpu_blames_guest(const struct vcpu *vcpu, int error)
{
	return error == ENOSYS;
}

void arch_vcpu_describe(struct vcpu *vcpu, char *line, size_t size)
{
	u64 pc = 0, pstate = 0, link = 0;

	if (reg_get(vcpu, CORE_REG(regs.pc), &pc) || reg_get(vcpu, REG_X(30), &link) ||
	    reg_get(vcpu, CORE_REG(regs.pstate), &pstate))
		snprintf(line, size, "its registers cannot be read");
	else
		snprintf(line, size, "pc 0x%llx, x30 0x%llx, pstate 0x%llx", (unsigned long long)pc,
			 (unsigned long long)link, (unsigned long long)pstate);
}

static const char *const dump_names[] = {
	"x0  to x3 ", "x4  to x7 ", "x8  to x11", "x12 to x15",
	"x16 to x19", "x20 to x23", "x24 to x27", "x28 to sp ",
};

void arch_vcpu_dump(const struct vcpu *vcpu)
{
	u64 x[32] = { 0 }, esr = 0, far = 0, elr = 0;

	for (unsigned n = 0; n < 31; n++)
		reg_get(vcpu, REG_X(n), &x[n]);
	reg_get(vcpu, CORE_REG(sp_el1), &x[31]);
	for (unsigned n = 0; n < 32; n += 4)
		log_debug("%s %016llx %016llx %016llx %016llx", dump_names[n / 4],
			  (unsigned long long)x[n], (unsigned long long)x[n + 1],
			  (unsigned long long)x[n + 2], (unsigned long long)x[n + 3]);
	reg_get(vcpu, REG_ESR_EL1, &esr);
	reg_get(vcpu, REG_FAR_EL1, &far);
	reg_get(vcpu, CORE_REG(elr_el1), &elr);
	log_debug("esr_el1 %016llx far_el1 %016llx elr_el1 %016llx", (unsigned long long)esr,
		  (unsigned long long)far, (unsigned long long)elr);
}

/* Its watchdogs go by the architected counter, and KVM has no word for them. */
void arch_vcpu_resumed(struct vcpu *vcpu)
{
}
