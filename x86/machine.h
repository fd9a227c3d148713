/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's side of the PC. */
#ifndef X86_MACHINE_H
#define X86_MACHINE_H

#include "util/error.h"
#include "util/types.h"

struct kvm_cpuid2;

struct arch_vm {
	struct kvm_cpuid2 *cpuid; /* for CPU 0; owned */
	unsigned address_bits;
};

/*
 * What the vCPUs shall show: all that KVM has to offer, with @cpus cores in one
 * package. Owner: the caller, free(). -errno.
 */
int cpuid_create(struct kvm_cpuid2 **cpuid, int kvm_fd, int vm_fd, unsigned cpus);
/* Change what differs from CPU to CPU. */
void cpuid_set_cpu(struct kvm_cpuid2 *cpuid, unsigned index);
unsigned cpuid_address_bits(const struct kvm_cpuid2 *cpuid);
/* Whether page tables can have five levels. */
bool cpuid_has_five_levels(const struct kvm_cpuid2 *cpuid);

#endif
