/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>

#include "../wire/pci_driver.h"
#include "pci_toy.h"
#include "shim.h"
#include "vmm/vm.h"

/* ---- a space ---- */

static struct door_space *doors_of(struct dma_space *space)
{
	return container_of(space, struct door_space, space);
}

static int door_translate(struct dma_space *space, iova_t iova, enum dma_access access,
			  struct dma_run *run)
{
	if (doors_of(space)->refuses)
		return -EFAULT;
	*run = (struct dma_run){ .last = UINT64_MAX, .access = DMA_READ | DMA_WRITE };
	return 0;
}

static int door_resolve(struct dma_space *space, iova_t address, bool send, gpa_t *doorbell)
{
	struct door_space *doors = doors_of(space);
	u64 n = (address - DOOR_AT) / 0x1000;

	if (address < DOOR_AT || n >= DOORS || doors->leads[n] == DOOR_CLOSED) {
		doors->lost += send;
		return -EFAULT;
	}
	*doorbell = DOOR_LEADS + doors->leads[n] * 0x1000ull + address % 0x1000;
	return 0;
}

void door_space_init(struct door_space *doors, struct vm *vm)
{
	static const struct dma_space_ops ops = { .translate = door_translate,
						  .resolve_msi = door_resolve };

	*doors = (struct door_space){ .leads = { 0, 1, 2, 3 } };
	dma_space_init(&doors->space, &ops, vm->memory, vm->irq);
}

/* ---- a bus ---- */

static u32 toy_intx(unsigned slot, unsigned pin)
{
	return RIG_INTX + (slot + pin - 1) % 4;
}

void toy_bus_create(struct vm *vm)
{
	static const struct pci_layout layout = {
		.ecam = { RIG_ECAM, RIG_ECAM + MIB - 1 },
		.mmio32 = { RIG_MMIO32 + 0x1000, RIG_MMIO32 + 255 * MIB + 0x1fff },
		.mmio64 = { RIG_MMIO64 + 0x8000, RIG_MMIO64 + GIB + 0x3fff },
		.io = { 0x1008, 0xfffb },
		.intx = toy_intx,
	};

	fuzz_check(!pci_bus_create(&vm->pci, vm, &layout));
}

/* ---- a function ---- */

const struct toy_kind toy_kinds[TOYS] = {
	{
		.bars = { { PCI_BAR_MEMORY32, 0x1000 },
			  { PCI_BAR_IO, 16 },
			  { PCI_BAR_MEMORY64, 0x10000 },
			  { PCI_BAR_NONE, 0 },
			  { PCI_BAR_MEMORY64, 512 * MIB },
			  { PCI_BAR_NONE, 0 },
			  { PCI_BAR_MEMORY32, 0x800 } },
		.msi = 8,
		.maskable = true,
		.msix = 3,
		.pin = 1,
	},
	{
		.bars = { { PCI_BAR_MEMORY32, 16 },
			  { PCI_BAR_IO, 4 },
			  { PCI_BAR_MEMORY32, 0x2000 },
			  { PCI_BAR_MEMORY32, 0x4000 } },
		.msi = 2,
		.pin = 2,
	},
	{
		.bars = { { PCI_BAR_MEMORY64, 0x1000 }, { PCI_BAR_NONE, 0 }, { PCI_BAR_IO, 256 } },
		.msi = 4,
		.maskable = true,
		.msix = 5,
		.pin = 4,
	},
};

static struct toy *toy_of(struct pci_function *function)
{
	return container_of(function, struct toy, function);
}

static u64 toy_read(struct bus_region *region, u64 offset, unsigned len)
{
	struct toy_bar *bar = container_of(region, struct toy_bar, region);
	const struct msix *msix = bar->n ? NULL : bar->toy->function.msix;

	bar->hits++;
	if (!msix || offset >= 2 * TOY_PBA)
		return 0;
	return offset < TOY_PBA ? msix_table_read(msix, offset, len)
				: msix_pba_read(msix, offset - TOY_PBA, len);
}

static void toy_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct toy_bar *bar = container_of(region, struct toy_bar, region);

	bar->hits++;
	if (!bar->n && bar->toy->function.msix && offset < TOY_PBA)
		msix_table_write(bar->toy->function.msix, offset, value, len);
}

static const struct bus_ops bar_ops = { .read = toy_read, .write = toy_write };

/* A BAR that moves is told both, in turn. */
static void toy_bar_changed(struct pci_function *function, unsigned n)
{
	struct toy_bar *bar = &toy_of(function)->bars[n];
	int ret;

	if (!function->bars[n].decoded) {
		pci_region_remove(function, n, &bar->region);
		bar->there = false;
		return;
	}
	fuzz_check(!bar->there);
	ret = pci_region_add(function, n, 0, function->bars[n].size, &bar->region);
	fuzz_check(!ret || ret == -ENOMEM);
	bar->there = !ret;
}

static void toy_destroy(struct pci_function *function)
{
	struct toy *toy = toy_of(function);

	pci_function_release(function);
	for (unsigned n = 0; n <= PCI_ROM; n++)
		fuzz_check(!toy->bars[n].there && !function->bars[n].decoded);
	++*toy->destroyed;
	free(toy);
}

static void toy_build(struct toy *toy, const struct toy_kind *kind)
{
	struct pci_function *function = &toy->function;

	for (unsigned n = 0; n <= PCI_ROM; n++) {
		toy->bars[n] = (struct toy_bar){ .region.ops = &bar_ops, .toy = toy, .n = n };
		if (kind->bars[n].kind)
			fuzz_check(!pci_add_bar(function, n, kind->bars[n].kind, kind->bars[n].size,
						false));
	}
	if (kind->msi)
		fuzz_check(!pci_add_msi(function, 0, kind->msi, kind->maskable));
	if (kind->msix)
		fuzz_check(!pci_add_msix(function, 0, kind->msix, 0, 0, 0, TOY_PBA, NULL, NULL));
	pci_set_interrupt_pin(function, kind->pin);
}

struct toy *toy_create(struct vm *vm, struct pci_bus *bus, const struct toy_kind *kind,
		       struct dma_space *space, unsigned slot, unsigned fn, unsigned *destroyed)
{
	static const struct pci_function_ops ops = { .bar_changed = toy_bar_changed,
						     .destroy = toy_destroy };
	struct toy *toy = calloc(1, sizeof(*toy));

	fuzz_check(toy);
	toy->destroyed = destroyed;
	pci_function_init(&toy->function, vm, &ops, space, 0x1234, 0x1111, 0xff0000, 0);
	toy_build(toy, kind);
	fuzz_check(!pci_bus_add(bus, &toy->function, slot, fn));
	return toy;
}

void toy_check(struct toy *toy, bool all)
{
	for (unsigned n = 0; n <= PCI_ROM; n++) {
		const struct pci_bar *bar = &toy->function.bars[n];
		bool io = bar->kind == PCI_BAR_IO;
		struct bus *bus = io ? toy->function.vm->ports : toy->function.vm->mmio;
		unsigned hits = toy->bars[n].hits;
		bool there = toy->bars[n].there;
		u8 byte;

		fuzz_check(bar->decoded ? there || !all : !there);
		if (!there)
			continue;
		fuzz_check(bus_read(bus, bar->address, &byte, 1));
		fuzz_check(bus_read(bus, bar->address + (bar->size - 1), &byte, 1));
		fuzz_check(toy->bars[n].hits == hits + 2);
	}
}
