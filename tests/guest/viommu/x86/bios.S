/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flat firmware image around a tiny guest: from the reset vector to the guest's
 * 64-bit entry, with RAM below 4 GiB mapped as it is. PAYLOAD: the guest's bytes,
 * which belong to 2 MiB. Its command line is what stands in the image at 0x1ee00.
 */
#define IMAGE	    0xfffe0000	/* 128 KiB below 4 GiB: linked to there */
#define TABLES	    0x10000
#define BOOT_PARAMS 0x20000
#define GUEST	    0x200000

	.section .text, "ax"
	.globl	_start
payload:
	.incbin	PAYLOAD
payload_end:

	.balign	16
gdt:	.quad	0			/* all with the accessed bit: it cannot be set in ROM */
	.quad	0x00cf9b000000ffff	/* 8: 32-bit code */
	.quad	0x00cf93000000ffff	/* 16: data */
	.quad	0x00af9b000000ffff	/* 24: 64-bit code */
gdtr:	.word	31
	.long	gdt

	.org	0x1ee00
command_line:
	.fill	0x200

	/* The code segment begins 64 KiB below 4 GiB, so this must lie in the image's second half. */
	.org	0x1f000
	.code16
real_mode:
	cli
	data32 lgdt %cs:(boot_gdtr - payload - 0x10000)
	mov	%cr0, %eax
	or	$1, %eax
	mov	%eax, %cr0
	data32 ljmp $8, $protected
boot_gdtr:
	.word	31
	.long	gdt

	.code32
protected:
	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	cld
	mov	$payload, %esi
	mov	$GUEST, %edi
	mov	$(payload_end - payload), %ecx
	rep	movsb
	movl	$command_line, BOOT_PARAMS + 0x228

	/* PML4, PDPT, and four directories of 2 MiB pages. */
	mov	$TABLES, %edi
	xor	%eax, %eax
	mov	$(6 * 1024), %ecx
	rep	stosl
	movl	$(TABLES + 0x1003), TABLES
	mov	$(TABLES + 0x2003), %eax
	mov	$(TABLES + 0x1000), %edi
1:	mov	%eax, (%edi)
	add	$8, %edi
	add	$0x1000, %eax
	cmp	$(TABLES + 0x6003), %eax
	jne	1b
	mov	$0x83, %eax
	mov	$(TABLES + 0x2000), %edi
	mov	$2048, %ecx
2:	mov	%eax, (%edi)
	add	$8, %edi
	add	$0x200000, %eax
	loop	2b

	mov	%cr4, %eax
	or	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	$TABLES, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x100, %eax		/* EFER.LME */
	wrmsr
	mov	%cr0, %eax
	or	$0x80000000, %eax
	mov	%eax, %cr0
	ljmp	$24, $long_mode

	.code64
long_mode:
	mov	$BOOT_PARAMS, %esi
	mov	$GUEST, %eax
	jmp	*%rax

	.org	0x1fff0
	.code16
_start:	jmp	real_mode
	.org	0x20000
	.section .note.GNU-stack, "", @progbits
