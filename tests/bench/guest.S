/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trivial guest of the benchmark, for any VMM that knows PVH: it writes one
 * 'A' to the serial port as its first instructions. Then it ends (END: lkvm's
 * ACPI sleep register, and a triple fault for those who have none) or halts.
 */
#include "../include/ports.h"

	.section .note.pvh, "a", @note
	.align 4
	.long 4, 4, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long start

	.text
	.code32
	.globl start
start:
	movw $PORT_COM1, %dx
	movb $'A', %al
	outb %al, %dx
#ifdef END
	movw $PORT_SLEEP, %dx
	movb $SLEEP_S5, %al
	outb %al, %dx
	lidt empty
	ud2
#endif
1:	hlt
	jmp 1b

	.align 8
empty:	.long 0, 0
