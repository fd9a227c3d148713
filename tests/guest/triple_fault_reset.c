/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resets by a triple fault as Linux does with reboot=t: with the local APIC back in virtual wire
 * mode, its spurious interrupt at vector 15. On the command line "running": while it is in use;
 * and "saying": after the words that Linux says.
 */
#include "smp.h"

#define CMD_LINE_PTR 0x228

void guest_main(const u8 *boot_params)
{
	static const struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) none;
	const char *cmdline = (const char *)(u64) * (const u32 *)(boot_params + CMD_LINE_PTR);
	u32 vector = 0x0f;

	for (; *cmdline; cmdline++) {
		if (cmdline[0] == 'r' && cmdline[1] == 'u' && cmdline[2] == 'n')
			vector = 0xff;
		if (cmdline[0] == 's' && cmdline[1] == 'a' && cmdline[2] == 'y')
			put("[    5.628568] reboot: Restarting system\n");
	}
	write32(LAPIC + SPURIOUS, 0x100 | vector);
	put("no interrupt table\n");
	asm volatile("lidt %0; ud2" : : "m"(none));
}
