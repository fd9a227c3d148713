/* SPDX-License-Identifier: BSD-2-Clause */
/* A vmlinux that does not start: it is of no use without what unpacks it. */
	.text
	.globl	_start
_start:
	lidt	none(%rip)
	ud2
none:	.word	0
	.quad	0
	.org	0x1000
	.section .note.GNU-stack, "", @progbits
