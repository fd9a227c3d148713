/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host bridge: pci/host-generic-pci.yaml, and IEEE 1275's "PCI Bus Binding" for how
 * addresses and interrupts are written.
 */
#include <libfdt.h>

#include "fdt.h"
#include "fdt_writer.h"
#include "vmm/device.h"
#include "vmm/firmware.h"
#include "vmm/pci.h"

/* "phys.hi": which space; the rest of its bits are for one function's addresses. */
#define SPACE_IO       0x01000000
#define SPACE_MEMORY32 0x02000000
#define SPACE_MEMORY64 0x03000000

/* A bus address of three cells, the CPU's of two, a size of two. */
#define RANGE_CELLS 7
/* An address and a pin; the controller, an address of its own (none), and its three cells. */
#define MAP_CELLS	10
#define INTX_COUNT	(PCI_SLOTS * MAP_INTX_PINS)
#define PHYS_SLOT_SHIFT 11
#define MSI_IDS		0x10000

static fdt32_t *put64(fdt32_t *cell, u64 value)
{
	*cell++ = cpu_to_fdt32(value >> 32);
	*cell++ = cpu_to_fdt32(value);
	return cell;
}

static fdt32_t *put_range(fdt32_t *cell, u32 space, u64 bus, u64 cpu, u64 size)
{
	*cell++ = cpu_to_fdt32(space);
	cell = put64(cell, bus);
	cell = put64(cell, cpu);
	return put64(cell, size);
}

static void write_windows(struct fdt_writer *w, const struct pci_layout *pci)
{
	fdt32_t cells[3 * RANGE_CELLS], *cell = cells;
	const struct range *windows[] = { &pci->mmio32, &pci->mmio64 };

	/* All of the I/O window, from port 0: the guest gives out the ports that it likes. */
	cell = put_range(cell, SPACE_IO, 0, pci->io_window, pci->io.last + 1);
	for (unsigned i = 0; i < ARRAY_SIZE(windows); i++)
		cell = put_range(cell, i ? SPACE_MEMORY64 : SPACE_MEMORY32, windows[i]->start,
				 windows[i]->start, windows[i]->last - windows[i]->start + 1);
	fdt_write_bytes(w, "ranges", cells, sizeof(cells));
}

static fdt32_t *put_interrupt(fdt32_t *cell, const struct pci_layout *pci, unsigned slot,
			      unsigned pin)
{
	*cell++ = cpu_to_fdt32(slot << PHYS_SLOT_SHIFT);
	cell = put64(cell, 0);
	*cell++ = cpu_to_fdt32(pin);
	*cell++ = cpu_to_fdt32(FDT_PHANDLE_GIC);
	cell = put64(cell, 0);
	*cell++ = cpu_to_fdt32(FDT_IRQ_SPI);
	*cell++ = cpu_to_fdt32(pci->intx(slot, pin));
	*cell++ = cpu_to_fdt32(FDT_IRQ_LEVEL_HIGH);
	return cell;
}

static void write_interrupts(struct fdt_writer *w, const struct pci_layout *pci)
{
	const fdt32_t mask[4] = { cpu_to_fdt32((PCI_SLOTS - 1) << PHYS_SLOT_SHIFT), 0, 0,
				  cpu_to_fdt32(7) };
	fdt32_t cells[INTX_COUNT * MAP_CELLS], *cell = cells;

	for (unsigned i = 0; i < INTX_COUNT; i++)
		cell = put_interrupt(cell, pci, i / MAP_INTX_PINS, i % MAP_INTX_PINS + 1);
	fdt_write_u32(w, "#interrupt-cells", 1);
	fdt_write_bytes(w, "interrupt-map-mask", mask, sizeof(mask));
	fdt_write_bytes(w, "interrupt-map", cells, sizeof(cells));
}

/* An ITS tells devices apart, by their requester ID; a v2m frame does not. */
static void write_msi(struct fdt_writer *w, enum gic_kind gic)
{
	const fdt32_t map[4] = { 0, cpu_to_fdt32(FDT_PHANDLE_MSI), 0, cpu_to_fdt32(MSI_IDS) };

	if (gic == GIC_V3_ITS)
		fdt_write_bytes(w, "msi-map", map, sizeof(map));
	else if (gic == GIC_V2M)
		fdt_write_u32(w, "msi-parent", FDT_PHANDLE_MSI);
}

static void write_hook(struct fdt_writer *w, const struct fdt_machine *machine, u32 iommu_phandle)
{
	const struct device_info *functions[PCI_SLOTS * PCI_FUNCTIONS];
	const struct list_node *pos;
	unsigned count = 0;

	if (w->error || !machine->firmware->fdt_pci_properties)
		return;
	list_for_each(pos, machine->devices) {
		const struct device *device = list_entry(pos, const struct device, node);

		if (device->info.kind == DEVICE_PCI && count < ARRAY_SIZE(functions))
			functions[count++] = &device->info;
	}
	w->error = machine->firmware->fdt_pci_properties(w->fdt, functions, count, iommu_phandle);
}

void fdt_add_pci(struct fdt_writer *w, const struct fdt_machine *machine, u32 iommu_phandle)
{
	const struct pci_layout *pci = machine->pci;
	const fdt32_t buses[2] = { 0, 0 };

	fdt_write_begin_at(w, "pcie", pci->ecam.start);
	fdt_write_string(w, "compatible", "pci-host-ecam-generic");
	fdt_write_string(w, "device_type", "pci");
	fdt_write_u32(w, "#address-cells", 3);
	fdt_write_u32(w, "#size-cells", 2);
	fdt_write_reg(w, (u64[]){ pci->ecam.start, pci->ecam.last - pci->ecam.start + 1 }, 1);
	fdt_write_bytes(w, "bus-range", buses, sizeof(buses));
	fdt_write_u32(w, "linux,pci-domain", 0);
	fdt_write_flag(w, "dma-coherent");
	write_windows(w, pci);
	write_interrupts(w, pci);
	write_msi(w, machine->gic);
	write_hook(w, machine, iommu_phandle);
	fdt_write_end(w);
}
