/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio 1.4, "Virtio Over PCI Bus", modern devices on bus 0. BARs that no
 * firmware has placed are placed here.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

#include "virtio.h"

#define VENDOR	     0x1af4
#define FIRST_MODERN 0x1040
#define LAST_MODERN  0x107f
#define FUNCTIONS    256
#define BARS	     6

/* ---- configuration space ---- */

/* PCI Express Base Specification, "Enhanced Configuration Access Mechanism". */
static u32 ecam_read(const struct pci_host *host, u16 bdf, u8 at)
{
	return read32(host->ecam + ((u64)bdf << 12) + (at & ~3u));
}

static void ecam_write(const struct pci_host *host, u16 bdf, u8 at, u32 value)
{
	write32(host->ecam + ((u64)bdf << 12) + at, value);
}

void pci_use_ecam(struct pci_host *host, u64 ecam)
{
	host->ecam = ecam;
	host->read = ecam_read;
	host->write = ecam_write;
}

/* ---- BARs ---- */

/* Where @bar is; it is placed if nobody has. The BARs that it takes in *taken. */
static u64 bar_place(struct pci_host *host, u16 bdf, unsigned bar, unsigned *taken)
{
	const u8 at = PCI_BASE_ADDRESS_0 + 4 * bar;
	const u32 old = host->read(host, bdf, at);
	const bool wide = (old & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
	u64 high;
	u32 size;

	*taken = 1;
	if (old & PCI_BASE_ADDRESS_SPACE_IO)
		return 0;
	*taken = wide ? 2 : 1;
	high = wide ? (u64)host->read(host, bdf, at + 4) << 32 : 0;
	if (high || old & PCI_BASE_ADDRESS_MEM_MASK)
		return high | (old & PCI_BASE_ADDRESS_MEM_MASK);
	host->write(host, bdf, at, ~0u);
	size = -(host->read(host, bdf, at) & PCI_BASE_ADDRESS_MEM_MASK);
	host->write(host, bdf, at, 0);
	if (!size)
		return 0;
	host->next_bar = (host->next_bar + size - 1) & -size;
	host->write(host, bdf, at, host->next_bar);
	host->next_bar += size;
	return host->next_bar - size;
}

static void bars_place(struct pci_host *host, u16 bdf, u64 bars[BARS])
{
	const u32 command = host->read(host, bdf, PCI_COMMAND) & 0xffff;
	unsigned taken;

	if (!(command & PCI_COMMAND_MEMORY))
		host->write(host, bdf, PCI_COMMAND, 0);
	for (unsigned bar = 0; bar < BARS; bar += taken)
		bars[bar] = bar_place(host, bdf, bar, &taken);
	host->write(host, bdf, PCI_COMMAND, command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
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
static void read_capability(const struct pci_host *host, struct virtio *device, u16 bdf, u8 at,
			    const u64 bars[BARS])
{
	const u8 kind = host->read(host, bdf, at) >> 24;
	const u8 bar = host->read(host, bdf, at + 4);
	u64 address;

	if (bar >= BARS || !bars[bar])
		return;
	address = bars[bar] + host->read(host, bdf, at + 8);
	if (kind == VIRTIO_PCI_CAP_COMMON_CFG && !device->base)
		device->base = address;
	if (kind == VIRTIO_PCI_CAP_DEVICE_CFG && !device->config)
		device->config = address;
	if (kind == VIRTIO_PCI_CAP_NOTIFY_CFG && !device->notify) {
		device->notify = address;
		device->notify_step = host->read(host, bdf, at + 16);
	}
}

static void read_capabilities(const struct pci_host *host, struct virtio *device, u16 bdf,
			      const u64 bars[BARS])
{
	u8 at = host->read(host, bdf, PCI_CAPABILITY_LIST);

	for (unsigned i = 0; at >= 0x40 && i < 48; i++) {
		const u32 head = host->read(host, bdf, at);

		if ((head & 0xff) == PCI_CAP_ID_VNDR)
			read_capability(host, device, bdf, at, bars);
		at = head >> 8 & 0xfc;
	}
}

static bool pci_look(struct pci_host *host, struct virtio *device, u16 bdf)
{
	const u32 id = host->read(host, bdf, PCI_VENDOR_ID);
	u64 bars[BARS] = { 0 };

	if ((id & 0xffff) != VENDOR || id >> 16 < FIRST_MODERN || id >> 16 > LAST_MODERN)
		return false;
	*device = (struct virtio){
		.ops = &pci_ops,
		.transport = "virtio-pci",
		.type = (id >> 16) - FIRST_MODERN,
	};
	bars_place(host, bdf, bars);
	read_capabilities(host, device, bdf, bars);
	return device->base && device->notify;
}

unsigned pci_find(const struct machine *machine, struct virtio *devices, unsigned max)
{
	struct pci_host host;
	unsigned count = 0;

	if (!machine_pci_host(machine, &host))
		return 0;
	for (unsigned bdf = 0; bdf < FUNCTIONS && count < max; bdf++) {
		if (pci_look(&host, &devices[count], bdf))
			devices[count++].endpoint = machine_pci_endpoint(machine, bdf);
	}
	return count;
}
