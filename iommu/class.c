/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtio-iommu on the command line, and in the machine: it is in front of what is placed later.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iommu/fdt.h"
#include "iommu/view.h"
#include "iommu/viot.h"
#include "private.h"
#include "virtio/place.h"
#include "vmm/arch.h"
#include "vmm/counters.h"
#include "vmm/firmware.h"
#include "vmm/vm.h"
#include "vmm/windows.h"

struct viommu_state {
	struct viommu_config config; /* first: the options' target */
	struct viommu *viommu;	     /* the VM's; NULL: not made yet */
	struct firmware_table viot;  /* owned */
};

static int viommu_class_prepare(void *arg, struct device_plan *plan, struct error *err)
{
	const struct viommu_state *state = arg;

	plan->translated = true;
	plan->bypass = state->config.bypass;
	plan->windows->iommu = true;
	plan->windows->msi_map = state->config.msi_map;
	if (plan->arch->firmware && !plan->bypass)
		return error_set(
			err, -EINVAL,
			"--viommu: firmware has no driver for it, and would reach no disk: "
			"give --viommu=bypass=on");
	/* A guest that never maps a doorbell would have no MSIs without a window. */
	if (state->config.msi_map && !arch_maps_doorbells)
		return error_set(err, -EINVAL,
				 "--viommu msi=map: %s guests never map their MSI doorbell; "
				 "leave it out",
				 arch_name);
	return 0;
}

static bool viommu_class_needs_driver(const void *arg)
{
	return !((const struct viommu_state *)arg)->config.bypass;
}

/* ---- endpoints ---- */

static int translator_add(void *arg, struct vm *vm, u32 endpoint, const struct device_want *want,
			  struct dma_space **space, struct error *err)
{
	struct viommu_state *state = arg;
	const struct dma_limits *limits = want->limits ? want->limits
						       : &vm->config->windows->emulated;

	return viommu_add_endpoint(state->viommu, endpoint, want->name, limits, want->listener,
				   space, err);
}

static const struct device_translator viommu_translator = { .add = translator_add };

static int viommu_class_create(void *arg, struct device_host *host, struct error *err)
{
	struct viommu_state *state = arg;
	const struct device_want want = {
		.name = "virtio-iommu",
		.is_iommu = true,
		.old_rings = state->config.old_rings,
	};
	struct device_place place;
	struct viommu *viommu;
	int ret = device_place(host, &want, &place, err);

	if (ret)
		return ret;
	state->config.address_bits = arch_address_bits(host->vm);
	state->config.smp = host->vm->config->cpus > 1;
	ret = viommu_create(&viommu, &state->config, &host->vm->identity, host->vm->irq);
	if (ret)
		return error_set(err, ret, "cannot make the IOMMU: %s", strerror(-ret));
	ret = virtio_device_put(viommu_device(viommu), &place, err);
	if (ret)
		return ret;
	state->viommu = viommu;
	host->translator = &viommu_translator;
	host->translator_arg = state;
	return 0;
}

/* ---- firmware ---- */

#define MAX_DEVICES 320 /* more than there are places: 256 functions and the platform's */

static int build_viot(struct firmware_table *table, const struct vm *vm)
{
	const struct device_info *infos[MAX_DEVICES];
	const struct list_node *node;
	unsigned count = 0;
	void *data;
	int ret;

	list_for_each(node, &vm->devices) {
		if (count < MAX_DEVICES)
			infos[count++] = &list_entry(node, struct device, node)->info;
	}
	ret = viot_build(infos, count, &data, &table->size);
	if (!ret)
		table->data = data;
	return ret;
}

static int viommu_class_firmware(void *arg, struct vm *vm, struct firmware *firmware,
				 struct error *err)
{
	struct viommu_state *state = arg;
	int ret;

	firmware->fdt_properties = iommu_fdt_properties;
	firmware->fdt_pci_properties = iommu_fdt_pci_properties;
	if (arch_has_device_tree)
		return 0;
	ret = build_viot(&state->viot, vm);
	if (ret)
		return error_set(err, ret, "cannot build the VIOT: %s", strerror(-ret));
	firmware->tables = &state->viot;
	firmware->table_count = 1;
	return 0;
}

/* ---- afterwards ---- */

static void *viommu_class_command_arg(void *arg)
{
	return ((struct viommu_state *)arg)->viommu;
}

static const char *viommu_class_advise(const void *arg)
{
	const struct viommu_state *state = arg;
	struct viommu_counters counters;

	if (!state->viommu || list_empty(&state->viommu->endpoints) || state->config.bypass)
		return NULL;
	viommu_get_counters(state->viommu, &counters);
	/* An access that was refused has been explained when it happened. */
	if (counters.attaches || counters.faults)
		return NULL;
	return "the guest attached no device to the IOMMU: without its virtio_iommu "
	       "driver (a module in the initrd, or built in) Linux leaves the devices "
	       "behind it alone; a guest without it works with --viommu=bypass=on";
}

static void viommu_class_report(const void *arg, struct counters *counters)
{
	const struct viommu_state *state = arg;
	struct viommu_counters counted;

	if (!state->viommu)
		return;
	viommu_get_counters(state->viommu, &counted);
	counters_begin(counters, "viommu");
#define NUMBER(field) counters_number(counters, #field, counted.field)
	NUMBER(requests);
	NUMBER(attaches);
	NUMBER(detaches);
	NUMBER(probes);
	NUMBER(maps);
	NUMBER(unmaps);
	NUMBER(refused);
	NUMBER(mappings);
	NUMBER(mappings_peak);
	NUMBER(translations);
	NUMBER(faults);
	NUMBER(reports_dropped);
	NUMBER(host_refused);
#undef NUMBER
	counters_number(counters, "polled", counted.poll.found);
	counters_number(counters, "sessions", counted.poll.sessions);
	counters_number(counters, "crowded", counted.poll.crowded);
}

static void viommu_class_release(void *arg)
{
	free((void *)((struct viommu_state *)arg)->viot.data);
}

const struct device_class viommu_class = {
	.name = "virtio-iommu",
	.module = "virtio_iommu",
	.needs_driver = viommu_class_needs_driver,
	.options = viommu_options,
	.bus = DEVICE_BUS_MMIO,
	.state_size = sizeof(struct viommu_state),
	.prepare = viommu_class_prepare,
	.create = viommu_class_create,
	.firmware = viommu_class_firmware,
	.commands = viommu_commands,
	.command_arg = viommu_class_command_arg,
	.advise = viommu_class_advise,
	.report = viommu_class_report,
	.release = viommu_class_release,
};
