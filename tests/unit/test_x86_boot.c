/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "../../x86/boot.h"
#include "../../x86/bootparams.h"
#include "../../x86/cmos.h"
#include "../../x86/layout.h"
#include "test.h"
#include "vmm/arch.h"
#include "vmm/memory.h"

static const struct arch_options no_options;

TEST(ram_goes_below_the_hole_and_above_4_gib)
{
	struct range ram[2];

	assert_int_equal(arch_ram_layout(&no_options, 256 * MIB, 0, ram, 2, NULL), 1);
	assert_int_equal(ram[0].last, 256 * MIB - 1);
	assert_int_equal(arch_ram_layout(&no_options, 3 * GIB, 0, ram, 2, NULL), 1);
	assert_int_equal(ram[0].last, 0xbfffffff);
	assert_int_equal(arch_ram_layout(&no_options, 4 * GIB, 0, ram, 2, NULL), 2);
	assert_int_equal(ram[0].last, 0xbfffffff);
	assert_int_equal(ram[1].start, 4 * GIB);
	assert_int_equal(ram[1].last, 5 * GIB - 1);
}

TEST(absurd_sizes_of_ram_are_refused)
{
	static const u64 sizes[] = { 0, 4096, 256 * MIB + 1, UINT64_MAX, UINT64_MAX & ~4095ULL };
	struct range ram[2];

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct error err = { "" };

		assert_int_equal(arch_ram_layout(&no_options, sizes[i], 0, ram, 2, &err), -EINVAL);
		assert_non_null(strstr(err.text, "--mem"));
	}
}

TEST(the_memory_map_is_ascending_and_spares_the_firmware)
{
	struct e820_range map[E820_MAX];
	struct range ram[2];
	unsigned n = arch_ram_layout(&no_options, 4 * GIB, 0, ram, 2, NULL);

	n = e820_build(ram, n, NULL, map);
	for (unsigned i = 1; i < n; i++)
		assert_true(map[i - 1].range.last < map[i].range.start);
	for (unsigned i = 0; i < n; i++)
		if (map[i].type == E820_RAM)
			assert_false(range_overlaps(map[i].range.start, map[i].range.last, 0xa0000,
						    0xfffff));
	assert_int_equal(map[n - 1].range.last, 5 * GIB - 1);
}

TEST(virtio_slots_are_distinct_edge_lines_and_come_to_an_end)
{
	struct device_resource slot, last = { 0 };
	unsigned n;

	for (n = 0; !arch_virtio_resource(n, &slot); n++) {
		assert_true(slot.base >= last.base + 0x1000);
		assert_true(slot.gsi > last.gsi);
		assert_false(slot.gsi >= 16 && slot.gsi <= 19);
		assert_int_equal(slot.trigger, IRQ_EDGE);
		last = slot;
	}
	assert_int_equal(n, 13);
	assert_int_equal(arch_virtio_resource(~0u, &slot), -ENOSPC);
}

TEST(unknown_irqchips_are_refused_with_the_names)
{
	struct error err = { "" };
	int irqchip;

	assert_int_equal(arch_irqchip_parse("auto", &irqchip, &err), 0);
	assert_int_equal(arch_irqchip_parse("gicv3", &irqchip, &err), -EINVAL);
	assert_non_null(strstr(err.text, "auto"));
}

static struct guest_memory *make_memory(u64 size)
{
	struct guest_memory *memory;
	struct range ram[2];
	int n = arch_ram_layout(&no_options, size, 0, ram, 2, NULL);

	assert_int_equal(memory_create(&memory, NULL, ram, n, NULL), 0);
	return memory;
}

