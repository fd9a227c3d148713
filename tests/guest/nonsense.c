/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes what no driver writes to every register of every virtio-mmio slot, in
 * every width, then goes on as if nothing had been.
 */
#include "guest.h"

#define VIRTIO 0xfe000000UL
#define SLOTS  13
#define SIZE   0x200
#define MAGIC  0x74726976

static const u64 patterns[] = { 0, 1, 2, 0xff, 0x7fffffff, 0xffffffff, 0x200000, ~0UL };

static void poke(u64 address, u64 value)
{
	*(volatile u8 *)address = value;
	*(volatile u16 *)address = value;
	*(volatile u32 *)address = value;
	*(volatile u64 *)address = value;
	(void)*(volatile u8 *)address;
	(void)*(volatile u64 *)address;
}

static void poke_slot(u64 base)
{
	for (u32 n = 0; n < sizeof(patterns) / sizeof(patterns[0]); n++) {
		/* Queues that are ready, at addresses that are none. */
		write32(base + 0x70, 0);
		write32(base + 0x70, 1);
		write32(base + 0x70, 3);
		for (u64 at = 0; at < SIZE; at += 4)
			poke(base + at, patterns[n]);
		/* And askew, over the end of the slot. */
		for (u64 at = SIZE - 8; at < SIZE + 8; at++)
			*(volatile u32 *)(base + at) = patterns[n];
		for (u32 queue = 0; queue < 4; queue++) {
			write32(base + 0x30, queue);
			write32(base + 0x38, 8);
			write32(base + 0x44, 1);
			write32(base + 0x50, queue);
		}
	}
}

void guest_main(const u8 *boot_params)
{
	u32 found = 0;

	for (u32 slot = 0; slot < SLOTS; slot++)
		poke_slot(VIRTIO + slot * 0x1000);
	for (u32 slot = 0; slot < SLOTS; slot++)
		found += read32(VIRTIO + slot * 0x1000) == MAGIC;
	put("alive, devices: ");
	put_hex(found);
	put("\n");
}
