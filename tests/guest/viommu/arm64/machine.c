/* SPDX-License-Identifier: BSD-2-Clause */
/* lkvm's arm64 machine, and QEMU's virt: whatever the device tree tells of. */
#include "../virtio.h"
#include "fdt.h"

#define PATIENCE 4 /* seconds: the emulators that run this are slow */

/* The one thing that put_char() needs to know. */
static struct {
	u64 base;
	bool pl011;
} console;

void guest_exception(u64 syndrome, u64 address, u64 fault);

static bool open_tree(const struct machine *machine, struct fdt *fdt)
{
	return fdt_open(fdt, machine->firmware);
}

/* Addresses have two cells at the root of both machines. */
static u64 reg_of(const struct fdt *fdt, struct fdt_node node)
{
	return fdt_cell2(fdt_get(fdt, node, "reg"), 0);
}

static void look_for_console(const struct fdt *fdt, struct fdt_node node)
{
	const bool pl011 = fdt_compatible(fdt, node, "arm,pl011");

	if (console.base || (!pl011 && !fdt_compatible(fdt, node, "ns16550a")))
		return;
	console.base = reg_of(fdt, node);
	console.pl011 = pl011;
}

void machine_begin(struct machine *machine, const void *boot)
{
	struct fdt_node node = { 0 };
	struct fdt fdt;

	*machine = (struct machine){ .command_line = "", .firmware = boot };
	if (!open_tree(machine, &fdt))
		return;
	while (fdt_next(&fdt, &node)) {
		const char *line = fdt_text(fdt_get(&fdt, node, "bootargs"));

		if (line)
			machine->command_line = line;
		look_for_console(&fdt, node);
	}
}

/* Arm PrimeCell UART (PL011), "Flag Register, UARTFR"; or a 16550 with byte registers. */
void put_char(char c)
{
	if (!console.base)
		return;
	while (console.pl011 ? read32(console.base + 0x18) & 0x20
			     : !(*(volatile u8 *)(console.base + 5) & 0x20))
		;
	*(volatile u8 *)console.base = c;
}

void guest_exception(u64 syndrome, u64 address, u64 fault)
{
	put("\nexception ");
	put_hex(syndrome);
	put(" at ");
	put_hex(address);
	put(", address ");
	put_hex(fault);
	put("\n");
}

/* ---- time ---- */

u64 time_stamp(void)
{
	u64 now;

	asm volatile("isb; mrs %0, cntvct_el0" : "=r"(now) : : "memory");
	return now;
}

u64 ticks_per_second(void)
{
	u64 frequency;

	asm("mrs %0, cntfrq_el0" : "=r"(frequency));
	return frequency;
}

u64 patience(void)
{
	return PATIENCE * ticks_per_second();
}

void relax(void)
{
	asm volatile("yield");
}

/* ---- memory ---- */

void *memset(void *to, int byte, unsigned long size)
{
	u8 *at = to;

	while (size--)
		*at++ = byte;
	return to;
}

void *memcpy(void *to, const void *from, unsigned long size)
{
	const u8 *source = from;
	u8 *at = to;

	while (size--)
		*at++ = *source++;
	return to;
}

/* ---- devices ---- */

/* Bindings "virtio memory mapped devices" (virtio/mmio.yaml) and "IOMMU" (iommu/iommu.txt). */
static bool look(const struct fdt *fdt, struct fdt_node node, struct virtio *device)
{
	const struct fdt_property iommus = fdt_get(fdt, node, "iommus");
	const u32 endpoint = iommus.size == 8 ? fdt_cell(iommus, 1) : NO_ENDPOINT;

	if (!fdt_compatible(fdt, node, "virtio,mmio") ||
	    !mmio_look(device, reg_of(fdt, node), endpoint))
		return false;
	/* An IOMMU that nobody can refer to is none. */
	return device->type != VIRTIO_ID_IOMMU ||
	       fdt_cell(fdt_get(fdt, node, "#iommu-cells"), 0) == 1;
}

unsigned machine_find_mmio(const struct machine *machine, struct virtio *devices, unsigned max)
{
	struct fdt_node node = { 0 };
	unsigned count = 0;
	struct fdt fdt;

	if (!open_tree(machine, &fdt))
		return 0;
	while (count < max && fdt_next(&fdt, &node))
		count += look(&fdt, node, &devices[count]);
	return count;
}

static bool find_pci(const struct machine *machine, struct fdt *fdt, struct fdt_node *node)
{
	*node = (struct fdt_node){ 0 };
	if (!open_tree(machine, fdt))
		return false;
	while (fdt_next(fdt, node)) {
		if (fdt_compatible(fdt, *node, "pci-host-ecam-generic"))
			return true;
	}
	return false;
}

/* IEEE 1275, "PCI Bus Binding": three cells of child's address, then ours, then the size. */
#define RANGE_CELLS  7
#define SPACE(cell)  ((cell) >> 24 & 3)
#define SPACE_MEMORY 2 /* with addresses of 32 bits */

bool machine_pci_host(const struct machine *machine, struct pci_host *host)
{
	struct fdt_property ranges;
	struct fdt_node node;
	struct fdt fdt;

	*host = (struct pci_host){ 0 };
	if (!find_pci(machine, &fdt, &node))
		return false;
	ranges = fdt_get(&fdt, node, "ranges");
	for (u32 n = 0; n + RANGE_CELLS <= ranges.size / 4; n += RANGE_CELLS) {
		if (SPACE(fdt_cell(ranges, n)) == SPACE_MEMORY)
			host->next_bar = fdt_cell2(ranges, n + 3);
	}
	pci_use_ecam(host, reg_of(&fdt, node));
	return host->next_bar;
}

/* Binding "PCI IOMMU" (pci/pci-iommu.txt): first requester ID, IOMMU, first endpoint, how many. */
u32 machine_pci_endpoint(const struct machine *machine, u16 bdf)
{
	struct fdt_property map;
	struct fdt_node node;
	struct fdt fdt;

	if (!find_pci(machine, &fdt, &node))
		return NO_ENDPOINT;
	map = fdt_get(&fdt, node, "iommu-map");
	for (u32 n = 0; n + 4 <= map.size / 4; n += 4) {
		const u32 first = fdt_cell(map, n);

		if (bdf >= first && bdf - first < fdt_cell(map, n + 3))
			return fdt_cell(map, n + 2) + bdf - first;
	}
	return NO_ENDPOINT;
}
