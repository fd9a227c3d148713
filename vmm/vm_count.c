/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>

#include "vmm/counters.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

static const char *const exit_names[VCPU_EXITS] = {
	[VCPU_EXIT_MMIO] = "mmio",	   [VCPU_EXIT_PORT] = "port",
	[VCPU_EXIT_SIGNAL] = "signal",	   [VCPU_EXIT_SYSTEM] = "system_event",
	[VCPU_EXIT_OTHER] = "other_exits",
};

/* Each counter is written by the vCPU's own thread alone. */
static void count_vcpu(const struct vcpu *vcpu, struct counters *counters)
{
	u64 exits[VCPU_EXITS], all = 0;
	char name[16];

	for (unsigned kind = 0; kind < VCPU_EXITS; kind++) {
		exits[kind] = __atomic_load_n(&vcpu->exits[kind], __ATOMIC_RELAXED);
		all += exits[kind];
	}
	snprintf(name, sizeof(name), "vCPU %u", vcpu->index);
	counters_begin(counters, name);
	counters_number(counters, "exits", all);
	for (unsigned kind = 0; kind < VCPU_EXITS; kind++)
		counters_number(counters, exit_names[kind], exits[kind]);
}

void vm_count(const struct vm *vm, struct counters *counters)
{
	const struct list_node *node;

	for (unsigned i = 0; vm->vcpus && i < vm->config->cpus; i++)
		count_vcpu(vm->vcpus[i], counters);
	list_for_each(node, &vm->devices) {
		const struct device *device = list_entry(node, const struct device, node);

		if (device->ops->report)
			device->ops->report(device, counters);
	}
}