TEST(boot_parameters_carry_map_cmdline_initrd_and_seed)
{
	struct arch_image image = {
		.entry_kind = ENTRY_LONG,
		.cmdline = "console=ttyS0",
		.initrd = 0x4000000,
		.initrd_size = 12345,
	};
	struct guest_memory *memory = make_memory(4 * GIB);
	const u8 *params, *seed;

	bp_put64(image.header, BP_PREF_ADDRESS, 0x1000000);
	assert_int_equal(boot_write(&image, memory, NULL, NULL), 0);
	params = memory_host(memory, LAYOUT_BOOT_PARAMS, BP_SIZE);
	assert_int_equal(params[0x1ef], 0); /* the sentinel: the zero page was zeroed */
	assert_int_equal(bp_get64(params, BP_PREF_ADDRESS), 0x1000000);
	assert_int_equal(bp_get64(params, BP_ACPI_RSDP), LAYOUT_TABLES);
	assert_int_equal(bp_get32(params, BP_RAMDISK_IMAGE), 0x4000000);
	assert_int_equal(bp_get32(params, BP_RAMDISK_SIZE), 12345);
	assert_int_equal(params[BP_LOADER_TYPE], 0xff);
	assert_int_equal(params[BP_E820_ENTRIES], 5);
	assert_int_equal(bp_get64(params, BP_E820_TABLE + 4 * BP_E820_ENTRY), 4 * GIB);
	assert_string_equal(memory_host(memory, bp_get32(params, BP_CMDLINE_PTR), 14),
			    "console=ttyS0");
	seed = memory_host(memory, bp_get64(params, BP_SETUP_DATA), 48);
	assert_int_equal(bp_get64(seed, 0), 0);
	assert_int_equal(bp_get32(seed, 8), 9);
	assert_int_equal(bp_get32(seed, 12), 32);
	memory_destroy(memory);
}

/* The last entry, of a 2 MiB page; @shift: of the first table's index. */
static u64 translate(const struct guest_memory *memory, u64 entry, int shift, u64 address)
{
	for (; shift >= 21; shift -= 9) {
		const u8 *table = memory_host(memory, entry & ~0xfffULL, 4096);

		entry = bp_get64(table, (address >> shift & 511) * 8);
		assert_true(entry & 1);
	}
	return entry;
}

TEST(page_tables_map_4_gib_onto_themselves)
{
	struct arch_image image = { .entry_kind = ENTRY_LONG, .cmdline = "" };
	struct guest_memory *memory = make_memory(64 * MIB);

	assert_int_equal(boot_write(&image, memory, NULL, NULL), 0);
	for (u64 address = 0; address < 4 * GIB; address += 2 * MIB) {
		assert_int_equal(translate(memory, LAYOUT_PAGE_TABLES, 39, address),
				 address | 0x83);
		/* Which those of five levels do as well. */
		assert_int_equal(translate(memory, LAYOUT_PML5, 48, address), address | 0x83);
	}
	memory_destroy(memory);
}

TEST(a_kernel_is_told_that_it_was_moved_if_it_was)
{
	struct arch_image image = { .entry_kind = ENTRY_LONG, .cmdline = "" };
	struct guest_memory *memory = make_memory(64 * MIB);
	const u8 *params = memory_host(memory, LAYOUT_BOOT_PARAMS, BP_SIZE);

	image.header[BP_LOADFLAGS] = 0x83;
	assert_int_equal(boot_write(&image, memory, NULL, NULL), 0);
	assert_int_equal(params[BP_LOADFLAGS], 0x81);
	image.moved = true;
	assert_int_equal(boot_write(&image, memory, NULL, NULL), 0);
	assert_int_equal(params[BP_LOADFLAGS], 0x83);
	memory_destroy(memory);
}

TEST(the_pvh_start_info_carries_map_cmdline_and_initrd)
{
	struct arch_image image = {
		.entry_kind = ENTRY_PVH,
		.cmdline = "a b",
		.initrd = 0x800000,
		.initrd_size = 77,
	};
	struct guest_memory *memory = make_memory(64 * MIB);
	const u8 *info, *module, *map;

	assert_int_equal(boot_write(&image, memory, NULL, NULL), 0);
	info = memory_host(memory, LAYOUT_START_INFO, 4096);
	assert_int_equal(bp_get32(info, 0), 0x336ec578);
	assert_int_equal(bp_get32(info, 12), 1);
	module = memory_host(memory, bp_get64(info, 16), 32);
	assert_int_equal(bp_get64(module, 0), 0x800000);
	assert_int_equal(bp_get64(module, 8), 77);
	assert_string_equal(memory_host(memory, bp_get64(info, 24), 4), "a b");
	assert_int_equal(bp_get64(info, 32), LAYOUT_TABLES);
	map = memory_host(memory, bp_get64(info, 40), 24 * bp_get32(info, 48));
	assert_int_equal(bp_get32(info, 48), 4);
	assert_int_equal(bp_get64(map + 72, 0), 0x100000);
	assert_int_equal(bp_get64(map + 72, 8), 63 * MIB);
	memory_destroy(memory);
}

/* Linux reboots by it, and so ends lkvm, instead of running through zeros for ever. */
TEST(the_reset_vector_resets)
{
	static const u8 code[] = { 0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee };
	struct arch_image image = { .entry_kind = ENTRY_LONG, .cmdline = "" };
	struct guest_memory *memory = make_memory(64 * MIB);

	assert_int_equal(boot_write(&image, memory, NULL, NULL), 0);
	assert_memory_equal(memory_host(memory, 0xffff0, 16), code, sizeof(code));
	memory_destroy(memory);
}

