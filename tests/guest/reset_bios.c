/* SPDX-License-Identifier: BSD-2-Clause */
/* Resets as Linux does it by BIOS: from real mode, by a jump to the reset vector. */
#include "smp.h"

extern const u8 trampoline[], trampoline_end[];

asm(".pushsection .rodata\n"
    "	.code16\n"
    "trampoline:\n"
    "	cli\n"
    "	ljmp	$0xf000, $0xfff0\n"
    "trampoline_end:\n"
    "	.code64\n"
    "	.popsection\n");

void guest_main(const u8 *boot_params)
{
	put("reset\n");
	start_second_cpu(trampoline, trampoline_end);
	for (u32 wait = 0; wait < 1000000; wait++)
		asm volatile("pause");
	put("still here\n");
}
