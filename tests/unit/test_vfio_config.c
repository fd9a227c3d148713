/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio/config.c, vfio/capabilities.c: what of configuration space is the hardware's. */
#include <linux/pci_regs.h>

#include "vfio_machine.h"
#include "test.h"

static int start(void **state)
{
	machine_host();
	return 0;
}

static u32 find_capability(u8 id)
{
	for (u32 at = config_read(PCI_CAPABILITY_LIST, 1); at; at = config_read(at + 1, 1)) {
		if (config_read(at, 1) == id)
			return at;
	}
	return 0;
}

static u32 find_extended(u16 id)
{
	for (u32 at = 0x100, header; at; at = header >> 20) {
		header = config_read(at, 4);
		if ((header & 0xffff) == id)
			return at;
	}
	return 0;
}

TEST_WITH(identity_is_the_hardwares_and_command_ours, start, machine_end)
{
	machine_start();
	assert_int_equal(config_read(PCI_VENDOR_ID, 4), 0x10421af4);
	assert_int_equal(config_read(PCI_CLASS_REVISION, 4), 0x01000001);
	assert_int_equal(config_read(PCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(config_read(PCI_COMMAND, 2), 0);
	/* The hardware decodes all the time, and is master when the guest says so. */
	assert_int_equal(hardware16(PCI_COMMAND), PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	config_write(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	assert_int_equal(hardware16(PCI_COMMAND),
			 PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	config_write(PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
	assert_int_equal(hardware16(PCI_COMMAND), PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
}

TEST_WITH(status_shows_the_hardwares_errors_and_interrupt, start, machine_end)
{
	machine_start();
	put16(PCI_STATUS, PCI_STATUS_INTERRUPT | PCI_STATUS_REC_MASTER_ABORT);
	assert_int_equal(config_read(PCI_STATUS, 2),
			 PCI_STATUS_INTERRUPT | PCI_STATUS_REC_MASTER_ABORT);
}

TEST_WITH(vendor_capabilities_are_the_hardwares_to_the_last_byte, start, machine_end)
{
	put_capability(PCI_CAP_ID_VNDR, 0x98);
	put32(0x98, 0x01100009);
	put_capability(PCI_CAP_ID_VNDR, 0x84);
	put32(0x84, 0x02140009);
	put32(0x94, 0x12345678);
	machine_start();
	assert_int_equal(find_capability(PCI_CAP_ID_VNDR), 0x98);
	assert_int_equal(config_read(0x98, 4), 0x01108409);
	assert_int_equal(config_read(0x9a, 1), 0x10);
	assert_int_equal(config_read(0x84, 4), 0x02140009);
	assert_int_equal(config_read(0x94, 4), 0x12345678);
	config_write(0x94, 0xcafebabe, 4);
	assert_int_equal(hardware16(0x96), 0xcafe);
	config_write(0x95, 0x11, 1);
	assert_int_equal(hardware16(0x94), 0x11be);
}

TEST_WITH(a_list_that_loops_ends, start, machine_end)
{
	put_capability(PCI_CAP_ID_VNDR, 0x40);
	put8(0x42, 8);
	put_capability(PCI_CAP_ID_VNDR, 0x50);
	put8(0x52, 8);
	put8(0x51, 0x40);
	machine_start();
	assert_int_equal(config_read(0x41, 1), 0x50);
	assert_int_equal(config_read(0x51, 1), 0);
}

TEST_WITH(an_endpoint_becomes_one_of_the_root_complex_without_a_link, start, machine_end)
{
	put_capability(PCI_CAP_ID_EXP, 0x60);
	put16(0x60 + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	put32(0x60 + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR | 1);
	put32(0x60 + PCI_EXP_LNKCAP, 0x11223344);
	put16(0x60 + PCI_EXP_LNKSTA, 0x1043);
	put32(0x60 + PCI_EXP_LNKCAP2, 0xe);
	put32(0x60 + PCI_EXP_DEVCAP2, PCI_EXP_DEVCAP2_LTR | 0xf);
	machine_start();
	assert_int_equal(config_read(0x60 + PCI_EXP_FLAGS, 2), 2 | PCI_EXP_TYPE_RC_END << 4);
	assert_int_equal(config_read(0x60 + PCI_EXP_DEVCAP, 4), PCI_EXP_DEVCAP_FLR | 1);
	assert_int_equal(config_read(0x60 + PCI_EXP_LNKCAP, 4), 0);
	assert_int_equal(config_read(0x60 + PCI_EXP_LNKCTL, 4), 0);
	assert_int_equal(config_read(0x60 + PCI_EXP_LNKCAP2, 4), 0);
	assert_int_equal(config_read(0x60 + PCI_EXP_DEVCAP2, 4), 0xf);
	config_write(0x60 + PCI_EXP_DEVCTL, 0x2810, 2);
	assert_int_equal(hardware16(0x60 + PCI_EXP_DEVCTL), 0x2810);
	config_write(0x60 + PCI_EXP_LNKCTL, 0xffff, 2);
	assert_int_equal(hardware16(0x60 + PCI_EXP_LNKCTL), 0);
	/* LTR is not there to be enabled. */
	config_write(0x60 + PCI_EXP_DEVCTL2, PCI_EXP_DEVCTL2_LTR_EN | 5, 2);
	assert_int_equal(hardware16(0x60 + PCI_EXP_DEVCTL2), 5);
}

TEST_WITH(a_function_level_reset_is_done_by_the_host, start, machine_end)
{
	unsigned before;

	put_capability(PCI_CAP_ID_EXP, 0x60);
	put16(0x60 + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	put32(0x60 + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR);
	vfio_fake_region(hardware, 0, 0x4000, VFIO_REGION_INFO_FLAG_MMAP);
	machine_start();
	before = hardware->resets;
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	assert_int_equal(slots_shown, 1);
	config_write(0x60 + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR | 0x2810, 2);
	assert_int_equal(hardware->resets, before + 1);
	assert_int_equal(hardware16(0x60 + PCI_EXP_DEVCTL), 0);
	assert_int_equal(config_read(PCI_COMMAND, 2), 0);
	assert_int_equal(config_read(PCI_BASE_ADDRESS_0, 4), 0);
	assert_int_equal(hardware16(PCI_COMMAND), PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	assert_int_equal(slots_shown, 0);
}

TEST_WITH(registers_are_hidden_while_the_device_sleeps, start, machine_end)
{
	put_capability(PCI_CAP_ID_PM, 0x40);
	vfio_fake_region(hardware, 0, 0x4000, VFIO_REGION_INFO_FLAG_MMAP);
	machine_start();
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_int_equal(slots_shown, 1);
	config_write(0x40 + PCI_PM_CTRL, 3, 2);
	assert_int_equal(slots_shown, 0);
	assert_int_equal(hardware16(0x40 + PCI_PM_CTRL), 3);
	/* Not even a BAR that moves shows them. */
	config_write(PCI_BASE_ADDRESS_0, MMIO32 + 0x100000, 4);
	assert_int_equal(slots_shown, 0);
	config_write(0x40 + PCI_PM_CTRL, 0, 1);
	assert_int_equal(slots_shown, 1);
}

TEST_WITH(what_speaks_of_links_translation_and_virtual_functions_is_not_there, start, machine_end)
{
	put32(0x100, PCI_EXT_CAP_ID_SRIOV | 1 << 16 | 0x140 << 20);
	put32(0x140, PCI_EXT_CAP_ID_ATS | 1 << 16 | 0x150 << 20);
	put32(0x144, 0xffffffff);
	put32(0x150, PCI_EXT_CAP_ID_DSN | 1 << 16 | 0x160 << 20);
	put32(0x154, 0xabcd);
	put32(0x160, PCI_EXT_CAP_ID_REBAR | 1 << 16 | 0x180 << 20);
	put32(0x180, PCI_EXT_CAP_ID_ERR | 2 << 16);
	put32(0x184, 0x1000);
	machine_start();
	assert_int_equal(find_extended(PCI_EXT_CAP_ID_SRIOV), 0);
	assert_int_equal(find_extended(PCI_EXT_CAP_ID_ATS), 0);
	assert_int_equal(find_extended(PCI_EXT_CAP_ID_REBAR), 0);
	assert_int_equal(find_extended(PCI_EXT_CAP_ID_DSN), 0x150);
	assert_int_equal(config_read(0x154, 4), 0xabcd);
	assert_int_equal(find_extended(PCI_EXT_CAP_ID_ERR), 0x180);
	assert_int_equal(config_read(0x184, 4), 0x1000);
	/* Their registers are neither read nor written. */
	assert_int_equal(config_read(0x144, 4), 0);
	config_write(0x144, 0, 4);
	assert_int_equal(hardware16(0x144), 0xffff);
	assert_int_equal(config_read(0x104, 4), 0);
}

TEST_WITH(registers_in_no_capability_are_the_hardwares, start, machine_end)
{
	put_capability(PCI_CAP_ID_PM, 0x40);
	put32(0xf0, 0x600dda7a);
	machine_start();
	assert_int_equal(config_read(0xf0, 4), 0x600dda7a);
	config_write(0xf0, 0xbabe, 2);
	assert_int_equal(hardware16(0xf0), 0xbabe);
}

TEST_WITH(a_32_bit_msi_capability_moves_if_ours_does_not_fit, start, machine_end)
{
	hardware->irq_counts[VFIO_PCI_MSI_IRQ_INDEX] = 1;
	put_capability(PCI_CAP_ID_MSI, 0x50);
	put_capability(PCI_CAP_ID_PM, 0x5c);
	machine_start();
	assert_int_equal(find_capability(PCI_CAP_ID_PM), 0x5c);
	assert_int_not_equal(find_capability(PCI_CAP_ID_MSI), 0);
	assert_int_not_equal(find_capability(PCI_CAP_ID_MSI), 0x50);
	/* Its neighbour still is the hardware's. */
	config_write(0x5c + PCI_PM_CTRL, PCI_PM_CTRL_PME_ENABLE, 2);
	assert_int_equal(hardware16(0x5c + PCI_PM_CTRL), PCI_PM_CTRL_PME_ENABLE);
}

TEST_WITH(a_small_msi_capability_takes_nothing_from_its_neighbour, start, machine_end)
{
	hardware->irq_counts[VFIO_PCI_MSI_IRQ_INDEX] = 1;
	put_capability(PCI_CAP_ID_MSI, 0x50);
	put16(0x52, PCI_MSI_FLAGS_64BIT);
	put_capability(PCI_CAP_ID_PM, 0x60);
	machine_start();
	assert_int_equal(find_capability(PCI_CAP_ID_MSI), 0x50);
	config_write(0x60 + PCI_PM_CTRL, PCI_PM_CTRL_PME_ENABLE, 2);
	assert_int_equal(hardware16(0x60 + PCI_PM_CTRL), PCI_PM_CTRL_PME_ENABLE);
	/* And what the guest programs stays with us. */
	config_write(0x54, 0xfee00000, 4);
	assert_int_equal(hardware16(0x56), 0);
}

TEST_WITH(a_conventional_device_has_no_extended_space, start, machine_end)
{
	hardware->config_size = 256;
	machine_start();
	assert_int_equal(config_read(0x100, 4), 0);
	config_write(0x100, 1, 4);
	assert_int_equal(config_read(0x104, 4), 0);
}

TEST_WITH(there_is_nothing_between_conventional_and_extended_space, start, machine_end)
{
	hardware->config_size = 0x180;
	put32(0x100, PCI_EXT_CAP_ID_DSN | 1 << 16 | 0x140 << 20);
	machine_start();
	assert_int_equal(config_read(0x100, 4), 0);
	config_write(0x110, 1, 4);
	assert_int_equal(hardware16(0x110), 0);
}

TEST_WITH(an_express_capability_that_is_cut_short_reaches_into_no_other, start, machine_end)
{
	put_capability(PCI_CAP_ID_EXP, 0x60);
	put_capability(PCI_CAP_ID_SSVID, 0x64);
	put32(0x68, 0x12345678);
	machine_start();
	assert_int_equal(config_read(0x68, 4), 0);
	config_write(0x68, 0xffffffff, 4);
	assert_int_equal(hardware16(0x68), 0x5678);
	assert_int_equal(hardware->resets, 0);
}

TEST_WITH(a_vendor_structure_in_the_last_dword_is_but_a_header, start, machine_end)
{
	put32(0x100, PCI_EXT_CAP_ID_DSN | 1 << 16 | 0xffcu << 20);
	put32(0xffc, PCI_EXT_CAP_ID_VNDR | 1 << 16);
	machine_start();
	assert_int_equal(find_extended(PCI_EXT_CAP_ID_VNDR), 0xffc);
	config_write(0xffc, 0, 4);
	assert_int_equal(hardware16(0xffc), PCI_EXT_CAP_ID_VNDR);
}

TEST_WITH(a_pin_that_is_none_of_four_is_no_pin, start, machine_end)
{
	put8(PCI_INTERRUPT_PIN, 5);
	machine_start();
	assert_int_equal(config_read(PCI_INTERRUPT_PIN, 1), 0);
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_int_equal(hardware->vector_count, 0);
}

TEST_WITH(what_cannot_be_added_leaves_nothing_in_the_machine, start, machine_end)
{
	struct error err = { "" };

	vfio_fake_region(hardware, 0, 0x4000, VFIO_REGION_INFO_FLAG_MMAP);
	machine_vm();
	machine_open();
	assert_int_equal(vfio_device_add(device, vm.pci, &vm, 0, 0, &vm.identity.space, 0, &err),
			 -EEXIST);
	assert_string_equal(err.text, "vfio 0000:00:04.0: no place at 0.0 of the guest's bus: "
				      "File exists");
	assert_int_equal(hardware->mapped, 0);
	assert_int_equal(device->error.source.fd, -1);
	assert_int_equal(hardware16(PCI_COMMAND) & PCI_COMMAND_MASTER, 0);
}

TEST_WITH(a_bridge_is_refused, start, machine_end)
{
	struct error err = { "" };

	put8(PCI_HEADER_TYPE, PCI_HEADER_TYPE_BRIDGE);
	machine_vm();
	machine_open();
	assert_int_equal(vfio_device_add(device, vm.pci, &vm, 1, 0, &vm.identity.space, 0, &err),
			 -ENOTSUP);
	assert_string_equal(err.text, "vfio 0000:00:04.0: a bridge, which cannot be passed");
}

TEST_WITH(any_write_of_a_guest_ends_in_its_own_device, start, machine_end)
{
	u32 seed = 1;

	put_capability(PCI_CAP_ID_EXP, 0x60);
	put16(0x60 + PCI_EXP_FLAGS, 2);
	put_capability(PCI_CAP_ID_PM, 0x40);
	vfio_fake_region(hardware, 0, 0x4000, VFIO_REGION_INFO_FLAG_MMAP);
	machine_start();
	/* The sanitizers watch; the hardware still decodes, and answers. */
	for (unsigned i = 0; i < 20000; i++) {
		unsigned len = 1u << (seed >> 8) % 3;

		seed = seed * 1664525 + 1013904223;
		config_write((seed >> 12) % 4096 & ~(len - 1), seed ^ seed << 16, len);
		config_read((seed >> 16) % 4096 & ~(len - 1), len);
	}
	assert_int_equal(config_read(PCI_VENDOR_ID, 4), 0x10421af4);
	assert_true(hardware16(PCI_COMMAND) & PCI_COMMAND_MEMORY);
}