TEST(words_that_take_the_ioapic_away_are_found_whole)
{
	static const char *const taking[] = { "noapic",	       "quiet  nolapic", "nosmp quiet",
					      "a maxcpus=0 b", "acpi=noirq",	 "pci=noacpi",
					      "disableapic " };
	static const char *const keeping[] = { "",
					       " ",
					       "quiet",
					       "noapics",
					       "xnoapic",
					       "maxcpus=01",
					       "apic=verbose",
					       "nosmpx",
					       "init=/noapic" };

	for (unsigned i = 0; i < ARRAY_SIZE(taking); i++) {
		assert_true(boot_has_no_ioapic(taking[i]));
		assert_true(arch_wants_mmio(&no_options, taking[i]));
	}
	for (unsigned i = 0; i < ARRAY_SIZE(keeping); i++) {
		assert_false(boot_has_no_ioapic(keeping[i]));
		assert_false(arch_wants_mmio(&no_options, keeping[i]));
	}
}

TEST(a_kernel_without_pci_is_known_by_its_words)
{
	assert_false(arch_wants_mmio(&no_options, NULL));
	assert_true(arch_wants_mmio(&no_options, "quiet pci=off"));
	assert_false(boot_has_no_ioapic("quiet pci=off"));
	assert_false(arch_wants_mmio(&no_options, "pci=offx pci=nomsi"));
}

/* 2026-11-22 23:59:58 UTC, a Sunday. */
static const struct timespec evening = { .tv_sec = 1795391998 };

static u8 get(struct cmos *cmos, u8 index, const struct timespec *now)
{
	cmos_write(cmos, 0, index, now);
	return cmos_read(cmos, 1, now);
}

static void set(struct cmos *cmos, u8 index, u8 value, const struct timespec *now)
{
	cmos_write(cmos, 0, index, now);
	cmos_write(cmos, 1, value, now);
}

TEST(the_clock_shows_utc_in_bcd)
{
	struct cmos cmos;

	cmos_init(&cmos, &evening);
	assert_int_equal(get(&cmos, 0, &evening), 0x58);
	assert_int_equal(get(&cmos, 2, &evening), 0x59);
	assert_int_equal(get(&cmos, 4, &evening), 0x23);
	assert_int_equal(get(&cmos, 6, &evening), 0x01);
	assert_int_equal(get(&cmos, 7, &evening), 0x22);
	assert_int_equal(get(&cmos, 8, &evening), 0x11);
	assert_int_equal(get(&cmos, 9, &evening), 0x26);
	assert_int_equal(get(&cmos, 0x32, &evening), 0x20);
	assert_int_equal(get(&cmos, 13, &evening), 0x80);
}

TEST(the_clock_shows_binary_and_12_hours_on_request)
{
	struct cmos cmos;

	cmos_init(&cmos, &evening);
	set(&cmos, 11, 0x04, &evening);
	assert_int_equal(get(&cmos, 0, &evening), 58);
	assert_int_equal(get(&cmos, 4, &evening), 0x80 | 11);
}

TEST(a_clock_that_was_set_runs_on)
{
	struct timespec later = { .tv_sec = evening.tv_sec + 3 };
	struct cmos cmos;

	cmos_init(&cmos, &evening);
	set(&cmos, 11, 0x82, &evening);
	set(&cmos, 9, 0x99, &evening);
	set(&cmos, 8, 0x12, &evening);
	set(&cmos, 7, 0x31, &evening);
	set(&cmos, 0x32, 0x19, &evening);
	assert_int_equal(get(&cmos, 0, &later), 0x58); /* it stands */
	set(&cmos, 11, 0x02, &evening);
	assert_int_equal(get(&cmos, 9, &later), 0x00);
	assert_int_equal(get(&cmos, 0x32, &later), 0x20);
	assert_int_equal(get(&cmos, 0, &later), 0x01);
}

TEST(a_clock_takes_any_byte_in_any_register)
{
	struct timespec now = evening;
	struct cmos cmos;

	cmos_init(&cmos, &evening);
	for (unsigned round = 0; round < 8; round++) {
		for (unsigned index = 0; index < 256; index++) {
			set(&cmos, index, 0xff - round, &now);
			get(&cmos, index, &now);
			now.tv_nsec = 999999999;
		}
		set(&cmos, 11, round << 1, &now);
	}
}
