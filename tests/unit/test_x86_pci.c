/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI on the PC: its place, its configuration ports, its ACPI objects. */
#include <errno.h>

#include "../../x86/acpi.h"
#include "../../x86/bootparams.h"
#include "../../x86/config_ports.h"
#include "../../x86/layout.h"
#include "pci_rig.h"
#include "vmm/arch.h"
#include "test.h"

#define AREA 0x8000

/* ---- the map ---- */

static const struct arch_options no_options;

TEST(pci_is_between_ram_and_around_what_is_fixed)
{
	static const u64 sizes[] = { 16 * MIB, 3 * GIB, 4 * GIB, 61 * GIB };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct range ram[2];
		unsigned n = arch_ram_layout(&no_options, sizes[i], 0, ram, 2, NULL);
		struct pci_layout pci;

		assert_int_equal(layout_pci(ram, n, 36, &pci, NULL), 0);
		assert_true(ram[0].last < pci.ecam.start);
		assert_int_equal(pci.ecam.last - pci.ecam.start, 0xfffff);
		assert_true(pci.ecam.last < pci.mmio32.start && pci.mmio32.last < LAYOUT_VIRTIO);
		assert_true(pci.mmio64.start > ram[n - 1].last && pci.mmio64.start >= 4 * GIB);
		assert_true(pci.mmio64.last == (1ULL << 36) - 1);
		assert_true(pci.io.start > PORT_CONFIG + 7 && pci.io.last == 0xffff);
		assert_false(pci.io_is_mmio);
	}
}

TEST(without_room_above_ram_the_memory_is_too_much)
{
	struct range ram[2];
	unsigned n = arch_ram_layout(&no_options, 63 * GIB, 0, ram, 2, NULL);
	struct pci_layout pci;
	struct error err = { "" };

	assert_int_equal(layout_pci(ram, n, 36, &pci, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "--mem"));
	assert_int_equal(layout_pci(ram, n, 64, &pci, NULL), 0);
	assert_true(pci.mmio64.last == (1ULL << 46) - 1);
}

TEST(each_slot_begins_with_another_of_four_lines)
{
	struct range ram[2];
	unsigned n = arch_ram_layout(&no_options, 16 * MIB, 0, ram, 2, NULL);
	struct pci_layout pci;

	assert_int_equal(layout_pci(ram, n, 40, &pci, NULL), 0);
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		u32 lines = 0;

		for (unsigned pin = 1; pin <= 4; pin++) {
			assert_in_range(pci.intx(slot, pin), 16, 19);
			lines |= 1 << pci.intx(slot, pin);
		}
		assert_int_equal(lines, 0xf0000);
		assert_int_not_equal(pci.intx(slot, 1), pci.intx((slot + 1) % PCI_SLOTS, 1));
	}
}

TEST(the_ecam_is_reserved_in_the_memory_map)
{
	const struct range ecam = { LAYOUT_ECAM, LAYOUT_ECAM + LAYOUT_ECAM_SIZE - 1 };
	struct e820_range map[E820_MAX];
	struct range ram[2];
	unsigned n = arch_ram_layout(&no_options, 4 * GIB, 0, ram, 2, NULL), found = 0;

	n = e820_build(ram, n, &ecam, map);
	for (unsigned i = 1; i < n; i++)
		assert_true(map[i - 1].range.last < map[i].range.start);
	for (unsigned i = 0; i < n; i++)
		found += map[i].type == E820_RESERVED && map[i].range.start == ecam.start &&
			 map[i].range.last == ecam.last;
	assert_int_equal(found, 1);
}

/* ---- configuration ports ---- */

struct bench {
	struct rig *rig;
	struct toy *toy;
	struct config_ports ports;
};

static void bench_start(struct bench *bench)
{
	*bench = (struct bench){ .rig = rig_create() };
	bench->toy = toy_create(bench->rig, false);
	assert_int_equal(pci_bus_add(bench->rig->bus, &bench->toy->function, 3, 2), 0);
}

