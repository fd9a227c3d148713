/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Panics, and then works for three seconds of the clock, reading it: a crash kernel, for what can
 * be seen from outside. On the command line "halt": it halts instead.
 */
#include "guest.h"

#define CMD_LINE_PTR 0x228

static u8 seconds(void)
{
	outb(0x70, 0);
	return inb(0x71);
}

void guest_main(const u8 *boot_params)
{
	const char *cmdline = (const char *)(u64) * (const u32 *)(boot_params + CMD_LINE_PTR);
	u8 last = seconds();

	put("Kernel panic - not syncing: test\n");
	for (; *cmdline; cmdline++) {
		if (cmdline[0] == 'h' && cmdline[1] == 'a' && cmdline[2] == 'l')
			halt();
	}
	for (u32 passed = 0; passed < 4;) {
		u8 now = seconds();

		passed += now != last;
		last = now;
	}
	put("saved\n");
}
