/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What devices add to the firmware that the architecture writes, by the firmware() of their
 * class (vmm/device_class.h): the IOMMU's part.
 */
#ifndef VMM_FIRMWARE_H
#define VMM_FIRMWARE_H

#include "util/types.h"
#include "vmm/device.h"

/* A complete ACPI table: header, length and checksum are in it. */
struct firmware_table {
	const void *data;
	u32 size;
};

struct firmware {
	/* ACPI: tables to list in the XSDT beside the architecture's own. */
	const struct firmware_table *tables;
	unsigned table_count;
	/*
	 * Device tree: called for each device while its node is open in @fdt
	 * (libfdt's sequential-write state), to add properties to it.
	 * @iommu_phandle is the phandle of the node of the device that has
	 * is_iommu, 0 if there is none. Returns libfdt's code. NULL: nothing.
	 */
	int (*fdt_properties)(void *fdt, const struct device_info *info, u32 iommu_phandle);
	/* Likewise for the node of the PCI host, with all @count functions on it. */
	int (*fdt_pci_properties)(void *fdt, const struct device_info *const *functions,
				  unsigned count, u32 iommu_phandle);
	/* Write the device tree (arm64) to this file too; NULL: no. */
	const char *dump_path;
	const char *console; /* the node that is stdout: name of a device in vm->devices, or NULL */
};

#endif
