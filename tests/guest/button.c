/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waits for its power button and switches itself off: the PIC has latched the event device's edge,
 * and PM1 has the event. With "deaf" on the command line it never does, and counts meanwhile.
 */
#include "guest.h"

#define PIC2	   0xa0
#define READ_IRR   0x0a
#define LINE_9	   2
#define PM1_BUTTON 0x0100
#define CMDLINE	   0x228

static int is_deaf(const u8 *boot_params)
{
	const char *cmdline = (const char *)(u64)read32((u64)boot_params + CMDLINE);

	for (; *cmdline; cmdline++) {
		if (cmdline[0] == 'd' && cmdline[1] == 'e' && cmdline[2] == 'a')
			return 1;
	}
	return 0;
}

void guest_main(const u8 *boot_params)
{
	put("waiting\n");
	while (is_deaf(boot_params))
		;
	outb(PIC2, READ_IRR);
	while (!(inb(PIC2) & LINE_9))
		;
	put("the line rose\n");
	if (inw(PORT_PM1) & PM1_BUTTON)
		put("the button was pressed\n");
	outw(PORT_PM1, PM1_BUTTON);
	if (!(inw(PORT_PM1) & PM1_BUTTON))
		put("and is seen to\n");
}
