/* SPDX-License-Identifier: BSD-2-Clause */
/* One device, as sysfs shows it (Linux, Documentation/ABI/testing/sysfs-bus-pci and
 * -kernel-iommu_groups). */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_sysfs.h"
#include "util/parse.h"

const struct vfio_paths vfio_host_paths = {
	.sys = "/sys",
	.dev = "/dev",
	.state = "/run/lkvm",
	.proc = "/proc",
};

/* ---- the device itself ---- */

static u32 read_number(const struct vfio_paths *paths, const char *name, const char *attribute)
{
	char text[32];
	u64 value = 0;

	vfio_sysfs_read(text, sizeof(text), "%s/bus/pci/devices/%s/%s", paths->sys, name,
			attribute);
	if (parse_u64(text, UINT32_MAX, &value))
		return 0;
	return value;
}

/* Bridges to other buses are those whose header is another than that of devices. */
static bool read_is_bridge(const struct vfio_paths *paths, const char *name, u32 class)
{
	const u32 kind = class >> 8;
	char header[PCI_STD_HEADER_SIZEOF];

	/* Users may read this much of it too. */
	if (vfio_sysfs_read(header, sizeof(header), "%s/bus/pci/devices/%s/config", paths->sys,
			    name) > PCI_HEADER_TYPE)
		return (header[PCI_HEADER_TYPE] & 0x7f) != PCI_HEADER_TYPE_NORMAL;
	return kind == 0x0604 || kind == 0x0607 || kind == 0x0609;
}

static void read_itself(const struct vfio_paths *paths, const char *name,
			struct vfio_host_device *device)
{
	device->vendor = read_number(paths, name, "vendor");
	device->device = read_number(paths, name, "device");
	device->subsystem_vendor = read_number(paths, name, "subsystem_vendor");
	device->subsystem_device = read_number(paths, name, "subsystem_device");
	device->class = read_number(paths, name, "class");
	device->is_bridge = read_is_bridge(paths, name, device->class);
	vfio_sysfs_link(device->driver, sizeof(device->driver), "%s/bus/pci/devices/%s/driver",
			paths->sys, name);
	vfio_sysfs_read(device->reset, sizeof(device->reset), "%s/bus/pci/devices/%s/reset_method",
			paths->sys, name);
	/* Kernels before 5.15 say only that there is one. */
	if (!device->reset[0] && vfio_sysfs_exists("%s/bus/pci/devices/%s/reset", paths->sys, name))
		strcpy(device->reset, "reset");
}

/* ---- its group ---- */

static int read_group(const struct vfio_paths *paths, const char *name)
{
	char text[32];
	u64 group;

	if (vfio_sysfs_link(text, sizeof(text), "%s/bus/pci/devices/%s/iommu_group", paths->sys,
			    name) ||
	    parse_u64(text, INT32_MAX, &group))
		return -1;
	/* vfio makes such groups for devices without an IOMMU, if its unsafe mode is on. */
	vfio_sysfs_read(text, sizeof(text), "%s/kernel/iommu_groups/%d/name", paths->sys,
			(int)group);
	return strcmp(text, "vfio-noiommu") ? (int)group : -1;
}

static enum dma_range_kind range_kind(const char *word)
{
	if (!strcmp(word, "msi"))
		return DMA_RANGE_MSI;
	if (!strcmp(word, "direct"))
		return DMA_RANGE_DIRECT;
	if (!strcmp(word, "direct-relaxable"))
		return DMA_RANGE_DIRECT_RELAXED;
	/* "reserved", and any word that this version does not know: such a range is not mapped. */
	return DMA_RANGE_RESERVED;
}

static int read_ranges(const struct vfio_paths *paths, struct vfio_host_device *device,
		       struct error *err)
{
	char path[PATH_MAX], line[128], kind[32];
	FILE *file;
	int ret = 0;

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%d/reserved_regions", paths->sys,
		 device->group);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (!ret && fgets(line, sizeof(line), file)) {
		unsigned long long start, last;

		if (sscanf(line, "%llx %llx %31s", &start, &last, kind) != 3 || start > last)
			ret = error_set(err, -EIO, "%s: a line that lkvm does not understand",
					path);
		else if (device->range_count == VFIO_MAX_RANGES)
			ret = error_set(err, -E2BIG, "%s: more than %u ranges", path,
					VFIO_MAX_RANGES);
		else
			device->ranges[device->range_count++] =
				(struct dma_range){ start, last, range_kind(kind) };
	}
	fclose(file);
	return ret;
}

static int add_member(void *opaque, const char *name)
{
	struct vfio_host_device *device = opaque;
	struct vfio_address address;

	/* Groups may have members of other buses too. */
	if (vfio_address_parse(&address, name, NULL))
		return 0;
	if (device->member_count == VFIO_MAX_MEMBERS)
		return -E2BIG;
	device->members[device->member_count++] = address;
	return 0;
}

static int read_members(const struct vfio_paths *paths, struct vfio_host_device *device,
			struct error *err)
{
	int ret = vfio_sysfs_each(add_member, device, "%s/kernel/iommu_groups/%d/devices",
				  paths->sys, device->group);

	if (ret == -E2BIG)
		return error_set(err, ret, "IOMMU group %d has more than %u devices", device->group,
				 VFIO_MAX_MEMBERS);
	qsort(device->members, device->member_count, sizeof(device->members[0]),
	      vfio_address_compare);
	return 0;
}

/* ---- the whole ---- */

int vfio_address_compare(const void *a, const void *b)
{
	const struct vfio_address *x = a, *y = b;

	if (x->domain != y->domain)
		return x->domain - y->domain;
	if (x->bus != y->bus)
		return x->bus - y->bus;
	if (x->slot != y->slot)
		return x->slot - y->slot;
	return x->function - y->function;
}

bool vfio_host_is_vfio_driver(const char *driver)
{
	size_t len = strlen(driver), end = strlen("vfio-pci");

	return len >= end &&
	       (!strcmp(driver + len - end, "vfio-pci") || !strcmp(driver + len - end, "vfio_pci"));
}

int vfio_host_read(const struct vfio_paths *paths, const struct vfio_address *address,
		   struct vfio_host_device *device, struct error *err)
{
	char name[VFIO_ADDRESS_TEXT];
	int ret = 0;

	memset(device, 0, sizeof(*device));
	device->address = *address;
	vfio_address_format(address, name);
	if (!vfio_sysfs_exists("%s/bus/pci/devices/%s", paths->sys, name))
		return error_set(err, -ENOENT,
				 "%s: there is no such PCI device: 'lkvm vfio list' lists them",
				 name);
	read_itself(paths, name, device);
	device->group = read_group(paths, name);
	if (device->group >= 0)
		ret = read_ranges(paths, device, err);
	if (!ret && device->group >= 0)
		ret = read_members(paths, device, err);
	if (!device->member_count)
		device->members[device->member_count++] = *address;
	return ret;
}
