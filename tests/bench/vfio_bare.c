/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring.h"
#include "vfio_bare.h"

static int open_group(const char *address)
{
	char path[PATH_MAX], target[PATH_MAX] = "";

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
	must(readlink(path, target, sizeof(target) - 1) > 0, "the device is in no IOMMU group");
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(target, '/') + 1);
	return open(path, O_RDWR | O_CLOEXEC);
}

void bare_open(struct bare *bare, const char *address)
{
	bare->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	bare->group = open_group(address);
	must(bare->container >= 0 && bare->group >= 0, "VFIO does not open: lkvm vfio bind");
	must(!ioctl(bare->group, VFIO_GROUP_SET_CONTAINER, &bare->container) &&
		     !ioctl(bare->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU),
	     "type1 does not take the group");
	bare->memory = mmap(NULL, WIRE_RAM, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	must(bare->memory != MAP_FAILED, "no memory");
}

void bare_close(struct bare *bare)
{
	munmap(bare->memory, WIRE_RAM);
	close(bare->group);
	close(bare->container);
}

void bare_pair(const struct bare *bare, iova_t iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)bare->memory + TARGET,
		.iova = iova,
		.size = PAGE,
	};
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = PAGE,
	};

	must(!ioctl(bare->container, VFIO_IOMMU_MAP_DMA, &map) &&
		     !ioctl(bare->container, VFIO_IOMMU_UNMAP_DMA, &unmap),
	     "the host refuses a pair");
}
