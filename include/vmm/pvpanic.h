/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvpanic: a one-byte register to which a guest's kernel writes that it
 * panicked. Linux has drivers (ACPI QEMU0001, "qemu,pvpanic-mmio", PCI 1b36:0011); the device is
 * QEMU's, docs/specs/pvpanic.
 */
#ifndef VMM_PVPANIC_H
#define VMM_PVPANIC_H

#include "vmm/device.h"

struct vm;

/* At @resource, added to @vm, which owns it. A panic event calls vm_panicked(). */
int pvpanic_create(struct vm *vm, const struct device_resource *resource);

struct device_place;
/* The same register as BAR 0 of a PCI function, at @place. -errno. */
int pvpanic_pci_create(struct vm *vm, const struct device_place *place);

/* The register, for both: what it reads, and what a write does. VM lock held. */
u64 pvpanic_register_read(u64 offset);
void pvpanic_register_write(struct vm *vm, u64 offset, u64 value);

#endif
