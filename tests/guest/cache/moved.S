/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vmlinux that says how far it was moved, by the numbers of all three kinds that relocations.S names,
 * where it is, and whether it is told so.
 */
#include "../../include/ports.h"

#define LINKED	 0xffffffff81000800
#define LINKED32 0x81000800
#define BACK	 0x1000
#define LOADFLAGS 0x211 /* of boot_params */

	.text
	.globl	_start
_start:
	lea	stack_top(%rip), %rsp
	mov	%rsi, %rbx
	lea	shift(%rip), %rsi
	call	say
	mov	add64(%rip), %r12
	mov	$LINKED, %rax
	sub	%rax, %r12
	mov	%r12, %rax
	call	say_hex
	lea	at(%rip), %rsi
	call	say
	lea	_start(%rip), %rax
	call	say_hex
	lea	told(%rip), %rsi
	call	say
	mov	LOADFLAGS(%rbx), %al
	shr	%al
	and	$1, %al
	add	$'0', %al
	out	%al, %dx
	mov	add32(%rip), %eax
	sub	$LINKED32, %eax
	cmp	%r12d, %eax
	jne	1f
	mov	subtract(%rip), %eax
	add	%r12d, %eax
	cmp	$BACK, %eax
	jne	1f
	lea	agree(%rip), %rsi
	call	say
1:	mov	$'\n', %al
	mov	$PORT_COM1, %dx
	out	%al, %dx
	mov	$PORT_SLEEP, %dx
	mov	$SLEEP_S5, %al
	out	%al, %dx
2:	hlt
	jmp	2b

say:	mov	$PORT_COM1, %dx
1:	lodsb
	test	%al, %al
	jz	2f
	out	%al, %dx
	jmp	1b
2:	ret

say_hex: mov	%rax, %rdi
	mov	$PORT_COM1, %dx
	mov	$16, %ecx
1:	rol	$4, %rdi
	mov	%edi, %eax
	and	$15, %al
	add	$'0', %al
	cmp	$'9', %al
	jbe	2f
	add	$'a' - '0' - 10, %al
2:	out	%al, %dx
	loop	1b
	ret

shift:	.asciz	"unpacked, moved by "
at:	.asciz	" at "
told:	.asciz	" told "
agree:	.asciz	" all agree"

	.org	0x800
add64:	.quad	LINKED
subtract: .long	BACK
add32:	.long	LINKED32

	.org	0x2000
stack_top:
	.section .note.GNU-stack, "", @progbits
