/* SPDX-License-Identifier: BSD-2-Clause */
/* What Linux's build appends to a vmlinux, here for moved.S. */
	.text
	.long	0, 0x81000800	/* 64 bits that grow */
	.long	0, 0x81000808	/* 32 bits that shrink */
	.long	0, 0x8100080c	/* 32 bits that grow */
	.section .note.GNU-stack, "", @progbits
