/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Virtio Over MMIO". */
#include <linux/virtio_mmio.h>

#include "virtio.h"

#define MAGIC 0x74726976

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

bool mmio_look(struct virtio *device, u64 base, u32 endpoint)
{
	if (read32(base) != MAGIC || read32(base + VIRTIO_MMIO_VERSION) != 2 ||
	    !read32(base + VIRTIO_MMIO_DEVICE_ID))
		return false;
	*device = (struct virtio){
		.ops = &mmio_ops,
		.transport = "virtio-mmio",
		.type = read32(base + VIRTIO_MMIO_DEVICE_ID),
		.endpoint = endpoint,
		.base = base,
		.config = base + VIRTIO_MMIO_CONFIG,
		.wide_doorbell = true,
	};
	return true;
}
