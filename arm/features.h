/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guest's processors have beyond the least that arm64 is, as the user and KVM agree. The
 * rules: Linux, Documentation/virt/kvm/api.rst, "KVM_ARM_VCPU_INIT" and the capabilities, and
 * devices/vcpu.rst.
 */
#ifndef ARM_FEATURES_H
#define ARM_FEATURES_H

#include <sched.h>

#include "util/error.h"
#include "util/types.h"
#include "vmm/arch.h"

/* PPIs of these: as all machines have them (Arm BSA, "PPI assignments"). */
#define PPI_MAINTENANCE 9
#define PPI_PMU		7
#define PPI_INTID	16 /* of PPI 0 */

struct features {
	u32 init;	   /* bits for the first word of KVM_ARM_VCPU_INIT */
	unsigned sve_bits; /* the longest vector; 0: the host's */
	s64 pmu_type;	   /* the host's counters; -1: KVM chooses */
};

/*
 * @vm_fd has no vCPUs yet. -ENODEV with a line: the host lacks what was asked for, or it makes no
 * sense. @no_tags: some of the guest's memory can have none (MTE). Tells KVM what is the VM's.
 */
int features_choose(struct features *features, int vm_fd, const struct arch_options *options,
		    bool no_tags, struct error *err);

/* KVM_ARM_VCPU_INIT is done; nothing was asked of the vCPU. -errno. */
int features_begin_vcpu(const struct features *features, int vcpu_fd);
/* The interrupt controller is complete, and the vCPU did not run. -errno. */
int features_finish_vcpu(const struct features *features, int vcpu_fd);

/* Whether KVM tells the guest of stolen time, and that the vCPU's is at @gpa, in a memory slot. */
bool features_has_stolen_time(int vcpu_fd);
int features_set_stolen_time(int vcpu_fd, gpa_t gpa);

/*
 * The type of the host's counters for the processors @cpus (NULL: all), as
 * /sys/bus/event_source/devices (@root) lists them; -1: nobody knows. -ENODEV with a line: they
 * have not all the same.
 */
int features_find_pmu(const char *root, const cpu_set_t *cpus, s64 *type, struct error *err);

#endif
