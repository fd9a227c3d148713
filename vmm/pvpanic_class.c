/* SPDX-License-Identifier: BSD-2-Clause */
/* pvpanic, which every machine has; and which is a PCI function as well if that is asked for. */
#include <string.h>

#include "vmm/arch.h"
#include "vmm/device_class.h"
#include "vmm/pvpanic.h"
#include "vmm/vm.h"

enum pvpanic_kind { PVPANIC_PLATFORM, PVPANIC_PCI };

struct pvpanic_state {
	enum pvpanic_kind kind;
};

static unsigned pvpanic_class_slots(const void *arg)
{
	return ((const struct pvpanic_state *)arg)->kind == PVPANIC_PCI;
}

static int create_on_pci(struct device_host *host, struct error *err)
{
	const struct device_want want = { .name = "pvpanic-pci", .physical = true };
	struct device_place place;
	int ret = device_place(host, &want, &place, err);

	return ret ? ret : pvpanic_pci_create(host->vm, &place);
}

static int pvpanic_class_create(void *arg, struct device_host *host, struct error *err)
{
	const struct pvpanic_state *state = arg;
	struct device_resource resource;
	int ret;

	arch_pvpanic_resource(&resource);
	ret = pvpanic_create(host->vm, &resource);
	if (!ret && state->kind == PVPANIC_PCI)
		ret = create_on_pci(host, err);
	return ret ? error_set(err, ret, "cannot make pvpanic: %s", strerror(-ret)) : 0;
}

static const char *const kinds[] = {
	[PVPANIC_PLATFORM] = "platform",
	[PVPANIC_PCI] = "pci",
	NULL,
};

static const struct option_spec pvpanic_options[] = {
	{ 0, "pvpanic", OPTION_CHOICE, .help = "where guests find the device that hears of panics",
	  .manual = "Where guests find the device that their kernels tell of panics. It is always "
		    "in ACPI's tables or the device tree; with pci it is a PCI function as well, "
		    "for kernels that have that driver alone",
	  .choices = kinds, OPTION_FIELD(struct pvpanic_state, kind) },
	{ 0 },
};

const struct device_class pvpanic_class = {
	.name = "pvpanic",
	.options = pvpanic_options,
	.count = DEVICE_ALWAYS,
	.bus = DEVICE_BUS_PCI,
	.state_size = sizeof(struct pvpanic_state),
	.slots = pvpanic_class_slots,
	.create = pvpanic_class_create,
};
