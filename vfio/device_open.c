/* SPDX-License-Identifier: BSD-2-Clause */
/* A device of the host's, opened: what VFIO says of it. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "container.h"
#include "device.h"
#include "group.h"
#include "info.h"
#include "sys.h"

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
