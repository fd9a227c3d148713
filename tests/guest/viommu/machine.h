/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an architecture gives (x86/, arm64/): it starts the guest in guest_main(), with
 * memory mapped where it is, cached, and MMIO beside it; speaks, knows the time,
 * ends the machine, and finds devices in the firmware's tables.
 */
#ifndef TESTS_GUEST_VIOMMU_MACHINE_H
#define TESTS_GUEST_VIOMMU_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

#include "../types.h"

struct virtio;

struct machine {
	const char *command_line;
	const void *firmware; /* the architecture's own: the device tree, where there is one */
};

/* How to reach PCI's configuration space, and where BARs may go that nobody has placed. */
struct pci_host {
	u64 ecam; /* for those whose accesses go there */
	u32 (*read)(const struct pci_host *host, u16 bdf, u8 at);
	void (*write)(const struct pci_host *host, u16 bdf, u8 at, u32 value);
	u32 next_bar;
};

/* @boot: what the boot protocol hands over. */
void guest_main(const void *boot);

/* First of all: before it, nothing can be said. */
void machine_begin(struct machine *machine, const void *boot);
/* The machine goes away, and lkvm or QEMU with it. */
void machine_end(void) __attribute__((noreturn));

void put_char(char c);

/* A clock; its ticks in a second (x86 measures them for two); how many to wait for a device. */
u64 time_stamp(void);
u64 ticks_per_second(void);
u64 patience(void);
/* In loops that wait. */
void relax(void);

void *memset(void *to, int byte, unsigned long size);
void *memcpy(void *to, const void *from, unsigned long size);

/* Devices on virtio-mmio, with their endpoints, by mmio_look(). */
unsigned machine_find_mmio(const struct machine *machine, struct virtio *devices, unsigned max);
/* False: there is no PCI. */
bool machine_pci_host(const struct machine *machine, struct pci_host *host);
/* The IOMMU's name for it, or NO_ENDPOINT. */
u32 machine_pci_endpoint(const struct machine *machine, u16 bdf);

#endif
