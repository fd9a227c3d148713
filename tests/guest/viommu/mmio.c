/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Virtio Over MMIO". */
#include <linux/virtio_mmio.h>

#include "virtio.h"

#define MAGIC	       0x74726976
#define SLOTS	       0xfe000000UL
#define SLOT_COUNT     16
#define SLOT_SIZE      0x1000
#define FIRST_ENDPOINT 0x80000000u

static u32 mmio_features(struct virtio *device, u32 half)
{
	write32(device->base + VIRTIO_MMIO_DEVICE_FEATURES_SEL, half);
	return read32(device->base + VIRTIO_MMIO_DEVICE_FEATURES);
}

static void mmio_accept(struct virtio *device, u32 half, u32 features)
{
	write32(device->base + VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
	write32(device->base + VIRTIO_MMIO_DRIVER_FEATURES, features);
}

static u8 mmio_status(struct virtio *device)
{
	return read32(device->base + VIRTIO_MMIO_STATUS);
}

static void mmio_set_status(struct virtio *device, u8 status)
{
	write32(device->base + VIRTIO_MMIO_STATUS, status);
}

static u16 mmio_enable(struct virtio *device, u16 queue, u16 size, const u64 rings[3])
{
	static const u16 registers[] = {
		VIRTIO_MMIO_QUEUE_DESC_LOW,
		VIRTIO_MMIO_QUEUE_AVAIL_LOW,
		VIRTIO_MMIO_QUEUE_USED_LOW,
	};
	u32 max;

	write32(device->base + VIRTIO_MMIO_QUEUE_SEL, queue);
	max = read32(device->base + VIRTIO_MMIO_QUEUE_NUM_MAX);
	if (!max)
		return 0;
	size = size < max ? size : max;
	write32(device->base + VIRTIO_MMIO_QUEUE_NUM, size);
	for (unsigned i = 0; i < COUNT(registers); i++) {
		write32(device->base + registers[i], rings[i]);
		write32(device->base + registers[i] + 4, rings[i] >> 32);
	}
	write32(device->base + VIRTIO_MMIO_QUEUE_READY, 1);
	device->doorbells[queue] = device->base + VIRTIO_MMIO_QUEUE_NOTIFY;
	return size;
}

static const struct virtio_ops mmio_ops = {
	.features = mmio_features,
	.accept = mmio_accept,
	.status = mmio_status,
	.set_status = mmio_set_status,
	.enable = mmio_enable,
};

/* Whether there is a device at @base; *others counts those that are not the IOMMU. */
static bool mmio_look(struct virtio *device, u64 base, unsigned *others)
{
	if (read32(base) != MAGIC || read32(base + VIRTIO_MMIO_VERSION) != 2 ||
	    !read32(base + VIRTIO_MMIO_DEVICE_ID))
		return false;
	*device = (struct virtio){
		.ops = &mmio_ops,
		.transport = "virtio-mmio",
		.type = read32(base + VIRTIO_MMIO_DEVICE_ID),
		.endpoint = NO_ENDPOINT,
		.base = base,
		.config = base + VIRTIO_MMIO_CONFIG,
		.wide_doorbell = true,
	};
	if (device->type != VIRTIO_ID_IOMMU)
		device->endpoint = viot_mmio_endpoint(base, FIRST_ENDPOINT + (*others)++);
	return true;
}

unsigned mmio_find(struct virtio *devices, unsigned max)
{
	const u64 elsewhere = viot_mmio_iommu();
	unsigned count = 0, others = 0;

	for (unsigned slot = 0; slot < SLOT_COUNT && count < max; slot++)
		count += mmio_look(&devices[count], SLOTS + slot * SLOT_SIZE, &others);
	if (count < max && elsewhere &&
	    (elsewhere < SLOTS || elsewhere >= SLOTS + SLOT_COUNT * SLOT_SIZE))
		count += mmio_look(&devices[count], elsewhere, &others);
	return count;
}
