/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds pvpanic on PCI and tells it that it panicked. */
#include "guest.h"

#define PVPANIC	 0x00111b36
#define COMMAND	 0x04
#define BAR0	 0x10
#define MEMORY	 2
#define PANICKED 1

static void select(u32 bdf, u32 offset)
{
	outl(PORT_CONFIG_ADDRESS, 0x80000000 | bdf << 8 | offset);
}

static u32 config_read(u32 bdf, u32 offset)
{
	select(bdf, offset);
	return inl(PORT_CONFIG_DATA);
}

void guest_main(const u8 *boot_params)
{
	u32 bdf = 0;
	volatile u8 *reg;

	while (bdf < 256 && config_read(bdf, 0) != PVPANIC)
		bdf++;
	if (bdf == 256) {
		put("no pvpanic on PCI\n");
		return;
	}
	select(bdf, COMMAND);
	outl(PORT_CONFIG_DATA, MEMORY);
	reg = (volatile u8 *)(u64)(config_read(bdf, BAR0) & ~15u);
	if (*reg & PANICKED)
		put("panic\n");
	*reg = PANICKED;
	put("last words\n");
}
