/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bzImage with the packed vmlinux PAYLOAD ("The Linux/x86 Boot Protocol", "Details of Header Fields"). Its own
 * code, which would unpack that, says that it runs and powers off.
 */
#include "../../include/ports.h"

	.text
	.org	0x1f1
	.byte	1			/* setup_sects */
	.org	0x1f4
	.long	(end - code + 15) / 16	/* syssize */
	.org	0x1fe
	.word	0xaa55
	.byte	0xeb, 0x6a
	.ascii	"HdrS"
	.word	0x20f
	.org	0x211
	.byte	1			/* loadflags: LOADED_HIGH */
	.org	0x22c
	.long	0x7fffffff		/* initrd_addr_max */
	.long	0x200000		/* kernel_alignment */
	.byte	1			/* relocatable_kernel */
	.org	0x236
	.word	1			/* xloadflags: XLF_KERNEL_64 */
	.long	2047			/* cmdline_size */
	.org	0x248
	.long	payload - code, end - payload
	.org	0x258
	.quad	0x1000000		/* pref_address */
	.long	0x400000		/* init_size */
	.org	0x400
code:
	.org	0x600
	lea	words(%rip), %rsi
	mov	$PORT_COM1, %dx
1:	lodsb
	test	%al, %al
	jz	2f
	out	%al, %dx
	jmp	1b
2:	mov	$PORT_SLEEP, %dx
	mov	$SLEEP_S5, %al
	out	%al, %dx
3:	hlt
	jmp	3b
words:	.asciz	"packed\n"
payload:
	.incbin	PAYLOAD
end:
	.section .note.GNU-stack, "", @progbits
