/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ACPI table that ties endpoints to the virtio-iommu (ACPI 6.5, "Virtual
 * I/O Translation Table"): a pure builder.
 */
#ifndef IOMMU_VIOT_H
#define IOMMU_VIOT_H

#include "util/types.h"
#include "vmm/device.h"

/*
 * The table for @count devices, in malloc()ed memory that becomes the caller's:
 * a node for the one that is_iommu, and one for each endpoint. -ENOMEM; -EINVAL
 * if there is no IOMMU among them.
 */
int viot_build(const struct device_info *const *devices, unsigned count, void **table, u32 *size);

#endif
