/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest.h"

#define PANICKED 1

void guest_main(const u8 *boot_params)
{
	if (inb(PORT_PVPANIC) & PANICKED)
		put("panic\n");
	outb(PORT_PVPANIC, PANICKED);
	put("last words\n");
}
