/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI as firmware finds it: by configuration ports and by the ECAM that MCFG names, which must
 * agree; then BARs of the first virtio function are sized, moved, and put where none can be.
 */
#include "guest.h"

#define COMMAND	      0x04
#define BAR0	      0x10
#define CAPABILITIES  0x34
#define COMMAND_SPACE 2 /* memory */
#define VIRTIO	      0x1af4
#define CAP_VENDOR    9
#define CAP_COMMON    1 /* virtio's cfg_type, of which the first register is a selector */

static u64 ecam;

static u32 port_read(u32 bdf, u32 offset)
{
	outl(PORT_CONFIG_ADDRESS, 0x80000000 | bdf << 8 | offset);
	return inl(PORT_CONFIG_DATA);
}

static u64 reg(u32 bdf, u32 offset)
{
	return ecam + (bdf << 12 | offset);
}

static u8 byte_at(u32 bdf, u32 offset)
{
	return *(volatile u8 *)reg(bdf, offset);
}

static void find_ecam(const u8 *boot_params)
{
	const u64 rsdp = *(const u64 *)(boot_params + 0x70);
	const u8 *xsdt = (const u8 *)*(const u64 *)(rsdp + 24);

	for (u32 i = 36; i < *(const u32 *)(xsdt + 4); i += 8) {
		const u8 *table = (const u8 *)*(const u64 *)(xsdt + i);

		if (*(const u32 *)table == 0x4746434d) /* "MCFG" */
			ecam = *(const u64 *)(table + 44);
	}
}

/* The first virtio function's address; 0: there is none. */
static u32 enumerate(void)
{
	u32 found = 0, virtio = 0;

	for (u32 bdf = 0; bdf < 256; bdf++) {
		u32 id = port_read(bdf, 0);

		for (u32 offset = 0; offset < 256; offset += 64)
			if (port_read(bdf, offset) != read32(reg(bdf, offset)))
				put("ports and ECAM differ\n");
		found += id != 0xffffffff;
		if (!virtio && (id & 0xffff) == VIRTIO)
			virtio = bdf;
	}
	put("functions: ");
	put_hex(found);
	put("\n");
	return virtio;
}

static u32 bar_size(u32 bdf, u32 n)
{
	u32 before = read32(reg(bdf, BAR0 + 4 * n)), mask;

	write32(reg(bdf, BAR0 + 4 * n), ~0u);
	mask = read32(reg(bdf, BAR0 + 4 * n)) & ~0xfu;
	write32(reg(bdf, BAR0 + 4 * n), before);
	return -mask;
}

/* Where the common configuration is: which BAR, and the offset into it. */
static u32 find_common(u32 bdf, u32 *bar)
{
	for (u32 at = byte_at(bdf, CAPABILITIES); at; at = byte_at(bdf, at + 1)) {
		if (byte_at(bdf, at) != CAP_VENDOR || byte_at(bdf, at + 3) != CAP_COMMON)
			continue;
		*bar = byte_at(bdf, at + 4);
		return read32(reg(bdf, at + 8));
	}
	*bar = ~0u;
	return 0;
}

static int selector_works(u64 address, u32 value)
{
	write32(address, value);
	return read32(address) == value;
}

static void check(int right, const char *what)
{
	put(right ? "ok: " : "WRONG: ");
	put(what);
	put("\n");
}

/* Below 4 GiB, which is all that a guest's first page tables map. */
static void move(u32 bdf, u32 bar, u32 address)
{
	write32(reg(bdf, BAR0 + 4 * bar), address);
}

static void try_absurd(u32 bdf, u32 bar, u32 offset)
{
	static const u32 places[] = { 0,	  0x100000,   0xc0000000, 0xfe000000,
				      0xfec00000, 0xfee00000, 0xfffff000, ~0u };
	volatile u32 word = 0x12345678;

	for (u32 i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		move(bdf, bar, places[i]);
		(void)read32((places[i] & ~0xfffu) + offset);
	}
	check(word == 0x12345678 && (read32(reg(bdf, 0)) & 0xffff) == VIRTIO,
	      "a BAR over RAM, the ECAM, the IOAPIC or nothing harms nobody");
}

static void move_bar(u32 bdf)
{
	u32 bar, offset = find_common(bdf, &bar), size, home, other;

	if (bar > 5)
		return;
	size = bar_size(bdf, bar);
	home = read32(reg(bdf, BAR0 + 4 * bar)) & ~0xfu;
	other = home + 16 * size;
	check(home && size, "the BAR has a place and a size");
	write32(reg(bdf, COMMAND), 0);
	check(read32(home + offset) == ~0u, "nothing is decoded without Memory Space Enable");
	write32(reg(bdf, COMMAND), COMMAND_SPACE);
	check(selector_works(home + offset, 1), "the registers are where the BAR is");
	move(bdf, bar, other);
	check(read32(home + offset) == ~0u, "they leave when it moves");
	check(read32(other + offset) == 1 && selector_works(other + offset, 0),
	      "and are where it moved");
	try_absurd(bdf, bar, offset);
	move(bdf, bar, home);
	check(selector_works(home + offset, 1), "a BAR that comes back works");
}

void guest_main(const u8 *boot_params)
{
	u32 virtio;

	find_ecam(boot_params);
	if (!ecam) {
		put("no MCFG\n");
		return;
	}
	virtio = enumerate();
	if (virtio)
		move_bar(virtio);
	put("done\n");
}
