/* SPDX-License-Identifier: BSD-2-Clause */
#include <libfdt.h>

#include "iommu/fdt.h"

#define MAX_FUNCTIONS 256 /* on a bus */
#define MAP_CELLS     4

/*
 * Device tree bindings "IOMMU" (iommu/iommu.txt) and "virtio memory mapped
 * devices" (virtio/mmio.yaml): one cell names an endpoint. The IOMMU reads its
 * rings and writes events in cacheable memory, as does every device of ours, so
 * all are dma-coherent; without it the guest would use uncached buffers.
 */
int iommu_fdt_properties(void *fdt, const struct device_info *info, u32 iommu_phandle)
{
	fdt32_t iommus[2] = { cpu_to_fdt32(iommu_phandle), cpu_to_fdt32(info->endpoint) };
	int ret;

	if (info->is_iommu) {
		ret = fdt_property_u32(fdt, "#iommu-cells", 1);
		return ret ? ret : fdt_property(fdt, "dma-coherent", NULL, 0);
	}
	if (!iommu_phandle || info->endpoint == DEVICE_NO_ENDPOINT)
		return 0;
	return fdt_property(fdt, "iommus", iommus, sizeof(iommus));
}

/* pci/pci-iommu.txt: requester ID, IOMMU, endpoint, and how many there are of both in a row. */
static unsigned put_function(fdt32_t *cells, const struct device_info *function, u32 iommu_phandle)
{
	cells[0] = cpu_to_fdt32(function->bdf);
	cells[1] = cpu_to_fdt32(iommu_phandle);
	cells[2] = cpu_to_fdt32(function->endpoint);
	cells[3] = cpu_to_fdt32(1);
	return MAP_CELLS;
}

int iommu_fdt_pci_properties(void *fdt, const struct device_info *const *functions, unsigned count,
			     u32 iommu_phandle)
{
	fdt32_t cells[MAX_FUNCTIONS * MAP_CELLS];
	unsigned used = 0;

	if (!iommu_phandle)
		return 0;
	for (unsigned i = 0; i < count && used < ARRAY_SIZE(cells); i++) {
		if (functions[i]->endpoint != DEVICE_NO_ENDPOINT)
			used += put_function(cells + used, functions[i], iommu_phandle);
	}
	return used ? fdt_property(fdt, "iommu-map", cells, used * sizeof(cells[0])) : 0;
}
