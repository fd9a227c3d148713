/* SPDX-License-Identifier: BSD-2-Clause */
/* The IOMMU's part of a device tree: a pure builder on libfdt. */
#ifndef IOMMU_FDT_H
#define IOMMU_FDT_H

#include "util/types.h"
#include "vmm/device.h"

/*
 * For struct firmware: "#iommu-cells" and "dma-coherent" on the IOMMU's own
 * node, "iommus" on that of an endpoint. Returns libfdt's code.
 */
int iommu_fdt_properties(void *fdt, const struct device_info *info, u32 iommu_phandle);
/*
 * For the node of the PCI host: "iommu-map" with the functions that are endpoints. The others, like
 * the host bridge, are not behind the IOMMU.
 */
int iommu_fdt_pci_properties(void *fdt, const struct device_info *const *functions, unsigned count,
			     u32 iommu_phandle);

#endif
