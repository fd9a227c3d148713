/* SPDX-License-Identifier: BSD-2-Clause */
#include <asm/ptrace.h>
#include <elf.h>
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "vmm/core.h"
#include "vmm/registers.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "walk.h"

#define CORE_REG(name)                                                                             \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(name))
#define REG_X(n)      (CORE_REG(regs.regs[0]) + 2 * (n)) /* counted in words of 32 bits */
#define REG_SCTLR_EL1 ARM64_SYS_REG(3, 0, 1, 0, 0)
#define REG_TTBR0_EL1 ARM64_SYS_REG(3, 0, 2, 0, 0)
#define REG_TTBR1_EL1 ARM64_SYS_REG(3, 0, 2, 0, 1)
#define REG_TCR_EL1   ARM64_SYS_REG(3, 0, 2, 0, 2)
#define REG_ESR_EL1   ARM64_SYS_REG(3, 0, 5, 2, 0)
#define REG_FAR_EL1   ARM64_SYS_REG(3, 0, 6, 0, 0)
#define REG_VBAR_EL1  ARM64_SYS_REG(3, 0, 12, 0, 0)
#define SCTLR_M	      1
#define MODE_EL0      PSR_MODE_EL0t
#define GENERAL	      31 /* x0 to x30 */
#define WFI	      0xd503207f
#define WFIT	      0xd5031020
#define WFIT_REGISTER 0x1f

/* Linux, arch/arm64/include/uapi/asm/ptrace.h: struct user_pt_regs. */
const u16 arch_core_machine = EM_AARCH64;
const char *const arch_core_registers[] = {
	"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",	 "x7",	"x8",  "x9",	 "x10", "x11",
	"x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",	 "x22", "x23",
	"x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp",	"pc",  "pstate",
};
const unsigned arch_core_register_count = ARRAY_SIZE(arch_core_registers);

const char *const arch_anchor = "vectors";

static u64 get(const struct vcpu *vcpu, u64 id)
{
	u64 value = 0;
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	return ioctl(vcpu->fd, KVM_GET_ONE_REG, &reg) ? 0 : value;
}

int arch_vcpu_registers(const struct vcpu *vcpu, struct registers *to)
{
	u64 pstate = get(vcpu, CORE_REG(regs.pstate));

	*to = (struct registers){ .pc = get(vcpu, CORE_REG(regs.pc)) };
	registers_add(to, "pc", to->pc);
	registers_add(to, "pstate", pstate);
	for (unsigned n = 0; n < GENERAL; n++)
		registers_add(to, arch_core_registers[n], get(vcpu, REG_X(n)));
	to->sp = get(vcpu,
		     (pstate & PSR_MODE_MASK) == MODE_EL0 ? CORE_REG(regs.sp) : CORE_REG(sp_el1));
	registers_add(to, "sp", to->sp);
	registers_add(to, "elr_el1", get(vcpu, CORE_REG(elr_el1)));
	registers_add(to, "esr_el1", get(vcpu, REG_ESR_EL1));
	registers_add(to, "far_el1", get(vcpu, REG_FAR_EL1));
	registers_add(to, "sctlr_el1", get(vcpu, REG_SCTLR_EL1));
	registers_add(to, "ttbr0_el1", get(vcpu, REG_TTBR0_EL1));
	registers_add(to, "ttbr1_el1", get(vcpu, REG_TTBR1_EL1));
	to->frame = get(vcpu, REG_X(29));
	to->link = get(vcpu, REG_X(30));
	to->anchor = get(vcpu, REG_VBAR_EL1);
	return 0;
}

/* The instruction at @address is WFI or WFIT: Arm ARM, "WFI", "WFIT". */
static bool waits_at(const struct vcpu *vcpu, u64 address)
{
	gpa_t gpa;
	le32 raw;
	u32 code;

	if (address % 4 || arch_vcpu_translate(vcpu, address, &gpa) ||
	    memory_read(vcpu->vm->memory, gpa, &raw, sizeof(raw)))
		return false;
	code = le32_to_cpu(raw);
	return code == WFI || (code & ~WFIT_REGISTER) == WFIT;
}

/*
 * KVM does not say that a processor waits: WFI is behind it when KVM_RUN was left meanwhile. It
 * ends with interrupts masked as well, which is how Linux idles.
 */
int arch_vcpu_state(const struct vcpu *vcpu, struct vcpu_state *state)
{
	u64 pstate = get(vcpu, CORE_REG(regs.pstate)), pc = get(vcpu, CORE_REG(regs.pc));
	struct kvm_mp_state mp;

	if (ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp))
		return -errno;
	*state = (struct vcpu_state){
		.pc = pc,
		.digest = get(vcpu, CORE_REG(sp_el1)),
		.user = (pstate & PSR_MODE_MASK) == MODE_EL0,
		.masked = pstate & PSR_I_BIT,
		.high = pc >> 63,
		.off = mp.mp_state == KVM_MP_STATE_STOPPED,
	};
	for (unsigned n = 0; n < GENERAL; n++)
		state->digest = registers_digest(state->digest, get(vcpu, REG_X(n)));
	state->waiting = !state->off && !state->user && waits_at(vcpu, pc - 4);
	return 0;
}

int arch_vcpu_translate(const struct vcpu *vcpu, u64 address, gpa_t *gpa)
{
	const struct walk walk = {
		.tcr = get(vcpu, REG_TCR_EL1),
		.ttbr0 = get(vcpu, REG_TTBR0_EL1),
		.ttbr1 = get(vcpu, REG_TTBR1_EL1),
		.enabled = get(vcpu, REG_SCTLR_EL1) & SCTLR_M,
	};

	return walk_translate(&walk, vcpu->vm->memory, address, gpa);
}

int arch_vcpu_nmi(const struct vcpu *vcpu)
{
	return -EOPNOTSUPP;
}
