/* SPDX-License-Identifier: BSD-2-Clause */
/* What lies in low memory for the guest's first instructions. */
#ifndef X86_BOOT_H
#define X86_BOOT_H

#include "image.h"

struct guest_memory;
struct range;

/* Selectors of the GDT: the boot protocol's __BOOT_CS and __BOOT_DS. */
#define BOOT_CS	       0x10
#define BOOT_DS	       0x18
#define BOOT_GDT_LIMIT 0x1f

/*
 * Boot parameters or PVH start info, command line, and GDT and page tables if needed.
 * @ecam: PCI's, or NULL.
 */
int boot_write(const struct arch_image *image, const struct guest_memory *memory,
	       const struct range *ecam, struct error *err);

/* Whether the kernel is told to leave the IOAPIC alone. */
bool boot_has_no_ioapic(const char *cmdline);

#endif
