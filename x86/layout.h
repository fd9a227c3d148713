/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PC's map of guest-physical addresses, ports and interrupts. All fixed
 * numbers of this machine are here.
 */
#ifndef X86_LAYOUT_H
#define X86_LAYOUT_H

#include "util/range.h"
#include "util/types.h"

/* RAM below LAYOUT_LOW_END, the rest of it from LAYOUT_HIGH. Between them: devices. */
#define LAYOUT_LOW_END 0xc0000000ULL
#define LAYOUT_HIGH    0x100000000ULL
#define LAYOUT_RAM_MIN (2 * MIB)
#define LAYOUT_RAM_MAX (4096 * GIB)
#define LAYOUT_RANGES  2

/* What we put into low memory for the guest's first instructions; a page each if not said. */
#define LAYOUT_GDT	   0x6000
#define LAYOUT_BOOT_PARAMS 0x7000
#define LAYOUT_SETUP_DATA  0x8000
#define LAYOUT_PAGE_TABLES 0x9000 /* PML4, PDPT, four page directories */
#define LAYOUT_PML5	   0xf000
#define LAYOUT_START_INFO  0x10000 /* PVH: start info, modules, memory map */
#define LAYOUT_CMDLINE	   0x20000
/* In the place of all these: a binary that begins in real mode, at 1000:0000, and its stack. */
#define LAYOUT_FLAT	  0x10000
#define LAYOUT_FLAT_STACK 0x8000 /* in the same segment, downwards, as in kvmtool */

/* The PC's hole under 1 MiB: conventional RAM ends, firmware area begins and ends. */
#define LAYOUT_EBDA 0x9fc00
/* ACPI: the RSDP first, on a 16-byte boundary that is searched. */
#define LAYOUT_TABLES	   0xe0000
#define LAYOUT_TABLES_SIZE 0x1f000
/* Where real mode begins after a reset, F000:FFF0. */
#define LAYOUT_RESET_VECTOR  0xffff0
#define LAYOUT_FIRMWARE_LAST 0xfffff
#define LAYOUT_KERNEL_MIN    0x100000

#define LAYOUT_ECAM	   0xc0000000ULL
#define LAYOUT_ECAM_SIZE   0x100000ULL /* bus 0 */
#define LAYOUT_PCI32	   0xd0000000ULL
#define LAYOUT_PCI32_LAST  0xfbffffffULL
#define LAYOUT_VIRTIO	   0xfe000000ULL
#define LAYOUT_VIRTIO_STEP 0x1000 /* a page each: the IOMMU's and the guest's grain */
#define LAYOUT_VIRTIO_SIZE 0x200
#define LAYOUT_IOAPIC	   0xfec00000ULL
#define LAYOUT_LAPIC	   0xfee00000ULL
#define LAYOUT_MSI_LAST	   0xfeefffffULL
/* Three pages that KVM needs on old Intel processors, below the reset vector. */
#define LAYOUT_TSS 0xfffbd000UL

#define PORT_I8042   0x60
#define PORT_RTC     0x70
#define PORT_PVPANIC 0x505
#define PORT_SLEEP   0x600 /* ACPI sleep control; + 1: sleep status */
#define PORT_PM1     0x604 /* ACPI's PM1 status, enable and control: 16 bits each */
#define PORT_CONFIG  0xcf8 /* PCI's configuration ports: address, and data 4 above */
#define PORT_RESET   0xcf9 /* a byte in the middle of them, as chipsets have it */
#define PORT_PCI     0x1000
#define PORT_LAST    0xffff

#define GSI_SERIAL_EVEN 3 /* COM2, COM4 */
#define GSI_SERIAL_ODD	4 /* COM1, COM3 */
#define GSI_RTC		8
#define GSI_SCI		9  /* the power button: an event of PM1, or of the event device */
#define GSI_INTX	16 /* GSI_INTX_LINES of them */
#define GSI_INTX_LINES	4

/* Values of the reset and sleep registers that the ACPI tables name. */
#define RESET_VALUE	 0x06
#define RESET_CPU	 0x04
#define SLEEP_TYPE_S5	 5
#define SLEEP_TYPE_SHIFT 2
#define SLEEP_ENABLE	 0x20
/* "PM1 Control Registers": always in ACPI mode; the sleep type is that of the sleep register. */
#define PM1_SCI_ENABLE	     0x0001
#define PM1_SLEEP_TYPE_SHIFT 10
#define PM1_SLEEP_ENABLE     0x2000
#define PM1_POWER_BUTTON     0x0100 /* of status and enable */

enum e820_type { E820_RAM = 1, E820_RESERVED = 2 };

struct e820_range {
	struct range range;
	enum e820_type type;
};

#define E820_MAX 8

/*
 * The memory map for the guest, ascending. @ecam: PCI's, or NULL. Returns the number of
 * entries in @map.
 */
unsigned e820_build(const struct range *ram, unsigned ram_count, const struct range *ecam,
		    struct e820_range map[E820_MAX]);

/* Where PCI goes, with @address_bits of guest-physical address. -ENOSPC with a line. */
struct error;
struct pci_layout;
int layout_pci(const struct range *ram, unsigned ram_count, unsigned address_bits,
	       struct pci_layout *layout, struct error *err);

#endif
