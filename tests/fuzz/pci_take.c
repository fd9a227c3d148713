/* SPDX-License-Identifier: BSD-2-Clause */
#include "pci_take.h"

u64 take_address(struct input *in)
{
	static const u64 bases[] = {
		RIG_MMIO32,
		RIG_MMIO32,
		RIG_MMIO32 + 255 * MIB - 0x4000,
		RIG_MMIO64,
		RIG_MMIO64 + GIB - 0x4000,
		RIG_ECAM,
		RIG_ECAM + MIB - 0x4000,
		0,
		4 * GIB,
		DOOR_AT,
		DOOR_LEADS,
		-0x8000ull,
		(u32)-0x8000,
		RIG_MMIO32 - 0x4000,
		0x1000,
		0xc000,
	};
	u64 base = bases[input_below(in, ARRAY_SIZE(bases))];
	u8 how = input_u8(in);

	base += (how & 0xf) * 0x1000ull;
	return how & 0x80 ? base + input_u8(in) * (how & 0x40 ? 1 : 16) : base;
}

u32 take_value(struct input *in)
{
	switch (input_below(in, 6)) {
	case 0:
		return 0;
	case 1:
		return ~0u;
	case 2:
		return input_u8(in);
	case 3:
		return 1u << input_below(in, 32);
	case 4:
		return take_address(in) >> (input_u8(in) & 1 ? 32 : 0);
	default:
		return input_u32(in);
	}
}

u32 take_register(struct input *in, const struct pci_function *function)
{
	u8 what = input_u8(in), where = what >> 3;

	switch (what & 7) {
	case 0:
		return PCI_COMMAND;
	case 1:
		return PCI_BASE_ADDRESS_0 + 4 * (where % PCI_BARS);
	case 2:
		return where & 1 ? PCI_ROM_ADDRESS : where;
	case 3:
	case 4:
		return function->msi + where % 24;
	case 5:
		return function->msix_at + where % PCI_CAP_MSIX_SIZEOF;
	case 6:
		return where * 8;
	default:
		return input_u16(in) % PCI_CONFIG_SIZE;
	}
}

unsigned take_len(struct input *in)
{
	static const u8 lens[] = { 1, 2, 4, 4, 4, 8, 3, 0 };

	return lens[input_below(in, ARRAY_SIZE(lens))];
}
