/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "boot.h"
#include "layout.h"
#include "machine.h"
#include "util/log.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#define CR0_PE	 (1u << 0)
#define CR0_ET	 (1u << 4)
#define CR0_PG	 (1u << 31)
#define CR4_PAE	 (1u << 5)
#define CR4_LA57 (1u << 12)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)
#define RFLAGS_1 (1u << 1) /* always set */

#define MSR_MISC_ENABLE	      0x1a0
#define MISC_FAST_STRING      (1u << 0)
#define MISC_BTS_UNAVAILABLE  (1u << 11)
#define MISC_PEBS_UNAVAILABLE (1u << 12)
#define MSR_MTRR_DEF_TYPE     0x2ff
#define MTRR_ENABLE	      (1u << 11)
#define MTRR_WRITE_BACK	      6

#define SEGMENT_CODE 11 /* execute, read, accessed */
#define SEGMENT_DATA 3	/* read, write, accessed */

/* Intel SDM, "Spurious-Interrupt Vector Register (SVR)" */
#define LAPIC_SPURIOUS	    0xf0
#define LAPIC_ENABLED	    (1u << 8)
#define LAPIC_VECTOR	    0xffu
#define VIRTUAL_WIRE_VECTOR 0x0fu

#define ENTRY_FAILED_BY_GUEST (1u << 31)

int arch_vcpu_create(struct vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid = vcpu->vm->arch->cpuid;

	cpuid_set_cpu(cpuid, vcpu->index);
	return ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) ? -errno : 0;
}

/*
 * What firmware leaves behind on every processor: write-back memory, and on
 * Intel the flag by which Linux takes string instructions to be fast.
 */
static int set_msrs(struct vcpu *vcpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[2];
	} msrs = {
		.head = { .nmsrs = 2 },
		.entries = {
			{ .index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLE | MTRR_WRITE_BACK },
			{ .index = MSR_MISC_ENABLE,
			  .data = MISC_FAST_STRING | MISC_BTS_UNAVAILABLE | MISC_PEBS_UNAVAILABLE },
		},
	};

	/* A KVM that refuses one of them keeps its reset value: slower, not wrong. */
	return ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) < 0 ? -errno : 0;
}

static struct kvm_segment flat_segment(u16 selector, u8 type, bool long_mode)
{
	return (struct kvm_segment){
		.selector = selector,
		.limit = 0xffffffff,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = long_mode,
		.db = !long_mode,
	};
}

/* Otherwise as reset leaves the processor. */
static void set_real_mode(struct kvm_sregs *sregs)
{
	struct kvm_segment *const segments[] = { &sregs->cs, &sregs->ds, &sregs->es,
						 &sregs->fs, &sregs->gs, &sregs->ss };

	for (unsigned i = 0; i < ARRAY_SIZE(segments); i++) {
		segments[i]->selector = LAYOUT_FLAT >> 4;
		segments[i]->base = LAYOUT_FLAT;
	}
}

/* A software KVM lists LA57 in CPUID and does not have it: four levels are fine as well. */
static int set_five_levels(struct vcpu *vcpu, struct kvm_sregs sregs)
{
	if (!cpuid_has_five_levels(vcpu->vm->arch->cpuid))
		return -ENODEV;
	sregs.cr3 = LAYOUT_PML5;
	sregs.cr4 |= CR4_LA57;
	return ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) ? -errno : 0;
}

static int set_sregs(struct vcpu *vcpu, const struct arch_image *image)
{
	enum image_entry kind = image->entry_kind;
	bool long_mode = kind == ENTRY_LONG;
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return -errno;
	if (kind == ENTRY_REAL) {
		set_real_mode(&sregs);
		return ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) ? -errno : 0;
	}
	sregs.cs = flat_segment(BOOT_CS, SEGMENT_CODE, long_mode);
	sregs.ds = flat_segment(BOOT_DS, SEGMENT_DATA, false);
	sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
	sregs.gdt.base = LAYOUT_GDT;
	sregs.gdt.limit = BOOT_GDT_LIMIT;
	/* Caches on: reset leaves CD and NW set. */
	sregs.cr0 = CR0_PE | CR0_ET;
	if (long_mode) {
		sregs.cr0 |= CR0_PG;
		sregs.cr3 = LAYOUT_PAGE_TABLES;
		sregs.cr4 = CR4_PAE;
		sregs.efer = EFER_LME | EFER_LMA;
	}
	if (image->five_levels && !set_five_levels(vcpu, sregs))
		return 0;
	return ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) ? -errno : 0;
}

