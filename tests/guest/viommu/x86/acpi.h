/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_GUEST_VIOMMU_X86_ACPI_H
#define TESTS_GUEST_VIOMMU_X86_ACPI_H

#include "../machine.h"

/* ACPI, where there is any: the address of table @signature, or 0. */
u64 acpi_find(const char *signature);
/* What the VIOT says: of a device at @base, of PCI's @bdf; @fallback, or @bdf, if it says nothing.
 */
u32 viot_mmio_endpoint(u64 base, u32 fallback);
u32 viot_pci_endpoint(u16 bdf);
/* Where the VIOT has an IOMMU on MMIO; 0: it has none. */
u64 viot_mmio_iommu(void);

#endif
