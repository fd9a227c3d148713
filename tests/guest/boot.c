/* SPDX-License-Identifier: BSD-2-Clause */
/* Shows the command line and the initrd that it was given. */
#include "guest.h"

void guest_main(const u8 *boot_params)
{
	const u32 cmdline = *(const u32 *)(boot_params + 0x228);
	const u32 initrd = *(const u32 *)(boot_params + 0x218);
	const u32 size = *(const u32 *)(boot_params + 0x21c);
	u32 sum = 0;

	for (u32 i = 0; i < size; i++)
		sum = sum * 31 + ((const u8 *)(u64)initrd)[i];
	put("cmdline: ");
	put((const char *)(u64)cmdline);
	put("\ninitrd: ");
	put_hex(size);
	put(" ");
	put_hex(sum);
	put("\n");
}
