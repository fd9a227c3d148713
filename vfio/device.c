/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "info.h"
#include "passthrough.h"
#include "sys.h"

/* ---- what the host says of it ---- */

static int learn_config(struct vfio_device *device, struct error *err)
{
	struct vfio_region_info info = { .argsz = sizeof(info),
					 .index = VFIO_PCI_CONFIG_REGION_INDEX };
	int ret = vfio_sys_ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &info);

	if (ret)
		return error_set(err, ret, "%s: no configuration space: %s", device->name,
				 strerror(-ret));
	/* All of it, or what conventional PCI has: there is nothing between. */
	device->config_size = info.size >= PCI_CONFIG_SIZE
				      ? PCI_CONFIG_SIZE
				      : MIN(info.size, (u64)PCI_CONFIG_COMPATIBLE);
	device->config_offset = info.offset;
	return 0;
}

/* One that VFIO does not know, or does not signal by eventfd, is none. */
static void learn_irqs(struct vfio_device *device)
{
	for (u32 i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		struct vfio_irq_info info = { .argsz = sizeof(info), .index = i };

		if (vfio_sys_ioctl(device->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) ||
		    !(info.flags & VFIO_IRQ_INFO_EVENTFD))
			continue;
		device->irq_counts[i] = info.count;
		device->irq_flags[i] = info.flags;
	}
}

static int learn(struct vfio_device *device, struct error *err)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int ret = vfio_sys_ioctl(device->fd, VFIO_DEVICE_GET_INFO, &info);

	if (ret)
		return error_set(err, ret, "%s: VFIO does not describe it: %s", device->name,
				 strerror(-ret));
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
		return error_set(err, -ENOTSUP, "%s: not a PCI device", device->name);
	device->has_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	ret = learn_config(device, err);
	if (!ret)
		learn_irqs(device);
	return ret;
}

int vfio_device_open(struct vfio_device *device, struct vfio_group *group, struct error *err)
{
	char address[VFIO_ADDRESS_TEXT];
	int ret;

	device->group = group;
	device->intx_trigger = device->intx_unmask = -1;
	device->error.source.fd = device->request.source.fd = -1;
	vfio_address_format(&device->address, address);
	device->fd = vfio_sys_ioctl(group->fd, VFIO_GROUP_GET_DEVICE_FD, address);
	if (device->fd < 0) {
		ret = device->fd;
		return error_set(err, ret, "%s: the host's vfio-pci does not open it: %s",
				 device->name, strerror(-ret));
	}
	vfio_container_enter(group->container);
	ret = learn(device, err);
	if (ret)
		vfio_device_close(device);
	return ret;
}

void vfio_device_set_master(struct vfio_device *device, bool master)
{
	struct vfio_container *container = device->group->container;

	container->masters = container->masters - device->master + master;
	device->master = master;
}

void vfio_device_close(struct vfio_device *device)
{
	if (device->fd < 0)
		return;
	vfio_device_set_master(device, false);
	vfio_container_leave(device->group->container);
	vfio_sys_close(device->fd);
	device->fd = -1;
}

/* ---- as a PCI function ---- */

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

/* Nothing of it reaches the VM any more. It stays open, to be reset with the others. */
static void device_stop(struct vfio_device *device)
{
	vfio_errors_unwatch(device);
	device->on_bus = false;
	vfio_interrupts_update(device);
	pci_function_release(&device->function);
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

	/* Its identity is read with the rest. */
	pci_function_init(function, vm, &function_ops, space, 0, 0, 0, 0);
	function->device.info.name = device->name;
	function->device.info.endpoint = endpoint;
	ret = device_build(device, err);
	if (!ret)
		ret = bus_place(device, bus, slot, fn, err);
	if (ret)
		device_stop(device);
	else
		device->on_bus = true;
	return ret;
}
