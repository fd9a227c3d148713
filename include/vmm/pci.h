/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI: one segment, one root bus, 32 slots of 8 functions (PCI Express Base, "Configuration
 * Space"; PCI Firmware, "MCFG"). A function's configuration space is 4096 bytes in which each bit
 * is read-only, writable, or cleared by writing 1; the bus does what is the same for all
 * functions: BARs and their decoding, MSI and MSI-X control, INTx. What a function does beyond that
 * it does in its ops.
 *
 *   pci_bus_create()          the bus, its ECAM window on the MMIO bus, its host bridge 00:00.0
 *   pci_function_init()       a function's state, all zero but for its IDs
 *   pci_add_bar(), pci_add_capability(), pci_add_msi(), pci_add_msix() ...
 *   pci_bus_add()             the guest can find it
 *   pci_bus_place_bars()      once, before the firmware is written: each BAR gets an address
 *
 * VM lock held for all calls that are made while the VM runs.
 */
#ifndef VMM_PCI_H
#define VMM_PCI_H

#include "util/error.h"
#include "util/range.h"
#include "util/types.h"
#include "vmm/bus.h"
#include "vmm/device.h"
#include "vmm/msi.h"
#include "vmm/msix.h"

struct vm;
struct pci_bus;
struct counters;
struct pci_function;

#define PCI_SLOTS	      32
#define PCI_FUNCTIONS	      8
#define PCI_CONFIG_SIZE	      4096
#define PCI_CONFIG_COMPATIBLE 256 /* what configuration ports reach */
#define PCI_BARS	      6
#define PCI_ROM		      6 /* the expansion ROM, as a BAR */

/* Where the architecture has put the bus. Addresses as the guest's CPUs see them. */
struct pci_layout {
	struct range ecam; /* 1 MiB: bus 0 */
	struct range mmio32;
	struct range mmio64; /* above RAM */
	/* I/O ports: on the port bus, or in an MMIO window that begins with port 0. */
	struct range io;
	bool io_is_mmio;
	u64 io_window;
	/* The GSI of INTA..INTD (1..4) of a slot. */
	u32 (*intx)(unsigned slot, unsigned pin);
};

enum pci_bar_kind {
	PCI_BAR_NONE = 0,
	PCI_BAR_IO,
	PCI_BAR_MEMORY32,
	PCI_BAR_MEMORY64, /* the next one is its upper half, and PCI_BAR_NONE */
};

struct pci_bar {
	enum pci_bar_kind kind;
	bool prefetchable;
	u64 size; /* a power of two: >= 16 for memory, >= 4 for I/O */
	/* Where the guest has it, if decoded: the bus keeps these. */
	bool decoded;
	u64 address;
};

struct pci_function_ops {
	/*
	 * The guest reads or writes @len (1, 2, 4) bytes at @offset, aligned. Read: *value comes
	 * in as configuration space has it, and may be changed. Write: the writable bits of @value
	 * are in configuration space already, and BARs and interrupts follow them; this is for
	 * everything else. NULL: nothing.
	 */
	void (*config_read)(struct pci_function *function, u32 offset, unsigned len, u32 *value);
	void (*config_written)(struct pci_function *function, u32 offset, unsigned len, u32 value);
	/*
	 * BAR @n is decoded at bars[n].address from now on, or no longer; a BAR that moves gets
	 * both calls, in turn. Never NULL in a function with BARs. A BAR outside the bus's windows
	 * or over another decoded BAR is not decoded as long as that is so.
	 */
	void (*bar_changed)(struct pci_function *function, unsigned n);
	/*
	 * Switch MSI on for @count vectors (1, 2, 4 ... 32), or off (0). For passed devices; else
	 * NULL.
	 */
	void (*msi_changed)(struct pci_function *function, unsigned count);
	/*
	 * INTx Disable changed, or MSI was switched: whether INTx may be asserted. NULL: the bus
	 * drives the line.
	 */
	void (*intx_allowed)(struct pci_function *function, bool allowed);
	/* As those of device_ops, and like them NULL where there is nothing to do. */
	int (*seal)(struct pci_function *function);
	void (*pause)(struct pci_function *function);
	void (*resume)(struct pci_function *function);
	bool (*settled)(const struct pci_function *function);
	void (*report)(const struct pci_function *function, struct counters *counters);
	/* Stop all activity and free. As device_ops.destroy. Never NULL. */
	void (*destroy)(struct pci_function *function);
};

/* Lives inside its device. */
struct pci_function {
	struct device
		device; /* info: kind DEVICE_PCI, endpoint; its owner sets name and endpoint */
	const struct pci_function_ops *ops;
	struct vm *vm;
	struct pci_bus *bus;	 /* NULL before pci_bus_add() */
	struct dma_space *space; /* for its MSIs */
	u8 slot, function;	 /* place on the bus */
	u8 config[PCI_CONFIG_SIZE];
	u8 writable[PCI_CONFIG_SIZE];	/* bits that the guest may write */
	u8 clear[PCI_CONFIG_SIZE];	/* bits that are cleared by writing 1 */
	u8 taken[PCI_CONFIG_SIZE / 32]; /* dwords that capabilities have, a bit each */
	struct pci_bar bars[PCI_BARS + 1];
	u16 last_capability, last_extended; /* 0: none yet */
	u16 msi, msix_at;		    /* capabilities; 0: none */
	struct msix *msix;		    /* owned */
	struct msi_vector *msi_vectors;	    /* owned; 32 of them if there is MSI */
	unsigned msi_count;		    /* enabled now */
	bool intx_level;		    /* as pci_intx() said last */
};

static inline u16 pci_bdf(const struct pci_function *function)
{
	return function->slot << 3 | function->function;
}

/* Little-endian fields of the configuration space. */
u16 pci_get16(const struct pci_function *function, u32 offset);
u32 pci_get32(const struct pci_function *function, u32 offset);
void pci_set16(struct pci_function *function, u32 offset, u16 value);
void pci_set32(struct pci_function *function, u32 offset, u32 value);

/* ---- building a function ---- */

/* All zero but for the IDs; @class: 24 bits. Command's bits are writable. */
void pci_function_init(struct pci_function *function, struct vm *vm,
		       const struct pci_function_ops *ops, struct dma_space *space, u16 vendor,
		       u16 device, u32 class, u8 revision);
/* -EINVAL: no such BAR, an impossible size, or taken. */
int pci_add_bar(struct pci_function *function, unsigned n, enum pci_bar_kind kind, u64 size,
		bool prefetchable);
/*
 * A capability of @size bytes, its two header bytes included, at @at (0: the next free place):
 * linked in and zero, nothing in it writable. Returns its offset or -ENOSPC.
 */
int pci_add_capability(struct pci_function *function, u8 id, u16 at, u16 size);
/* Likewise, of 4 header bytes, from 0x100 on. */
int pci_add_extended_capability(struct pci_function *function, u16 id, u8 version, u16 at,
				u16 size);
/* MSI-X with @count vectors. The table is at @table_offset of BAR @table_bar, the pending bits
 * likewise. */
int pci_add_msix(struct pci_function *function, u16 at, unsigned count, unsigned table_bar,
		 u32 table_offset, unsigned pba_bar, u32 pba_offset, const struct msix_ops *ops,
		 void *arg);
/* MSI, for @count vectors (1, 2, 4 ... 32), 64-bit, with or without mask bits. */
int pci_add_msi(struct pci_function *function, u16 at, unsigned count, bool maskable);
/* INTA..INTD: 1..4. */
void pci_set_interrupt_pin(struct pci_function *function, u8 pin);

/* ---- its life ---- */

/*
 * Put @function at @slot.@fn; function 0 of a slot comes first or last, but before the guest runs.
 * The vm owns it from here on. -EEXIST; on -errno it is still the caller's.
 */
int pci_bus_add(struct pci_bus *bus, struct pci_function *function, unsigned slot, unsigned fn);
/* As after a reset of the function: decoding, MSI and MSI-X off; BARs keep no address. */
void pci_function_reset(struct pci_function *function);
/* To be called by ops->destroy, first: BARs off, vectors gone; the ops are told, as of a reset. */
void pci_function_release(struct pci_function *function);

/* Drive the function's INTx. Several functions may share a line. */
void pci_intx(struct pci_function *function, bool level);
/* The GSI of its pin; DEVICE_NO_IRQ without one. */
u32 pci_intx_gsi(const struct pci_function *function);
/*
 * An emulated device's MSI; for tests: those that there are use MSI-X. Out of range, or MSI off:
 * nothing.
 */
void pci_msi_signal(struct pci_function *function, unsigned n);

/* ---- the bus ---- */

/* @layout: copied. Its ECAM goes on vm->mmio. The vm owns it. */
int pci_bus_create(struct pci_bus **bus, struct vm *vm, const struct pci_layout *layout);
/* -ENOSPC with a line: BARs larger than the windows. */
int pci_bus_place_bars(struct pci_bus *bus, struct error *err);
const struct pci_layout *pci_bus_layout(const struct pci_bus *bus);
/* The function there, NULL if none; for tests. */
struct pci_function *pci_bus_find(const struct pci_bus *bus, unsigned slot, unsigned fn);

/* A guest's access by configuration ports or ECAM; @bdf of bus 0; no function: all ones. */
u32 pci_config_read(struct pci_bus *bus, u16 bdf, u32 offset, unsigned len);
void pci_config_write(struct pci_bus *bus, u16 bdf, u32 offset, u32 value, unsigned len);

/*
 * Put a region of registers where BAR @n is decoded, @offset into it: on the MMIO or the port bus,
 * as the BAR is. For bar_changed(). -EEXIST: another region is there.
 */
int pci_region_add(struct pci_function *function, unsigned n, u64 offset, u64 size,
		   struct bus_region *region);
void pci_region_remove(struct pci_function *function, unsigned n, struct bus_region *region);

#endif
