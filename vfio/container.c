/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container.h"
#include "info.h"
#include "sys.h"
#include "vmm/memory.h"
#include "vmm/slot.h"
#include "vmm/vm.h"

static struct vfio_container *container_of_listener(struct dma_listener *listener)
{
	return container_of(listener, struct vfio_container, listener);
}

/*
 * All devices behind it have died or been recalled, and their groups may have left it: nobody is
 * there to reach memory, and the host knows no table to change. The guest may go on as it likes.
 */
static bool is_deserted(const struct vfio_container *container)
{
	return !container->devices;
}

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

static int container_ask(const struct vfio_container *container, struct vfio_container_info *info)
{
	union vfio_info buffer = { 0 };
	int ret;

	memset(info, 0, sizeof(*info));
	buffer.iommu.argsz = sizeof(buffer);
	ret = vfio_sys_ioctl(container->fd, VFIO_IOMMU_GET_INFO, &buffer);
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

static bool info_is_same(const struct vfio_container_info *a, const struct vfio_container_info *b)
{
	return a->page_sizes == b->page_sizes && a->range_count == b->range_count &&
	       !memcmp(a->ranges, b->ranges, a->range_count * sizeof(a->ranges[0]));
}

/* ---- mapping ---- */

static int dma_map(struct vfio_container *container, iova_t iova, void *host, u64 size, u32 access)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = (access & DMA_READ ? VFIO_DMA_MAP_FLAG_READ : 0) |
			 (access & DMA_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)host,
		.iova = iova,
		.size = size,
	};

	return vfio_sys_ioctl(container->fd, VFIO_IOMMU_MAP_DMA, &map);
}

