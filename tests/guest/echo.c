/* SPDX-License-Identifier: BSD-2-Clause */
/* Sends back what comes in, up to a 'q'. */
#include "guest.h"

void guest_main(const u8 *boot_params)
{
	char c;

	outb(COM1 + 4, 3); /* DTR, RTS: ready to receive */
	do {
		while (!(inb(COM1 + 5) & 1))
			;
		c = inb(COM1);
		put_char(c);
	} while (c != 'q');
	put("\n");
}
