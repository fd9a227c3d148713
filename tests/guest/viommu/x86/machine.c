/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lkvm's x86 machine, and QEMU's q35 without firmware: virtio-mmio at lkvm's fixed
 * slots or where the VIOT says, PCI by ECAM where the MCFG tells of one, else by ports.
 */
#include "../virtio.h"
#include "acpi.h"
#include "../../io.h"

#define COMMAND_LINE 0x228 /* of the boot parameters */
/* Between the RAM and what is fixed below 4 GiB, in every machine that this has met. */
#define BAR_WINDOW 0xd0000000u

#define SLOTS	       0xfe000000UL
#define SLOT_COUNT     16
#define SLOT_SIZE      0x1000
#define FIRST_ENDPOINT 0x80000000u

void machine_begin(struct machine *machine, const void *boot)
{
	const u32 line = *(const u32 *)((const u8 *)boot + COMMAND_LINE);

	*machine = (struct machine){ .command_line = line ? (const char *)(u64)line : "" };
}

void machine_end(void)
{
	outb(PORT_RESET, 6);
	for (;;)
		asm volatile("cli; hlt");
}

void put_char(char c)
{
	while (!(inb(PORT_COM1 + 5) & 0x20))
		;
	outb(PORT_COM1, c);
}

/* ---- time ---- */

u64 time_stamp(void)
{
	u32 low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

static void wait_for_second(void)
{
	u8 now = cmos_read(0);

	while (cmos_read(0) == now)
		;
}

u64 ticks_per_second(void)
{
	u64 begin;

	wait_for_second();
	begin = time_stamp();
	wait_for_second();
	return time_stamp() - begin;
}

/* Four seconds or so: nobody measures the clock for this. */
u64 patience(void)
{
	return 1UL << 33;
}

void relax(void)
{
	asm volatile("pause");
}

/* ---- memory: in one instruction, since some hypervisors emulate each ---- */

void *memset(void *to, int byte, unsigned long size)
{
	void *at = to;

	asm volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(byte) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, unsigned long size)
{
	void *at = to;

	asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
	return to;
}

/* ---- devices ---- */

/* @others counts those that are not the IOMMU: lkvm numbers them so. */
static bool look(struct virtio *device, u64 base, u32 *others)
{
	if (!mmio_look(device, base, NO_ENDPOINT))
		return false;
	if (device->type != VIRTIO_ID_IOMMU)
		device->endpoint = viot_mmio_endpoint(base, FIRST_ENDPOINT + (*others)++);
	return true;
}

unsigned machine_find_mmio(const struct machine *machine, struct virtio *devices, unsigned max)
{
	const u64 elsewhere = viot_mmio_iommu();
	unsigned count = 0;
	u32 others = 0;

	for (unsigned slot = 0; slot < SLOT_COUNT && count < max; slot++)
		count += look(&devices[count], SLOTS + slot * SLOT_SIZE, &others);
	if (count < max && elsewhere &&
	    (elsewhere < SLOTS || elsewhere >= SLOTS + SLOT_COUNT * SLOT_SIZE))
		count += look(&devices[count], elsewhere, &others);
	return count;
}

static u32 ports_read(const struct pci_host *host, u16 bdf, u8 at)
{
	outl(PORT_CONFIG_ADDRESS, 1u << 31 | (u32)bdf << 8 | (at & ~3u));
	return inl(PORT_CONFIG_DATA);
}

static void ports_write(const struct pci_host *host, u16 bdf, u8 at, u32 value)
{
	outl(PORT_CONFIG_ADDRESS, 1u << 31 | (u32)bdf << 8 | at);
	outl(PORT_CONFIG_DATA, value);
}

/* PCI Firmware Specification, "MCFG": the first allocation is segment 0's. */
bool machine_pci_host(const struct machine *machine, struct pci_host *host)
{
	const u64 mcfg = acpi_find("MCFG");

	*host = (struct pci_host){
		.read = ports_read,
		.write = ports_write,
		.next_bar = BAR_WINDOW,
	};
	if (mcfg && read32(mcfg + 4) >= 60)
		pci_use_ecam(host, read32(mcfg + 44) | (u64)read32(mcfg + 48) << 32);
	return true;
}

u32 machine_pci_endpoint(const struct machine *machine, u16 bdf)
{
	return viot_pci_endpoint(bdf);
}
