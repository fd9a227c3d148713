/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest.h"

void guest_main(const u8 *boot_params)
{
	put("reset\n");
	outb(PORT_RESET, 2);
	outb(PORT_RESET, 6);
	put("still here\n");
	halt();
}
