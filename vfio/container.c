/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container.h"
#include "problem.h"
#include "sys.h"
#include "vmm/memory.h"
#include "vmm/vm.h"

static struct vfio_container *container_of_listener(struct dma_listener *listener)
{
	return container_of(listener, struct vfio_container, listener);
}

/*
 * All devices behind it have died or been recalled, and their groups may have left it. No device
 * reaches memory, and the host may have no table to change, so that all changes succeed.
 */
static bool is_deserted(const struct vfio_container *container)
{
	return !container->devices;
}

/* ---- mapping ---- */

static bool info_is_same(const struct vfio_container_info *a, const struct vfio_container_info *b)
{
	return a->page_sizes == b->page_sizes && a->range_count == b->range_count &&
	       !memcmp(a->ranges, b->ranges, a->range_count * sizeof(a->ranges[0]));
}

/* All of it or nothing. @len > 0; it may cross RAM ranges that follow each other. */
static int map_ram(struct vfio_container *container, iova_t iova, gpa_t gpa, u64 len, u32 access)
{
	u64 run;

	for (u64 done = 0; done < len; done += run) {
		void *host = memory_run(container->vm->memory, gpa + done, len - done, &run);
		int ret = host ? vfio_type1_map(container->fd, iova + done, host, run, access)
			       : -EFAULT;

		if (ret) {
			if (done)
				vfio_type1_unmap(container->fd, iova, done);
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

static int container_map(struct dma_listener *listener, const struct dma_mapping *m)
{
	struct vfio_container *container = container_of_listener(listener);
	u64 len = m->last - m->start + 1; /* 0: all 2^64 */
	int ret;

	if (is_deserted(container))
		return 0;
	if (m->mmio || vfio_reach_leads(&container->reach, m))
		ret = vfio_reach_map(&container->reach, m);
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
	/*
	 * A mapping of all 2^64 addresses was refused or left out. Unmapping what was left out
	 * succeeds.
	 */
	int ret = len && !is_deserted(container) ? vfio_type1_unmap(container->fd, m->start, len)
						 : 0;

	if (ret) {
		log_limited(&container->log, LOG_ERROR,
			    "%s: the host does not unmap IOVA 0x%llx-0x%llx: %s", container->name,
			    (unsigned long long)m->start, (unsigned long long)m->last,
			    strerror(-ret));
		return ret;
	}
	vfio_reach_forget(&container->reach, m);
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
	ret = vfio_type1_info(container->fd, &now);
	if (ret)
		return ret;
	if (!info_is_same(&now, &container->told)) {
		log_limited(&container->log, LOG_ERROR,
			    "%s: the host's IOMMU can no longer map what the guest was told it can "
			    "(a device has come to the group?): restart the guest",
			    container->name);
		return -ESTALE;
	}
	return now.has_avail && now.avail < count ? -ENOSPC : 0;
}

static void container_clear(struct dma_listener *listener)
{
	struct vfio_container *container = container_of_listener(listener);
	int ret;

	vfio_reach_clear(&container->reach);
	if (is_deserted(container))
		return;
	ret = vfio_type1_clear(container->fd, container->unmap_all);
	if (ret)
		log_limited(&container->log, LOG_ERROR,
			    "%s: the host does not empty its IOMMU's table: %s", container->name,
			    strerror(-ret));
}

int vfio_container_fill(struct vfio_container *container)
{
	for (unsigned i = 0; i < memory_count(container->vm->memory); i++) {
		struct range ram;
		void *host = memory_range(container->vm->memory, i, &ram);
		int ret = vfio_type1_map(container->fd, ram.start, host, ram.last - ram.start + 1,
					 DMA_READ | DMA_WRITE);

		if (ret) {
			const struct dma_mapping m = { ram.start, ram.last, ram.start, 0, false };

			container_clear(&container->listener);
			return refused(container, &m, ret);
		}
	}
	vfio_reach_all(&container->reach);
	return 0;
}

static int container_bypass(struct dma_listener *listener)
{
	struct vfio_container *container = container_of_listener(listener);

	return is_deserted(container) ? 0 : vfio_container_fill(container);
}

static bool container_masters(const struct dma_listener *listener)
{
	return container_of(listener, const struct vfio_container, listener)->masters;
}

static const struct dma_listener_ops container_listener = {
	.map = container_map,
	.unmap = container_unmap,
	.check = container_check,
	.clear = container_clear,
	.bypass = container_bypass,
	.masters = container_masters,
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
	vfio_reach_init(&container->reach);
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
	vfio_reach_leave(&container->reach);
	if (container->fd >= 0)
		vfio_sys_close(container->fd);
	free(container);
}

void vfio_container_join(struct vfio_container *container, struct vfio_peers *peers)
{
	vfio_reach_join(&container->reach, peers, container->fd, container->unmap_all,
			container->name);
}

void vfio_container_enter(struct vfio_container *container)
{
	container->devices++;
}

/*
 * Without a device it needs no registers of others. They are unmapped here, as the host does not
 * let us do that once the group has left the container.
 */
void vfio_container_leave(struct vfio_container *container)
{
	if (container->devices == 1)
		vfio_reach_leave(&container->reach);
	container->devices--;
}

int vfio_container_attach(struct vfio_container *container, int group_fd, const char *name,
			  struct error *err)
{
	int ret = vfio_sys_ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, &container->fd);
	struct vfio_problem problem;

	if (!ret && !container->has_iommu)
		ret = vfio_sys_ioctl_value(container->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
	if (ret == -EPERM) {
		vfio_problem_not_remapped(&problem, "the device");
		return vfio_problem_error(&problem, name, ret, err);
	}
	if (ret)
		return error_set(err, ret, "%s: the host's IOMMU does not take its group: %s", name,
				 strerror(-ret));
	container->has_iommu = true;
	return 0;
}

int vfio_container_learn(struct vfio_container *container, struct error *err)
{
	int ret = vfio_type1_info(container->fd, &container->told);

	if (ret)
		return error_set(err, ret, "%s: the host's IOMMU does not say what it can map: %s",
				 container->name, strerror(-ret));
	return 0;
}
