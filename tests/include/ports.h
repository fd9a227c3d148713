/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I/O ports of lkvm's x86 machine, for guests (also in assembler) and tests. They are stated here
 * anew, and not taken from lkvm's sources, so that a test notices if one moves.
 */
#ifndef TESTS_PORTS_H
#define TESTS_PORTS_H

#define PORT_PIC_MASK	    0x21
#define PORT_PIC2_MASK	    0xa1
#define PORT_I8042_COMMAND  0x64 /* read: its status */
#define PORT_CMOS_INDEX	    0x70
#define PORT_CMOS_DATA	    0x71
#define PORT_COM1	    0x3f8
#define PORT_PVPANIC	    0x505
#define PORT_SLEEP	    0x600 /* the ACPI sleep control register */
#define PORT_PM1	    0x604 /* the fixed hardware's, where there is no IOAPIC */
#define PORT_CONFIG_ADDRESS 0xcf8
#define PORT_RESET	    0xcf9
#define PORT_CONFIG_DATA    0xcfc

#define I8042_RESET 0xfe /* pulses the CPU's reset line */
#define SLEEP_S5    0x34 /* SLP_TYP 5, SLP_EN */

#endif
