/* SPDX-License-Identifier: BSD-2-Clause */
/* It writes to the hole of tests/hole, waits for what comes of it, and ends. */
#include "guest.h"
#include "io.h"

#define HOLE_PORT 0xd00
#define WAIT	  20000

void guest_main(const u8 *boot_params)
{
	put("in\n");
	outb(HOLE_PORT, 1);
	/* Each read is an exit, and so some microseconds. */
	for (unsigned i = 0; i < WAIT; i++)
		inb(HOLE_PORT);
	put("out\n");
}
