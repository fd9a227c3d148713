/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands still, or looks as if it did. How is on the command line:
 *
 *   do=off    spins with interrupts off      do=on    spins, and takes 100 interrupts a second
 *   do=dead   halts with interrupts off      do=poll  reads a port for ever
 *   do=second the second processor spins with interrupts off, the first waits for interrupts
 *   do=idle   waits for interrupts, of which there are 100 a second; do=wait: there are none
 *   do=work   computes in the kernel         do=user  a loop of one instruction, in a program
 *
 * do=idle and do=work end after SECONDS and switch the machine off, unless "forever" is there.
 */
#include "smp.h"

#define CMD_LINE_PTR 0x228
#define SECONDS	     4

#define LVT_TIMER    0x320
#define TIMER_START  0x380
#define TIMER_DIVIDE 0x3e0
#define TIMER_VECTOR 0x40
#define PERIODIC     (1u << 17)
#define PAGE_USER    4
#define KERNEL_CODE  0x10
#define USER_DATA    0x23
#define USER_CODE    0x2b
#define TASK	     0x30

extern const u8 on_timer[], trampoline[], trampoline_end[];

/* Counted by on_timer. */
volatile u64 ticks;

asm(".text\n"
    "on_timer:\n"
    "	push	%rax\n"
    "	incq	ticks\n"
    "	mov	$0xfee000b0, %eax\n"
    "	movl	$0, (%rax)\n"
    "	pop	%rax\n"
    "	iretq\n"
    "	.pushsection .rodata\n"
    "	.code16\n"
    "trampoline:\n"
    "	cli\n"
    "1:	pause\n"
    "	jmp	1b\n"
    "trampoline_end:\n"
    "	.code64\n"
    "	.popsection\n");

static u64 gdt[8] = {
	0, 0, 0x00af9a000000ffff, 0x00cf92000000ffff, 0x00cff2000000ffff, 0x00affa000000ffff
};
static u64 idt[2 * 256];
static u32 task[26];
static u8 kernel_stack[4096], user_stack[4096];

struct table {
	u16 limit;
	u64 base;
} __attribute__((packed));

static void load_tables(void)
{
	const struct table gdtr = { sizeof(gdt) - 1, (u64)gdt },
			   idtr = { sizeof(idt) - 1, (u64)idt };
	u64 handler = (u64)on_timer, at = (u64)task,
	    stack = (u64)(kernel_stack + sizeof(kernel_stack));

	idt[2 * TIMER_VECTOR] = (handler & 0xffff) | KERNEL_CODE << 16 | 0x8e0000000000ul |
				(handler & 0xffff0000) << 32;
	gdt[6] = (sizeof(task) - 1) | (at & 0xffffff) << 16 | 0x890000000000ul |
		 (at & 0xff000000) << 32;
	task[1] = stack;
	asm volatile("lgdt %0; lidt %1; ltr %w2" : : "m"(gdtr), "m"(idtr), "r"(TASK));
}

static void start_timer(void)
{
	load_tables();
	write32(LAPIC + SPURIOUS, 0x1ff);
	write32(LAPIC + TIMER_DIVIDE, 0xb);
	write32(LAPIC + LVT_TIMER, TIMER_VECTOR | PERIODIC);
	write32(LAPIC + TIMER_START, 10000000);
	asm volatile("sti");
}

/* All of memory is the program's, too: the tables are those that lkvm made. */
static void open_memory(void)
{
	u64 root, *level3, *level2;

	asm volatile("mov %%cr3, %0" : "=r"(root));
	*(volatile u64 *)root |= PAGE_USER;
	level3 = (u64 *)(*(u64 *)root & ~0xffful);
	*(volatile u64 *)level3 |= PAGE_USER;
	level2 = (u64 *)(*level3 & ~0xffful);
	for (u32 i = 0; i < 512; i++)
		((volatile u64 *)level2)[i] |= PAGE_USER;
	asm volatile("mov %0, %%cr3" : : "r"(root) : "memory");
}

static void run_program(void)
{
	open_memory();
	asm volatile("pushq %0\n"
		     "pushq %1\n"
		     "pushq $0x202\n"
		     "pushq %2\n"
		     "leaq 1f(%%rip), %%rax\n"
		     "pushq %%rax\n"
		     "iretq\n"
		     "1: jmp 1b"
		     :
		     : "i"(USER_DATA), "r"(user_stack + sizeof(user_stack)), "i"(USER_CODE)
		     : "rax", "memory");
}

static int has_word(const char *text, const char *word)
{
	for (; *text; text++) {
		u32 i = 0;

		while (word[i] && text[i] == word[i])
			i++;
		if (!word[i])
			return 1;
	}
	return 0;
}

/* By ticks, as the clock is a device, and this is to touch none. */
static void work(int waits, int forever)
{
	volatile u64 sum = 0;

	for (u64 i = 1; forever || ticks < SECONDS * 100; i++) {
		if (waits)
			asm volatile("hlt");
		else
			sum += i * i ^ sum >> 7;
	}
}

void guest_main(const u8 *boot_params)
{
	const char *words = (const char *)(u64) * (const u32 *)(boot_params + CMD_LINE_PTR);

	put("here\n");
	if (has_word(words, "do=dead"))
		halt();
	if (has_word(words, "do=poll")) {
		for (;;)
			inb(PORT_COM1 + 5);
	}
	if (has_word(words, "do=second")) {
		start_second_cpu(trampoline, trampoline_end);
		for (;;)
			asm volatile("sti; hlt");
	}
	if (has_word(words, "do=wait")) {
		for (;;)
			asm volatile("sti; hlt");
	}
	if (has_word(words, "do=off")) {
		for (;;)
			asm volatile("pause");
	}
	start_timer();
	if (has_word(words, "do=on")) {
		for (;;)
			asm volatile("pause");
	}
	if (has_word(words, "do=user"))
		run_program();
	work(has_word(words, "do=idle"), has_word(words, "forever"));
	put("done\n");
}
