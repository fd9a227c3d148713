/* SPDX-License-Identifier: BSD-2-Clause */
/* pvpanic as a PCI function (QEMU, docs/specs/pvpanic, "PCI Interface"): for kernels without ACPI.
 */
#include <errno.h>
#include <stdlib.h>

#include "util/log.h"
#include "vmm/device_class.h"
#include "vmm/pci.h"
#include "vmm/pvpanic.h"
#include "vmm/vm.h"

#define PVPANIC_VENDOR	 0x1b36
#define PVPANIC_DEVICE	 0x0011
#define PVPANIC_CLASS	 0x088000
#define PVPANIC_REVISION 1
#define PVPANIC_BAR_SIZE 16 /* the smallest of memory; its first byte is the register */

struct pvpanic_pci {
	struct pci_function function;
	struct bus_region region;
};

static struct pvpanic_pci *pvpanic_of(const struct pci_function *function)
{
	return container_of(function, struct pvpanic_pci, function);
}

static u64 bar_read(struct bus_region *region, u64 offset, unsigned len)
{
	return pvpanic_register_read(offset);
}

static void bar_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct pvpanic_pci *pvpanic = container_of(region, struct pvpanic_pci, region);

	pvpanic_register_write(pvpanic->function.vm, offset, value);
}

static const struct bus_ops bar_ops = { .read = bar_read, .write = bar_write };

static void bar_changed(struct pci_function *function, unsigned n)
{
	struct pvpanic_pci *pvpanic = pvpanic_of(function);

	if (!function->bars[n].decoded)
		pci_region_remove(function, n, &pvpanic->region);
	else if (pci_region_add(function, n, 0, PVPANIC_BAR_SIZE, &pvpanic->region))
		log_debug("pvpanic: its register is where others are");
}

static void destroy(struct pci_function *function)
{
	pci_function_release(function);
	free(pvpanic_of(function));
}

static const struct pci_function_ops pvpanic_pci_ops = {
	.bar_changed = bar_changed,
	.destroy = destroy,
};

int pvpanic_pci_create(struct vm *vm, const struct device_place *place)
{
	struct pvpanic_pci *pvpanic = calloc(1, sizeof(*pvpanic));
	int ret;

	if (!pvpanic)
		return -ENOMEM;
	pvpanic->region.ops = &bar_ops;
	pci_function_init(&pvpanic->function, vm, &pvpanic_pci_ops, place->space, PVPANIC_VENDOR,
			  PVPANIC_DEVICE, PVPANIC_CLASS, PVPANIC_REVISION);
	pvpanic->function.device.info.name = "pvpanic-pci";
	pvpanic->function.device.info.endpoint = DEVICE_NO_ENDPOINT;
	ret = pci_add_bar(&pvpanic->function, 0, PCI_BAR_MEMORY32, PVPANIC_BAR_SIZE, false);
	if (!ret)
		ret = pci_bus_add(vm->pci, &pvpanic->function, place->pci_slot,
				  place->pci_function);
	if (ret)
		free(pvpanic);
	return ret;
}
