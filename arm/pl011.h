/* SPDX-License-Identifier: BSD-2-Clause */
/* A serial port that firmware for Arm's boards knows: a PrimeCell PL011 (ARM DDI 0183). */
#ifndef ARM_PL011_H
#define ARM_PL011_H

#include "vmm/device.h"

struct terminal;
struct vm;

/* Bytes of its registers. */
#define PL011_SIZE 0x1000

/*
 * Port @n, below ARCH_SERIAL_PORTS, at @resource, added to @vm, which owns it. @terminal: its other
 * end (borrowed), or NULL for a port whose output goes nowhere. -errno. As serial_create().
 */
int pl011_create(struct vm *vm, unsigned n, const struct device_resource *resource,
		 struct terminal *terminal);

#endif
