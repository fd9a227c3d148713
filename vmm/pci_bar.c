/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Base address registers (PCI Express Base 6.0, "Base Address Registers"). A BAR is decoded only
 * inside the host bridge's windows, so a guest cannot put one over anything that is not PCI. Of two
 * BARs that overlap, the one that was decoded first stays.
 */
#include <errno.h>
#include <linux/pci_regs.h>

#include "pci_private.h"
#include "vmm/vm.h"

#define BAR_MEMORY_MIN 16
#define BAR_IO_MIN     4
#define BAR_IO_MAX     0x10000ULL
#define BAR_ROM_MIN    2048
/* The largest that a type can say: half of what it addresses. */
#define BAR_32_MAX (1ULL << 31)

/* Its place in configuration space. */
static u32 bar_offset(unsigned n)
{
	return n == PCI_ROM ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + n * 4;
}

static bool bar_is_wide(const struct pci_bar *bar)
{
	return bar->kind == PCI_BAR_MEMORY64;
}

static bool size_is_possible(unsigned n, enum pci_bar_kind kind, u64 size)
{
	if (!size || (size & (size - 1)))
		return false;
	if (kind == PCI_BAR_IO)
		return n < PCI_ROM && size >= BAR_IO_MIN && size <= BAR_IO_MAX;
	if (n == PCI_ROM)
		return kind == PCI_BAR_MEMORY32 && size >= BAR_ROM_MIN && size <= BAR_32_MAX;
	return size >= BAR_MEMORY_MIN && (kind == PCI_BAR_MEMORY64 || size <= BAR_32_MAX);
}

/* Whether BAR @n is unused, and no upper half. */
static bool bar_is_free(const struct pci_function *function, unsigned n)
{
	if (function->bars[n].kind != PCI_BAR_NONE)
		return false;
	return n == PCI_ROM || !n || !bar_is_wide(&function->bars[n - 1]);
}

static void set_mask(struct pci_function *function, u32 offset, u32 mask)
{
	for (unsigned i = 0; i < 4; i++) {
		function->writable[offset + i] = mask >> (8 * i);
		function->clear[offset + i] = 0;
	}
}

static u32 bar_type(unsigned n, const struct pci_bar *bar)
{
	if (n == PCI_ROM)
		return 0;
	if (bar->kind == PCI_BAR_IO)
		return PCI_BASE_ADDRESS_SPACE_IO;
	return (bar_is_wide(bar) ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) |
	       (bar->prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0);
}

/* Bits of the low dword that are an address, if the size leaves them to be one. */
static u32 bar_address_mask(unsigned n, enum pci_bar_kind kind)
{
	if (n == PCI_ROM)
		return PCI_ROM_ADDRESS_MASK;
	return (u32)(kind == PCI_BAR_IO ? PCI_BASE_ADDRESS_IO_MASK : PCI_BASE_ADDRESS_MEM_MASK);
}

int pci_add_bar(struct pci_function *function, unsigned n, enum pci_bar_kind kind, u64 size,
		bool prefetchable)
{
	const u64 mask = ~(size - 1);
	struct pci_bar *bar;

	if (n > PCI_ROM || kind == PCI_BAR_NONE || kind > PCI_BAR_MEMORY64 ||
	    !size_is_possible(n, kind, size) || !bar_is_free(function, n))
		return -EINVAL;
	if (kind == PCI_BAR_MEMORY64 &&
	    (n + 1 >= PCI_BARS || function->bars[n + 1].kind != PCI_BAR_NONE))
		return -EINVAL;
	bar = &function->bars[n];
	*bar = (struct pci_bar){ .kind = kind, .prefetchable = prefetchable, .size = size };
	pci_set32(function, bar_offset(n), bar_type(n, bar));
	set_mask(function, bar_offset(n),
		 (mask & bar_address_mask(n, kind)) | (n == PCI_ROM ? PCI_ROM_ADDRESS_ENABLE : 0));
	if (bar_is_wide(bar)) {
		pci_set32(function, bar_offset(n + 1), 0);
		set_mask(function, bar_offset(n + 1), mask >> 32);
	}
	return 0;
}

static u64 bar_address(const struct pci_function *function, unsigned n)
{
	const struct pci_bar *bar = &function->bars[n];
	u64 address = pci_get32(function, bar_offset(n)) & bar_address_mask(n, bar->kind);

	if (bar_is_wide(bar))
		address |= (u64)pci_get32(function, bar_offset(n + 1)) << 32;
	/* A passed device's configuration space may have low bits set here. */
	return address & ~(bar->size - 1);
}

void pci_bar_set_address(struct pci_function *function, unsigned n, u64 address)
{
	const struct pci_bar *bar = &function->bars[n];
	u32 low = pci_get32(function, bar_offset(n)) & ~bar_address_mask(n, bar->kind);

	pci_set32(function, bar_offset(n), low | (u32)address);
	if (bar_is_wide(bar))
		pci_set32(function, bar_offset(n + 1), address >> 32);
}

