/* SPDX-License-Identifier: BSD-2-Clause */
/* Shows the year and month of the clock, as BCD. */
#include "guest.h"

void guest_main(const u8 *boot_params)
{
	put("clock: ");
	put_hex(cmos_read(0x32) << 16 | cmos_read(9) << 8 | cmos_read(8));
	put("\n");
}
