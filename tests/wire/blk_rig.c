/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "blk_rig.h"
#include "cmocka_all.h"
#include "virtio/mmio.h"
#include "virtio/pci.h"

static bool is_behind(const struct blk_rig *rig)
{
	return rig->place >= BLK_ON_MMIO_BEHIND;
}

static bool is_on_pci(const struct blk_rig *rig)
{
	return rig->place == BLK_ON_PCI || rig->place == BLK_ON_PCI_BEHIND;
}

static u32 endpoint_of(const struct blk_rig *rig)
{
	if (!is_behind(rig))
		return DEVICE_NO_ENDPOINT;
	return is_on_pci(rig) ? BLK_RIG_SLOT << 3 : ENDPOINT_A;
}

static struct dma_space *make_space(struct blk_rig *rig)
{
	static const struct viommu_config config;
	static const struct dma_limits limits = {
		.page_size_mask = 0x1000,
		.aperture = { 0, UINT64_MAX },
	};
	struct dma_space *space;

	if (!is_behind(rig)) {
		rig->vm = wire_create();
		return &rig->vm->identity.space;
	}
	rig_create(&rig->iommu, &config);
	rig->vm = rig->iommu.vm;
	if (!is_on_pci(rig))
		return rig->iommu.a;
	assert_int_equal(viommu_add_endpoint(rig->iommu.viommu, endpoint_of(rig), "disk", &limits,
					     NULL, &space, NULL),
			 0);
	return space;
}

static void put(struct blk_rig *rig)
{
	struct device_resource slot;

	if (is_on_pci(rig)) {
		pci_rig_create(rig->vm);
		assert_int_equal(virtio_pci_create(rig->vm, rig->vm->pci, rig->device,
						   BLK_RIG_SLOT << 3, endpoint_of(rig)),
				 0);
		assert_int_equal(pci_bus_place_bars(rig->vm->pci, NULL), 0);
		pci_driver_find(&rig->pci, rig->vm, BLK_RIG_SLOT);
		return;
	}
	wire_slot(BLK_RIG_SLOT, &slot);
	assert_int_equal(virtio_mmio_create(rig->vm, rig->device, &slot, endpoint_of(rig), false),
			 0);
}

void blk_rig_create(struct blk_rig *rig, enum blk_place place, struct virtio_blk_options options,
		    struct disk *disk)
{
	struct dma_space *space;

	memset(rig, 0, sizeof(*rig));
	rig->place = place;
	space = make_space(rig);
	rig->disk = disk;
	options.vm = rig->vm;
	rig->count = MAX(options.queues, 1u);
	assert_int_equal(virtio_blk_create(&rig->device, rig->disk, &options, rig->vm->loop, space),
			 0);
	put(rig);
	if (!is_behind(rig))
		return;
	rig_start(&rig->iommu, ALL_FEATURES);
	assert_int_equal(rig_attach(&rig->iommu, BLK_RIG_DOMAIN, endpoint_of(rig), 0), 0);
	assert_int_equal(
		rig_map(&rig->iommu, BLK_RIG_DOMAIN, 0x100000, 0x1fffff, 0x100000, READ_WRITE), 0);
}

void blk_rig_destroy(struct blk_rig *rig)
{
	if (is_behind(rig))
		rig_destroy(&rig->iommu);
	else
		wire_destroy(rig->vm);
}

u64 blk_rig_features(struct blk_rig *rig)
{
	return is_on_pci(rig) ? pci_driver_features(&rig->pci)
			      : wire_features(rig->vm, BLK_RIG_SLOT);
}

void blk_rig_up(struct blk_rig *rig, u64 features)
{
	features |= is_behind(rig) ? BLK_F(VIRTIO_F_ACCESS_PLATFORM) : 0;
	assert_true(is_on_pci(rig) ? pci_driver_negotiate(&rig->pci, features)
				   : wire_negotiate(rig->vm, BLK_RIG_SLOT, features));
	for (unsigned i = 0; i < rig->count; i++) {
		gpa_t rings = BLK_RIG_RINGS + i * 0x10000;

		if (is_on_pci(rig))
			pci_driver_queue(&rig->pci, &rig->queues[i], i, 64, rings);
		else
			wire_queue_init(&rig->queues[i], rig->vm, BLK_RIG_SLOT, i, 64, rings);
	}
	if (is_on_pci(rig))
		pci_driver_ok(&rig->pci);
	else
		wire_driver_ok(rig->vm, BLK_RIG_SLOT);
}

u32 blk_rig_config(struct blk_rig *rig, u32 offset, unsigned len)
{
	return is_on_pci(rig) ? pci_driver_get(&rig->pci, &rig->pci.device, offset, len)
			      : wire_config_read(rig->vm, BLK_RIG_SLOT, offset, len);
}

void blk_rig_set_config(struct blk_rig *rig, u32 offset, u8 value)
{
	if (is_on_pci(rig))
		pci_driver_put(&rig->pci, &rig->pci.device, offset, value, 1);
	else
		wire_config_write(rig->vm, BLK_RIG_SLOT, offset, value, 1);
}

void blk_rig_add(struct blk_rig *rig, unsigned queue, unsigned n, u32 type, u64 sector)
{
	const struct virtio_blk_outhdr header = { .type = htole32(type),
						  .sector = htole64(sector) };
	const struct wire_segment status = { BLK_RIG_STATUS + n, 1, true };
	bool is_id = type == VIRTIO_BLK_T_GET_ID;
	struct wire_segment parts[] = { { BLK_RIG_HEADER + 16 * n, 16, false },
					{ BLK_RIG_DATA + 512 * n, is_id ? 20 : 512,
					  type == VIRTIO_BLK_T_IN || is_id },
					status };

	wire_write(rig->vm, parts[0].address, &header, sizeof(header));
	wire_fill(rig->vm, status.address, 0xee, 1);
	if (type == VIRTIO_BLK_T_FLUSH)
		parts[1] = status;
	wire_add(&rig->queues[queue], parts, type == VIRTIO_BLK_T_FLUSH ? 2 : 3);
}

void blk_rig_kick(struct blk_rig *rig, unsigned queue)
{
	if (is_on_pci(rig))
		pci_driver_kick(&rig->pci, &rig->queues[queue]);
	else
		wire_kick(&rig->queues[queue]);
}

void blk_rig_start(struct blk_rig *rig, unsigned queue, unsigned n, u32 type, u64 sector)
{
	blk_rig_add(rig, queue, n, type, sector);
	blk_rig_kick(rig, queue);
}

bool blk_rig_used(struct blk_rig *rig, unsigned queue)
{
	return is_on_pci(rig) ? pci_driver_used(&rig->pci, &rig->queues[queue], NULL)
			      : wire_used(&rig->queues[queue], NULL, NULL);
}

u8 blk_rig_status(struct blk_rig *rig, unsigned n)
{
	u8 status;

	wire_read(rig->vm, BLK_RIG_STATUS + n, &status, 1);
	return status;
}

u8 blk_rig_do(struct blk_rig *rig, u32 type, u64 sector)
{
	blk_rig_start(rig, 0, 0, type, sector);
	assert_true(blk_rig_used(rig, 0));
	return blk_rig_status(rig, 0);
}

void blk_rig_poll(struct blk_rig *rig)
{
	while (loop_poll(rig->vm->loop, 0) > 0)
		;
}
