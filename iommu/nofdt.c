/* SPDX-License-Identifier: BSD-2-Clause */
#include "iommu/fdt.h"

/* For architectures whose machines have no device tree, and whose binary no libfdt. */
int iommu_fdt_properties(void *fdt, const struct device_info *info, u32 iommu_phandle)
{
	return 0;
}

int iommu_fdt_pci_properties(void *fdt, const struct device_info *const *functions, unsigned count,
			     u32 iommu_phandle)
{
	return 0;
}
