/* SPDX-License-Identifier: BSD-2-Clause */
/* The bus: its functions, and the two ways to their configuration space. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>

#include "pci_private.h"
#include "vmm/vm.h"

/* "Enhanced Configuration Access Mechanism": bus, device and function, then the register. */
#define ECAM_FUNCTION_SHIFT 12

#define HEADER_MULTIFUNCTION 0x80 /* of PCI_HEADER_TYPE */

/*
 * A host bridge does nothing; guests look for one. PC kernels believe in the configuration
 * ports only if they find it. The ID is the one that Red Hat has set aside for such a bridge.
 */
#define HOST_BRIDGE_VENDOR 0x1b36
#define HOST_BRIDGE_DEVICE 0x0008
#define HOST_BRIDGE_CLASS  0x060000

/* ---- configuration space ---- */

static bool access_is_possible(u32 offset, unsigned len)
{
	return (len == 1 || len == 2 || len == 4) && !(offset % len) && offset < PCI_CONFIG_SIZE;
}

static struct pci_function *at(const struct pci_bus *bus, u32 bdf)
{
	return bdf < PCI_PLACES ? bus->functions[bdf] : NULL;
}

u32 pci_config_read(struct pci_bus *bus, u16 bdf, u32 offset, unsigned len)
{
	struct pci_function *function = at(bus, bdf);

	if (!function || !access_is_possible(offset, len))
		return ~0u;
	return pci_function_read(function, offset, len);
}

void pci_config_write(struct pci_bus *bus, u16 bdf, u32 offset, u32 value, unsigned len)
{
	struct pci_function *function = at(bus, bdf);

	if (function && access_is_possible(offset, len))
		pci_function_write(function, offset, value, len);
}

static u64 ecam_read(struct bus_region *region, u64 offset, unsigned len)
{
	struct pci_bus *bus = container_of(region, struct pci_bus, ecam);

	if (len > 4)
		return ~0ULL;
	return pci_config_read(bus, offset >> ECAM_FUNCTION_SHIFT, offset % PCI_CONFIG_SIZE, len);
}

static void ecam_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct pci_bus *bus = container_of(region, struct pci_bus, ecam);

	pci_config_write(bus, offset >> ECAM_FUNCTION_SHIFT, offset % PCI_CONFIG_SIZE, value, len);
}

static const struct bus_ops ecam_ops = { .read = ecam_read, .write = ecam_write };

/* ---- functions ---- */

struct pci_function *pci_bus_find(const struct pci_bus *bus, unsigned slot, unsigned fn)
{
	return slot < PCI_SLOTS && fn < PCI_FUNCTIONS ? at(bus, slot << 3 | fn) : NULL;
}

/* "Header Type": whether the slot has several functions. Guests read it from function 0. */
static void tell_of_others(struct pci_bus *bus, unsigned slot)
{
	bool others = false;

	for (unsigned fn = 1; fn < PCI_FUNCTIONS; fn++)
		others |= !!pci_bus_find(bus, slot, fn);
	for (unsigned fn = 0; fn < PCI_FUNCTIONS; fn++) {
		struct pci_function *function = pci_bus_find(bus, slot, fn);

		if (!function)
			continue;
		function->config[PCI_HEADER_TYPE] &= PCI_HEADER_TYPE_MASK;
		function->config[PCI_HEADER_TYPE] |= others ? HEADER_MULTIFUNCTION : 0;
	}
}

int pci_bus_add(struct pci_bus *bus, struct pci_function *function, unsigned slot, unsigned fn)
{
	int ret;

	if (slot >= PCI_SLOTS || fn >= PCI_FUNCTIONS)
		return -EINVAL;
	if (pci_bus_find(bus, slot, fn))
		return -EEXIST;
	function->bus = bus;
	function->slot = slot;
	function->function = fn;
	ret = pci_intx_connect(function);
	if (ret) {
		function->bus = NULL;
		return ret;
	}
	function->device.info.kind = DEVICE_PCI;
	function->device.info.bdf = pci_bdf(function);
	bus->functions[pci_bdf(function)] = function;
	tell_of_others(bus, slot);
	pci_msi_placed(function);
	vm_add_device(bus->vm, &function->device);
	return 0;
}

/* ---- the bus and its host bridge ---- */

static void bridge_destroy(struct pci_function *function)
{
	pci_function_release(function);
	free(function);
}

static const struct pci_function_ops bridge_ops = { .destroy = bridge_destroy };

static int add_bridge(struct pci_bus *bus)
{
	struct pci_function *bridge = calloc(1, sizeof(*bridge));
	int ret;

	if (!bridge)
		return -ENOMEM;
	pci_function_init(bridge, bus->vm, &bridge_ops, &bus->vm->identity.space,
			  HOST_BRIDGE_VENDOR, HOST_BRIDGE_DEVICE, HOST_BRIDGE_CLASS, 0);
	bridge->device.info.name = "PCI host bridge";
	ret = pci_bus_add(bus, bridge, 0, 0);
	if (ret)
		free(bridge);
	return ret;
}

static void bus_device_destroy(struct device *device)
{
	struct pci_bus *bus = container_of(device, struct pci_bus, device);

	bus_remove(bus->vm->mmio, &bus->ecam);
	bus->vm->pci = NULL;
	pci_intx_destroy(bus);
	free(bus);
}

static const struct device_ops bus_device_ops = { .destroy = bus_device_destroy };

static struct pci_bus *new_bus(struct vm *vm, const struct pci_layout *layout)
{
	struct pci_bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return NULL;
	bus->vm = vm;
	bus->layout = *layout;
	bus->ecam = (struct bus_region){
		.start = layout->ecam.start,
		.last = layout->ecam.last,
		.ops = &ecam_ops,
	};
	bus->device.ops = &bus_device_ops;
	bus->device.info = (struct device_info){
		.name = "PCI",
		.kind = DEVICE_PCI_HOST,
		.resource = { .base = layout->ecam.start,
			      .size = layout->ecam.last - layout->ecam.start + 1,
			      .gsi = DEVICE_NO_IRQ },
		.endpoint = DEVICE_NO_ENDPOINT,
	};
	return bus;
}

int pci_bus_create(struct pci_bus **out, struct vm *vm, const struct pci_layout *layout)
{
	struct pci_bus *bus = new_bus(vm, layout);
	int ret;

	if (!bus)
		return -ENOMEM;
	ret = bus_add(vm->mmio, &bus->ecam);
	if (ret) {
		free(bus);
		return ret;
	}
	/* The last to be destroyed is the first on the list. */
	vm_add_device(vm, &bus->device);
	ret = add_bridge(bus);
	if (ret) {
		list_del(&bus->device.node);
		bus_device_destroy(&bus->device);
		return ret;
	}
	*out = vm->pci = bus;
	return 0;
}

const struct pci_layout *pci_bus_layout(const struct pci_bus *bus)
{
	return &bus->layout;
}