static u32 in(struct bench *bench, u64 offset, unsigned len)
{
	u32 value = config_ports_read(&bench->ports, bench->rig->bus, offset, len);

	return len == 4 ? value : value & ((1u << 8 * len) - 1);
}

static void out(struct bench *bench, u64 offset, u32 value, unsigned len)
{
	config_ports_write(&bench->ports, bench->rig->bus, offset, value, len);
}

TEST(the_address_port_selects_a_register_of_a_function)
{
	struct bench bench;

	bench_start(&bench);
	out(&bench, 0, 0x80000000 | 0x1a << 8, 4);
	assert_int_equal(in(&bench, 0, 4), 0x80001a00);
	assert_int_equal(in(&bench, 4, 4), RIG_DEVICE << 16 | 0x1234);
	assert_int_equal(in(&bench, 6, 2), RIG_DEVICE);
	assert_int_equal(in(&bench, 5, 1), 0x12);
	out(&bench, 0, 0x80000000 | 0x1a << 8 | PCI_INTERRUPT_LINE, 4);
	out(&bench, 4, 0x5b, 1);
	assert_int_equal(in(&bench, 4, 4), 0x5b);
	rig_destroy(bench.rig);
}

TEST(any_bytes_of_a_dword_may_be_enabled)
{
	struct bench bench;

	bench_start(&bench);
	out(&bench, 0, 0x80000000 | 0x1a << 8, 4);
	assert_int_equal(in(&bench, 5, 2), (RIG_DEVICE & 0xff) << 8 | 0x12);
	out(&bench, 0, 0x80000000 | 0x1a << 8 | PCI_COMMAND, 4);
	/* The upper byte of Command, and the lower one of Status, which is not to be written. */
	out(&bench, 5, 0xff04, 2);
	assert_int_equal(in(&bench, 4, 4), 0x400);
	rig_destroy(bench.rig);
}

TEST(reserved_bits_of_the_address_read_as_zero)
{
	struct bench bench;

	bench_start(&bench);
	out(&bench, 0, 0xffffffff, 4);
	assert_int_equal(in(&bench, 0, 4), 0x80fffffc);
	/* Which is on a bus that is not there. */
	assert_int_equal(in(&bench, 4, 4), 0xffffffff);
	rig_destroy(bench.rig);
}

TEST(an_address_is_written_whole_or_not_at_all)
{
	struct bench bench;

	bench_start(&bench);
	/* What PC kernels do to see which mechanism there is. */
	out(&bench, 3, 1, 1);
	out(&bench, 0, 0x80000000, 4);
	assert_int_equal(in(&bench, 0, 4), 0x80000000);
	out(&bench, 0, 0, 1);
	out(&bench, 2, 0, 2);
	assert_int_equal(in(&bench, 0, 4), 0x80000000);
	assert_int_equal(in(&bench, 0, 1), 0xff);
	assert_int_equal(in(&bench, 2, 2), 0xffff);
	rig_destroy(bench.rig);
}

TEST(without_the_enable_bit_or_a_bus_data_is_all_ones)
{
	struct bench bench;

	bench_start(&bench);
	out(&bench, 0, 0x1a << 8, 4);
	assert_int_equal(in(&bench, 4, 4), 0xffffffff);
	out(&bench, 4, 0, 4);
	assert_int_equal(config_ports_read(&bench.ports, NULL, 0, 4), 0xffffffff);
	config_ports_write(&bench.ports, NULL, 0, 0x80000000, 4);
	assert_int_equal(in(&bench, 0, 4), 0x1a << 8);
	rig_destroy(bench.rig);
}

/* ---- ACPI ---- */

static u8 tables[AREA];

