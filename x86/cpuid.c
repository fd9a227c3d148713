/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUID as the guest sees it: what KVM supports on this host, with a topology
 * of our own (Intel's SDM, "CPUID—CPU Identification"; AMD's APM volume 3,
 * "Obtaining Processor Information Via the CPUID Instruction"). The leaves of
 * the hypervisor come from KVM and stay, kvmclock's among them.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "machine.h"

#define ENTRIES	       256 /* KVM's own maximum */
#define TOPOLOGY_EXTRA 6   /* leaves 0xb and 0x1f, three levels each */

#define ECX1_TSC_DEADLINE (1u << 24)
#define ECX1_HYPERVISOR	  (1u << 31)
#define ECX7_LA57	  (1u << 16)
#define EDX1_HTT	  (1u << 28)
#define EXT1_CMP_LEGACY	  (1u << 1)
#define LEVEL_SMT	  1
#define LEVEL_CORE	  2

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *cpuid, u32 leaf)
{
	for (unsigned i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == leaf)
			return &cpuid->entries[i];
	return NULL;
}

static bool is_topology(u32 leaf)
{
	/* 0x80000026 is AMD's newest, which Linux believes before the others. */
	return leaf == 0xb || leaf == 0x1f || leaf == 0x80000026;
}

/* Take out KVM's topology, which is the host's. */
static bool drop_topology(struct kvm_cpuid2 *cpuid)
{
	bool had_1f = false;
	unsigned kept = 0;

	for (unsigned i = 0; i < cpuid->nent; i++) {
		had_1f |= cpuid->entries[i].function == 0x1f;
		if (!is_topology(cpuid->entries[i].function))
			cpuid->entries[kept++] = cpuid->entries[i];
	}
	cpuid->nent = kept;
	return had_1f;
}

/* The smallest n for which 2^n is at least @count. */
static unsigned id_bits(unsigned count)
{
	unsigned bits = 0;

	while (1u << bits < count)
		bits++;
	return bits;
}

static void add_level(struct kvm_cpuid2 *cpuid, u32 leaf, u32 level, u32 type, u32 shift, u32 count)
{
	cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2){
		.function = leaf,
		.index = level,
		.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = shift,
		.ebx = count,
		.ecx = type << 8 | level,
	};
}

/* "V2 Extended Topology Enumeration Leaf": one thread a core, one package. */
static void add_topology(struct kvm_cpuid2 *cpuid, u32 leaf, unsigned cpus)
{
	add_level(cpuid, leaf, 0, LEVEL_SMT, 0, 1);
	add_level(cpuid, leaf, 1, LEVEL_CORE, id_bits(cpus), cpus);
	add_level(cpuid, leaf, 2, 0, 0, 0);
}

static void set_features(struct kvm_cpuid_entry2 *entry, int vm_fd, unsigned cpus)
{
	entry->ecx |= ECX1_HYPERVISOR;
	/* The only timer of a guest without PIT: older KVMs have it, but do not list it. */
	if (ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
		entry->ecx |= ECX1_TSC_DEADLINE;
	entry->ebx &= 0x0000ffff;
	entry->edx &= ~EDX1_HTT;
	if (cpus > 1) {
		entry->ebx |= cpus << 16;
		entry->edx |= EDX1_HTT;
	}
}

/* Leaf 4 and its AMD twin: the last level is the package's, the others a core's own. */
static void set_cache(struct kvm_cpuid_entry2 *entry, unsigned cpus)
{
	u32 level = (entry->eax >> 5) & 7, type = entry->eax & 31;
	u32 ids = (1u << id_bits(cpus)) - 1;

	if (!type)
		return;
	entry->eax &= entry->function == 4 ? 0x00003fff : 0xfc003fff;
	if (level >= 3)
		entry->eax |= ids << 14;
	if (entry->function == 4)
		entry->eax |= MIN(ids, 63u) << 26;
}

static void set_entry(struct kvm_cpuid_entry2 *entry, int vm_fd, unsigned cpus, bool amd)
{
	switch (entry->function) {
	case 1:
		set_features(entry, vm_fd, cpus);
		break;
	case 4:
	case 0x8000001d:
		set_cache(entry, cpus);
		break;
	case 0x80000001:
		if (amd && cpus > 1)
			entry->ecx |= EXT1_CMP_LEGACY;
		break;
	case 0x80000008:
		if (amd)
			entry->ecx = (entry->ecx & 0xffff0000) | id_bits(cpus) << 12 | (cpus - 1);
		break;
	}
}

static bool is_amd(struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *entry = find(cpuid, 0);

	/* "AuthenticAMD", "HygonGenuine" */
	return entry && (entry->ecx == 0x444d4163 || entry->ecx == 0x656e6975);
}

static void set_topology(struct kvm_cpuid2 *cpuid, unsigned cpus)
{
	const struct kvm_cpuid_entry2 *basic = find(cpuid, 0);
	u32 highest = basic ? basic->eax : 0;
	bool had_1f = drop_topology(cpuid);

	if (highest >= 0xb)
		add_topology(cpuid, 0xb, cpus);
	if (had_1f && highest >= 0x1f)
		add_topology(cpuid, 0x1f, cpus);
}

int cpuid_create(struct kvm_cpuid2 **out, int kvm_fd, int vm_fd, unsigned cpus)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + (ENTRIES + TOPOLOGY_EXTRA) *
								      sizeof(cpuid->entries[0]));
	bool amd;

	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = ENTRIES;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid)) {
		int ret = -errno;

		free(cpuid);
		return ret;
	}
	amd = is_amd(cpuid);
	for (unsigned i = 0; i < cpuid->nent; i++)
		set_entry(&cpuid->entries[i], vm_fd, cpus, amd);
	set_topology(cpuid, cpus);
	*out = cpuid;
	return 0;
}

void cpuid_set_cpu(struct kvm_cpuid2 *cpuid, unsigned index)
{
	for (unsigned i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		switch (entry->function) {
		case 1:
			entry->ebx = (entry->ebx & 0x00ffffff) | index << 24;
			break;
		case 0xb:
		case 0x1f:
			entry->edx = index;
			break;
		case 0x8000001e:
			entry->eax = index;
			entry->ebx = index & 0xff;
			entry->ecx = 0;
			break;
		}
	}
}

unsigned cpuid_address_bits(const struct kvm_cpuid2 *cpuid)
{
	for (unsigned i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 0x80000008)
			return cpuid->entries[i].eax & 0xff;
	return 36; /* what a processor without that leaf has */
}

/* Intel SDM, "CPUID—CPU Identification": leaf 7, ECX, LA57. */
bool cpuid_has_five_levels(const struct kvm_cpuid2 *cpuid)
{
	for (unsigned i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 7 && !cpuid->entries[i].index)
			return cpuid->entries[i].ecx & ECX7_LA57;
	return false;
}
