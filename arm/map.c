/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "map.h"
#include "pl011.h"
#include "vmm/arch.h"
#include "vmm/pci.h"

/* A kernel wants 2 MiB at least, and the device tree has 2 MiB of its own. */
#define MAP_RAM_MIN (4 * MIB)
/* Where addresses end on every processor without LPA. */
#define MAP_RAM_LAST ((1ULL << 48) - 1)

/* kvmtool's. */
static const struct map map_usual = {
	.ram = 0x80000000,
	.serial = 0x01000000,
	.ecam = 0x40000000,
	.pci32 = { 0x50000000, 0x7fffffff },
	.flash = { 0x02000000, 0x02ffffff },
};

/*
 * That of QEMU's "virt" board, as far as the firmware that is built for it knows it without being
 * told: code at 0, variables in the second bank of flash, RAM at 1 GiB with the device tree at its
 * start. All else is in the device tree; U-Boot maps registers between 128 MiB and 1 GiB alone, and
 * EDK2 takes no host bridge whose 64-bit window begins below 4 GiB.
 */
static const struct map map_firmware = {
	.ram = 0x40000000,
	.serial = 0x09000000,
	.pl011 = true,
	.ecam = 0x3f000000,
	.pci32 = { 0x12000000, 0x3efeffff },
	.pci64 = 4 * GIB,
	.flash = { 0x04000000, 0x07ffffff },
	.rom_size = 64 * MIB,
};

const struct map *map_of(const struct arch_options *options)
{
	return options->firmware ? &map_firmware : &map_usual;
}

const char *const arch_name = "arm64";
const bool arch_has_device_tree = true;

bool arch_wants_mmio(const struct arch_options *options, const char *params)
{
	return options->irqchip == GIC_V3 || options->irqchip == GIC_V2;
}

static const char *const gic_names[GIC_KINDS] = {
	[GIC_BEST] = "best",  [GIC_V3_ITS] = "gicv3-its", [GIC_V3] = "gicv3",
	[GIC_V2M] = "gicv2m", [GIC_V2] = "gicv2",
};

const char *gic_kind_name(enum gic_kind kind)
{
	return gic_names[kind];
}

int arch_irqchip_parse(const char *name, int *irqchip, struct error *err)
{
	for (int kind = GIC_BEST + 1; kind < GIC_KINDS; kind++) {
		if (strcmp(name, gic_names[kind]))
			continue;
		*irqchip = kind;
		return 0;
	}
	return error_set(err, -EINVAL,
			 "--irqchip %s: there is none of that name; arm64 has gicv3-its, gicv3, "
			 "gicv2m and gicv2",
			 name);
}

static int check_ram_base(const struct map *map, gpa_t base, struct error *err)
{
	if (map == &map_firmware && base != map->ram)
		return error_set(err, -EINVAL,
				 "--mem: firmware has its RAM at 1 GiB: leave @ADDRESS out");
	if (base < map->ram)
		return error_set(err, -EINVAL,
				 "--mem: RAM at 0x%llx: devices are below 2 GiB, give @2G or more",
				 (unsigned long long)base);
	if (!is_aligned(base, 2 * MIB))
		return error_set(err, -EINVAL,
				 "--mem: RAM at 0x%llx: it must begin at a multiple of 2 MiB",
				 (unsigned long long)base);
	return 0;
}

int arch_ram_layout(const struct arch_options *options, u64 size, gpa_t base, struct range *ranges,
		    unsigned max, struct error *err)
{
	const struct map *map = map_of(options);
	u64 page = sysconf(_SC_PAGESIZE);

	if (!base)
		base = map->ram;
	if (check_ram_base(map, base, err))
		return -EINVAL;
	if (!is_aligned(size, page))
		return error_set(err, -EINVAL,
				 "%llu bytes of memory is not a multiple of this host's %llu KiB "
				 "pages",
				 (unsigned long long)size, (unsigned long long)(page / KIB));
	if (size < MAP_RAM_MIN)
		return error_set(err, -EINVAL,
				 "%llu KiB of memory is too little: an arm64 guest needs 4 MiB at "
				 "least",
				 (unsigned long long)(size / KIB));
	if (base > MAP_RAM_LAST || size > MAP_RAM_LAST + 1 - base || max < 1)
		return error_set(err, -EINVAL,
				 "%llu GiB of memory at %llu GiB is more than arm64 can address",
				 (unsigned long long)(size / GIB),
				 (unsigned long long)(base / GIB));
	ranges[0] = (struct range){ base, base + size - 1 };
	return 1;
}

