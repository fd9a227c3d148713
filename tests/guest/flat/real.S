/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flat binary: it starts at 1000:0000 in real mode, says so with what it finds there, and resets
 * the machine. Assembled for address 0 of its segment.
 */
#include "ports.h"

	.code16
	.globl	_start
_start:
	mov	%sp, %bx		/* before the stack is used */
	mov	$text, %si
	call	print
	mov	%cs, %ax
	call	print_hex
	mov	$' ', %al
	call	put
	mov	%ds, %ax
	call	print_hex
	mov	$' ', %al
	call	put
	mov	%bx, %ax
	call	print_hex
	mov	$' ', %al
	call	put
	smsw	%ax			/* bit 0: protected mode */
	and	$1, %ax
	call	print_hex
	mov	$'\n', %al
	call	put
	mov	$PORT_RESET, %dx
	mov	$0x06, %al
	out	%al, %dx
1:	hlt
	jmp	1b

print:	lodsb
	test	%al, %al
	jz	1f
	call	put
	jmp	print
1:	ret

/* AX, four digits. */
print_hex:
	mov	$4, %cx
1:	rol	$4, %ax
	push	%ax
	and	$0xf, %al
	add	$'0', %al
	cmp	$'9', %al
	jbe	2f
	add	$('a' - '9' - 1), %al
2:	call	put
	pop	%ax
	loop	1b
	ret

put:	push	%dx
	mov	$PORT_COM1, %dx
	out	%al, %dx
	pop	%dx
	ret

text:	.asciz	"real mode: "
