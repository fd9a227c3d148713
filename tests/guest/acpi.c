/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the tables as firmware specifications say: the RSDP by search. */
#include "guest.h"

static u8 sum(const u8 *data, u64 size)
{
	u8 total = 0;

	while (size--)
		total += *data++;
	return total;
}

static u64 find_rsdp(void)
{
	for (u64 at = 0xe0000; at < 0x100000; at += 16)
		if (*(const u64 *)at == 0x2052545020445352 && !sum((const u8 *)at, 20))
			return at;
	return 0;
}

void guest_main(const u8 *boot_params)
{
	const u64 rsdp = find_rsdp();
	const u8 *xsdt = (const u8 *)*(const u64 *)(rsdp + 24);

	if (!rsdp || rsdp != *(const u64 *)(boot_params + 0x70))
		return;
	put("tables:");
	for (u32 i = 36; i < *(const u32 *)(xsdt + 4); i += 8) {
		const u8 *table = (const u8 *)*(const u64 *)(xsdt + i);

		put(sum(table, *(const u32 *)(table + 4)) ? " bad " : " ");
		put_bytes(table, 4);
	}
	put("\n");
}
