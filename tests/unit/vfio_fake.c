/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One file, though long: it is one kernel, whose containers, groups, devices and ioctls refer to
 * each other.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../vfio/sys.h"
#include "cmocka_all.h"
#include "vfio_fake.h"

/* fds that no kernel hands out to a test. */
enum { FD_CONTAINER = 100000, FD_GROUP = 110000, FD_DEVICE = 120000, FD_KVM = 130000 };

#define REGION_SHIFT 40
#define PAGE	     4096

struct vfio_fake vfio_fake;

void vfio_fake_init(void)
{
	memset(&vfio_fake, 0, sizeof(vfio_fake));
	vfio_fake.page_sizes = 0x40201000;
	vfio_fake.ranges[0] = (struct range){ 0, 0xfedfffff };
	vfio_fake.ranges[1] = (struct range){ 0xfef00000, (1ULL << 48) - 1 };
	vfio_fake.range_count = 2;
	vfio_fake.map_limit = FAKE_MAPS;
	for (unsigned i = 0; i < FAKE_GROUPS; i++)
		vfio_fake.groups[i].container = vfio_fake.groups[i].number = -1;
}

void vfio_fake_end(void)
{
	for (unsigned i = 0; i < FAKE_CONTAINERS; i++)
		assert_false(vfio_fake.containers[i].open);
	for (unsigned i = 0; i < FAKE_GROUPS; i++)
		assert_false(vfio_fake.groups[i].open);
	for (unsigned i = 0; i < FAKE_DEVICES; i++) {
		struct fake_device *device = &vfio_fake.devices[i];

		assert_false(device->open);
		assert_int_equal(device->mapped, 0);
		for (unsigned n = 0; n < FAKE_REGIONS; n++)
			free(device->regions[n].memory);
	}
}

static void fake_group(int number)
{
	for (unsigned i = 0; i < FAKE_GROUPS; i++) {
		struct fake_group *group = &vfio_fake.groups[i];

		if (group->number == number)
			return;
		if (group->number < 0) {
			group->number = number;
			return;
		}
	}
	fail();
}

struct fake_device *vfio_fake_device(const char *name, int group)
{
	struct fake_device *device = vfio_fake.devices;

	while (device->name)
		device++;
	fake_group(group);
	*device = (struct fake_device){ .name = name,
					.group = group,
					.config_size = 4096,
					.unmask_fd = -1,
					.error_fd = -1,
					.request_fd = -1,
					.vectors_max = FAKE_VECTORS };
	return device;
}

void vfio_fake_region(struct fake_device *device, unsigned n, u64 size, u32 flags)
{
	struct fake_region *region = &device->regions[n];

	region->size = size;
	region->flags = flags | VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	assert_int_equal(posix_memalign((void **)&region->memory, PAGE, MAX(size, PAGE)), 0);
	memset(region->memory, 0, MAX(size, PAGE));
}

const struct fake_map *vfio_fake_find(unsigned container, u64 iova)
{
	const struct fake_container *c = &vfio_fake.containers[container];

	for (unsigned i = 0; i < c->map_count; i++) {
		if (iova >= c->maps[i].iova && iova - c->maps[i].iova < c->maps[i].size)
			return &c->maps[i];
	}
	return NULL;
}

bool vfio_fake_raise(struct fake_device *device, unsigned n)
{
	u64 one = 1;

	return n < device->vector_count && device->vectors[n] >= 0 &&
	       write(device->vectors[n], &one, sizeof(one)) == sizeof(one);
}

static bool is_memory_of(const struct fake_device *device, const void *host)
{
	for (unsigned n = 0; n < FAKE_REGIONS; n++) {
		const struct fake_region *region = &device->regions[n];

		if (region->memory && (const u8 *)host >= region->memory &&
		    (const u8 *)host < region->memory + region->size)
			return true;
	}
	return false;
}

/* ---- files ---- */

