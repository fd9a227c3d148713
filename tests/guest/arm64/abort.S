/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An arm64 Image (Linux, Documentation/arch/arm64/booting.rst) that reads where no device is: with a
 * simple load, which is all ones, and with loads that KVM cannot decode, which abort and no more. The
 * MMU stays off.
 */
#define SERIAL	   0x0100
#define NO_DEVICE  0x0b00
#define SYSTEM_OFF 0x84000008	/* PSCI */
#define ESR_ABORT  0x25		/* "Data Abort taken without a change in Exception level" */
#define EXTERNAL   0x10		/* "Synchronous External abort" */

	.macro	say text
	adr	x10, 1f
	bl	put
	b	2f
1:	.asciz	"\text\n"
	.balign	4
2:
	.endm

	.text
	.globl	_start
_start:	b	entry
	nop
	.quad	0			/* text_offset */
	.quad	_end - _start		/* image_size */
	.quad	0xa			/* 4 KiB pages, anywhere in memory */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0

entry:	adr	x0, vectors
	msr	vbar_el1, x0
	isb
	mov	x20, #SERIAL << 16
	mov	x21, #NO_DEVICE << 16
	ldr	w2, [x21]
	cmn	w2, #1
	b.ne	1f
	say	"a simple load reads all ones"
1:	ldp	x2, x3, [x21]
	say	"past a pair"
	mov	x1, x21
	ldr	x2, [x1], #8
	say	"past an index"
	mov	x1, x21
	str	x2, [x1], #8
	say	"past a store"
off:	ldr	x0, =SYSTEM_OFF
	hvc	#0
	b	.

put:	ldrb	w11, [x10], #1
	cbz	w11, 2f
1:	ldrb	w12, [x20, #5]
	tbz	w12, #5, 1b
	strb	w11, [x20]
	b	put
2:	ret

abort:	mrs	x5, esr_el1
	lsr	x6, x5, #26
	and	x5, x5, #0x3f
	mrs	x7, far_el1
	cmp	x6, #ESR_ABORT
	ccmp	x5, #EXTERNAL, #0, eq
	ccmp	x7, x21, #0, eq
	b.ne	1f
	say	"an external abort"
	mrs	x5, elr_el1
	add	x5, x5, #4
	msr	elr_el1, x5
	eret
1:	say	"another exception"
	b	off
	.ltorg

	.balign	2048
vectors:
	.rept	16
	b	abort
	.balign	128
	.endr
_end:
	.section .note.GNU-stack, "", @progbits