static bool bar_is_enabled(const struct pci_function *function, unsigned n)
{
	u16 command = pci_get16(function, PCI_COMMAND);

	if (function->bars[n].kind == PCI_BAR_NONE)
		return false;
	if (function->bars[n].kind == PCI_BAR_IO)
		return command & PCI_COMMAND_IO;
	if (n == PCI_ROM && !(pci_get32(function, PCI_ROM_ADDRESS) & (u32)PCI_ROM_ADDRESS_ENABLE))
		return false;
	return command & PCI_COMMAND_MEMORY;
}

/* A BAR is aligned to its size: its last byte is never past 2^64 - 1. */
static bool inside(const struct range *window, u64 address, u64 size)
{
	return range_contains(window->start, window->last, address, address + (size - 1));
}

static bool bridge_forwards(const struct pci_layout *layout, const struct pci_bar *bar, u64 address)
{
	if (bar->kind == PCI_BAR_IO)
		return inside(&layout->io, address, bar->size);
	return inside(&layout->mmio32, address, bar->size) ||
	       inside(&layout->mmio64, address, bar->size);
}

static bool function_overlaps(const struct pci_function *function, bool io, u64 start, u64 last)
{
	for (unsigned n = 0; n <= PCI_ROM; n++) {
		const struct pci_bar *bar = &function->bars[n];

		if (bar->decoded && (bar->kind == PCI_BAR_IO) == io &&
		    range_overlaps(bar->address, bar->address + (bar->size - 1), start, last))
			return true;
	}
	return false;
}

static bool is_taken(const struct pci_bus *bus, const struct pci_bar *bar, u64 address)
{
	for (unsigned i = 0; i < PCI_PLACES; i++) {
		if (bus->functions[i] &&
		    function_overlaps(bus->functions[i], bar->kind == PCI_BAR_IO, address,
				      address + (bar->size - 1)))
			return true;
	}
	return false;
}

/* Stop decoding what is switched off or has moved. Returns whether a place became free. */
static bool release_bars(struct pci_function *function)
{
	bool released = false;

	for (unsigned n = 0; n <= PCI_ROM; n++) {
		struct pci_bar *bar = &function->bars[n];

		if (!bar->decoded ||
		    (bar_is_enabled(function, n) && bar->address == bar_address(function, n)))
			continue;
		bar->decoded = false;
		released = true;
		function->ops->bar_changed(function, n);
	}
	return released;
}

static void decode_bars(struct pci_function *function)
{
	for (unsigned n = 0; n <= PCI_ROM; n++) {
		struct pci_bar *bar = &function->bars[n];
		u64 address;

		if (bar->decoded || !bar_is_enabled(function, n))
			continue;
		address = bar_address(function, n);
		if (!bridge_forwards(&function->bus->layout, bar, address) ||
		    is_taken(function->bus, bar, address))
			continue;
		bar->address = address;
		bar->decoded = true;
		function->ops->bar_changed(function, n);
	}
}

void pci_bars_update(struct pci_function *function)
{
	struct pci_bus *bus = function->bus;
	bool released;

	if (!bus)
		return;
	released = release_bars(function);
	decode_bars(function);
	/* A BAR of another function may have waited for the place. */
	for (unsigned i = 0; released && i < PCI_PLACES; i++) {
		if (bus->functions[i])
			decode_bars(bus->functions[i]);
	}
}

void pci_bars_clear(struct pci_function *function)
{
	for (unsigned n = 0; n <= PCI_ROM; n++) {
		if (function->bars[n].kind != PCI_BAR_NONE)
			pci_bar_set_address(function, n, 0);
	}
	if (function->bars[PCI_ROM].kind != PCI_BAR_NONE)
		pci_set32(function, PCI_ROM_ADDRESS, 0);
}

/* ---- regions ---- */

int pci_region_add(struct pci_function *function, unsigned n, u64 offset, u64 size,
		   struct bus_region *region)
{
	const struct pci_bar *bar = &function->bars[n];
	const struct pci_layout *layout = &function->bus->layout;
	bool io = bar->kind == PCI_BAR_IO;
	struct range range;

	if (!bar->decoded || !range_make(offset, size, &range) || range.last >= bar->size)
		return -EINVAL;
	region->start = bar->address + range.start;
	region->last = bar->address + range.last;
	if (!io || !layout->io_is_mmio)
		return bus_add(io ? function->vm->ports : function->vm->mmio, region);
	region->start += layout->io_window;
	region->last += layout->io_window;
	return bus_add(function->vm->mmio, region);
}

void pci_region_remove(struct pci_function *function, unsigned n, struct bus_region *region)
{
	bool io = function->bars[n].kind == PCI_BAR_IO;

	if (!function->bus)
		return; /* released, and with it all its regions */
	io &= !function->bus->layout.io_is_mmio;
	bus_remove(io ? function->vm->ports : function->vm->mmio, region);
}
