/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps the RAM above 4 GiB, which the boot page tables leave out, and uses both its ends. */
#include "guest.h"

#define GIB   (1UL << 30)
#define HIGH  (4 * GIB)
#define LARGE 0x83
#define TABLE 0x03

static u64 directory[512] __attribute__((aligned(4096)));

/* The end of the RAM above 4 GiB, by the e820 map. */
static u64 high_end(const u8 *boot_params)
{
	for (u32 i = 0; i < boot_params[0x1e8]; i++) {
		const u8 *entry = boot_params + 0x2d0 + i * 20;

		if (*(const u64 *)entry == HIGH)
			return HIGH + *(const u64 *)(entry + 8);
	}
	return 0;
}

static void map_high(void)
{
	u64 cr3, *pml4, *pdpt;

	asm volatile("mov %%cr3, %0" : "=r"(cr3));
	pml4 = (u64 *)(cr3 & ~0xfffUL);
	pdpt = (u64 *)(pml4[0] & ~0xfffUL);
	for (u64 i = 0; i < 512; i++)
		directory[i] = (HIGH + (i << 21)) | LARGE;
	pdpt[4] = (u64)directory | TABLE;
	asm volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
}

void guest_main(const u8 *boot_params)
{
	const u64 end = high_end(boot_params);

	if (!end)
		return;
	map_high();
	write32(HIGH, 0xcafe);
	write32(end - 4, 0xbeef);
	if (read32(HIGH) == 0xcafe && read32(end - 4) == 0xbeef)
		put("high memory works, end ");
	put_hex(end);
	put("\n");
}
