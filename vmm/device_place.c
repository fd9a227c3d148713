/* SPDX-License-Identifier: BSD-2-Clause */
/* The places of devices: slots, endpoint IDs and DMA spaces are given out here and nowhere else. */
#include <errno.h>
#include <string.h>

#include "vmm/device_class.h"
#include "vmm/pci.h"
#include "vmm/vm.h"

/* Slot 0 is the host bridge's. */
#define FIRST_PCI_SLOT 1

unsigned device_places(const struct device_host *host, enum device_bus bus)
{
	struct device_resource resource;
	unsigned count = 0;

	if (bus == DEVICE_BUS_PCI)
		return PCI_SLOTS - FIRST_PCI_SLOT;
	while (!host->mmio_resource(count, &resource))
		count++;
	return count;
}

static bool shares_slot(const struct device_host *host, const struct device_want *want)
{
	return want->same_slot || (host->pci_is_crowded && !want->limits &&
				   host->pci_slot_is_shared && host->pci_functions < PCI_FUNCTIONS);
}

/* A PCI function's endpoint ID is its BDF. */
static int take_function(struct device_host *host, const struct device_want *want,
			 struct device_place *place)
{
	if (!shares_slot(host, want)) {
		host->pci_slots++;
		host->pci_functions = 0;
		host->pci_slot_is_shared = !want->limits;
	}
	place->pci_slot = FIRST_PCI_SLOT + host->pci_slots - 1;
	place->pci_function = host->pci_functions++;
	place->endpoint = place->pci_slot << 3 | place->pci_function;
	return place->pci_slot < PCI_SLOTS && place->pci_function < PCI_FUNCTIONS ? 0 : -ENOSPC;
}

static int take_slot(struct device_host *host, bool translated, struct device_place *place)
{
	int ret = host->mmio_resource(host->mmio_slots, &place->mmio);

	if (ret)
		return ret;
	host->mmio_slots++;
	if (translated)
		place->endpoint = DEVICE_PLATFORM_ENDPOINT + host->platform_endpoints++;
	return 0;
}

int device_place(struct device_host *host, const struct device_want *want,
		 struct device_place *place, struct error *err)
{
	bool translated = !want->is_iommu && !want->physical;
	int ret;

	*place = (struct device_place){
		.vm = host->vm,
		.bus = host->bus,
		.is_iommu = want->is_iommu,
		.old_rings = host->old_rings || want->old_rings,
		.space = &host->vm->identity.space,
	};
	ret = place->bus == DEVICE_BUS_PCI ? take_function(host, want, place)
					   : take_slot(host, translated, place);
	if (ret)
		return error_set(err, ret, "%s: this machine has no place left for it", want->name);
	if (!host->translator || !translated) {
		place->endpoint = DEVICE_NO_ENDPOINT;
		return 0;
	}
	ret = host->translator->add(host->translator_arg, host->vm, place->endpoint, want,
				    &place->space, err);
	return ret ? error_set(err, ret, "cannot put %s behind the IOMMU: %s", want->name,
			       strerror(-ret))
		   : 0;
}
