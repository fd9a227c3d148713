/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs on where no memory is. */
#include "guest.h"

#define NO_MEMORY 0xfe800000UL

void guest_main(const u8 *boot_params)
{
	put("jumping\n");
	asm volatile("jmp *%0" : : "r"(NO_MEMORY));
}
