/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvpanic: a one-byte register to which a guest's kernel writes that it
 * panicked. Linux has the driver (ACPI QEMU0001, "qemu,pvpanic-mmio").
 */
#ifndef VMM_PVPANIC_H
#define VMM_PVPANIC_H

#include "vmm/device.h"

struct vm;

/* At @resource, added to @vm, which owns it. A panic event calls vm_panicked(). */
int pvpanic_create(struct vm *vm, const struct device_resource *resource);

#endif
