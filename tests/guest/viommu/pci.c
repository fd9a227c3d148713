/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio 1.4, "Virtio Over PCI Bus", modern devices on bus 0. Configuration
 * space is reached through ECAM where ACPI tells of one, else through ports.
 * BARs that no firmware has placed are placed here.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

#include "virtio.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define VENDOR	       0x1af4
#define FIRST_MODERN   0x1040
#define LAST_MODERN    0x107f
#define FUNCTIONS      256
/* Between the RAM and what is fixed below 4 GiB, in every machine that this has met. */
#define BAR_WINDOW 0xd0000000u
#define BARS	   6

struct pci {
	u64 ecam; /* 0: ports */
	u32 next_bar;
};

static inline void outl(u16 port, u32 value)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline u32 inl(u16 port)
{
	u32 value;

	asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static u32 pci_read(const struct pci *pci, u16 bdf, u8 at)
{
	if (pci->ecam)
		return read32(pci->ecam + ((u64)bdf << 12) + (at & ~3u));
	outl(CONFIG_ADDRESS, 1u << 31 | (u32)bdf << 8 | (at & ~3u));
	return inl(CONFIG_DATA);
}

static void pci_write(const struct pci *pci, u16 bdf, u8 at, u32 value)
{
	if (pci->ecam) {
		write32(pci->ecam + ((u64)bdf << 12) + at, value);
		return;
	}
	outl(CONFIG_ADDRESS, 1u << 31 | (u32)bdf << 8 | at);
	outl(CONFIG_DATA, value);
}

/* ---- BARs ---- */

/* Where @bar is; it is placed if nobody has. The BARs that it takes in *taken. */
static u64 bar_place(struct pci *pci, u16 bdf, unsigned bar, unsigned *taken)
{
	const u8 at = PCI_BASE_ADDRESS_0 + 4 * bar;
	const u32 old = pci_read(pci, bdf, at);
	const bool wide = (old & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
	u64 high;
	u32 size;

	*taken = 1;
	if (old & PCI_BASE_ADDRESS_SPACE_IO)
		return 0;
	*taken = wide ? 2 : 1;
	high = wide ? (u64)pci_read(pci, bdf, at + 4) << 32 : 0;
	if (high || old & PCI_BASE_ADDRESS_MEM_MASK)
		return high | (old & PCI_BASE_ADDRESS_MEM_MASK);
	pci_write(pci, bdf, at, ~0u);
	size = -(pci_read(pci, bdf, at) & PCI_BASE_ADDRESS_MEM_MASK);
	pci_write(pci, bdf, at, 0);
	if (!size)
		return 0;
	pci->next_bar = (pci->next_bar + size - 1) & -size;
	pci_write(pci, bdf, at, pci->next_bar);
	pci->next_bar += size;
	return pci->next_bar - size;
}

static void bars_place(struct pci *pci, u16 bdf, u64 bars[BARS])
{
	const u32 command = pci_read(pci, bdf, PCI_COMMAND) & 0xffff;
	unsigned taken;

	if (!(command & PCI_COMMAND_MEMORY))
		pci_write(pci, bdf, PCI_COMMAND, 0);
	for (unsigned bar = 0; bar < BARS; bar += taken)
		bars[bar] = bar_place(pci, bdf, bar, &taken);
	pci_write(pci, bdf, PCI_COMMAND, command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* ---- the transport ---- */

static u32 pci_features(struct virtio *device, u32 half)
{
	write32(device->base + VIRTIO_PCI_COMMON_DFSELECT, half);
	return read32(device->base + VIRTIO_PCI_COMMON_DF);
}

static void pci_accept(struct virtio *device, u32 half, u32 features)
{
	write32(device->base + VIRTIO_PCI_COMMON_GFSELECT, half);
	write32(device->base + VIRTIO_PCI_COMMON_GF, features);
}

static u8 pci_status(struct virtio *device)
{
	return *(volatile u8 *)(device->base + VIRTIO_PCI_COMMON_STATUS);
}

static void pci_set_status(struct virtio *device, u8 status)
{
	*(volatile u8 *)(device->base + VIRTIO_PCI_COMMON_STATUS) = status;
}

static volatile u16 *common16(struct virtio *device, u64 at)
{
	return (volatile u16 *)(device->base + at);
}

static u16 pci_enable(struct virtio *device, u16 queue, u16 size, const u64 rings[3])
{
	static const u8 registers[] = {
		VIRTIO_PCI_COMMON_Q_DESCLO,
		VIRTIO_PCI_COMMON_Q_AVAILLO,
		VIRTIO_PCI_COMMON_Q_USEDLO,
	};
	u16 max;

	*common16(device, VIRTIO_PCI_COMMON_Q_SELECT) = queue;
	max = *common16(device, VIRTIO_PCI_COMMON_Q_SIZE);
	if (!max)
		return 0;
	size = size < max ? size : max;
	*common16(device, VIRTIO_PCI_COMMON_Q_SIZE) = size;
	for (unsigned i = 0; i < COUNT(registers); i++) {
		write32(device->base + registers[i], rings[i]);
		write32(device->base + registers[i] + 4, rings[i] >> 32);
	}
	device->doorbells[queue] = device->notify +
				   (u64)*common16(device, VIRTIO_PCI_COMMON_Q_NOFF) *
					   device->notify_step;
	*common16(device, VIRTIO_PCI_COMMON_Q_ENABLE) = 1;
	return size;
}

static const struct virtio_ops pci_ops = {
	.features = pci_features,
	.accept = pci_accept,
	.status = pci_status,
	.set_status = pci_set_status,
	.enable = pci_enable,
};

/* "Virtio Structure PCI Capabilities": the first of each kind is the one to use. */
static void read_capability(const struct pci *pci, struct virtio *device, u16 bdf, u8 at,
			    const u64 bars[BARS])
{
	const u8 kind = pci_read(pci, bdf, at) >> 24;
	const u8 bar = pci_read(pci, bdf, at + 4);
	u64 address;

	if (bar >= BARS || !bars[bar])
		return;
	address = bars[bar] + pci_read(pci, bdf, at + 8);
	if (kind == VIRTIO_PCI_CAP_COMMON_CFG && !device->base)
		device->base = address;
	if (kind == VIRTIO_PCI_CAP_DEVICE_CFG && !device->config)
		device->config = address;
	if (kind == VIRTIO_PCI_CAP_NOTIFY_CFG && !device->notify) {
		device->notify = address;
		device->notify_step = pci_read(pci, bdf, at + 16);
	}
}

static void read_capabilities(const struct pci *pci, struct virtio *device, u16 bdf,
			      const u64 bars[BARS])
{
	u8 at = pci_read(pci, bdf, PCI_CAPABILITY_LIST);

	for (unsigned i = 0; at >= 0x40 && i < 48; i++) {
		const u32 head = pci_read(pci, bdf, at);

		if ((head & 0xff) == PCI_CAP_ID_VNDR)
			read_capability(pci, device, bdf, at, bars);
		at = head >> 8 & 0xfc;
	}
}

static bool pci_look(struct pci *pci, struct virtio *device, u16 bdf)
{
	const u32 id = pci_read(pci, bdf, PCI_VENDOR_ID);
	u64 bars[BARS] = { 0 };

	if ((id & 0xffff) != VENDOR || id >> 16 < FIRST_MODERN || id >> 16 > LAST_MODERN)
		return false;
	*device = (struct virtio){
		.ops = &pci_ops,
		.transport = "virtio-pci",
		.type = (id >> 16) - FIRST_MODERN,
		.endpoint = viot_pci_endpoint(bdf),
	};
	bars_place(pci, bdf, bars);
	read_capabilities(pci, device, bdf, bars);
	return device->base && device->notify;
}

/* PCI Firmware Specification, "MCFG": the first allocation is segment 0's. */
static u64 find_ecam(void)
{
	const u64 mcfg = acpi_find("MCFG");

	return mcfg && *(const u32 *)(mcfg + 4) >= 60 ? *(const u64 *)(mcfg + 44) : 0;
}

unsigned pci_find(struct virtio *devices, unsigned max)
{
	struct pci pci = { .ecam = find_ecam(), .next_bar = BAR_WINDOW };
	unsigned count = 0;

	for (unsigned bdf = 0; bdf < FUNCTIONS && count < max; bdf++)
		count += pci_look(&pci, &devices[count], bdf);
	return count;
}
