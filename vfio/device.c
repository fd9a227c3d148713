/* SPDX-License-Identifier: BSD-2-Clause */
/* A passed device as a function of the guest's PCI bus. */
#include <errno.h>
#include <string.h>

#include "device.h"

static void bar_changed(struct pci_function *function, unsigned n)
{
	vfio_region_update(vfio_device_of(function), n);
}

static void msi_changed(struct pci_function *function, unsigned count)
{
	struct vfio_device *device = vfio_device_of(function);

	device->msi_wanted = count;
	vfio_interrupts_update(device);
}

static void intx_allowed(struct pci_function *function, bool allowed)
{
	vfio_interrupts_update(vfio_device_of(function));
}

/* Disconnect it from the VM. It stays open, to be reset with the others. */
static void device_stop(struct vfio_device *device)
{
	vfio_errors_unwatch(device);
	device->on_bus = false;
	vfio_interrupts_update(device);
	pci_function_release(&device->function);
	unasked_destroy(&device->unasked);
	vfio_regions_unmap(device);
	/* The guest's Command is 0 now: no more DMA. */
	vfio_config_command(device);
}

static void function_destroy(struct pci_function *function)
{
	device_stop(vfio_device_of(function));
}

static const struct pci_function_ops function_ops = {
	.config_read = vfio_config_read,
	.config_written = vfio_config_written,
	.bar_changed = bar_changed,
	.msi_changed = msi_changed,
	.intx_allowed = intx_allowed,
	.destroy = function_destroy,
};

static int device_build(struct vfio_device *device, struct error *err)
{
	int ret = vfio_config_build(device, err);

	if (ret)
		return ret;
	vfio_regions_map(device);
	vfio_config_command(device);
	ret = vfio_errors_watch(device);
	return ret ? error_set(err, ret, "%s: the host does not report its errors: %s",
			       device->name, strerror(-ret))
		   : 0;
}

static int bus_place(struct vfio_device *device, struct pci_bus *bus, unsigned slot, unsigned fn,
		     struct error *err)
{
	int ret = pci_bus_add(bus, &device->function, slot, fn);

	return ret ? error_set(err, ret, "%s: no place at %u.%u of the guest's bus: %s",
			       device->name, slot, fn, strerror(-ret))
		   : 0;
}

int vfio_device_add(struct vfio_device *device, struct pci_bus *bus, struct vm *vm, unsigned slot,
		    unsigned fn, struct dma_space *space, u32 endpoint, struct error *err)
{
	struct pci_function *function = &device->function;
	int ret;

	/* Its IDs are read with the rest of configuration space. */
	pci_function_init(function, vm, &function_ops, space, 0, 0, 0, 0);
	function->device.info.name = device->name;
	function->device.info.endpoint = endpoint;
	ret = unasked_create(&device->unasked, vm, space);
	if (!ret)
		ret = device_build(device, err);
	if (!ret)
		ret = bus_place(device, bus, slot, fn, err);
	if (ret)
		device_stop(device);
	else
		device->on_bus = true;
	return ret;
}
