/* SPDX-License-Identifier: BSD-2-Clause */
/* The 64-bit entry of the boot protocol: boot_params in RSI. Ends in a power-off. */
#include "../include/ports.h"

	.section .text.start, "ax"
	.globl _start
_start:
	lea	stack_top(%rip), %rsp
	mov	%rsi, %rdi
	cld
	call	guest_main
	mov	$PORT_SLEEP, %dx
	mov	$SLEEP_S5, %al
	out	%al, %dx
1:	hlt
	jmp	1b

	.bss
	.balign	16
	.skip	16384
stack_top:
	.section .note.GNU-stack, "", @progbits
