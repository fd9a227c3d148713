/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "features.h"

/* Of arm64's <asm/kvm.h>, which the tests on other machines have not; the last are newer. */
#define INIT_PMU	     (1u << 3)
#define INIT_SVE	     (1u << 4)
#define INIT_PTRAUTH_ADDRESS (1u << 5)
#define INIT_PTRAUTH_GENERIC (1u << 6)
#define INIT_EL2	     (1u << 7)
#define INIT_EL2_E2H0	     (1u << 8)
#define FINALIZE_SVE	     4 /* the bit's number */
#define REG_SVE_LENGTHS	     0x606000000015ffffULL
#define GROUP_PMU	     0
#define PMU_IRQ		     0
#define PMU_INIT	     1
#define PMU_SET_PMU	     3
#define GROUP_STOLEN_TIME    2

#ifndef KVM_CAP_COUNTER_OFFSET
#define KVM_CAP_COUNTER_OFFSET 227
#endif
#define CAP_EL2	     240
#define CAP_EL2_E2H0 241

struct counter_offset {
	u64 offset, reserved;
};
#define SET_COUNTER_OFFSET _IOW(KVMIO, 0xb5, struct counter_offset)

static bool has(int vm_fd, int capability)
{
	return ioctl(vm_fd, KVM_CHECK_EXTENSION, capability) > 0;
}

/* What the user asked for, and a VM without would not be what was meant. */
static int take_asked(struct features *features, int vm_fd, const struct arch_options *options,
		      struct error *err)
{
	const struct {
		bool asked;
		int capability;
		u32 init;
		const char *name;
	} asked[] = {
		{ options->pmu, KVM_CAP_ARM_PMU_V3, INIT_PMU, "--pmu" },
		{ options->nested, CAP_EL2, INIT_EL2, "--nested" },
		{ options->e2h0, CAP_EL2_E2H0, INIT_EL2_E2H0, "--e2h0" },
		{ options->sve_bits, KVM_CAP_ARM_SVE, 0, "--sve-max-vl" },
		{ options->counter_offset, KVM_CAP_COUNTER_OFFSET, 0, "--counter-offset" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(asked); i++) {
		if (!asked[i].asked)
			continue;
		if (!has(vm_fd, asked[i].capability))
			return error_set(err, -ENODEV,
					 "%s: this host's KVM has it not: leave it out",
					 asked[i].name);
		features->init |= asked[i].init;
	}
	return 0;
}

/* What KVM has goes to the guest, unless the user objects. */
static void take_offered(struct features *features, int vm_fd, const struct arch_options *options,
			 bool no_tags)
{
	const struct kvm_enable_cap tags = { .cap = KVM_CAP_ARM_MTE };

	if (!options->no_sve && has(vm_fd, KVM_CAP_ARM_SVE))
		features->init |= INIT_SVE;
	/* "must be both set or both unset" */
	if (has(vm_fd, KVM_CAP_ARM_PTRAUTH_ADDRESS) && has(vm_fd, KVM_CAP_ARM_PTRAUTH_GENERIC))
		features->init |= INIT_PTRAUTH_ADDRESS | INIT_PTRAUTH_GENERIC;
	if (!options->no_mte && !no_tags && has(vm_fd, KVM_CAP_ARM_MTE))
		ioctl(vm_fd, KVM_ENABLE_CAP, &tags);
}

int features_choose(struct features *features, int vm_fd, const struct arch_options *options,
		    bool no_tags, struct error *err)
{
	const struct counter_offset counter = { .offset = options->counter_offset };
	int ret;

	*features = (struct features){ .sve_bits = options->sve_bits, .pmu_type = -1 };
	if (options->e2h0 && !options->nested)
		return error_set(err, -ENODEV, "--e2h0 is for guests that have --nested");
	if (options->sve_bits && options->no_sve)
		return error_set(err, -ENODEV, "--sve-max-vl and --disable-sve: one of them");
	ret = take_asked(features, vm_fd, options, err);
	if (ret)
		return ret;
	take_offered(features, vm_fd, options, no_tags);
	if (options->counter_offset && ioctl(vm_fd, SET_COUNTER_OFFSET, &counter))
		return error_set(err, -errno, "--counter-offset: KVM does not take it: %s",
				 strerror(errno));
	return 0;
}

/* One bit for each length that there can be, of 128 bits and its multiples. */
static int shorten_vectors(int vcpu_fd, unsigned bits)
{
	u64 lengths[8] = { 0 };
	struct kvm_one_reg reg = { .id = REG_SVE_LENGTHS, .addr = (uintptr_t)lengths };

	if (ioctl(vcpu_fd, KVM_GET_ONE_REG, &reg))
		return -errno;
	for (unsigned n = bits / 128; n < 64 * ARRAY_SIZE(lengths); n++)
		lengths[n / 64] &= ~(1ULL << n % 64);
	return ioctl(vcpu_fd, KVM_SET_ONE_REG, &reg) ? -errno : 0;
}

int features_begin_vcpu(const struct features *features, int vcpu_fd)
{
	int feature = FINALIZE_SVE, ret = 0;

	if (!(features->init & INIT_SVE))
		return 0;
	if (features->sve_bits)
		ret = shorten_vectors(vcpu_fd, features->sve_bits);
	if (!ret && ioctl(vcpu_fd, KVM_ARM_VCPU_FINALIZE, &feature))
		ret = -errno;
	return ret;
}

static int set_attribute(int vcpu_fd, u32 group, u64 attribute, const void *value)
{
	struct kvm_device_attr attr = {
		.group = group,
		.attr = attribute,
		.addr = (uintptr_t)value,
	};

	return ioctl(vcpu_fd, KVM_SET_DEVICE_ATTR, &attr) ? -errno : 0;
}

static bool has_attribute(int vcpu_fd, u32 group, u64 attribute)
{
	struct kvm_device_attr attr = { .group = group, .attr = attribute };

	return !ioctl(vcpu_fd, KVM_HAS_DEVICE_ATTR, &attr);
}

int features_finish_vcpu(const struct features *features, int vcpu_fd)
{
	int irq = PPI_PMU + PPI_INTID, type = features->pmu_type, ret = 0;

	if (!(features->init & INIT_PMU))
		return 0;
	/* A host from before Linux 5.18 has no choice. */
	if (type >= 0 && has_attribute(vcpu_fd, GROUP_PMU, PMU_SET_PMU))
		ret = set_attribute(vcpu_fd, GROUP_PMU, PMU_SET_PMU, &type);
	if (!ret)
		ret = set_attribute(vcpu_fd, GROUP_PMU, PMU_IRQ, &irq);
	return ret ? ret : set_attribute(vcpu_fd, GROUP_PMU, PMU_INIT, NULL);
}

bool features_has_stolen_time(int vcpu_fd)
{
	return has_attribute(vcpu_fd, GROUP_STOLEN_TIME, 0);
}

int features_set_stolen_time(int vcpu_fd, gpa_t gpa)
{
	return set_attribute(vcpu_fd, GROUP_STOLEN_TIME, 0, &gpa);
}
