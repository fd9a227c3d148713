/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ARM_VCPU_H
#define ARM_VCPU_H

#include "util/types.h"

struct vcpu;
struct features;

/* The affinity register, and how many bits of physical address ID_AA64MMFR0_EL1 tells the guest. */
int vcpu_get_mpidr(const struct vcpu *vcpu, u64 *mpidr);
int vcpu_get_physical_bits(const struct vcpu *vcpu, unsigned *bits);

/* What arch_vcpu_create() goes by: arch_vm_create()'s choice. Lives in the VM. */
const struct features *vcpu_features(const struct vcpu *vcpu);

#endif
