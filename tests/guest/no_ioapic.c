/* SPDX-License-Identifier: BSD-2-Clause */
/* What a kernel finds that is told noapic: a PIC that is masked, and a power-off by PM1. */
#include "guest.h"

#define PM1 0x604

static u16 inw(u16 port)
{
	u16 value;

	asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void outw(u16 port, u16 value)
{
	asm volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

void guest_main(const u8 *boot_params)
{
	put("masks ");
	put_hex(inb(0x21) << 8 | inb(0xa1));
	outw(PM1, 0xffff);
	outw(PM1 + 2, 0x0120);
	put(" status ");
	put_hex(inw(PM1));
	put(" enable ");
	put_hex(inw(PM1 + 2));
	put(" control ");
	put_hex(inw(PM1 + 4));
	put("\n");
	/* Without the enable bit, and to another state, nothing happens. */
	outw(PM1 + 4, 5 << 10);
	outw(PM1 + 4, 0x2000 | 3 << 10);
	put("still here\n");
	outw(PM1 + 4, 0x2000 | 5 << 10);
	put("on and on\n");
	halt();
}
