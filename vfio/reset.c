/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices are reset before and after a guest has them. vfio-pci itself resets a function when it is
 * opened and when it is closed (and sets VFIO_DEVICE_FLAGS_RESET only if that worked): another
 * reset would cost 100 ms for each. Here are the resets that the guest asks for, and those of
 * functions that cannot be reset alone: for these the bus or slot is reset, if all devices on it
 * are passed to this guest (VFIO_DEVICE_PCI_HOT_RESET).
 */
#include <errno.h>
#include <stdlib.h>

#include "device.h"
#include "group.h"
#include "info.h"
#include "passthrough.h"
#include "sys.h"
#include "vmm/vm.h"

/* 100 ms at least, and a minute where the hardware does not come back. */
static int reset_unlocked(struct vfio_device *device)
{
	struct vm *vm = device->function.vm;
	int ret;

	device->resetting = true;
	vm_unlock(vm);
	ret = vfio_sys_ioctl(device->fd, VFIO_DEVICE_RESET, NULL);
	vm_lock(vm);
	device->resetting = false;
	return ret;
}

bool vfio_device_reset(struct vfio_device *device)
{
	if (!device->has_reset || reset_unlocked(device))
		return false;
	device->resets++;
	return true;
}

static const struct vfio_group *find_group(const struct vfio *vfio, u32 number)
{
	for (unsigned i = 0; i < vfio->group_count; i++) {
		if ((u32)vfio->groups[i].number == number)
			return &vfio->groups[i];
	}
	return NULL;
}

/* The fds of all groups that a bus reset would hit; -EPERM: one of them is not ours. */
static int affected_groups(const struct vfio *vfio, const struct vfio_pci_hot_reset_info *info,
			   struct vfio_pci_hot_reset *reset)
{
	for (u32 i = 0; i < info->count; i++) {
		const struct vfio_group *group = find_group(vfio, info->devices[i].group_id);
		bool listed = false;

		if (!group)
			return -EPERM;
		for (u32 k = 0; k < reset->count; k++)
			listed |= reset->group_fds[k] == group->fd;
		if (!listed)
			reset->group_fds[reset->count++] = group->fd;
	}
	return 0;
}

static int hot_reset(const struct vfio *vfio, const struct vfio_device *device)
{
	const u32 most = (VFIO_INFO_SIZE - sizeof(struct vfio_pci_hot_reset_info)) /
			 sizeof(struct vfio_pci_dependent_device);
	union vfio_info info = { .hot_reset.argsz = sizeof(info) };
	size_t size = sizeof(struct vfio_pci_hot_reset) + vfio->group_count * sizeof(__s32);
	struct vfio_pci_hot_reset *reset;
	int ret = vfio_sys_ioctl(device->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info);

	if (ret < 0 || info.hot_reset.count > most)
		return ret < 0 ? ret : -E2BIG;
	reset = calloc(1, size);
	if (!reset)
		return -ENOMEM;
	reset->argsz = size;
	ret = affected_groups(vfio, &info.hot_reset, reset);
	if (!ret)
		ret = vfio_sys_ioctl(device->fd, VFIO_DEVICE_PCI_HOT_RESET, reset);
	free(reset);
	return ret;
}

void vfio_reset_buses(const struct vfio *vfio, bool say)
{
	for (unsigned i = 0; i < vfio->device_count; i++) {
		const struct vfio_device *device = vfio->devices[i];

		if (device->fd < 0 || device->has_reset || !hot_reset(vfio, device))
			continue;
		if (say)
			log_warning("%s: the host has no way to reset it: the guest finds it as "
				    "whoever had it before left it",
				    device->name);
	}
}
