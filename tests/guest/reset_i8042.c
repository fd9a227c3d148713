/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest.h"

void guest_main(const u8 *boot_params)
{
	/* A kernel waits for the input buffer to be empty first. */
	while (inb(0x64) & 2)
		;
	put("reset\n");
	outb(0x64, 0xfe);
	put("still here\n");
	halt();
}
