/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "boot.h"
#include "layout.h"
#include "machine.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#define CR0_PE	 (1u << 0)
#define CR0_ET	 (1u << 4)
#define CR0_PG	 (1u << 31)
#define CR4_PAE	 (1u << 5)
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

static int set_sregs(struct vcpu *vcpu, bool long_mode)
{
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return -errno;
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
	return ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) ? -errno : 0;
}

int arch_vcpu_boot(struct vcpu *vcpu, const struct arch_image *image)
{
	bool long_mode = image->entry_kind == ENTRY_LONG;
	const struct kvm_regs regs = {
		.rip = image->entry,
		.rflags = RFLAGS_1,
		.rsi = long_mode ? LAYOUT_BOOT_PARAMS : 0,
		.rbx = long_mode ? 0 : LAYOUT_START_INFO,
	};
	int ret = set_msrs(vcpu);

	/* The others wait for INIT and SIPI, as KVM made them. */
	if (ret || vcpu->index)
		return ret;
	ret = set_sregs(vcpu, long_mode);
	if (ret)
		return ret;
	return ioctl(vcpu->fd, KVM_SET_REGS, &regs) ? -errno : 0;
}

/* With its interrupt controllers in the kernel, x86 has no exits that the core does not know. */
int arch_vcpu_exit(struct vcpu *vcpu)
{
	return -EOPNOTSUPP;
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
