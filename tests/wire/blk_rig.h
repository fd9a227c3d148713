/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk with options, on both transports, behind an IOMMU or not. */
#ifndef TESTS_WIRE_BLK_RIG_H
#define TESTS_WIRE_BLK_RIG_H

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#include "iommu_driver.h"
#include "pci_driver.h"
#include "virtio/blk.h"

#define BLK_F(bit)     (1ULL << (bit))
#define BLK_RIG_RINGS  0x100000 /* of queue 0; the next follow, 64 KiB each */
#define BLK_RIG_HEADER 0x1c0000
#define BLK_RIG_STATUS 0x1d0000
#define BLK_RIG_DATA   0x1e0000
#define BLK_RIG_SLOT   2
#define BLK_RIG_DOMAIN 1

enum blk_place { BLK_ON_MMIO, BLK_ON_PCI, BLK_ON_MMIO_BEHIND, BLK_ON_PCI_BEHIND };

struct blk_rig {
	struct rig iommu; /* vm NULL: there is none */
	struct vm *vm;
	enum blk_place place;
	struct disk *disk;
	struct virtio_device *device;
	struct pci_driver pci; /* vm NULL: it is on MMIO */
	struct wire_queue queues[VIRTIO_BLK_MAX_QUEUES];
	unsigned count;
};

/* The device is there, with @disk for its own, and what it reaches is mapped; not brought up. */
void blk_rig_create(struct blk_rig *rig, enum blk_place place, struct virtio_blk_options options,
		    struct disk *disk);
void blk_rig_destroy(struct blk_rig *rig);
u64 blk_rig_features(struct blk_rig *rig);
/* Reset, @features, all queues, DRIVER_OK. */
void blk_rig_up(struct blk_rig *rig, u64 features);
/* A field of the configuration space. */
u32 blk_rig_config(struct blk_rig *rig, u32 offset, unsigned len);
void blk_rig_set_config(struct blk_rig *rig, u32 offset, u8 value);

/* Put request @n, with its own header, status and 512 bytes of data, into a queue. No kick. */
void blk_rig_add(struct blk_rig *rig, unsigned queue, unsigned n, u32 type, u64 sector);
void blk_rig_kick(struct blk_rig *rig, unsigned queue);
/* The same, kicked. */
void blk_rig_start(struct blk_rig *rig, unsigned queue, unsigned n, u32 type, u64 sector);
/* Wait until one of the queue's is answered. */
bool blk_rig_used(struct blk_rig *rig, unsigned queue);
/* Its status; 0xee: not answered. */
u8 blk_rig_status(struct blk_rig *rig, unsigned n);
/* One in queue 0 from beginning to end. */
u8 blk_rig_do(struct blk_rig *rig, u32 type, u64 sector);
/* What the loop has to do now. */
void blk_rig_poll(struct blk_rig *rig);

#endif
