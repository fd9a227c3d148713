/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio over MMIO, register layout version 2 (virtio 1.4, "Virtio Over MMIO").
 */
#ifndef VIRTIO_MMIO_H
#define VIRTIO_MMIO_H

#include "virtio/device.h"
#include "vmm/device.h"

struct vm;

/*
 * Put @device at @resource of @vm's MMIO bus. The machine owns the transport, and
 * with it the device: its ops->destroy is called when the vm goes. @endpoint: the
 * IOMMU's name for it, DEVICE_NO_ENDPOINT if it is not translated; with one
 * the transport offers VIRTIO_F_ACCESS_PLATFORM and insists on it. On -errno the
 * device is still the caller's.
 */
int virtio_mmio_create(struct vm *vm, struct virtio_device *device,
		       const struct device_resource *resource, u32 endpoint, bool is_iommu);

#define VIRTIO_MMIO_SIZE 0x200

#endif
