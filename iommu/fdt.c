/* SPDX-License-Identifier: BSD-2-Clause */
#include <libfdt.h>

#include "iommu/fdt.h"

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
