/* SPDX-License-Identifier: BSD-2-Clause */
/* Shows the year and month of the clock, as BCD. */
#include "guest.h"

static u8 cmos(u8 index)
{
	outb(0x70, index);
	return inb(0x71);
}

void guest_main(const u8 *boot_params)
{
	put("clock: ");
	put_hex(cmos(0x32) << 16 | cmos(9) << 8 | cmos(8));
	put("\n");
}
