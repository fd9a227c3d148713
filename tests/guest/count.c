/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts on the serial port, a number to a line, and the second CPU counts in memory, until a byte
 * comes in. With "halt" on the command line both CPUs halt for good.
 */
#include "smp.h"

#define COUNTER	     (TRAMPOLINE + 0xff0)
#define LINE_STATUS  (PORT_COM1 + 5)
#define CMDLINE	     0x228
#define MODEM	     (PORT_COM1 + 4)
#define HAS_RECEIVED 1

extern const u8 counting[], counting_end[], halting[], halting_end[];

/* CS:0 is the page. */
asm(".pushsection .rodata\n"
    "	.code16\n"
    "counting:\n"
    "	cli\n"
    "	mov	%cs, %ax\n"
    "	mov	%ax, %ds\n"
    "1:	incl	0xff0\n"
    "	jmp	1b\n"
    "counting_end:\n"
    "halting:\n"
    "	cli\n"
    "1:	hlt\n"
    "	jmp	1b\n"
    "halting_end:\n"
    "	.code64\n"
    "	.popsection\n");

static int is_told_to_halt(const u8 *boot_params)
{
	const char *cmdline = (const char *)(u64)read32((u64)boot_params + CMDLINE);

	for (; *cmdline; cmdline++) {
		if (cmdline[0] == 'h' && cmdline[1] == 'a' && cmdline[2] == 'l')
			return 1;
	}
	return 0;
}

void guest_main(const u8 *boot_params)
{
	outb(MODEM, 3); /* DTR, RTS: ready to receive */
	if (is_told_to_halt(boot_params)) {
		start_second_cpu(halting, halting_end);
		put("halted\n");
		halt();
	}
	start_second_cpu(counting, counting_end);
	for (u64 n = 0; !(inb(LINE_STATUS) & HAS_RECEIVED); n++) {
		u32 before = read32(COUNTER);

		put_hex(n);
		put("\n");
		for (u32 wait = 0; read32(COUNTER) == before; wait++) {
			if (wait > 100000000) {
				put("the second cpu stands still\n");
				return;
			}
		}
	}
	put("counted\n");
}
