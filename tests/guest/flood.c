/* SPDX-License-Identifier: BSD-2-Clause */
/* 500 lines of 100 characters, as fast as the port takes them. */
#include "guest.h"

void guest_main(const u8 *boot_params)
{
	for (u32 line = 0; line < 500; line++) {
		for (u32 i = 0; i < 99; i++)
			put_char('a' + i % 26);
		put_char('\n');
	}
}