int vfio_sys_open(const char *path)
{
	const char *name = strstr(path, "/vfio/");

	assert_non_null(name);
	name += strlen("/vfio/");
	for (unsigned i = 0; !strcmp(name, "vfio") && i < FAKE_CONTAINERS; i++) {
		if (vfio_fake.containers[i].open)
			continue;
		vfio_fake.containers[i] = (struct fake_container){ .open = true };
		return FD_CONTAINER + i;
	}
	for (unsigned i = 0; i < FAKE_GROUPS; i++) {
		struct fake_group *group = &vfio_fake.groups[i];

		if (group->number < 0 || atoi(name) != group->number)
			continue;
		if (group->open)
			return -EBUSY;
		if (vfio_fake.gate && vfio_fake.gate(group->number, true))
			return -EBUSY;
		group->open = !group->open_error;
		return group->open ? (int)(FD_GROUP + i) : group->open_error;
	}
	return -ENOENT;
}

static struct fake_container *container_of_fd(int fd)
{
	unsigned n = fd - FD_CONTAINER;

	return n < FAKE_CONTAINERS ? &vfio_fake.containers[n] : NULL;
}

static struct fake_group *group_of_fd(int fd)
{
	unsigned n = fd - FD_GROUP;

	return n < FAKE_GROUPS ? &vfio_fake.groups[n] : NULL;
}

static struct fake_device *device_of_fd(int fd)
{
	unsigned n = fd - FD_DEVICE;

	return n < FAKE_DEVICES ? &vfio_fake.devices[n] : NULL;
}

/* "When removing the last group from a container ... all state lost". Devices go first. */
static void group_close(struct fake_group *group)
{
	struct fake_container *container;

	for (unsigned i = 0; i < FAKE_DEVICES; i++)
		assert_false(vfio_fake.devices[i].open &&
			     vfio_fake.devices[i].group == group->number);
	group->open = false;
	if (vfio_fake.gate)
		vfio_fake.gate(group->number, false);
	if (group->container < 0)
		return;
	container = &vfio_fake.containers[group->container];
	group->container = -1;
	if (!--container->groups)
		container->map_count = 0;
}

/* type1 keeps pages mapped whose device has gone: nobody else takes them away. */
static void assert_registers_unmapped(const struct fake_device *device)
{
	for (unsigned i = 0; i < FAKE_CONTAINERS; i++) {
		const struct fake_container *container = &vfio_fake.containers[i];

		for (unsigned k = 0; k < container->map_count; k++)
			assert_false(is_memory_of(device, (void *)container->maps[k].host));
	}
}

void vfio_sys_close(int fd)
{
	if (fd == FD_KVM)
		return;
	if (container_of_fd(fd)) {
		container_of_fd(fd)->open = false;
	} else if (group_of_fd(fd)) {
		group_close(group_of_fd(fd));
	} else {
		struct fake_device *device = device_of_fd(fd);

		assert_non_null(device);
		assert_true(device->open);
		assert_int_equal(device->mapped, 0);
		assert_registers_unmapped(device);
		device->open = false;
		device->vector_count = 0;
	}
}

/* ---- containers ---- */

static u32 put_ranges(u8 *bytes, u32 at)
{
	struct vfio_iommu_type1_info_cap_iova_range *cap = (void *)(bytes + at);

	cap->header = (struct vfio_info_cap_header){ .id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE };
	cap->nr_iovas = vfio_fake.range_count;
	for (unsigned i = 0; i < vfio_fake.range_count; i++) {
		cap->iova_ranges[i].start = vfio_fake.ranges[i].start;
		cap->iova_ranges[i].end = vfio_fake.ranges[i].last;
	}
	cap->header.next = at + sizeof(*cap) + vfio_fake.range_count * sizeof(cap->iova_ranges[0]);
	return cap->header.next;
}

static int container_info(struct fake_container *container, struct vfio_iommu_type1_info *info)
{
	struct vfio_iommu_type1_info_dma_avail *avail;
	u8 *bytes = (u8 *)info;
	u32 at;

	assert_true(info->argsz >= 512);
	assert_true(container->typed);
	info->flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	info->iova_pgsizes = vfio_fake.page_sizes;
	info->cap_offset = 32;
	at = put_ranges(bytes, 32);
	if (vfio_fake.no_avail) {
		((struct vfio_info_cap_header *)(bytes + 32))->next = 0;
		return 0;
	}
	avail = (void *)(bytes + at);
	avail->header = (struct vfio_info_cap_header){ .id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL };
	avail->avail = vfio_fake.map_limit - container->map_count;
	return 0;
}

