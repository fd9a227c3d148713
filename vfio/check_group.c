/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The group: a group is passed whole or not at all, because its members cannot be kept apart
 * (Linux, Documentation/driver-api/vfio.rst, "Groups, Devices, and IOMMUs").
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "check.h"
#include "host_sysfs.h"
#include "problem.h"

/* ---- the members' drivers ---- */

/* Drivers that do no DMA of their own, so that the kernel lets them stay in a passed group. */
static bool may_stay(const char *driver)
{
	return !driver[0] || vfio_host_is_vfio_driver(driver) || !strcmp(driver, "pci-stub") ||
	       !strcmp(driver, "pcieport") || !strncmp(driver, "vfio-", 5);
}

static void check_itself(struct vfio_check *check)
{
	const char *driver = check->device->driver;

	if (vfio_host_is_vfio_driver(driver))
		return;
	if (driver[0])
		vfio_check_add(check, true, "%s is driven by %s, not by vfio-pci", check->name,
			       driver);
	else
		vfio_check_add(check, true, "%s has no driver; it needs vfio-pci", check->name);
	vfio_check_remedy(check, "lkvm vfio bind %s", check->name);
}

static int check_member(void *opaque, const char *name)
{
	struct vfio_check *check = opaque;
	struct vfio_host_device member;
	struct vfio_address address;
	char driver[64];

	vfio_sysfs_link(driver, sizeof(driver), "%s/kernel/iommu_groups/%d/devices/%s/driver",
			check->paths->sys, check->device->group, name);
	if (!strcmp(name, check->name) || may_stay(driver))
		return 0;
	if (vfio_address_parse(&address, name, NULL)) {
		vfio_check_add(check, true, "%s is in IOMMU group %d with %s, and driven by %s",
			       name, check->device->group, check->name, driver);
		vfio_check_remedy(check, "unbind it from %s", driver);
		return 0;
	}
	if (vfio_host_read(check->paths, &address, &member, NULL) || member.is_bridge)
		return 0;
	vfio_check_add(check, true, "%s is in IOMMU group %d with %s, and driven by %s", name,
		       check->device->group, check->name, driver);
	vfio_check_remedy(check, "lkvm vfio bind %s (it takes the whole group)", check->name);
	return 0;
}

/* ---- opening it ---- */

/*
 * Attach the group to a type1 container for a moment and return its answer. No device of the group
 * is open, so nothing is mapped; closing the descriptors undoes it. -ENOTTY: this is no VFIO group.
 */
static int try_type1(const char *path, int group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int container, ret = -ENOTTY;

	if (ioctl(group, VFIO_GROUP_GET_STATUS, &status))
		return ret;
	container = open(path, O_RDWR | O_CLOEXEC);
	if (container < 0)
		return -errno;
	if (ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) == 1) {
		ret = 0;
		if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
		    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
			ret = -errno;
	}
	close(container);
	return ret;
}

static void check_type1(struct vfio_check *check, int group)
{
	char path[PATH_MAX];
	bool isolated;
	int ret;

	snprintf(path, sizeof(path), "%s/vfio/vfio", check->paths->dev);
	ret = try_type1(path, group);
	isolated = vfio_check_isolation(check, ret == -EPERM);
	if (!ret || ret == -ENOTTY || (ret == -EPERM && !isolated))
		return;
	if (ret == -EACCES) {
		vfio_check_add(check, true, "%s: permission denied", path);
		vfio_check_remedy(check, "as root: chmod 666 %s", path);
		return;
	}
	vfio_check_add(check, true, "type1 does not take group %d: %s", check->device->group,
		       strerror(-ret));
	vfio_check_remedy(check, "dmesg says why");
}

static void check_open(struct vfio_check *check)
{
	struct vfio_problem problem;
	unsigned turns = 0;
	int fd;

	do
		fd = vfio_host_open_group(check->paths, check->device->group);
	while (vfio_host_busy_again(fd, &turns));
	if (fd < 0) {
		vfio_check_isolation(check, false);
		vfio_problem_group(&problem, check->paths, check->device->group, check->name, fd);
		vfio_check_add_problem(check, &problem);
		return;
	}
	/*
	 * If members of the group have other drivers, type1 would refuse the group for that reason.
	 */
	if (check->count)
		vfio_check_isolation(check, false);
	else
		check_type1(check, fd);
	close(fd);
}

void vfio_check_group(struct vfio_check *check)
{
	check_itself(check);
	vfio_sysfs_each(check_member, check, "%s/kernel/iommu_groups/%d/devices", check->paths->sys,
			check->device->group);
	if (vfio_host_is_vfio_driver(check->device->driver))
		check_open(check);
	else
		vfio_check_isolation(check, false);
}
