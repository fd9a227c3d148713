/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/pci.h: base address registers. */
#include <errno.h>

#include "pci_rig.h"
#include "ports.h"
#include "test.h"

#define BAR0   PCI_BASE_ADDRESS_0
#define BAR2   PCI_BASE_ADDRESS_2
#define IO     PCI_COMMAND_IO
#define MEMORY PCI_COMMAND_MEMORY

/* One with BAR 0 of 4 KiB, BAR 2 of 64 bits and 64 KiB, BAR 4 of 32 ports, and a ROM. */
static struct toy *plugged(struct rig *rig, unsigned slot)
{
	struct toy *toy = toy_create(rig, false);
	struct pci_function *f = &toy->function;

	assert_int_equal(pci_add_bar(f, 0, PCI_BAR_MEMORY32, 4096, false), 0);
	assert_int_equal(pci_add_bar(f, 2, PCI_BAR_MEMORY64, 64 * KIB, true), 0);
	assert_int_equal(pci_add_bar(f, 4, PCI_BAR_IO, 32, false), 0);
	assert_int_equal(pci_add_bar(f, PCI_ROM, PCI_BAR_MEMORY32, 2048, false), 0);
	assert_int_equal(pci_bus_add(rig->bus, f, slot, 0), 0);
	return toy;
}

/* Whether registers answer at @address. */
static bool answers(struct rig *rig, u64 address)
{
	u32 value;

	return bus_read(rig->vm.mmio, address, &value, 4);
}

static bool port_answers(struct rig *rig, u64 port)
{
	u32 value;

	return bus_read(rig->vm.ports, port, &value, 4);
}

