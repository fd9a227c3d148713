/* SPDX-License-Identifier: BSD-2-Clause */
#include "smp.h"

#define FLAG (TRAMPOLINE + 0xffc)

extern const u8 trampoline[], trampoline_end[];

/* CS:0 is the page. It answers in memory, since the serial port is the other one's. */
asm(".pushsection .rodata\n"
    "	.code16\n"
    "trampoline:\n"
    "	cli\n"
    "	mov	%cs, %ax\n"
    "	mov	%ax, %ds\n"
    "	movl	$0x12345678, 0xffc\n"
    "1:	hlt\n"
    "	jmp	1b\n"
    "trampoline_end:\n"
    "	.code64\n"
    "	.popsection\n");

void guest_main(const u8 *boot_params)
{
	start_second_cpu(trampoline, trampoline_end);
	for (u32 wait = 0; wait < 1000000; wait++) {
		if (read32(FLAG) == 0x12345678) {
			put("the second cpu runs\n");
			return;
		}
	}
	put("nothing\n");
}
