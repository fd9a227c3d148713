/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A 16550A serial port: ttyS0 and on, on x86 (ports) and arm64 (MMIO, one byte per
 * register).
 */
#ifndef VMM_SERIAL_H
#define VMM_SERIAL_H

#include "vmm/device.h"

struct terminal;
struct vm;

/*
 * Port @n, below ARCH_SERIAL_PORTS, at @resource, added to @vm, which owns it. @terminal: its other
 * end (borrowed), or NULL for a port whose output goes nowhere. -errno.
 */
int serial_create(struct vm *vm, unsigned n, const struct device_resource *resource,
		  struct terminal *terminal);

#endif