TEST(impossible_bars_are_refused)
{
	static const struct {
		unsigned n;
		enum pci_bar_kind kind;
		u64 size;
	} cases[] = {
		{ 7, PCI_BAR_MEMORY32, 4096 },
		{ 0, PCI_BAR_NONE, 4096 },
		{ 0, 9, 4096 },
		{ 0, PCI_BAR_MEMORY32, 0 },
		{ 0, PCI_BAR_MEMORY32, 8 },
		{ 0, PCI_BAR_MEMORY32, 4097 },
		{ 0, PCI_BAR_MEMORY32, 1ULL << 32 },
		{ 0, PCI_BAR_IO, 2 },
		{ 0, PCI_BAR_IO, 1ULL << 17 },
		{ 5, PCI_BAR_MEMORY64, 4096 },
		{ PCI_ROM, PCI_BAR_IO, 4096 },
		{ PCI_ROM, PCI_BAR_MEMORY64, 4096 },
		{ PCI_ROM, PCI_BAR_MEMORY32, 1024 },
		{ 1, PCI_BAR_MEMORY32, 4096 }, /* taken */
		{ 0, PCI_BAR_MEMORY64, 4096 }, /* its upper half is taken */
		{ 3, PCI_BAR_MEMORY32, 4096 }, /* an upper half */
	};
	struct rig *rig = rig_create();
	struct toy *toy = toy_create(rig, false);

	assert_int_equal(pci_add_bar(&toy->function, 1, PCI_BAR_MEMORY32, 16, false), 0);
	assert_int_equal(pci_add_bar(&toy->function, 2, PCI_BAR_MEMORY64, 1ULL << 63, false), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(pci_add_bar(&toy->function, cases[i].n, cases[i].kind,
					     cases[i].size, false),
				 -EINVAL);
	toy_destroy(&toy->function);
	rig_destroy(rig);
}

static u32 sized(struct rig *rig, struct toy *toy, u32 offset)
{
	rig_write(rig, toy, offset, ~0u, 4);
	return rig_read(rig, toy, offset, 4);
}

TEST(all_ones_read_back_as_the_size_and_the_kind)
{
	struct rig *rig = rig_create();
	struct toy *toy = plugged(rig, 1);

	assert_int_equal(sized(rig, toy, BAR0), 0xfffff000);
	assert_int_equal(sized(rig, toy, BAR0 + 4), 0);
	assert_int_equal(sized(rig, toy, BAR2), 0xffff000c);
	assert_int_equal(sized(rig, toy, BAR2 + 4), 0xffffffff);
	assert_int_equal(sized(rig, toy, BAR0 + 16), 0xffffffe1);
	assert_int_equal(sized(rig, toy, PCI_ROM_ADDRESS), 0xfffff801);
	rig_destroy(rig);
}

TEST(a_bar_is_decoded_while_command_says_so_and_moves_with_its_register)
{
	struct rig *rig = rig_create();
	struct toy *toy = plugged(rig, 1);

	rig_write(rig, toy, BAR0, RIG_MMIO32 + 0x3000, 4);
	assert_false(answers(rig, RIG_MMIO32 + 0x3000));
	rig_write(rig, toy, PCI_COMMAND, MEMORY, 2);
	assert_true(answers(rig, RIG_MMIO32 + 0x3000));
	assert_true(toy->function.bars[0].decoded);
	rig_write(rig, toy, BAR0, RIG_MMIO32 + 0x8000, 4);
	assert_false(answers(rig, RIG_MMIO32 + 0x3000));
	assert_true(answers(rig, RIG_MMIO32 + 0x8ffc));
	assert_int_equal(toy->function.bars[0].address, RIG_MMIO32 + 0x8000);
	assert_int_equal(toy->changes, 3);
	/* The same again is no move. */
	rig_write(rig, toy, BAR0, RIG_MMIO32 + 0x8000, 4);
	assert_int_equal(toy->changes, 3);
	rig_write(rig, toy, PCI_COMMAND, IO, 2);
	assert_false(answers(rig, RIG_MMIO32 + 0x8000));
	rig_destroy(rig);
}

TEST(a_bar_may_be_written_byte_by_byte)
{
	struct rig *rig = rig_create();
	struct toy *toy = plugged(rig, 1);

	rig_write(rig, toy, PCI_COMMAND, MEMORY, 2);
	rig_write(rig, toy, BAR0 + 3, RIG_MMIO32 >> 24, 1);
	rig_write(rig, toy, BAR0, 0xffff, 2);
	assert_true(answers(rig, RIG_MMIO32 + 0xf000));
	rig_destroy(rig);
}

TEST(a_64_bit_bar_goes_above_4_gib)
{
	struct rig *rig = rig_create();
	struct toy *toy = plugged(rig, 1);
	const u64 at = RIG_MMIO64 + 0x310000;

	rig_write(rig, toy, PCI_COMMAND, MEMORY, 2);
	rig_write(rig, toy, BAR2, (u32)at, 4);
	rig_write(rig, toy, BAR2 + 4, at >> 32, 4);
	assert_true(answers(rig, at));
	assert_int_equal(toy->function.bars[2].address, at);
	rig_destroy(rig);
}

TEST(ports_go_on_the_port_bus)
{
	struct rig *rig = rig_create();
	struct toy *toy = plugged(rig, 1);

	rig_write(rig, toy, BAR0 + 16, 0x2020, 4);
	rig_write(rig, toy, PCI_COMMAND, IO, 2);
	assert_true(port_answers(rig, 0x2020));
	assert_false(answers(rig, 0x2020));
	/* Ports of the machine's own, and past the last one. */
	rig_write(rig, toy, BAR0 + 16, 0xce0, 4);
	assert_false(port_answers(rig, PORT_CONFIG_ADDRESS));
	rig_write(rig, toy, BAR0 + 16, 0x12020, 4);
	assert_false(port_answers(rig, 0x12020));
	assert_false(toy->function.bars[4].decoded);
	rig_destroy(rig);
}

TEST(ports_may_be_a_window_of_memory)
{
	static const struct pci_layout layout = {
		.ecam = { 0x40000000, 0x400fffff },
		.mmio32 = { RIG_MMIO32, RIG_MMIO32 + 0xffff },
		.mmio64 = { RIG_MMIO64, RIG_MMIO64 * 2 - 1 },
		.io = { RIG_IO, 0xffff },
		.io_is_mmio = true,
		.io_window = 0x3eff0000,
		.intx = rig_intx,
	};
	struct rig *rig = rig_create();
	struct pci_bus *first = rig->bus;
	struct toy *toy;

	assert_int_equal(pci_bus_create(&rig->bus, &rig->vm, &layout), 0);
	toy = plugged(rig, 1);
	rig_write(rig, toy, BAR0 + 16, 0x2020, 4);
	rig_write(rig, toy, PCI_COMMAND, IO, 2);
	assert_true(answers(rig, 0x3eff2020));
	rig_write(rig, toy, PCI_COMMAND, 0, 2);
	assert_false(answers(rig, 0x3eff2020));
	assert_ptr_not_equal(first, rig->bus);
	rig_destroy(rig);
}

TEST(the_rom_has_an_enable_bit_of_its_own)
{
	struct rig *rig = rig_create();
	struct toy *toy = plugged(rig, 1);

	rig_write(rig, toy, PCI_COMMAND, MEMORY, 2);
	rig_write(rig, toy, PCI_ROM_ADDRESS, RIG_MMIO32 + 0x10800, 4);
	assert_false(answers(rig, RIG_MMIO32 + 0x10800));
	rig_write(rig, toy, PCI_ROM_ADDRESS, (RIG_MMIO32 + 0x10800) | 1, 4);
	assert_true(answers(rig, RIG_MMIO32 + 0x10800));
	rig_destroy(rig);
}

TEST(a_bar_outside_the_windows_is_nowhere)
{
	static const u64 absurd[] = {
		0,
		0x1000,
		0xc0000000, /* RAM, the ECAM */
		0xfe000000,
		0xfec00000,
		0xfee00000, /* virtio-mmio, IOAPIC, doorbells */
		RIG_MMIO32 - 0x10000,
		RIG_MMIO32 + 0x10000000,
		0x100000000,
		RIG_MMIO64 - 0x10000,
		RIG_MMIO64 * 2,
		0x7fffffffffff0000,
		UINT64_MAX - 0xffff,
	};
	struct rig *rig = rig_create();
	struct toy *toy = plugged(rig, 1);

	rig_write(rig, toy, PCI_COMMAND, MEMORY, 2);
	for (unsigned i = 0; i < ARRAY_SIZE(absurd); i++) {
		rig_write(rig, toy, BAR2, (u32)absurd[i], 4);
		rig_write(rig, toy, BAR2 + 4, absurd[i] >> 32, 4);
		assert_false(toy->function.bars[2].decoded);
		rig_write(rig, toy, BAR0, (u32)absurd[i], 4);
	}
	/* The ECAM answers as before. */
	assert_int_equal(rig_read(rig, toy, 0, 2), 0x1234);
	assert_true(answers(rig, RIG_ECAM));
	rig_destroy(rig);
}

TEST(of_two_bars_in_one_place_the_first_stands_until_it_leaves)
{
	struct rig *rig = rig_create();
	struct toy *first = plugged(rig, 1), *second = plugged(rig, 2);

	rig_write(rig, first, PCI_COMMAND, MEMORY, 2);
	rig_write(rig, second, PCI_COMMAND, MEMORY, 2);
	rig_write(rig, first, BAR0, RIG_MMIO32 + 0x5000, 4);
	rig_write(rig, second, BAR2, RIG_MMIO32, 4);
	assert_true(first->function.bars[0].decoded);
	assert_false(second->function.bars[2].decoded);
	assert_int_equal(second->changes, 0);
	rig_write(rig, first, PCI_COMMAND, 0, 2);
	assert_false(first->function.bars[0].decoded);
	assert_true(second->function.bars[2].decoded);
	/* And now it is the other's turn to wait. */
	rig_write(rig, first, PCI_COMMAND, MEMORY, 2);
	assert_false(first->function.bars[0].decoded);
	rig_write(rig, second, BAR2, RIG_MMIO32 + 0x40000, 4);
	assert_true(first->function.bars[0].decoded);
	assert_true(second->function.bars[2].decoded);
	rig_destroy(rig);
}

TEST(a_function_may_put_its_own_bars_over_each_other)
{
	struct rig *rig = rig_create();
	struct toy *toy = plugged(rig, 1);

	rig_write(rig, toy, BAR0, RIG_MMIO32, 4);
	rig_write(rig, toy, BAR2, RIG_MMIO32, 4);
	rig_write(rig, toy, PCI_COMMAND, MEMORY, 2);
	assert_int_equal(toy->function.bars[0].decoded + toy->function.bars[2].decoded, 1);
	rig_write(rig, toy, BAR0, RIG_MMIO32 + 0x100000, 4);
	assert_true(toy->function.bars[0].decoded && toy->function.bars[2].decoded);
	rig_destroy(rig);
}

TEST(bars_are_placed_in_their_windows_apart_and_by_page)
{
	struct rig *rig = rig_create();
	struct toy *toys[4];
	u64 ends = RIG_MMIO32;

	for (unsigned i = 0; i < ARRAY_SIZE(toys); i++)
		toys[i] = plugged(rig, i + 1);
	assert_int_equal(pci_bus_place_bars(rig->bus, NULL), 0);
	/* Where they are said to be they are, all at once. */
	for (unsigned i = 0; i < ARRAY_SIZE(toys); i++) {
		rig_write(rig, toys[i], PCI_ROM_ADDRESS,
			  rig_read(rig, toys[i], PCI_ROM_ADDRESS, 4) | 1, 4);
		rig_write(rig, toys[i], PCI_COMMAND, MEMORY | IO, 2);
		for (unsigned n = 0; n <= PCI_ROM; n++) {
			const struct pci_bar *bar = &toys[i]->function.bars[n];

			if (bar->kind == PCI_BAR_NONE)
				continue;
			assert_true(bar->decoded);
			if (bar->kind != PCI_BAR_IO)
				assert_true(is_aligned(bar->address, 4096));
			if (n != PCI_ROM)
				ends = MAX(ends, bar->address);
		}
	}
	/* Simple guests reach them: none is above 4 GiB for no reason. */
	assert_true(ends < 0x100000000);
	rig_destroy(rig);
}

TEST(a_large_64_bit_bar_is_placed_above_4_gib)
{
	struct rig *rig = rig_create();
	struct toy *toy = toy_create(rig, false);

	assert_int_equal(pci_add_bar(&toy->function, 0, PCI_BAR_MEMORY64, 32 * GIB, true), 0);
	assert_int_equal(pci_bus_add(rig->bus, &toy->function, 1, 0), 0);
	assert_int_equal(pci_bus_place_bars(rig->bus, NULL), 0);
	assert_int_equal(rig_read(rig, toy, BAR0, 4), 0xc);
	assert_int_equal(rig_read(rig, toy, BAR0 + 4, 4), RIG_MMIO64 >> 32);
	rig_destroy(rig);
}

TEST(bars_without_room_are_refused_by_name)
{
	static const struct {
		enum pci_bar_kind kind;
		u64 size;
		const char *words;
	} cases[] = {
		{ PCI_BAR_MEMORY32, 512 * MIB, "32-bit" },
		{ PCI_BAR_MEMORY64, 128 * GIB, "64-bit" },
		{ PCI_BAR_MEMORY64, 1ULL << 63, "64-bit" },
		{ PCI_BAR_IO, 64 * KIB, "I/O ports" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig *rig = rig_create();
		struct toy *toy = toy_create(rig, false);
		struct error err = { "" };

		toy->function.device.info.name = "toy 1";
		assert_int_equal(
			pci_add_bar(&toy->function, 0, cases[i].kind, cases[i].size, false), 0);
		assert_int_equal(pci_bus_add(rig->bus, &toy->function, 1, 0), 0);
		assert_int_equal(pci_bus_place_bars(rig->bus, &err), -ENOSPC);
		assert_non_null(strstr(err.text, "toy 1"));
		assert_non_null(strstr(err.text, cases[i].words));
		rig_destroy(rig);
	}
}

TEST(a_region_stays_inside_its_bar)
{
	struct rig *rig = rig_create();
	struct toy *toy = toy_create(rig, false);
	struct bus_region region = { 0 };

	assert_int_equal(pci_add_bar(&toy->function, 0, PCI_BAR_MEMORY32, 4096, false), 0);
	assert_int_equal(pci_bus_add(rig->bus, &toy->function, 1, 0), 0);
	assert_int_equal(pci_region_add(&toy->function, 0, 0, 16, &region), -EINVAL);
	rig_write(rig, toy, BAR0, RIG_MMIO32, 4);
	rig_write(rig, toy, PCI_COMMAND, MEMORY, 2);
	assert_int_equal(pci_region_add(&toy->function, 0, 4096, 16, &region), -EINVAL);
	assert_int_equal(pci_region_add(&toy->function, 0, 4080, 32, &region), -EINVAL);
	assert_int_equal(pci_region_add(&toy->function, 0, UINT64_MAX, 2, &region), -EINVAL);
	/* The toy's own has the place. */
	assert_int_equal(pci_region_add(&toy->function, 0, 4080, 16, &region), -EEXIST);
	rig_destroy(rig);
}

TEST(a_reset_takes_the_addresses_away)
{
	struct rig *rig = rig_create();
	struct toy *toy = plugged(rig, 1);

	assert_int_equal(pci_bus_place_bars(rig->bus, NULL), 0);
	rig_write(rig, toy, PCI_COMMAND, MEMORY | IO, 2);
	rig_write(rig, toy, PCI_ROM_ADDRESS, (RIG_MMIO32 + 0x10800) | 1, 4);
	pci_function_reset(&toy->function);
	for (unsigned n = 0; n <= PCI_ROM; n++)
		assert_false(toy->function.bars[n].decoded);
	assert_int_equal(rig_read(rig, toy, BAR0, 4), 0);
	assert_int_equal(rig_read(rig, toy, BAR2, 4), 0xc);
	assert_int_equal(rig_read(rig, toy, BAR2 + 4, 4), 0);
	assert_int_equal(rig_read(rig, toy, BAR0 + 16, 4), 1);
	assert_int_equal(rig_read(rig, toy, PCI_ROM_ADDRESS, 4), 0);
	rig_destroy(rig);
}
