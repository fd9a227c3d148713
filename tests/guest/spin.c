/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest.h"

void guest_main(const u8 *boot_params)
{
	put("spinning\n");
	for (;;)
		asm volatile("pause");
}
