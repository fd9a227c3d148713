/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Panics, and then works for three seconds of the clock, reading it: a crash kernel, for what can
 * be seen from outside. On the command line "halt": it halts instead.
 */
#include "guest.h"

#define CMD_LINE_PTR 0x228

#define SECONDS 0 /* register of the clock */

void guest_main(const u8 *boot_params)
{
	const char *cmdline = (const char *)(u64) * (const u32 *)(boot_params + CMD_LINE_PTR);
	u8 last = cmos_read(SECONDS);

	put("Kernel panic - not syncing: test\n");
	for (; *cmdline; cmdline++) {
		if (cmdline[0] == 'h' && cmdline[1] == 'a' && cmdline[2] == 'l')
			halt();
	}
	for (u32 passed = 0; passed < 4;) {
		u8 now = cmos_read(SECONDS);

		passed += now != last;
		last = now;
	}
	put("saved\n");
}
