/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI functions with every kind of BAR and interrupt there is, and a space whose doorbells
 * appear and vanish.
 */
#ifndef TESTS_FUZZ_PCI_TOY_H
#define TESTS_FUZZ_PCI_TOY_H

#include "vmm/pci.h"

/* ---- a space ---- */

#define DOORS	    4
#define DOOR_AT	    0xfee00000ull /* door n is the n-th page from here on */
#define DOOR_LEADS  0x8020000ull  /* where to, as the interrupt controller sees it; likewise */
#define DOOR_CLOSED 0xff

/* Memory is the guest's as it is, or all refused. */
struct door_space {
	struct dma_space space;
	u8 leads[DOORS]; /* n of DOOR_LEADS; DOOR_CLOSED */
	bool refuses;
	unsigned lost; /* messages that led nowhere */
};

/* All doors open. */
void door_space_init(struct door_space *doors, struct vm *vm);

/* ---- a bus ---- */

/* vm->pci, at the addresses of pci_rig_create(); its windows end in the middle of large BARs. */
void toy_bus_create(struct vm *vm);

/* ---- a function ---- */

#define TOY_PBA 0x800 /* in BAR 0; the MSI-X table is at its beginning */

struct toy_kind {
	struct {
		enum pci_bar_kind kind;
		u64 size;
	} bars[PCI_BARS + 1];
	unsigned msi, msix; /* vectors; 0: none */
	bool maskable;
	u8 pin;
};

#define TOYS 3
extern const struct toy_kind toy_kinds[TOYS];

struct toy;

struct toy_bar {
	struct bus_region region;
	struct toy *toy;
	unsigned n;
	bool there; /* the region is on a bus */
	unsigned hits;
};

struct toy {
	struct pci_function function;
	struct toy_bar bars[PCI_BARS + 1];
	unsigned *destroyed;
};

/* Every count of *@destroyed is one that has been destroyed. */
struct toy *toy_create(struct vm *vm, struct pci_bus *bus, const struct toy_kind *kind,
		       struct dma_space *space, unsigned slot, unsigned fn, unsigned *destroyed);
/* The first and the last byte of each decoded BAR are @toy's; @all: each has a region. */
void toy_check(struct toy *toy, bool all);

#endif
