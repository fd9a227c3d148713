/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>

#include "group.h"
#include "host_sysfs.h"
#include "problem.h"
#include "sys.h"

/* "0000:00:08.0 (nvme), 0000:00:08.1 (vfio-pci)", as much as there is room for. */
static void list_members(const struct vfio_paths *paths, const struct vfio_host_device *host,
			 char *text, size_t size)
{
	struct vfio_host_device member;
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < host->member_count && used < size; i++) {
		char address[VFIO_ADDRESS_TEXT];

		vfio_address_format(&host->members[i], address);
		if (vfio_host_read(paths, &host->members[i], &member, NULL))
			snprintf(member.driver, sizeof(member.driver), "unknown");
		used += snprintf(text + used, size - used, "%s%s (%s)", used ? ", " : "", address,
				 member.driver[0] ? member.driver : "no driver");
	}
}

static int check_viable(const struct vfio_group *group, const struct vfio_paths *paths,
			const struct vfio_host_device *host, const char *name, struct error *err)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int ret = vfio_sys_ioctl(group->fd, VFIO_GROUP_GET_STATUS, &status);
	char members[320];

	if (ret)
		return error_set(err, ret, "%s: group %d: %s", name, group->number, strerror(-ret));
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		list_members(paths, host, members, sizeof(members));
		return error_set(err, -EBUSY,
				 "%s: all of its group %d must leave the host's drivers: %s "
				 "('lkvm vfio bind' does it, and so does ,auto)",
				 name, group->number, members);
	}
	if (status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET)
		return error_set(err, -EBUSY, "%s: its group %d is in use by another program", name,
				 group->number);
	return 0;
}

/* Another process has opened the group since it was checked. */
static int cannot_open(const struct vfio_group *group, const struct vfio_paths *paths,
		       const struct vfio_host_device *host, const char *name, struct error *err)
{
	struct vfio_problem problem;
	char address[VFIO_ADDRESS_TEXT];

	vfio_address_format(&host->address, address);
	vfio_problem_group(&problem, paths, group->number, address, group->fd);
	return vfio_problem_error(&problem, name, group->fd, err);
}

int vfio_group_open(struct vfio_group *group, const struct vfio_paths *paths,
		    const struct vfio_host_device *host, const char *name, struct error *err)
{
	char path[PATH_MAX];
	unsigned turns = 0;
	int ret;

	*group = (struct vfio_group){ .number = host->group, .fd = -1 };
	if (host->group < 0)
		return error_set(err, -ENODEV,
				 "%s: no IOMMU translates it: enable the host's in its firmware "
				 "and kernel (intel_iommu=on)",
				 name);
	snprintf(path, sizeof(path), "%s/vfio/%d", paths->dev, host->group);
	do
		group->fd = vfio_sys_open(path);
	while (vfio_host_busy_again(group->fd, &turns));
	if (group->fd < 0)
		return cannot_open(group, paths, host, name, err);
	ret = check_viable(group, paths, host, name, err);
	if (ret)
		vfio_group_close(group);
	return ret;
}

void vfio_group_close(struct vfio_group *group)
{
	if (group->fd >= 0)
		vfio_sys_close(group->fd);
	group->fd = -1;
}
