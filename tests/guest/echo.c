/* SPDX-License-Identifier: BSD-2-Clause */
/* Sends back what comes in, up to a 'q'. */
#include "guest.h"

void guest_main(const u8 *boot_params)
{
	char c;

	outb(PORT_COM1 + 4, 3); /* DTR, RTS: ready to receive */
	do {
		while (!(inb(PORT_COM1 + 5) & 1))
			;
		c = inb(PORT_COM1);
		put_char(c);
	} while (c != 'q');
	put("\n");
}
