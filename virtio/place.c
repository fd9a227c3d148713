/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "virtio/mmio.h"
#include "virtio/pci.h"
#include "virtio/place.h"
#include "vmm/vm.h"

const char *const virtio_packed_words[] = { "on", "off", NULL };

int virtio_device_put(struct virtio_device *device, const struct device_place *place,
		      struct error *err)
{
	int ret;

	if (place->old_rings)
		device->lacks |= VIRTIO_NEW_RINGS;
	ret = place->bus == DEVICE_BUS_PCI
		      ? virtio_pci_create(place->vm, place->vm->pci, device,
					  place->pci_slot << 3 | place->pci_function,
					  place->endpoint)
		      : virtio_mmio_create(place->vm, device, &place->mmio, place->endpoint,
					   place->is_iommu);

	if (!ret)
		return 0;
	error_set(err, ret, "cannot add %s: %s", device->name, strerror(-ret));
	device->ops->destroy(device);
	return ret;
}
