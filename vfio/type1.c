/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/vfio.h>
#include <string.h>

#include "info.h"
#include "sys.h"
#include "type1.h"
#include "vmm/dma.h"

/* ---- what the host can do ---- */

static void parse_ranges(const union vfio_info *buffer, struct vfio_container_info *info)
{
	const struct vfio_iommu_type1_info_cap_iova_range *cap = vfio_info_find(
		buffer, buffer->iommu.cap_offset, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
		sizeof(*cap));
	const u8 *end = buffer->bytes + VFIO_INFO_SIZE;

	for (u32 i = 0; cap && i < cap->nr_iovas && info->range_count < VFIO_MAX_RANGES; i++) {
		const struct vfio_iova_range *range = &cap->iova_ranges[i];

		if ((const u8 *)(range + 1) > end)
			return;
		info->ranges[info->range_count++] = (struct range){ range->start, range->end };
	}
}

static void parse_avail(const union vfio_info *buffer, struct vfio_container_info *info)
{
	const struct vfio_iommu_type1_info_dma_avail *cap = vfio_info_find(
		buffer, buffer->iommu.cap_offset, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, sizeof(*cap));

	info->has_avail = cap;
	info->avail = cap ? cap->avail : 0;
}

int vfio_type1_info(int fd, struct vfio_container_info *info)
{
	union vfio_info buffer = { 0 };
	int ret;

	memset(info, 0, sizeof(*info));
	buffer.iommu.argsz = sizeof(buffer);
	ret = vfio_sys_ioctl(fd, VFIO_IOMMU_GET_INFO, &buffer);
	if (ret < 0)
		return ret;
	info->page_sizes = buffer.iommu.flags & VFIO_IOMMU_INFO_PGSIZES ? buffer.iommu.iova_pgsizes
									: 0;
	if (buffer.iommu.flags & VFIO_IOMMU_INFO_CAPS) {
		parse_ranges(&buffer, info);
		parse_avail(&buffer, info);
	}
	/* Linux before 5.4 does not say: it refuses what it cannot map, and we undo that. */
	if (!info->range_count)
		info->ranges[info->range_count++] = (struct range){ 0, UINT64_MAX };
	return info->page_sizes ? 0 : -ENOTSUP;
}

/* ---- mapping ---- */

int vfio_type1_map(int fd, iova_t iova, void *host, u64 size, u32 access)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = (access & DMA_READ ? VFIO_DMA_MAP_FLAG_READ : 0) |
			 (access & DMA_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)host,
		.iova = iova,
		.size = size,
	};

	return vfio_sys_ioctl(fd, VFIO_IOMMU_MAP_DMA, &map);
}

static int unmap(int fd, u32 flags, iova_t iova, u64 size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = flags,
		.iova = iova,
		.size = size,
	};

	return vfio_sys_ioctl(fd, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

int vfio_type1_unmap(int fd, iova_t iova, u64 size)
{
	return unmap(fd, 0, iova, size);
}

int vfio_type1_clear(int fd, bool knows_all)
{
	const u64 half = 1ULL << 63;
	int ret = knows_all ? unmap(fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0) : -ENOTSUP;

	if (ret) {
		ret = unmap(fd, 0, 0, half);
		if (!ret)
			ret = unmap(fd, 0, half, half);
	}
	return ret;
}
