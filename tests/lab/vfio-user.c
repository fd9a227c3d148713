/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio-user.h"

int failures;

bool says(const char *name, const char *bdf, bool ok, const char *what)
{
	printf("%s %s: %s%s\n", name, bdf, ok ? "" : "FAILED: ", what);
	fflush(stdout);
	failures += !ok;
	return ok;
}

void fail(const char *bdf, const char *what)
{
	printf("vfio %s: FAILED: %s: %s\n", bdf, what, strerror(errno));
	exit(1);
}

char *new_memory(void)
{
	char *memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		fail("", "no memory");
	return memory;
}

/* ---- groups ---- */

/* The group's number, as the link that sysfs has for it says. */
static int group_number(const char *bdf)
{
	char path[128], target[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		fail(bdf, "it is in no IOMMU group");
	target[n] = 0;
	return atoi(strrchr(target, '/') + 1);
}

/* The first group decides what kind of IOMMU it is; the others have to fit. */
static int group_open(struct container *container, const char *bdf, int number)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/vfio/%d", number);
	fd = open(path, O_RDWR);
	if (fd < 0)
		fail(bdf, path);
	if (ioctl(fd, VFIO_GROUP_SET_CONTAINER, &container->fd))
		fail(bdf, "its group cannot join the container");
	if (!container->count && ioctl(container->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		fail(bdf, "cannot set the container's IOMMU");
	return fd;
}

static int group_of(struct container *container, const char *bdf)
{
	int number = group_number(bdf);
	unsigned n;

	if (!container->memory) {
		container->memory = new_memory();
		container->fd = open("/dev/vfio/vfio", O_RDWR);
		if (container->fd < 0)
			fail(bdf, "/dev/vfio/vfio");
	}
	for (n = 0; n < container->count; n++) {
		if (container->numbers[n] == number)
			return container->groups[n];
	}
	if (n == MAX_GROUPS)
		fail(bdf, "too many groups");
	container->groups[n] = group_open(container, bdf, number);
	container->numbers[n] = number;
	container->count++;
	return container->groups[n];
}

/* ---- devices ---- */

static uint64_t region_offset(int device, unsigned index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	return ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) ? 0 : info.offset;
}

uint32_t device_read_config(int device, unsigned offset, unsigned len)
{
	uint64_t config = region_offset(device, VFIO_PCI_CONFIG_REGION_INDEX);
	uint32_t value = 0;

	if (pread(device, &value, len, config + offset) != (ssize_t)len)
		fail("", "cannot read configuration space");
	return value;
}

int device_open(struct container *container, const char *bdf)
{
	int device = ioctl(group_of(container, bdf), VFIO_GROUP_GET_DEVICE_FD, bdf);
	uint16_t command;

	if (device < 0)
		fail(bdf, "cannot open it");
	ioctl(device, VFIO_DEVICE_RESET);
	command = device_read_config(device, PCI_COMMAND, 2) | PCI_COMMAND_MEMORY |
		  PCI_COMMAND_MASTER;
	if (pwrite(device, &command, 2,
		   region_offset(device, VFIO_PCI_CONFIG_REGION_INDEX) + PCI_COMMAND) != 2)
		fail(bdf, "cannot write its configuration space");
	return device;
}

volatile void *device_map_bar(int device, const char *bdf, unsigned bar)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = bar };
	void *registers;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) || !info.size)
		fail(bdf, "it has no such BAR");
	registers = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, info.offset);
	if (registers == MAP_FAILED)
		fail(bdf, "cannot map its BAR");
	return registers;
}

/* ---- memory ---- */

int container_map(const struct container *container, uint64_t iova, uint32_t access)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
						.flags = access,
						.vaddr = (uintptr_t)container->memory,
						.iova = iova,
						.size = MEMORY_BYTES };

	return ioctl(container->fd, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

int container_unmap(const struct container *container, uint64_t iova)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap),
						    .iova = iova,
						    .size = MEMORY_BYTES };

	return ioctl(container->fd, VFIO_IOMMU_UNMAP_DMA, &unmap) ? -errno : 0;
}

uint64_t physical_address(const void *at)
{
	size_t size = sysconf(_SC_PAGESIZE);
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd < 0 || pread(fd, &entry, 8, (uintptr_t)at / size * 8) != 8)
		entry = 0;
	close(fd);
	return (entry & ((1ull << 55) - 1)) * size;
}
