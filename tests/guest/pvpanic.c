/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest.h"

#define PANICKED 1

void guest_main(const u8 *boot_params)
{
	if (inb(0x505) & PANICKED)
		put("panic\n");
	outb(0x505, PANICKED);
	put("last words\n");
}