static int dma_unmap(struct vfio_container *container, u32 flags, iova_t iova, u64 size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = flags,
		.iova = iova,
		.size = size,
	};

	return vfio_sys_ioctl(container->fd, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

/* All of it or nothing. @len > 0; it may cross RAM ranges that follow each other. */
static int map_ram(struct vfio_container *container, iova_t iova, gpa_t gpa, u64 len, u32 access)
{
	u64 run;

	for (u64 done = 0; done < len; done += run) {
		void *host = memory_run(container->vm->memory, gpa + done, len - done, &run);
		int ret = host ? dma_map(container, iova + done, host, run, access) : -EFAULT;

		if (ret) {
			if (done)
				dma_unmap(container, 0, iova, done);
			return ret;
		}
	}
	return 0;
}

static const char *remedy(int error)
{
	switch (error) {
	case -ENOMEM:
		return ": locked memory is used up (ulimit -l)";
	case -ENOSPC:
		return ": its table is full (vfio_iommu_type1's dma_entry_limit)";
	default:
		return "";
	}
}

static int refused(struct vfio_container *container, const struct dma_mapping *m, int error)
{
	container->refused++;
	log_limited(&container->log, LOG_WARNING,
		    "%s: the host does not map IOVA 0x%llx-0x%llx to 0x%llx: %s%s", container->name,
		    (unsigned long long)m->start, (unsigned long long)m->last,
		    (unsigned long long)m->gpa, strerror(-error), remedy(error));
	return error;
}

/*
 * Registers of another device, for peer-to-peer DMA. Doorbells have no host address, nor have
 * pages that are trapped: they are left out, and so is what the host will not map. An access to
 * it then faults in the host's IOMMU, which is what the contract allows.
 */
static int map_registers(struct vfio_container *container, const struct dma_mapping *m, u64 len)
{
	void *host = len ? page_slot_host(container->vm, m->gpa, len) : NULL;
	int ret = host ? dma_map(container, m->start, host, len, m->access) : 0;

	if (ret == -ENOSPC || ret == -ENOMEM)
		return ret;
	if (ret)
		log_debug("%s: the host does not map registers at 0x%llx for a peer: %s",
			  container->name, (unsigned long long)m->gpa, strerror(-ret));
	return 0;
}

static int container_map(struct dma_listener *listener, const struct dma_mapping *m)
{
	struct vfio_container *container = container_of_listener(listener);
	u64 len = m->last - m->start + 1; /* 0: all 2^64 */
	int ret;

	if (is_deserted(container))
		return 0;
	if (m->mmio)
		ret = map_registers(container, m, len);
	else
		ret = len ? map_ram(container, m->start, m->gpa, len, m->access) : -EFAULT;
	if (ret)
		return refused(container, m, ret);
	container->maps++;
	return 0;
}

static int container_unmap(struct dma_listener *listener, const struct dma_mapping *m)
{
	struct vfio_container *container = container_of_listener(listener);
	u64 len = m->last - m->start + 1;
	/* Nobody has mapped all 2^64. What was left out unmaps as nothing. */
	int ret = len && !is_deserted(container) ? dma_unmap(container, 0, m->start, len) : 0;

	if (ret) {
		log_limited(&container->log, LOG_ERROR,
			    "%s: the host does not unmap IOVA 0x%llx-0x%llx: %s", container->name,
			    (unsigned long long)m->start, (unsigned long long)m->last,
			    strerror(-ret));
		return ret;
	}
	container->unmaps++;
	return 0;
}

static int container_check(struct dma_listener *listener, u64 count)
{
	struct vfio_container *container = container_of_listener(listener);
	struct vfio_container_info now;
	int ret;

	if (is_deserted(container))
		return 0;
	ret = container_ask(container, &now);
	if (ret)
		return ret;
	if (!info_is_same(&now, &container->told)) {
		log_limited(&container->log, LOG_ERROR,
			    "%s: the host's IOMMU can no longer map what the guest was told it can "
			    "(a device has come to the group?): start the guest anew",
			    container->name);
		return -ESTALE;
	}
	return now.has_avail && now.avail < count ? -ENOSPC : 0;
}

/*
 * One call, or two where the host does not know "all" (Linux before 5.12): type1 v2 unmaps
 * every mapping that lies wholly in a range, and none crosses the middle of 2^64.
 */
static void container_clear(struct dma_listener *listener)
{
	struct vfio_container *container = container_of_listener(listener);
	const u64 half = 1ULL << 63;
	int ret;

	if (is_deserted(container))
		return;
	ret = container->unmap_all ? dma_unmap(container, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0) : -ENOTSUP;

	if (ret) {
		ret = dma_unmap(container, 0, 0, half);
		if (!ret)
			ret = dma_unmap(container, 0, half, half);
	}
	if (ret)
		log_error("%s: the host does not empty its IOMMU's table: %s", container->name,
			  strerror(-ret));
}

int vfio_container_fill(struct vfio_container *container)
{
	for (unsigned i = 0; i < memory_count(container->vm->memory); i++) {
		struct range ram;
		void *host = memory_range(container->vm->memory, i, &ram);
		int ret = dma_map(container, ram.start, host, ram.last - ram.start + 1,
				  DMA_READ | DMA_WRITE);

		if (ret) {
			const struct dma_mapping m = { ram.start, ram.last, ram.start, 0, false };

			container_clear(&container->listener);
			return refused(container, &m, ret);
		}
	}
	return 0;
}

static int container_bypass(struct dma_listener *listener)
{
	struct vfio_container *container = container_of_listener(listener);

	return is_deserted(container) ? 0 : vfio_container_fill(container);
}

static const struct dma_listener_ops container_listener = {
	.map = container_map,
	.unmap = container_unmap,
	.check = container_check,
	.clear = container_clear,
	.bypass = container_bypass,
};

/* ---- its life ---- */

static int container_check_host(struct vfio_container *container, struct error *err)
{
	if (vfio_sys_ioctl(container->fd, VFIO_GET_API_VERSION, NULL) != VFIO_API_VERSION)
		return error_set(err, -ENOTSUP, "%s: the host's VFIO is of another version",
				 container->name);
	if (vfio_sys_ioctl_value(container->fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0)
		return error_set(
			err, -ENOTSUP,
			"%s: the host's VFIO has no type1 IOMMU: modprobe vfio_iommu_type1",
			container->name);
	container->unmap_all = vfio_sys_ioctl_value(container->fd, VFIO_CHECK_EXTENSION,
						    VFIO_UNMAP_ALL) > 0;
	return 0;
}

int vfio_container_open(struct vfio_container **out, const struct vfio_paths *paths,
			const char *name, struct error *err)
{
	struct vfio_container *container = calloc(1, sizeof(*container));
	char path[PATH_MAX];
	int ret;

	if (!container)
		return error_set(err, -ENOMEM, "out of memory");
	container->listener.ops = &container_listener;
	snprintf(container->name, sizeof(container->name), "%s", name);
	snprintf(path, sizeof(path), "%s/vfio/vfio", paths->dev);
	container->fd = vfio_sys_open(path);
	if (container->fd < 0) {
		ret = container->fd;
		error_set(err, ret, "%s: %s: %s%s", name, path, strerror(-ret),
			  ret == -ENOENT || ret == -ENODEV ? ": modprobe vfio-pci" : "");
	} else {
		ret = container_check_host(container, err);
	}
	if (ret) {
		vfio_container_close(container);
		return ret;
	}
	*out = container;
	return 0;
}

void vfio_container_close(struct vfio_container *container)
{
	if (!container)
		return;
	if (container->fd >= 0)
		vfio_sys_close(container->fd);
	free(container);
}

int vfio_container_attach(struct vfio_container *container, int group_fd, const char *name,
			  struct error *err)
{
	int ret = vfio_sys_ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, &container->fd);

	if (!ret && !container->has_iommu)
		ret = vfio_sys_ioctl_value(container->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
	if (ret == -EPERM)
		return error_set(
			err, ret,
			"%s: the host's IOMMU does not remap interrupts: enable that in its "
			"firmware, or trust the guest: modprobe vfio_iommu_type1 "
			"allow_unsafe_interrupts=1",
			name);
	if (ret)
		return error_set(err, ret, "%s: the host's IOMMU does not take its group: %s", name,
				 strerror(-ret));
	container->has_iommu = true;
	return 0;
}

int vfio_container_learn(struct vfio_container *container, struct error *err)
{
	int ret = container_ask(container, &container->told);

	if (ret)
		return error_set(err, ret, "%s: the host's IOMMU does not say what it can map: %s",
				 container->name, strerror(-ret));
	return 0;
}