static bool is_mappable(u64 first, u64 last)
{
	for (unsigned i = 0; i < vfio_fake.range_count; i++) {
		if (range_contains(vfio_fake.ranges[i].start, vfio_fake.ranges[i].last, first,
				   last))
			return true;
	}
	return false;
}

static int container_map(struct fake_container *container,
			 const struct vfio_iommu_type1_dma_map *map)
{
	u64 last = map->iova + map->size - 1;

	vfio_fake.map_calls++;
	if (vfio_fake.fail_map_at && !--vfio_fake.fail_map_at)
		return vfio_fake.fail_map_error;
	if (!map->size || (map->iova | map->size | map->vaddr) % PAGE ||
	    !(map->flags & (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)))
		return -EINVAL;
	for (unsigned i = 0; i < container->map_count; i++) {
		const struct fake_map *m = &container->maps[i];

		if (range_overlaps(m->iova, m->iova + m->size - 1, map->iova, last))
			return -EEXIST;
	}
	if (container->map_count >= vfio_fake.map_limit)
		return -ENOSPC;
	if (!is_mappable(map->iova, last))
		return -EINVAL;
	container->maps[container->map_count++] = (struct fake_map){ map->iova, map->size,
								     map->vaddr, map->flags };
	return 0;
}

/* v2: what lies wholly inside goes; what would be cut is -EINVAL. */
static int container_unmap(struct fake_container *container,
			   struct vfio_iommu_type1_dma_unmap *unmap)
{
	bool all = unmap->flags & VFIO_DMA_UNMAP_FLAG_ALL;
	u64 last = unmap->iova + unmap->size - 1;
	unsigned kept = 0;

	vfio_fake.unmap_calls++;
	vfio_fake.clears += all;
	if (all ? vfio_fake.no_unmap_all || unmap->iova || unmap->size
		: !unmap->size || last < unmap->iova)
		return -EINVAL;
	for (unsigned i = 0; i < container->map_count && !all; i++) {
		const struct fake_map *m = &container->maps[i];
		u64 m_last = m->iova + m->size - 1;

		if (range_overlaps(m->iova, m_last, unmap->iova, last) &&
		    !range_contains(unmap->iova, last, m->iova, m_last))
			return -EINVAL;
	}
	for (unsigned i = 0; i < container->map_count && !all; i++) {
		if (!range_contains(unmap->iova, last, container->maps[i].iova,
				    container->maps[i].iova + container->maps[i].size - 1))
			container->maps[kept++] = container->maps[i];
	}
	container->map_count = kept;
	return 0;
}

static int container_ioctl(struct fake_container *container, unsigned long request, void *argument)
{
	assert_true(container->open);
	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_IOMMU_GET_INFO:
		return container_info(container, argument);
	case VFIO_IOMMU_MAP_DMA:
		return container_map(container, argument);
	case VFIO_IOMMU_UNMAP_DMA:
		return container_unmap(container, argument);
	}
	return -ENOTTY;
}

/* ---- groups ---- */

static int group_attach(struct fake_group *group, int fd)
{
	if (vfio_fake.attach_error)
		return vfio_fake.attach_error;
	if (group->container >= 0)
		return -EINVAL;
	group->container = fd - FD_CONTAINER;
	vfio_fake.containers[group->container].groups++;
	return 0;
}

static int group_device(const struct fake_group *group, const char *name)
{
	for (unsigned i = 0; i < FAKE_DEVICES; i++) {
		struct fake_device *device = &vfio_fake.devices[i];

		if (!device->name || strcmp(device->name, name))
			continue;
		assert_int_equal(device->group, group->number);
		assert_false(device->open);
		device->open = true;
		return FD_DEVICE + i;
	}
	return -ENODEV;
}

