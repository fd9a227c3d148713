/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest.h"

void guest_main(const u8 *boot_params)
{
	put("reset\n");
	outb(0xcf9, 2);
	outb(0xcf9, 6);
	put("still here\n");
	halt();
}
