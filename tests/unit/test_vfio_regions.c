/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio/regions.c: what of a BAR the guest reaches with no exit, and what it meets elsewhere. */
#include "vfio_machine.h"
#include "test.h"

#define MSIX 0x40

static int start(void **state)
{
	machine_host();
	return 0;
}

/* An MSI-X table of @count vectors and its pending bits, at places in BAR 0. */
static void put_msix(unsigned count, u32 table, u32 pba)
{
	hardware->irq_counts[VFIO_PCI_MSIX_IRQ_INDEX] = count;
	put_capability(PCI_CAP_ID_MSIX, MSIX);
	put16(MSIX + PCI_MSIX_FLAGS, count - 1);
	put32(MSIX + PCI_MSIX_TABLE, table);
	put32(MSIX + PCI_MSIX_PBA, pba);
}

static u64 show(void)
{
	config_write(PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
	return device->function.bars[0].address;
}

TEST_WITH(a_bar_without_a_table_is_one_piece, start, machine_end)
{
	u64 bar;

	vfio_fake_region(hardware, 0, 0x10000, VFIO_REGION_INFO_FLAG_MMAP);
	machine_start();
	assert_int_equal(slots_shown, 0);
	bar = show();
	assert_int_equal(slots_shown, 1);
	assert_ptr_equal(page_slot_host(&vm, bar, 0x10000), hardware->regions[0].memory);
	config_write(PCI_COMMAND, 0, 2);
	assert_int_equal(slots_shown, 0);
}

TEST_WITH(a_table_among_registers_splits_the_bar, start, machine_end)
{
	u64 bar;

	vfio_fake_region(hardware, 0, 0x4000, VFIO_REGION_INFO_FLAG_MMAP);
	put_msix(4, 0x2000, 0x2800);
	machine_start();
	bar = show();
	assert_int_equal(slots_shown, 2);
	assert_non_null(page_slot_host(&vm, bar, 0x2000));
	assert_null(page_slot_host(&vm, bar + 0x2000, 1));
	assert_ptr_equal(page_slot_host(&vm, bar + 0x3000, 0x1000),
			 hardware->regions[0].memory + 0x3000);
}

TEST_WITH(the_table_is_ours_and_its_neighbours_the_hardwares, start, machine_end)
{
	u64 bar;

	vfio_fake_region(hardware, 0, 0x4000, VFIO_REGION_INFO_FLAG_MMAP);
	put_msix(4, 0x2000, 0x2800);
	machine_start();
	bar = show();
	mmio_write(bar + 0x2008, 0x1234, 4);
	assert_int_equal(mmio_read(bar + 0x2008, 4), 0x1234);
	assert_int_equal(hardware->regions[0].memory[0x2008], 0);
	/* The first byte behind four entries. */
	mmio_write(bar + 0x2040, 0xabcd, 2);
	assert_int_equal(hardware->regions[0].memory[0x2041], 0xab);
	assert_int_equal(mmio_read(bar + 0x2040, 2), 0xabcd);
	assert_int_equal(device->trapped, 2);
	/* Pending bits cannot be written. */
	mmio_write(bar + 0x2800, ~0ULL, 8);
	assert_int_equal(mmio_read(bar + 0x2800, 8), 0);
	assert_int_equal(hardware->regions[0].memory[0x2800], 0);
}

TEST_WITH(odd_accesses_to_the_table_change_nothing, start, machine_end)
{
	u64 bar;

	vfio_fake_region(hardware, 0, 0x4000, VFIO_REGION_INFO_FLAG_MMAP);
	put_msix(4, 0x2000, 0x2800);
	machine_start();
	bar = show();
	mmio_write(bar + 0x2008, 0x11223344, 4);
	mmio_write(bar + 0x2008, 0xff, 1);
	mmio_write(bar + 0x200a, 0xffff, 2);
	mmio_write(bar + 0x1ffc, ~0ULL, 8);
	mmio_write(bar + 0x203c, ~0ULL, 8);
	assert_int_equal(mmio_read(bar + 0x2008, 4), 0x11223344);
	assert_int_equal(mmio_read(bar + 0x1ffc, 8), ~0ULL);
	assert_int_equal(hardware->regions[0].memory[0x1ffc], 0);
	assert_int_equal(hardware->regions[0].memory[0x2040], 0);
}

TEST_WITH(only_what_the_host_lists_is_mapped, start, machine_end)
{
	struct fake_region *region = &hardware->regions[0];
	u64 bar;

	vfio_fake_region(hardware, 0, 0x10000, VFIO_REGION_INFO_FLAG_MMAP);
	region->area_count = 2;
	region->areas[0] = (struct fake_area){ 0, 0x3000 };
	region->areas[1] = (struct fake_area){ 0x8000, 0x8000 };
	put_msix(4, 0x9000, 0x1000);
	machine_start();
	bar = show();
	assert_int_equal(slots_shown, 4);
	assert_non_null(page_slot_host(&vm, bar, 0x1000));
	assert_null(page_slot_host(&vm, bar + 0x1000, 1));
	assert_non_null(page_slot_host(&vm, bar + 0x2000, 0x1000));
	assert_null(page_slot_host(&vm, bar + 0x3000, 1));
	assert_non_null(page_slot_host(&vm, bar + 0x8000, 0x1000));
	assert_null(page_slot_host(&vm, bar + 0x9000, 1));
	assert_non_null(page_slot_host(&vm, bar + 0xa000, 0x6000));
	/* What lies between still answers. */
	region->memory[0x4000] = 0x5a;
	assert_int_equal(mmio_read(bar + 0x4000, 1), 0x5a);
}

TEST_WITH(small_bars_ports_and_roms_trap, start, machine_end)
{
	u8 bytes[2] = { 0xcd, 0xab };
	u64 ports;

	vfio_fake_region(hardware, 0, 0x100, VFIO_REGION_INFO_FLAG_MMAP);
	vfio_fake_region(hardware, 2, 0x20, 0);
	put32(PCI_BASE_ADDRESS_2, PCI_BASE_ADDRESS_SPACE_IO);
	vfio_fake_region(hardware, PCI_ROM, 0x1000, 0);
	hardware->regions[PCI_ROM].memory[0] = 0x55;
	machine_start();
	mmio_write(show() + 0xf0, 0x12345678, 4);
	assert_int_equal(slots_shown, 0);
	assert_int_equal(hardware->regions[0].memory[0xf3], 0x12);
	ports = device->function.bars[2].address;
	assert_true(bus_write(vm.ports, ports + 0x1e, bytes, 2));
	assert_int_equal(hardware->regions[2].memory[0x1f], 0xab);
	assert_int_equal(device->function.bars[PCI_ROM].decoded, false);
	config_write(PCI_ROM_ADDRESS, config_read(PCI_ROM_ADDRESS, 4) | 1, 4);
	assert_int_equal(mmio_read(device->function.bars[PCI_ROM].address, 1), 0x55);
	mmio_write(device->function.bars[PCI_ROM].address, 0, 1);
	assert_int_equal(hardware->regions[PCI_ROM].memory[0], 0x55);
}

TEST_WITH(ports_are_never_shown_as_pages, start, machine_end)
{
	vfio_fake_region(hardware, 0, 0x1000, VFIO_REGION_INFO_FLAG_MMAP);
	put32(PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_SPACE_IO);
	machine_start();
	config_write(PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
	assert_true(device->function.bars[0].decoded);
	assert_int_equal(slots_shown, 0);
	assert_int_equal(hardware->mapped, 0);
}

TEST_WITH(what_the_host_does_not_map_traps, start, machine_end)
{
	u64 bar;

	vfio_fake.refuse_mmap = true;
	vfio_fake_region(hardware, 0, 0x4000, VFIO_REGION_INFO_FLAG_MMAP);
	machine_start();
	bar = show();
	assert_int_equal(slots_shown, 0);
	mmio_write(bar + 0x3000, 0x77, 1);
	assert_int_equal(hardware->regions[0].memory[0x3000], 0x77);
}

TEST_WITH(a_bar_moves_with_all_its_pieces, start, machine_end)
{
	vfio_fake_region(hardware, 0, 0x4000, VFIO_REGION_INFO_FLAG_MMAP);
	put_msix(4, 0x2000, 0x2800);
	machine_start();
	show();
	config_write(PCI_BASE_ADDRESS_0, MMIO32 + MIB, 4);
	assert_int_equal(slots_shown, 2);
	assert_non_null(page_slot_host(&vm, MMIO32 + MIB, 0x2000));
	mmio_write(MMIO32 + MIB + 0x2008, 7, 4);
	assert_int_equal(mmio_read(MMIO32 + MIB + 0x2008, 4), 7);
	/* Nowhere: nothing of it is left. */
	config_write(PCI_BASE_ADDRESS_0, 0xfee00000, 4);
	assert_int_equal(slots_shown, 0);
	assert_int_equal(mmio_read(MMIO32 + MIB + 0x2008, 4), 0xffffffff);
}

TEST_WITH(wide_and_prefetchable_bars_keep_their_kind, start, machine_end)
{
	vfio_fake_region(hardware, 0, 0x4000, VFIO_REGION_INFO_FLAG_MMAP);
	put32(PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	machine_start();
	config_write(PCI_BASE_ADDRESS_0, (u32)MMIO64, 4);
	config_write(PCI_BASE_ADDRESS_1, MMIO64 >> 32, 4);
	show();
	assert_int_equal(config_read(PCI_BASE_ADDRESS_0, 1) & 0xf, 0xc);
	assert_non_null(page_slot_host(&vm, MMIO64, 0x4000));
}

TEST_WITH(a_table_outside_its_bar_costs_the_device_its_msix_alone, start, machine_end)
{
	vfio_fake_region(hardware, 0, 0x4000, VFIO_REGION_INFO_FLAG_MMAP);
	put_msix(4, 0x3fd0, 0x1000);
	machine_start();
	assert_int_equal(config_read(PCI_CAPABILITY_LIST, 1), 0);
	show();
	assert_int_equal(slots_shown, 1);
}