static int group_ioctl(struct fake_group *group, unsigned long request, void *argument)
{
	assert_true(group->open);
	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)argument)->flags =
			(group->not_viable ? 0 : VFIO_GROUP_FLAGS_VIABLE) |
			(group->container >= 0 ? VFIO_GROUP_FLAGS_CONTAINER_SET : 0);
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		return group_attach(group, *(int *)argument);
	case VFIO_GROUP_GET_DEVICE_FD:
		return group->container < 0 ? -EINVAL : group_device(group, argument);
	}
	return -ENOTTY;
}

/* ---- devices ---- */

static int device_region(const struct fake_device *device, struct vfio_region_info *info)
{
	struct vfio_region_info_cap_sparse_mmap *sparse = (void *)((u8 *)info + sizeof(*info));
	const struct fake_region *region = &device->regions[info->index];

	info->offset = (u64)info->index << REGION_SHIFT;
	info->cap_offset = info->flags = 0;
	if (info->index == VFIO_PCI_CONFIG_REGION_INDEX) {
		info->size = device->config_size;
		return 0;
	}
	info->size = region->size;
	info->flags = region->flags;
	if (!region->area_count || info->argsz < 256)
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	info->cap_offset = sizeof(*info);
	sparse->header = (struct vfio_info_cap_header){ .id = VFIO_REGION_INFO_CAP_SPARSE_MMAP };
	sparse->nr_areas = region->area_count;
	for (unsigned i = 0; i < region->area_count; i++) {
		sparse->areas[i].offset = region->areas[i].offset;
		sparse->areas[i].size = region->areas[i].size;
	}
	return 0;
}

static int device_irq_info(const struct fake_device *device, struct vfio_irq_info *info)
{
	if (info->index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	info->count = device->irq_counts[info->index];
	info->flags = VFIO_IRQ_INFO_EVENTFD | device->irq_flags[info->index];
	return 0;
}

/* vfio-pci: one of INTx, MSI and MSI-X at a time; [start, start + count) of what is on. */
static int set_trigger(struct fake_device *device, const struct vfio_irq_set *set, const int *fds)
{
	bool fixed = device->irq_flags[set->index] & VFIO_IRQ_INFO_NORESIZE ||
		     set->index != VFIO_PCI_MSIX_IRQ_INDEX;
	u32 end = set->start + set->count;

	if (device->vector_count && device->irq_on != set->index)
		return -EINVAL;
	if (set->flags & VFIO_IRQ_SET_DATA_NONE) {
		assert_int_equal(set->count, 0);
		device->switched_off += !!device->vector_count;
		device->vector_count = 0;
		return 0;
	}
	if (end > device->irq_counts[set->index] ||
	    (device->vector_count && fixed && end > device->vector_count))
		return -EINVAL;
	if (end > device->vectors_max)
		return device->vectors_max;
	for (u32 i = device->vector_count; i < end; i++)
		device->vectors[i] = -1;
	for (u32 i = 0; i < set->count; i++)
		device->vectors[set->start + i] = fds[i];
	device->irq_on = set->index;
	device->vector_count = MAX(device->vector_count, end);
	return 0;
}

static int device_set_irqs(struct fake_device *device, const struct vfio_irq_set *set)
{
	const int *fds = (const void *)set->data;

	if (set->flags & VFIO_IRQ_SET_ACTION_UNMASK) {
		if (set->index != VFIO_PCI_INTX_IRQ_INDEX || !device->vector_count ||
		    device->irq_on != set->index)
			return -EINVAL;
		device->unmask_fd = fds[0];
		return 0;
	}
	switch (set->index) {
	case VFIO_PCI_ERR_IRQ_INDEX:
		device->error_fd = fds[0];
		return 0;
	case VFIO_PCI_REQ_IRQ_INDEX:
		device->request_fd = fds[0];
		return 0;
	default:
		return set_trigger(device, set, fds);
	}
}

static int device_hot_reset_info(const struct fake_device *device,
				 struct vfio_pci_hot_reset_info *info)
{
	if (!device->hot_reset)
		return -ENODEV;
	info->count = 0;
	for (unsigned i = 0; i < FAKE_DEVICES; i++) {
		if (vfio_fake.devices[i].name && vfio_fake.devices[i].hot_reset)
			info->devices[info->count++].group_id = vfio_fake.devices[i].group;
	}
	return 0;
}

static int device_ioctl(struct fake_device *device, unsigned long request, void *argument)
{
	assert_true(device->open);
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		((struct vfio_device_info *)argument)->flags =
			VFIO_DEVICE_FLAGS_PCI | (device->no_reset ? 0 : VFIO_DEVICE_FLAGS_RESET);
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return device_region(device, argument);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return device_irq_info(device, argument);
	case VFIO_DEVICE_SET_IRQS:
		return device_set_irqs(device, argument);
	case VFIO_DEVICE_RESET:
		if (device->during_reset)
			device->during_reset();
		device->resets++;
		return device->no_reset ? -ENOTTY : 0;
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return device_hot_reset_info(device, argument);
	case VFIO_DEVICE_PCI_HOT_RESET:
		device->hot_resets++;
		return 0;
	}
	return -ENOTTY;
}

