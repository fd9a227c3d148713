/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "check.h"
#include "host_sysfs.h"
#include "problem.h"

static bool check_kind(struct vfio_check *check)
{
	const bool host_bridge = check->device->class >> 8 == 0x0600;

	if (!check->device->is_bridge && !host_bridge)
		return true;
	vfio_check_add(check, true, "%s is a %s, which belongs to the host", check->name,
		       host_bridge ? "host bridge" : "bridge to another bus");
	vfio_check_remedy(check, "pass a device behind it: 'lkvm vfio list' lists them");
	return false;
}

/*
 * Without a reset, the host or the next guest finds the device in the state in which a guest left
 * it.
 */
static void check_reset(struct vfio_check *check)
{
	if (check->device->reset[0])
		return;
	vfio_check_add(check, false,
		       "%s cannot be reset alone: a guest finds it as the last user left it, and "
		       "it may go on with its DMA",
		       check->name);
	vfio_check_remedy(check, "pass it to one guest only between two starts of the host, or "
				 "pass all of its bus");
}

/*
 * Newer kernels refuse to pass a device with such a range; from which version on depends on the
 * IOMMU's driver.
 */
static void check_firmware(struct vfio_check *check)
{
	for (unsigned i = 0; i < check->device->range_count; i++) {
		const struct dma_range *range = &check->device->ranges[i];

		if (range->kind != DMA_RANGE_DIRECT)
			continue;
		vfio_check_add(
			check, false,
			"the firmware has %s use memory at %#llx-%#llx (RMRR, IVMD or RMR): many "
			"kernels do not pass such a device",
			check->name, (unsigned long long)range->start,
			(unsigned long long)range->last);
		vfio_check_remedy(check,
				  "switch off what uses it in the firmware's set-up (USB "
				  "legacy support, remote management), or take another device");
		return;
	}
}

static void check_console(struct vfio_check *check)
{
	char text[8];

	vfio_sysfs_read(text, sizeof(text), "%s/bus/pci/devices/%s/boot_vga", check->paths->sys,
			check->name);
	if (strcmp(text, "1") || vfio_host_is_vfio_driver(check->device->driver))
		return;
	vfio_check_add(check, false, "%s is the screen of the host's console", check->name);
	vfio_check_remedy(check, "have another way in, by network or serial line");
}

static void check_use(struct vfio_check *check)
{
	struct vfio_problem problem;

	if (vfio_check_use(check->paths, &check->device->address, &problem))
		vfio_check_add_problem(check, &problem);
}

static void check_memlock(struct vfio_check *check)
{
	struct vfio_problem problem;

	if (check->ram_bytes && !vfio_problem_memlock(&problem, check->ram_bytes))
		vfio_check_add_problem(check, &problem);
}

int vfio_check(const struct vfio_paths *paths, const struct vfio_address *address, u64 ram_bytes,
	       struct vfio_problem problems[VFIO_MAX_PROBLEMS], struct error *err)
{
	struct vfio_host_device device;
	struct vfio_check check = {
		.paths = paths, .device = &device, .ram_bytes = ram_bytes, .problems = problems
	};
	int ret = vfio_host_read(paths, address, &device, err);

	if (ret)
		return ret;
	vfio_address_format(address, check.name);
	if (!check_kind(&check))
		return check.count;
	vfio_check_iommu(&check);
	check_use(&check);
	if (vfio_check_is_translated(paths, &device))
		vfio_check_group(&check);
	check_memlock(&check);
	check_firmware(&check);
	check_console(&check);
	check_reset(&check);
	return check.count;
}
