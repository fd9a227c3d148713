/* SPDX-License-Identifier: BSD-2-Clause */
/* What a kernel finds that is told noapic: a PIC that is masked, and a power-off by PM1. */
#include "guest.h"

void guest_main(const u8 *boot_params)
{
	put("masks ");
	put_hex(inb(PORT_PIC_MASK) << 8 | inb(PORT_PIC2_MASK));
	outw(PORT_PM1, 0xffff);
	outw(PORT_PM1 + 2, 0x0120);
	put(" status ");
	put_hex(inw(PORT_PM1));
	put(" enable ");
	put_hex(inw(PORT_PM1 + 2));
	put(" control ");
	put_hex(inw(PORT_PM1 + 4));
	put("\n");
	/* Without the enable bit, and to another state, nothing happens. */
	outw(PORT_PM1 + 4, 5 << 10);
	outw(PORT_PM1 + 4, 0x2000 | 3 << 10);
	put("still here\n");
	outw(PORT_PM1 + 4, 0x2000 | 5 << 10);
	put("on and on\n");
	halt();
}
