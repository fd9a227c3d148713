/* SPDX-License-Identifier: BSD-2-Clause */
/* Where BARs are before the guest moves them, as a PC's firmware would have left them. */
#include <errno.h>
#include <unistd.h>

#include "pci_private.h"

/* The functions to place, and what is free of each window. */
struct placer {
	struct pci_function *functions[PCI_PLACES];
	unsigned count;
	struct range io, mmio32, mmio64;
	u64 page;
};

/* 64-bit BARs up to here go below 4 GiB, if they fit: simple guests map no more. */
#define PLACE_LOW_MAX (64 * MIB)

static bool place_in(struct range *window, u64 size, u64 align, u64 *address)
{
	struct range taken;

	if (window->start > window->last || window->last - window->start < size - 1)
		return false;
	*address = align_up(window->start, align);
	if (*address < window->start || !range_make(*address, size, &taken) ||
	    taken.last > window->last)
		return false;
	window->start = taken.last + 1;
	return true;
}

/* The guest gets pages of a passed BAR whole, so no page may hold two BARs. */
static bool place(struct placer *placer, const struct pci_bar *bar, u64 *address)
{
	u64 align = MAX(bar->size, placer->page);
	bool low = bar->size <= PLACE_LOW_MAX;

	switch (bar->kind) {
	case PCI_BAR_IO:
		return place_in(&placer->io, bar->size, bar->size, address);
	case PCI_BAR_MEMORY32:
		return place_in(&placer->mmio32, align, align, address);
	default:
		return (low && place_in(&placer->mmio32, align, align, address)) ||
		       place_in(&placer->mmio64, align, align, address) ||
		       (!low && place_in(&placer->mmio32, align, align, address));
	}
}

static int place_bar(struct placer *placer, struct pci_function *function, unsigned n,
		     struct error *err)
{
	static const char *const spaces[] = {
		[PCI_BAR_IO] = "I/O ports",
		[PCI_BAR_MEMORY32] = "32-bit addresses",
		[PCI_BAR_MEMORY64] = "64-bit addresses",
	};
	const struct pci_bar *bar = &function->bars[n];
	u64 address;

	if (!place(placer, bar, &address))
		return error_set(err, -ENOSPC,
				 "%s: its registers (BAR %u) take %llu KiB of %s, which this "
				 "machine has not left for them: give the guest fewer such "
				 "devices, or less memory",
				 function->device.info.name, n,
				 (unsigned long long)(bar->size + KIB - 1) / KIB,
				 spaces[bar->kind]);
	pci_bar_set_address(function, n, address);
	return 0;
}

/* All BARs of one size and kind: the largest come first, so that no alignment wastes room. */
static int place_size(struct placer *placer, enum pci_bar_kind kind, u64 size, struct error *err)
{
	int ret = 0;

	for (unsigned i = 0; i < placer->count; i++) {
		struct pci_function *function = placer->functions[i];

		for (unsigned n = 0; n <= PCI_ROM && !ret; n++) {
			if (function->bars[n].kind == kind && function->bars[n].size == size)
				ret = place_bar(placer, function, n, err);
		}
	}
	return ret;
}

int pci_bus_place_bars(struct pci_bus *bus, struct error *err)
{
	/* BARs that fit into one window only come first. */
	static const enum pci_bar_kind order[] = { PCI_BAR_IO, PCI_BAR_MEMORY32, PCI_BAR_MEMORY64 };
	struct placer placer = {
		.io = bus->layout.io,
		.mmio32 = bus->layout.mmio32,
		.mmio64 = bus->layout.mmio64,
		.page = sysconf(_SC_PAGESIZE),
	};
	int ret = 0;

	for (unsigned i = 0; i < PCI_PLACES; i++) {
		if (bus->functions[i])
			placer.functions[placer.count++] = bus->functions[i];
	}
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		for (unsigned bit = 64; bit-- && !ret;)
			ret = place_size(&placer, order[i], 1ULL << bit, err);
	}
	return ret;
}
