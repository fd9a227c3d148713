/* SPDX-License-Identifier: BSD-2-Clause */
/* arm64: where the process begins, and system calls: the number is in x8, the result in x0. */
	.text
	.globl _start
_start:
	mov x29, #0
	bl init_main
	brk #0

	.globl syscall6
syscall6:	/* number, then six arguments */
	mov x8, x0
	mov x0, x1
	mov x1, x2
	mov x2, x3
	mov x3, x4
	mov x4, x5
	mov x5, x6
	svc #0
	ret

	.section .note.GNU-stack, "", %progbits
