/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ACPI tables of this machine (ACPI 6.5): RSDP, XSDT, FADT, MADT, DSDT and
 * what others add. A pure builder: bytes in, bytes out.
 */
#ifndef X86_ACPI_H
#define X86_ACPI_H

#include "util/error.h"
#include "vmm/device.h"
#include "vmm/firmware.h"

struct pci_layout;

struct acpi_machine {
	unsigned cpus;			 /* APIC IDs 0 to cpus - 1 */
	const struct list_node *devices; /* struct device.node */
	const struct pci_layout *pci;	 /* NULL: this machine has no PCI */
	/*
	 * The guest was told to leave the IOAPIC alone. It takes the PIC then, which Linux does not
	 * do if ACPI says that the hardware is reduced.
	 */
	bool no_ioapic;
	const struct firmware_table *tables;
	unsigned table_count;
};

/*
 * Write all tables to @area, which the guest will see at @gpa: below 4 GiB,
 * 16-byte aligned. The RSDP is at its start. -ENOSPC with a line.
 */
int acpi_build(const struct acpi_machine *machine, u8 *area, size_t size, gpa_t gpa,
	       struct error *err);

/* The definition block alone: the devices' objects. */
struct aml;
void dsdt_build(struct aml *aml, const struct acpi_machine *machine);
/* The part of PCI's, inside \_SB: the host bridge, and what has the ECAM. */
void dsdt_add_pci(struct aml *aml, const struct pci_layout *pci);

#endif
