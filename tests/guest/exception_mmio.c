/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes an exception with its table where no memory is. */
#include "guest.h"

#define NO_MEMORY 0xfe800000UL

void guest_main(const u8 *boot_params)
{
	static const struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) idt = { 0xfff, NO_MEMORY };

	put("interrupt table in mmio\n");
	asm volatile("lidt %0; ud2" : : "m"(idt));
}