static bool refuses(unsigned long request)
{
	if (request != vfio_fake.refuse_request)
		return false;
	return !vfio_fake.refuse_after || !vfio_fake.refuse_after--;
}

int vfio_sys_ioctl(int fd, unsigned long request, void *argument)
{
	if (refuses(request))
		return vfio_fake.refuse_error;
	if (request == KVM_CREATE_DEVICE) {
		((struct kvm_create_device *)argument)->fd = FD_KVM;
		return 0;
	}
	if (request == KVM_SET_DEVICE_ATTR)
		return 0;
	if (container_of_fd(fd))
		return container_ioctl(container_of_fd(fd), request, argument);
	if (group_of_fd(fd))
		return group_ioctl(group_of_fd(fd), request, argument);
	assert_non_null(device_of_fd(fd));
	return device_ioctl(device_of_fd(fd), request, argument);
}

int vfio_sys_ioctl_value(int fd, unsigned long request, unsigned long value)
{
	struct fake_container *container = container_of_fd(fd);

	assert_non_null(container);
	if (request == VFIO_CHECK_EXTENSION)
		return value == VFIO_UNMAP_ALL ? !vfio_fake.no_unmap_all : !vfio_fake.no_type1;
	assert_int_equal(request, VFIO_SET_IOMMU);
	assert_false(container->typed);
	assert_true(container->groups);
	container->typed = !vfio_fake.set_iommu_error;
	return vfio_fake.set_iommu_error;
}

/* ---- registers ---- */

static u8 *register_at(struct fake_device *device, size_t size, u64 offset)
{
	unsigned n = offset >> REGION_SHIFT;
	u64 at = offset & ((1ULL << REGION_SHIFT) - 1);

	assert_true(device->open && n < FAKE_REGIONS);
	if (n == VFIO_PCI_CONFIG_REGION_INDEX)
		return at + size <= device->config_size ? device->config + at : NULL;
	return at + size <= device->regions[n].size ? device->regions[n].memory + at : NULL;
}

ssize_t vfio_sys_read(int fd, void *data, size_t size, u64 offset)
{
	const u8 *from = register_at(device_of_fd(fd), size, offset);

	if (!from || vfio_fake.no_reads)
		return -EINVAL;
	memcpy(data, from, size);
	return size;
}

ssize_t vfio_sys_write(int fd, const void *data, size_t size, u64 offset)
{
	struct fake_device *device = device_of_fd(fd);
	u8 *to = register_at(device, size, offset);

	if (!to)
		return -EINVAL;
	memcpy(to, data, size);
	device->config_writes += offset >> REGION_SHIFT == VFIO_PCI_CONFIG_REGION_INDEX;
	return size;
}

void *vfio_sys_map(int fd, u64 offset, u64 size, bool writable)
{
	struct fake_device *device = device_of_fd(fd);
	u8 *at = register_at(device, size, offset);

	assert_non_null(at);
	assert_int_equal((offset | size) % PAGE, 0);
	if (vfio_fake.refuse_mmap)
		return NULL;
	device->mapped++;
	return at;
}

void vfio_sys_unmap(void *host, u64 size)
{
	for (unsigned i = 0; i < FAKE_DEVICES; i++) {
		if (!is_memory_of(&vfio_fake.devices[i], host))
			continue;
		vfio_fake.devices[i].mapped--;
		return;
	}
	fail();
}