int arch_virtio_resource(unsigned n, struct device_resource *resource)
{
	if (n >= MAP_VIRTIO_SLOTS)
		return -ENOSPC;
	*resource = (struct device_resource){
		.base = MAP_VIRTIO + (u64)n * MAP_VIRTIO_STEP,
		.size = MAP_VIRTIO_SIZE,
		.gsi = MAP_SPI_VIRTIO + n,
		.trigger = IRQ_EDGE,
	};
	return 0;
}

void arch_serial_resource(const struct arch_options *options, unsigned n,
			  struct device_resource *resource)
{
	const struct map *map = map_of(options);

	*resource = (struct device_resource){
		.base = map->serial + (u64)n * MAP_SERIAL_STEP,
		.size = map->pl011 ? PL011_SIZE : 8,
		.gsi = n ? MAP_SPI_SERIAL_MORE + n - 1 : MAP_SPI_SERIAL,
		.trigger = IRQ_LEVEL,
	};
}

bool arch_flash_resource(const struct arch_options *options, struct device_resource *resource)
{
	const struct range *flash = &map_of(options)->flash;

	*resource = (struct device_resource){
		.base = flash->start,
		.size = flash->last - flash->start + 1,
		.gsi = DEVICE_NO_IRQ,
	};
	return true;
}

void arch_pvpanic_resource(struct device_resource *resource)
{
	*resource = (struct device_resource){
		.base = MAP_PVPANIC,
		.size = 2,
		.gsi = DEVICE_NO_IRQ,
	};
}

/* ---- the doorbell ---- */

const struct range arch_doorbells[] = {
	{ MAP_V2M, MAP_V2M + MAP_V2M_SIZE - 1 },
	{ MAP_ITS, MAP_ITS + MAP_ITS_SIZE - 1 },
};
const unsigned arch_doorbell_count = ARRAY_SIZE(arch_doorbells);

/* From its base. */
static u64 doorbell_offset(enum gic_kind kind)
{
	return kind == GIC_V3_ITS ? MAP_ITS_TRANSLATER : 0;
}

/* All that moves with it, in pages of MAP_DOORBELL_ALIGN. */
static u64 doorbell_frames(enum gic_kind kind)
{
	return kind == GIC_V3_ITS ? MAP_ITS_SIZE : MAP_DOORBELL_ALIGN;
}

bool map_msi_window(enum gic_kind kind, u64 base, struct range *window)
{
	if (kind == GIC_V3_ITS)
		return range_make(base + MAP_ITS_TRANSLATER, MAP_ITS_SIZE - MAP_ITS_TRANSLATER,
				  window);
	return kind == GIC_V2M && range_make(base, MAP_V2M_SIZE, window);
}

/* The last address of what is in [start, last]'s way; 0: nothing. */
static u64 obstacle(const struct map_machine *machine, u64 start, u64 last)
{
	const struct map *map = machine->map;
	const u64 low = MIN((u64)machine->cpus, (u64)MAP_REDIST_LOW_CPUS);
	const struct range fixed[] = {
		map->flash,
		map->pci32,
		{ MAP_GICD, MAP_V2M + 0xffff },
		{ MAP_REDIST, MAP_REDIST + low * MAP_REDIST_SIZE - 1 },
		{ map->serial, map->serial + ARCH_SERIAL_PORTS * MAP_SERIAL_STEP - 1 },
		{ MAP_PVPANIC, MAP_WATCHDOG_REFRESH + 0xffff },
		{ MAP_VIRTIO, MAP_VIRTIO + MAP_VIRTIO_SLOTS * MAP_VIRTIO_STEP - 1 },
		{ MAP_STOLEN, MAP_STOLEN + MAP_STOLEN_SIZE - 1 },
		{ MAP_REDIST_HIGH, MAP_REDIST_HIGH + ARCH_MAX_CPUS * MAP_REDIST_SIZE - 1 },
		{ MAP_PCI_IO, MAP_PCI_IO + MAP_PCI_IO_SIZE - 1 },
		{ map->ecam, map->ecam + MAP_ECAM_SIZE - 1 },
	};

	if (start < map->rom_size)
		return map->rom_size - 1;
	for (unsigned i = 0; i < ARRAY_SIZE(fixed); i++) {
		if (range_overlaps(start, last, fixed[i].start, fixed[i].last))
			return fixed[i].last;
	}
	for (unsigned i = 0; i < machine->ram_count; i++) {
		const struct range *ram = &machine->ram[i];

		if (range_overlaps(start, last, ram->start, ram->last))
			return ram->last;
	}
	return 0;
}