static const u8 *build(const struct pci_layout *pci, const char *signature)
{
	struct list_node devices;
	const struct acpi_machine machine = { .cpus = 1, .devices = &devices, .pci = pci };
	const u8 *xsdt;

	list_init(&devices);
	assert_int_equal(acpi_build(&machine, tables, AREA, LAYOUT_TABLES, NULL), 0);
	if (!strcmp(signature, "DSDT"))
		return tables + bp_get64(build(pci, "FACP"), 140) - LAYOUT_TABLES;
	xsdt = tables + bp_get64(tables, 24) - LAYOUT_TABLES;
	for (unsigned i = 36; i < bp_get32(xsdt, 4); i += 8) {
		const u8 *table = tables + bp_get64(xsdt, i) - LAYOUT_TABLES;

		if (!memcmp(table, signature, 4))
			return table;
	}
	return NULL;
}

static void make_layout(struct pci_layout *pci)
{
	struct range ram[2];
	unsigned n = arch_ram_layout(&no_options, 16 * MIB, 0, ram, 2, NULL);

	assert_int_equal(layout_pci(ram, n, 40, pci, NULL), 0);
}

static bool dsdt_has(const struct pci_layout *pci, const void *bytes, size_t size)
{
	const u8 *dsdt = build(pci, "DSDT");

	return memmem(dsdt, bp_get32(dsdt, 4), bytes, size);
}

TEST(the_mcfg_has_bus_0)
{
	static const u8 entry[] = { 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct pci_layout pci;
	const u8 *mcfg;

	make_layout(&pci);
	mcfg = build(&pci, "MCFG");
	assert_non_null(mcfg);
	assert_int_equal(bp_get32(mcfg, 4), 60);
	assert_memory_equal(mcfg + 44, entry, sizeof(entry));
}

TEST(a_machine_without_pci_does_not_speak_of_it)
{
	assert_null(build(NULL, "MCFG"));
	assert_false(dsdt_has(NULL, "PCI0", 4));
	assert_false(dsdt_has(NULL, "ECAM", 4));
}

TEST(the_dsdt_has_the_windows_of_the_bridge)
{
	static const u8 bus[] = { 0x88, 13, 0, 2, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0 };
	static const u8 io[] = {
		0x88, 13, 0, 1, 0x0c, 3, 0, 0, 0, 0x10, 0xff, 0xff, 0, 0, 0, 0xf0
	};
	static const u8 low[] = { 0x87, 23,   0,    0,	  0x0c, 1, 0, 0, 0, 0, 0, 0, 0,
				  0xd0, 0xff, 0xff, 0xff, 0xfb, 0, 0, 0, 0, 0, 0, 0, 0x2c };
	static const u8 high[] = { 0x8a, 43, 0, 0, 0x0c, 1 };
	struct pci_layout pci;

	make_layout(&pci);
	assert_true(dsdt_has(&pci, bus, sizeof(bus)));
	assert_true(dsdt_has(&pci, io, sizeof(io)));
	assert_true(dsdt_has(&pci, low, sizeof(low)));
	assert_true(dsdt_has(&pci, high, sizeof(high)));
}

TEST(the_dsdt_routes_each_pin_of_each_slot_to_its_gsi)
{
	struct pci_layout pci;

	make_layout(&pci);
	for (unsigned slot = 1; slot < PCI_SLOTS; slot++) {
		/* Package (4) { slot << 16 | 0xffff, 2, 0, GSI of INTC } */
		const u8 entry[] = {
			4, 0x0c, 0xff, 0xff, slot, 0, 0x0a, 2, 0, 0x0a, pci.intx(slot, 3)
		};

		assert_true(dsdt_has(&pci, entry, sizeof(entry)));
	}
}

TEST(the_ecam_is_a_motherboard_resource)
{
	static const u8 pnp0c02[] = { 0x0c, 0x41, 0xd0, 0x0c, 0x02 };
	static const u8 memory[] = { 0x86, 9, 0, 1, 0, 0, 0, 0xc0, 0, 0, 0x10, 0 };
	struct pci_layout pci;

	make_layout(&pci);
	assert_true(dsdt_has(&pci, pnp0c02, sizeof(pnp0c02)));
	assert_true(dsdt_has(&pci, memory, sizeof(memory)));
}
