/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest.h"

void guest_main(const u8 *boot_params)
{
	/* A kernel waits for the input buffer to be empty first. */
	while (inb(PORT_I8042_COMMAND) & 2)
		;
	put("reset\n");
	outb(PORT_I8042_COMMAND, I8042_RESET);
	put("still here\n");
	halt();
}
