/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines for ever, as fast as the port takes them. */
#include "guest.h"

void guest_main(const u8 *boot_params)
{
	for (;;)
		put("the quick brown fox jumps over the lazy dog\n");
}
