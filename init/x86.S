/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * x86-64: where the process begins, and system calls. System V ABI, "A.2.1 Calling Conventions":
 * a call's fourth argument is in %rcx, a system call's in %r10.
 */
	.text
	.globl _start
_start:
	xor %ebp, %ebp
	and $-16, %rsp
	call init_main
	hlt

	.globl syscall6
syscall6:	/* number, then six arguments; the last is on the stack */
	mov %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsi
	mov %rcx, %rdx
	mov %r8, %r10
	mov %r9, %r8
	mov 8(%rsp), %r9
	syscall
	ret

	.section .note.GNU-stack, "", %progbits
