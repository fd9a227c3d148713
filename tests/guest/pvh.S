/* SPDX-License-Identifier: BSD-2-Clause */
/* Started by the PVH protocol: 32 bits, no paging, start info in EBX. */
#include "../include/ports.h"

	.section .note.pvh, "a"
	.long	4, 4, 18	/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	pvh_start

	.section .text.start, "ax"
	.globl	_start
_start:	ud2			/* by the other entry: wrong */
	.code32
pvh_start:
	mov	$0x80000, %esp	/* the protocol gives no stack */
	cmpl	$0x336ec578, (%ebx)
	jne	fail
	mov	24(%ebx), %esi	/* the command line, after some words of ours */
	mov	$prefix, %edi
	call	print
	mov	%esi, %edi
	call	print
	mov	32(%ebx), %edi	/* the RSDP begins with "RSD PTR " */
	cmpl	$0x20445352, (%edi)
	jne	fail
	mov	$PORT_SLEEP, %dx
	mov	$SLEEP_S5, %al
	out	%al, %dx
fail:	ud2
print:	mov	$PORT_COM1, %dx
1:	mov	(%edi), %al
	test	%al, %al
	jz	2f
	out	%al, %dx
	inc	%edi
	jmp	1b
2:	ret
	.section .rodata
prefix:	.asciz	"pvh: "
	.section .note.GNU-stack, "", @progbits
