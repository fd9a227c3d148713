/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ARM_VCPU_H
#define ARM_VCPU_H

#include "util/types.h"

struct vcpu;

/* The affinity register, and how many bits of physical address ID_AA64MMFR0_EL1 tells the guest. */
int vcpu_get_mpidr(const struct vcpu *vcpu, u64 *mpidr);
int vcpu_get_physical_bits(const struct vcpu *vcpu, unsigned *bits);

#endif
