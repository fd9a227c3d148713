/* SPDX-License-Identifier: BSD-2-Clause */
#include <elf.h>
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "vmm/core.h"
#include "vmm/registers.h"
#include "vmm/vcpu.h"

#define MSR_LSTAR 0xc0000082
#define RFLAGS_IF (1u << 9)

/* Linux, arch/x86/include/asm/user_64.h: struct user_regs_struct. */
const u16 arch_core_machine = EM_X86_64;
const char *const arch_core_registers[] = {
	"r15",	  "r14", "r13", "r12",	   "rbp",     "rbx", "r11",	 "r10", "r9",
	"r8",	  "rax", "rcx", "rdx",	   "rsi",     "rdi", "orig_rax", "rip", "cs",
	"rflags", "rsp", "ss",	"fs_base", "gs_base", "ds",  "es",	 "fs",	"gs",
};
const unsigned arch_core_register_count = ARRAY_SIZE(arch_core_registers);

const char *const arch_anchor = "entry_SYSCALL_64";

static void add_general(struct registers *to, const struct kvm_regs *r)
{
	registers_add(to, "rip", r->rip);
	registers_add(to, "rflags", r->rflags);
	registers_add(to, "rax", r->rax);
	registers_add(to, "rbx", r->rbx);
	registers_add(to, "rcx", r->rcx);
	registers_add(to, "rdx", r->rdx);
	registers_add(to, "rsi", r->rsi);
	registers_add(to, "rdi", r->rdi);
	registers_add(to, "rbp", r->rbp);
	registers_add(to, "rsp", r->rsp);
	registers_add(to, "r8", r->r8);
	registers_add(to, "r9", r->r9);
	registers_add(to, "r10", r->r10);
	registers_add(to, "r11", r->r11);
	registers_add(to, "r12", r->r12);
	registers_add(to, "r13", r->r13);
	registers_add(to, "r14", r->r14);
	registers_add(to, "r15", r->r15);
}

static void add_special(struct registers *to, const struct kvm_sregs *s)
{
	registers_add(to, "cr0", s->cr0);
	registers_add(to, "cr2", s->cr2);
	registers_add(to, "cr3", s->cr3);
	registers_add(to, "cr4", s->cr4);
	registers_add(to, "cr8", s->cr8);
	registers_add(to, "efer", s->efer);
	registers_add(to, "cs", s->cs.selector);
	registers_add(to, "ds", s->ds.selector);
	registers_add(to, "es", s->es.selector);
	registers_add(to, "fs", s->fs.selector);
	registers_add(to, "fs_base", s->fs.base);
	registers_add(to, "gs", s->gs.selector);
	registers_add(to, "gs_base", s->gs.base);
	registers_add(to, "ss", s->ss.selector);
	registers_add(to, "tr", s->tr.selector);
	registers_add(to, "gdt", s->gdt.base);
	registers_add(to, "idt", s->idt.base);
	registers_add(to, "apic_base", s->apic_base);
}

/* 0 where KVM does not tell. */
static u64 read_msr(const struct vcpu *vcpu, u32 index)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head = { .nmsrs = 1 }, .entry = { .index = index } };

	return ioctl(vcpu->fd, KVM_GET_MSRS, &msrs) == 1 ? msrs.entry.data : 0;
}

int arch_vcpu_registers(const struct vcpu *vcpu, struct registers *registers)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	*registers = (struct registers){ 0 };
	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) || ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return -errno;
	add_general(registers, &regs);
	add_special(registers, &sregs);
	registers->pc = regs.rip;
	registers->sp = regs.rsp;
	registers->frame = regs.rbp;
	registers->anchor = read_msr(vcpu, MSR_LSTAR);
	return 0;
}

static u64 digest_of(const struct kvm_regs *r)
{
	const u64 values[] = { r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rsp, r->rbp,
			       r->r8,  r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 };
	u64 digest = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
		digest = registers_digest(digest, values[i]);
	return digest;
}

int arch_vcpu_state(const struct vcpu *vcpu, struct vcpu_state *state)
{
	struct kvm_mp_state mp;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) || ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) ||
	    ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp))
		return -errno;
	*state = (struct vcpu_state){
		.pc = regs.rip,
		.digest = digest_of(&regs),
		.user = sregs.ss.dpl == 3,
		.masked = !(regs.rflags & RFLAGS_IF),
		.high = regs.rip >> 63,
	};
	/* HLT with interrupts off: Linux's way of a processor that goes off line. */
	state->waiting = mp.mp_state == KVM_MP_STATE_HALTED && !state->masked;
	state->off = mp.mp_state != KVM_MP_STATE_RUNNABLE && !state->waiting;
	return 0;
}

int arch_vcpu_translate(const struct vcpu *vcpu, u64 address, gpa_t *gpa)
{
	struct kvm_translation translation = { .linear_address = address };

	if (ioctl(vcpu->fd, KVM_TRANSLATE, &translation) || !translation.valid)
		return -EFAULT;
	*gpa = translation.physical_address;
	return 0;
}

int arch_vcpu_nmi(const struct vcpu *vcpu)
{
	return ioctl(vcpu->fd, KVM_NMI) ? -errno : 0;
}
