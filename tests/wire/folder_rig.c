/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "folder/folder.h"
#include "folder_rig.h"
#include "virtio/fs.h"
#include "virtio/mmio.h"
#include "virtio/p9.h"
#include "virtio/pci.h"

#define PCI_SLOT 3

static struct virtio_device *make(struct folder_rig *rig, struct dma_space *space)
{
	static const struct virtio_fs_options options = { .tag = "shared", .queues = 2 };
	static const struct folder_options folder_options = { .map = FOLDER_MAP_SQUASH };
	struct virtio_device *device;
	struct folder *folder;
	char path[80];

	snprintf(path, sizeof(path), "%s/shared", rig->base);
	assert_int_equal(folder_open(&folder, path, &folder_options, NULL), 0);
	if (rig->is_9p)
		assert_int_equal(
			virtio_p9_create(&device, folder, "shared", 0, rig->vm->loop, space), 0);
	else
		assert_int_equal(
			virtio_fs_create(&device, folder, &options, 0, rig->vm->loop, space), 0);
	return device;
}

static void add_device(struct folder_rig *rig, enum folder_place place)
{
	static const struct viommu_config config;
	struct device_resource slot;

	rig->has_iommu = place == FOLDER_BEHIND_IOMMU;
	if (rig->has_iommu) {
		rig_create(&rig->iommu, &config);
		rig->vm = rig->iommu.vm;
	} else {
		rig->vm = wire_create();
	}
	rig->device = make(rig, rig->has_iommu ? rig->iommu.a : &rig->vm->identity.space);
	if (place == FOLDER_ON_PCI) {
		pci_rig_create(rig->vm);
		assert_int_equal(virtio_pci_create(rig->vm, rig->vm->pci, rig->device,
						   PCI_SLOT << 3, DEVICE_NO_ENDPOINT),
				 0);
		assert_int_equal(pci_bus_place_bars(rig->vm->pci, NULL), 0);
		pci_driver_find(&rig->pci, rig->vm, PCI_SLOT);
		return;
	}
	wire_slot(FOLDER_SLOT, &slot);
	assert_int_equal(virtio_mmio_create(rig->vm, rig->device, &slot,
					    rig->has_iommu ? ENDPOINT_A : DEVICE_NO_ENDPOINT,
					    false),
			 0);
}

void folder_rig_bring_up(struct folder_rig *rig)
{
	u64 features = rig->has_iommu ? 1ull << VIRTIO_F_ACCESS_PLATFORM : 0;

	assert_true(rig->pci.vm ? pci_driver_negotiate(&rig->pci, 0)
				: wire_negotiate(rig->vm, FOLDER_SLOT, features));
	for (unsigned i = 0; i < (rig->is_9p ? 1 : FOLDER_QUEUES); i++) {
		if (rig->pci.vm)
			pci_driver_queue(&rig->pci, &rig->queues[i], i, 128,
					 FOLDER_RINGS + i * 0x10000);
		else
			wire_queue_init(&rig->queues[i], rig->vm, FOLDER_SLOT, i, 128,
					FOLDER_RINGS + i * 0x10000);
	}
	if (rig->pci.vm)
		pci_driver_ok(&rig->pci);
	else
		wire_driver_ok(rig->vm, FOLDER_SLOT);
}

int folder_rig_setup(void **state, enum folder_place place, bool is_9p)
{
	struct folder_rig *rig = calloc(1, sizeof(*rig));
	char path[80];

	rig->is_9p = is_9p;
	strcpy(rig->base, "/var/tmp/lkvm-test-XXXXXX");
	assert_non_null(mkdtemp(rig->base));
	snprintf(path, sizeof(path), "%s/shared", rig->base);
	assert_int_equal(mkdir(path, 0755), 0);
	rig->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	add_device(rig, place);
	if (rig->has_iommu) {
		rig_start(&rig->iommu, ALL_FEATURES);
		assert_int_equal(rig_attach(&rig->iommu, FOLDER_DOMAIN, ENDPOINT_A, 0), 0);
		assert_int_equal(rig_map(&rig->iommu, FOLDER_DOMAIN, FOLDER_RINGS, FOLDER_LAST,
					 FOLDER_RINGS, READ_WRITE),
				 0);
	}
	folder_rig_bring_up(rig);
	*state = rig;
	return 0;
}

int folder_rig_remove_files(struct folder_rig *rig)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", rig->base);
	return system(command);
}

int folder_rig_teardown(void **state)
{
	struct folder_rig *rig = *state;
	int ret;

	if (rig->has_iommu)
		rig_destroy(&rig->iommu);
	else
		wire_destroy(rig->vm);
	close(rig->fd);
	ret = folder_rig_remove_files(rig);
	free(rig);
	return ret;
}

void folder_rig_kick(struct folder_rig *rig, unsigned queue)
{
	if (rig->pci.vm)
		pci_driver_kick(&rig->pci, &rig->queues[queue]);
	else
		wire_kick(&rig->queues[queue]);
}

bool folder_rig_used(struct folder_rig *rig, unsigned queue, u32 *len)
{
	return rig->pci.vm ? pci_driver_used(&rig->pci, &rig->queues[queue], len)
			   : wire_used(&rig->queues[queue], NULL, len);
}

void folder_rig_add(struct folder_rig *rig, unsigned queue, unsigned n, const void *message,
		    u32 len, u32 room)
{
	struct wire_segment parts[] = { { FOLDER_IN + n * 0x1000, len, false },
					{ FOLDER_OUT + n * 0x1000, room, true } };

	wire_write(rig->vm, parts[0].address, message, len);
	wire_add(&rig->queues[queue], parts, room ? 2 : 1);
}

void folder_rig_ask(struct folder_rig *rig, unsigned queue, const void *message, u32 len, u32 room)
{
	folder_rig_add(rig, queue, 0, message, len, room);
	folder_rig_kick(rig, queue);
	assert_true(folder_rig_used(rig, queue, &rig->len));
	assert_true(rig->len <= room);
	if (rig->len)
		wire_read(rig->vm, FOLDER_OUT, rig->answer, rig->len);
}

bool folder_rig_holds(struct folder_rig *rig, const char *name, const char *text)
{
	char data[100] = "";
	int fd = openat(rig->fd, name, O_RDONLY | O_CLOEXEC);
	bool right = fd >= 0 && read(fd, data, sizeof(data) - 1) >= 0 && !strcmp(data, text);

	close(fd);
	return right;
}
