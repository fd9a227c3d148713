/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the guest's RAM can be mapped for devices, and this user may lock it. */
#include <errno.h>

#include "passthrough.h"
#include "problem.h"

/* The first byte of @ram that @container cannot map; false: there is none. */
static bool find_hole(const struct vfio_container *container, const struct range *ram, u64 *hole)
{
	const struct vfio_container_info *told = &container->told;

	*hole = ram->start;
	for (unsigned i = 0; i < told->range_count; i++) {
		if (*hole < told->ranges[i].start || *hole > told->ranges[i].last)
			continue;
		if (ram->last <= told->ranges[i].last)
			return false;
		*hole = told->ranges[i].last + 1;
	}
	return true;
}

/* What follows the hole's first byte of it: up to the next range that can be mapped. */
static u64 hole_last(const struct vfio_container *container, u64 hole)
{
	const struct vfio_container_info *told = &container->told;

	for (unsigned i = 0; i < told->range_count; i++) {
		if (told->ranges[i].start > hole)
			return told->ranges[i].start - 1;
	}
	return UINT64_MAX;
}

static int check_holes(const struct vfio_container *container, const struct range *ram,
		       bool translated, struct error *err)
{
	u64 hole;

	if (!find_hole(container, ram, &hole))
		return 0;
	return error_set(
		err, -ENOSPC,
		"%s: the guest's RAM at 0x%llx-0x%llx lies over 0x%llx-0x%llx, which the "
		"host's IOMMU cannot map: give the guest less memory, or %s",
		container->name, (unsigned long long)ram->start, (unsigned long long)ram->last,
		(unsigned long long)hole, (unsigned long long)hole_last(container, hole),
		translated ? "--viommu without bypass=on" : "an IOMMU of its own (--viommu)");
}

/*
 * Each container locks the memory that it maps, also if another has locked it already: all of RAM
 * at worst.
 */
static int check_locked(const struct vfio *vfio, u64 bytes, struct error *err)
{
	struct vfio_problem problem;

	if (vfio_problem_memlock(&problem, bytes * vfio->container_count))
		return 0;
	return vfio_problem_error(&problem, vfio->devices[0]->name, -EPERM, err);
}

int vfio_check_ram(const struct vfio *vfio, const struct range *ram, unsigned ram_count, bool all,
		   struct error *err)
{
	u64 bytes = 0;
	int ret = 0;

	for (unsigned i = 0; i < ram_count && !ret; i++) {
		bytes += ram[i].last - ram[i].start + 1;
		for (unsigned k = 0; all && k < vfio->container_count && !ret; k++)
			ret = check_holes(vfio->containers[k], &ram[i], vfio->translated, err);
	}
	return ret || !vfio->device_count ? ret : check_locked(vfio, bytes, err);
}