int arch_vcpu_boot(struct vcpu *vcpu, const struct arch_image *image)
{
	const struct kvm_regs regs = {
		.rip = image->entry,
		.rflags = RFLAGS_1,
		.rsi = image->entry_kind == ENTRY_LONG ? LAYOUT_BOOT_PARAMS : 0,
		.rbx = image->entry_kind == ENTRY_PVH ? LAYOUT_START_INFO : 0,
		.rsp = image->entry_kind == ENTRY_REAL ? LAYOUT_FLAT_STACK : 0,
	};
	int ret = set_msrs(vcpu);

	/* The others wait for INIT and SIPI, as KVM made them. */
	if (ret || vcpu->index)
		return ret;
	ret = set_sregs(vcpu, image);
	if (ret)
		return ret;
	return ioctl(vcpu->fd, KVM_SET_REGS, &regs) ? -errno : 0;
}

/* With its interrupt controllers in the kernel, x86 has no exits that the core does not know. */
int arch_vcpu_exit(struct vcpu *vcpu)
{
	return -EOPNOTSUPP;
}

/*
 * MultiProcessor Specification 1.4, "Virtual Wire Mode": an operating system that leaves puts the
 * local APIC back into the mode that firmware starts with, and B.1 "BIOS Programming" has the
 * spurious interrupt at vector 0x0f there. One that runs has it elsewhere, and after a reset the
 * APIC is disabled.
 */
bool arch_vcpu_handed_over(const struct vcpu *vcpu)
{
	struct kvm_lapic_state lapic;
	u32 spurious;

	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic))
		return false;
	memcpy(&spurious, lapic.regs + LAPIC_SPURIOUS, sizeof(spurious));
	return (spurious & (LAPIC_ENABLED | LAPIC_VECTOR)) == (LAPIC_ENABLED | VIRTUAL_WIRE_VECTOR);
}

/*
 * Intel SDM, "VM-Entry Failures During or After Loading Guest State": bit 31; AMD has -1 for a
 * guest that is in no legal state. The rest are VM instructions that failed.
 */
bool arch_vcpu_blames_guest(const struct vcpu *vcpu, int error)
{
	return !error &&
	       (vcpu->run->fail_entry.hardware_entry_failure_reason & ENTRY_FAILED_BY_GUEST);
}

void arch_vcpu_describe(struct vcpu *vcpu, char *line, size_t size)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) || ioctl(vcpu->fd, KVM_GET_SREGS, &sregs)) {
		snprintf(line, size, "its registers cannot be read");
		return;
	}
	snprintf(line, size, "rip 0x%llx rsp 0x%llx cr0 0x%llx cr2 0x%llx cr3 0x%llx efer 0x%llx",
		 regs.rip, regs.rsp, sregs.cr0, sregs.cr2, sregs.cr3, sregs.efer);
}

static void dump_general(const struct vcpu *vcpu)
{
	struct kvm_regs r;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &r))
		return;
	log_debug("rax %016llx rbx %016llx rcx %016llx rdx %016llx", r.rax, r.rbx, r.rcx, r.rdx);
	log_debug("rsi %016llx rdi %016llx rbp %016llx rsp %016llx", r.rsi, r.rdi, r.rbp, r.rsp);
	log_debug("r8  %016llx r9  %016llx r10 %016llx r11 %016llx", r.r8, r.r9, r.r10, r.r11);
	log_debug("r12 %016llx r13 %016llx r14 %016llx r15 %016llx", r.r12, r.r13, r.r14, r.r15);
	log_debug("rip %016llx rflags %08llx", r.rip, r.rflags);
}

static void dump_segment(const char *name, const struct kvm_segment *s)
{
	log_debug("%s  %04x base %016llx limit %08x type %x dpl %u present %u", name, s->selector,
		  s->base, s->limit, s->type, s->dpl, s->present);
}

static void dump_special(const struct vcpu *vcpu)
{
	struct kvm_sregs s;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &s))
		return;
	log_debug("cr0 %016llx cr2 %016llx cr3 %016llx cr4 %016llx", s.cr0, s.cr2, s.cr3, s.cr4);
	log_debug("cr8 %llx efer %llx apic base %llx", s.cr8, s.efer, s.apic_base);
	log_debug("gdt %016llx limit %04x, idt %016llx limit %04x", s.gdt.base, s.gdt.limit,
		  s.idt.base, s.idt.limit);
	dump_segment("cs", &s.cs);
	dump_segment("ds", &s.ds);
	dump_segment("es", &s.es);
	dump_segment("fs", &s.fs);
	dump_segment("gs", &s.gs);
	dump_segment("ss", &s.ss);
	dump_segment("tr", &s.tr);
}

void arch_vcpu_dump(const struct vcpu *vcpu)
{
	dump_general(vcpu);
	dump_special(vcpu);
}

void arch_vcpu_resumed(struct vcpu *vcpu)
{
	/* Else its watchdog takes the pause for a lock-up. It fails where the guest has no
	 * kvmclock. */
	ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
}