u64 map_msi_base_of(enum gic_kind kind, const struct range *doorbell)
{
	return doorbell->start - doorbell_offset(kind);
}

static u64 default_base(enum gic_kind kind)
{
	return kind == GIC_V3_ITS ? MAP_ITS : kind == GIC_V2M ? MAP_V2M : 0;
}

/*
 * Only the doorbell's page must be inside: some hosts' windows are no larger than that. Each
 * step goes past an obstacle, of which there are few.
 */
u64 map_msi_base(const struct map_machine *machine, const struct range *host)
{
	const enum gic_kind kind = machine->gic;
	const u64 page = MAP_DOORBELL_ALIGN, offset = doorbell_offset(kind);
	u64 base = default_base(kind), end;
	struct range doorbell;

	if (!host || !map_msi_window(kind, base, &doorbell) ||
	    range_contains(host->start, host->last, doorbell.start, doorbell.last))
		return base;
	end = MIN(host->last, (1ULL << machine->bits) - 1);
	for (u64 at = MAX(host->start, offset); at <= end;) {
		u64 blocked;

		at = align_up(at, page);
		if (!range_make(at, page, &doorbell) || doorbell.last > end)
			break;
		blocked = obstacle(machine, at - offset, at - offset + doorbell_frames(kind) - 1);
		if (!blocked)
			return at - offset;
		at = MAX(blocked, at) + 1;
	}
	return base;
}

/* ---- PCI ---- */

/* No two slots share a line, and no two pins of one: there are SPIs enough. */
static u32 intx_spi(unsigned slot, unsigned pin)
{
	return MAP_SPI_INTX + slot * MAP_INTX_PINS + pin - 1;
}

/* Guests of 4 KiB pages address no more without LPA2. */
#define PCI64_MAX_BITS 48
#define PCI64_MIN      GIB

int map_pci(const struct map_machine *machine, u64 msi_base, struct pci_layout *layout,
	    struct error *err)
{
	const struct map *map = machine->map;
	u64 end = 1ULL << MIN(machine->bits, (unsigned)PCI64_MAX_BITS);
	u64 ram_last = machine->ram[machine->ram_count - 1].last, start = ram_last + 1;

	/* A doorbell that moved up there is in nobody's way. */
	if (msi_base >= start)
		start = msi_base + doorbell_frames(machine->gic);
	start = MAX(align_up(start, GIB), map->pci64);
	if (end < PCI64_MIN || start > end - PCI64_MIN)
		return error_set(err, -ENOSPC,
				 "the memory ends at 0x%llx, which leaves no room for PCI below "
				 "0x%llx, where this host's guests' addresses end: give less "
				 "with --mem",
				 (unsigned long long)ram_last, (unsigned long long)end);
	*layout = (struct pci_layout){
		.ecam = { map->ecam, map->ecam + MAP_ECAM_SIZE - 1 },
		.mmio32 = map->pci32,
		.mmio64 = { start, end - 1 },
		.io = { MAP_PCI_IO_FIRST, MAP_PCI_IO_SIZE - 1 },
		.io_is_mmio = true,
		.io_window = MAP_PCI_IO,
		.intx = intx_spi,
	};
	return 0;
}
