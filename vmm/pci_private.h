/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the PCI bus share. VM lock held for all calls, as in vmm/pci.h. */
#ifndef VMM_PCI_PRIVATE_H
#define VMM_PCI_PRIVATE_H

#include "vmm/pci.h"

#define PCI_PLACES (PCI_SLOTS * PCI_FUNCTIONS)
#define PCI_PINS   4 /* INTA to INTD */

/* One interrupt line, which several functions may share: asserted while one of them asserts it. */
struct pci_line {
	u32 gsi;
	struct irq_line *line; /* owned */
	unsigned asserted;     /* by how many functions */
};

struct pci_bus {
	struct device device;
	struct vm *vm;
	struct pci_layout layout;
	struct bus_region ecam;
	struct pci_function *functions[PCI_PLACES]; /* by BDF; borrowed: the vm owns them */
	struct pci_line lines[PCI_SLOTS * PCI_PINS];
	unsigned line_count;
	u8 asserting[PCI_SLOTS]; /* functions of each slot, a bit each */
};

/* ---- pci_config.c ---- */

/* The guest's access, checked: @len 1, 2 or 4, aligned. */
u32 pci_function_read(struct pci_function *function, u32 offset, unsigned len);
void pci_function_write(struct pci_function *function, u32 offset, u32 value, unsigned len);

/* ---- pci_bar.c ---- */

/* Write its address into the register; pci_bars_update() is to follow. */
void pci_bar_set_address(struct pci_function *function, unsigned n, u64 address);
/* The BARs or the Command register may have changed: decode what they say now. */
void pci_bars_update(struct pci_function *function);
/* As at power-on: no address. Not decoded any more: Command is 0. */
void pci_bars_clear(struct pci_function *function);

/* ---- pci_intx.c ---- */

/* Make the line that @function's pin leads to. -ENOMEM. */
int pci_intx_connect(struct pci_function *function);
/* Whether configuration space lets it assert INTx. */
bool pci_intx_allowed(const struct pci_function *function);
/* Drive the line as the level and pci_intx_allowed() say. */
void pci_intx_update(struct pci_function *function);
void pci_intx_destroy(struct pci_bus *bus);

/* ---- pci_msi.c ---- */

/* @function has its place on the bus, which is the device ID of its MSIs. */
void pci_msi_placed(struct pci_function *function);
/* The MSI capability's registers, or MSI-X's Message Control, may have changed. */
void pci_msi_update(struct pci_function *function);
void pci_msix_update(struct pci_function *function);
/* Whether @offset is one of their capabilities'. */
bool pci_msi_has(const struct pci_function *function, u32 offset);
/* What a read of [offset, offset + len) shows of the pending bits, in place of what is stored. */
void pci_msi_read_pending(struct pci_function *function, u32 offset, unsigned len, u32 *value);
/* All their registers are as at power-on; pci_msi_update() is to follow. */
void pci_msi_reset(struct pci_function *function);
void pci_msi_destroy(struct pci_function *function);

#endif
