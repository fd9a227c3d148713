/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio over PCI, modern devices only (virtio 1.4, "Virtio Over PCI Bus"): a function with its
 * registers in BAR 4, MSI-X in BAR 1 with a vector for each queue and one for changes of the
 * configuration, and INTA where the guest does without MSI-X.
 */
#ifndef VIRTIO_PCI_H
#define VIRTIO_PCI_H

#include "virtio/device.h"
#include "vmm/device.h"

struct pci_bus;
struct vm;

/*
 * Put @device on @bus of @vm at @bdf (slot << 3 | function). The machine owns the transport, and
 * with it the device: its ops->destroy is called when the vm goes. @endpoint: the IOMMU's name
 * for it, which is the function's BDF, or DEVICE_NO_ENDPOINT if it is not
 * translated; with one the transport offers VIRTIO_F_ACCESS_PLATFORM and insists on it. Its
 * MSIs leave through device->space, as its DMA does. Before the guest runs. -ENOMEM, or
 * what pci_bus_add() said; the device is then still the caller's.
 */
int virtio_pci_create(struct vm *vm, struct pci_bus *bus, struct virtio_device *device, u16 bdf,
		      u32 endpoint);

#endif
