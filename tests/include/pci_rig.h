/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine of buses and wires alone, with a PCI bus, and functions that note what happens to them.
 */
#ifndef TESTS_PCI_RIG_H
#define TESTS_PCI_RIG_H

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "fake_vm.h"
#include "vmm/pci.h"
#include "vmm/vm.h"

#define RIG_ECAM   0xc0000000ULL
#define RIG_MMIO32 0xd0000000ULL
#define RIG_MMIO64 0x1000000000ULL
#define RIG_IO	   0x1000
#define RIG_GSI	   16
#define RIG_ROUTES 4 /* that there are */
#define RIG_DEVICE 0x1111

/* A function whose BARs are registers that read as their offset and keep the last write. */
struct toy {
	struct pci_function function;
	struct bus_region regions[PCI_BARS + 1];
	unsigned changes;	/* of BARs */
	unsigned config_writes; /* that ops were told of */
	int msi;		/* what msi_changed() said last; -1: nothing */
	int intx;		/* likewise */
	u64 written;
	char order[16]; /* i, I: INTx forbidden, allowed; m, M: MSI off, on */
	bool *destroyed;
};

struct rig {
	struct vm vm;
	struct irq irq;
	struct pci_bus *bus;
};

void toy_destroy(struct pci_function *function);
u32 rig_intx(unsigned slot, unsigned pin);

/* Not on the bus yet. @passed: one that wants to know of MSI and INTx. */
struct toy *toy_create(struct rig *rig, bool passed);
struct rig *rig_create(void);

/* Nothing must be left: no region, no wire, no route. */
void rig_destroy(struct rig *rig);
u32 rig_read(struct rig *rig, const struct toy *toy, u32 offset, unsigned len);
void rig_write(struct rig *rig, const struct toy *toy, u32 offset, u32 value, unsigned len);

#endif
