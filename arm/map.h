/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where everything of the arm64 machine is, and the kinds of its interrupt controller. The machine
 * for firmware has some of it elsewhere: struct map.
 */
#ifndef ARM_MAP_H
#define ARM_MAP_H

#include "util/range.h"
#include "util/types.h"

#define MAP_SERIAL_STEP	     0x1000 /* ARCH_SERIAL_PORTS of them, from map.serial on */
#define MAP_GICD	     0x08000000
#define MAP_GICD_SIZE	     0x10000
#define MAP_GICC	     0x08010000 /* GICv2 */
#define MAP_GICC_SIZE	     0x2000
#define MAP_V2M		     0x08020000
#define MAP_V2M_SIZE	     0x1000
#define MAP_ITS		     0x08080000
#define MAP_ITS_SIZE	     0x20000
#define MAP_ITS_TRANSLATER   0x10000 /* the second page of 64 KiB has GITS_TRANSLATER alone */
#define MAP_REDIST	     0x080a0000
#define MAP_REDIST_SIZE	     0x20000ULL /* of one CPU */
#define MAP_REDIST_END	     0x09000000
#define MAP_PVPANIC	     0x09010000
#define MAP_RTC		     0x09020000
#define MAP_RTC_SIZE	     0x1000
#define MAP_GPIO	     0x09030000
#define MAP_GPIO_SIZE	     0x1000
#define MAP_WATCHDOG	     0x09040000 /* control frame */
#define MAP_WATCHDOG_REFRESH 0x09050000
#define MAP_WATCHDOG_FRAME   0x1000 /* bytes, each */
#define MAP_VIRTIO	     0x0a000000
#define MAP_VIRTIO_STEP	     0x1000 /* a page each, of which a transport takes 0x200 */
#define MAP_VIRTIO_SIZE	     0x200
#define MAP_VIRTIO_SLOTS     32
#define MAP_STOLEN	     0x0a800000 /* stolen time: memory beside RAM, MAP_STOLEN_CPU each */
#define MAP_STOLEN_SIZE	     0x10000
#define MAP_STOLEN_CPU	     64
#define MAP_REDIST_HIGH	     0x10000000 /* of CPUs whose frames would reach MAP_REDIST_END */
#define MAP_PCI_IO	     0x3eff0000 /* port 0 and what follows */
#define MAP_PCI_IO_SIZE	     0x10000
#define MAP_PCI_IO_FIRST     0x1000   /* guests leave those below to legacy devices */
#define MAP_ECAM_SIZE	     0x100000 /* bus 0, from map.ecam on */
/* What a doorbell may be moved by, and what it takes up in a guest of the largest pages. */
#define MAP_DOORBELL_ALIGN 0x10000

/* Frames that fit between MAP_REDIST and MAP_REDIST_END. */
#define MAP_REDIST_LOW_CPUS ((MAP_REDIST_END - MAP_REDIST) / MAP_REDIST_SIZE)

/* SPIs are numbered from 0 here, as GSIs and device trees do; INTIDs are 32 more. */
#define MAP_SPI_INTID	    32
#define MAP_SPI_COUNT	    256
#define MAP_SPI_SERIAL	    1 /* and MAP_SPI_SERIAL_MORE for the ports after the first */
#define MAP_SPI_RTC	    2
#define MAP_SPI_GPIO	    3
#define MAP_SPI_WATCHDOG    4
#define MAP_SPI_SERIAL_MORE 5
#define MAP_SPI_VIRTIO	    16 /* MAP_VIRTIO_SLOTS of them */
#define MAP_SPI_V2M	    64 /* MAP_SPI_V2M_COUNT of them */
#define MAP_SPI_V2M_COUNT   64
#define MAP_SPI_INTX	    128 /* MAP_INTX_PINS for each slot */
#define MAP_INTX_PINS	    4

/* Best first. */
enum gic_kind { GIC_BEST = 0, GIC_V3_ITS, GIC_V3, GIC_V2M, GIC_V2, GIC_KINDS };

/* "gicv3-its" and so on. */
const char *gic_kind_name(enum gic_kind kind);

/* What a machine for kernels and one for firmware have at different places. */
struct map {
	gpa_t ram; /* the lowest */
	gpa_t serial;
	bool pl011; /* serial ports are PL011s, and not 16550s */
	gpa_t ecam;
	struct range pci32;
	gpa_t pci64;	    /* PCI's other window begins behind RAM, but not below this */
	struct range flash; /* --flash: at most so much of it */
	u64 rom_size;	    /* from 0 on: firmware's; 0: there is none */
};

struct arch_options;
const struct map *map_of(const struct arch_options *options);

/* All that may be in the way of what has no fixed place. */
struct map_machine {
	const struct map *map;
	enum gic_kind gic;
	unsigned cpus;
	const struct range *ram;
	unsigned ram_count;
	unsigned bits; /* of an address */
};

/*
 * Base of the ITS or the v2m frame of @machine: so that its doorbell is inside the @host's window,
 * if there is one (not NULL) and room in it, else where it always is. 0: it has no doorbell.
 */
u64 map_msi_base(const struct map_machine *machine, const struct range *host);
/* The doorbell of @kind at @base. false: it has none. */
bool map_msi_window(enum gic_kind kind, u64 base, struct range *window);
/* And back: the base of which @doorbell is the doorbell. */
u64 map_msi_base_of(enum gic_kind kind, const struct range *doorbell);

struct pci_layout;
struct error;
/* Where PCI goes. @msi_base: of map_msi_base(). -ENOSPC with a line. */
int map_pci(const struct map_machine *machine, u64 msi_base, struct pci_layout *layout,
	    struct error *err);

static inline bool gic_is_v3(enum gic_kind kind)
{
	return kind == GIC_V3_ITS || kind == GIC_V3;
}

#endif
