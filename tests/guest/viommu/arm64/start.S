/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An arm64 Image (Linux, Documentation/arch/arm64/booting.rst) that runs wherever it is
 * put, at EL1. The GiB that it is in is RAM; all else below 512 GiB is MMIO. What the
 * VMM writes is seen in the caches, so they and the MMU are on before memory is
 * written: on hardware, what an uncached guest writes may be lost under a stale line.
 */
#define BLOCK	  0x401		/* a block of 1 GiB, accessed */
#define NORMAL	  (1 << 2 | 3 << 8)	/* attribute 1, inner shareable */
#define NO_EXEC	  (3 << 53)
#define MAIR	  0xff04	/* 1: write-back; 0: device, nGnRE */
/* 39 bits of address in TTBR0, walks write-back and inner shareable, none in TTBR1. */
#define TCR	  (25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23)
#define SCTLR	  (0x30d00800 | 1 | 1 << 2 | 1 << 12)	/* RES1, M, C, I */
#define RELATIVE  1027		/* R_AARCH64_RELATIVE */
#define SYSTEM_OFF 0x84000008	/* PSCI */

	.section .head, "ax"
	.globl	_start
_start:	b	entry
	nop
	.quad	0			/* text_offset */
	.quad	_end - _start		/* image_size */
	.quad	0xa			/* 4 KiB pages, anywhere in memory */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0

entry:	mov	x19, x0
	adr	x20, _start

	/* Its own GiB, and no stale line over that entry. */
	lsr	x1, x20, #30
	adrp	x2, table
	add	x2, x2, :lo12:table
	add	x3, x2, x1, lsl #3
	lsl	x1, x1, #30
	mov	x4, #(BLOCK | NORMAL)
	orr	x1, x1, x4
	dc	civac, x3
	dsb	sy
	str	x1, [x3]
	dsb	sy
	dc	ivac, x3
	dsb	sy

	ldr	x1, =MAIR
	msr	mair_el1, x1
	ldr	x1, =TCR
	mrs	x3, id_aa64mmfr0_el1
	bfi	x1, x3, #32, #3		/* IPS: as far as the CPU's addresses go */
	msr	tcr_el1, x1
	msr	ttbr0_el1, x2
	adr	x1, vectors
	msr	vbar_el1, x1
	isb
	tlbi	vmalle1
	ic	iallu
	dsb	sy
	isb
	ldr	x1, =SCTLR
	msr	sctlr_el1, x1
	isb

	adrp	x1, relocations
	add	x1, x1, :lo12:relocations
	adrp	x2, relocations_end
	add	x2, x2, :lo12:relocations_end
1:	cmp	x1, x2
	b.hs	2f
	ldp	x3, x4, [x1], #16
	ldr	x5, [x1], #8
	cmp	x4, #RELATIVE
	b.ne	off
	add	x5, x5, x20
	str	x5, [x20, x3]
	b	1b
2:	adrp	x1, bss
	add	x1, x1, :lo12:bss
	adrp	x2, _end
	add	x2, x2, :lo12:_end
	mov	sp, x2			/* the stack is the last of it */
3:	stp	xzr, xzr, [x1], #16
	cmp	x1, x2
	b.lo	3b
	mov	x0, x19
	bl	guest_main
	.globl	machine_end
machine_end:
off:	ldr	x0, =SYSTEM_OFF
	hvc	#0
	b	.
	.ltorg

	.balign	2048
vectors:
	.rept	16
	mrs	x0, esr_el1
	mrs	x1, elr_el1
	mrs	x2, far_el1
	bl	guest_exception
	b	off
	.balign	128
	.endr

	.data
	.balign	4096
table:	.set	block, 0
	.rept	512
	.quad	block << 30 | NO_EXEC | BLOCK
	.set	block, block + 1
	.endr

	.section .stack, "aw", @nobits
	.balign	16
	.skip	16384
	.section .note.GNU-stack, "", @progbits
