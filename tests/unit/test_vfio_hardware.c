/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio/capabilities.c, capability_list.c: structures that hardware has in other shapes. */
#include <linux/pci_regs.h>

#include "test.h"
#include "vfio_machine.h"

#define FIRST 0x80

static int start(void **state)
{
	machine_host();
	return 0;
}

static u32 find(u8 id)
{
	for (u32 at = config_read(PCI_CAPABILITY_LIST, 1); at; at = config_read(at + 1, 1)) {
		if (config_read(at, 1) == id)
			return at;
	}
	return 0;
}

TEST_WITH(a_reset_by_advanced_features_is_the_hosts_to_do, start, machine_end)
{
	put_capability(PCI_CAP_ID_AF, FIRST);
	put16(FIRST + PCI_AF_LENGTH, 6 | (PCI_AF_CAP_TP | PCI_AF_CAP_FLR) << 8);
	machine_start();
	assert_int_equal(find(PCI_CAP_ID_AF), FIRST);
	config_write(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	config_write(FIRST + PCI_AF_CTRL, 0, 1);
	assert_int_equal(hardware->resets, 0);
	config_write(FIRST + PCI_AF_CTRL, PCI_AF_CTRL_FLR, 1);
	assert_int_equal(hardware->resets, 1);
	assert_int_equal(config_read(PCI_COMMAND, 2), 0);
	assert_int_equal(hardware->config[FIRST + PCI_AF_CTRL], 0);
}

TEST_WITH(power_management_that_is_cut_short_is_constant, start, machine_end)
{
	/* Another structure begins where its control register would be. */
	put_capability(PCI_CAP_ID_PM, FIRST);
	put_capability(PCI_CAP_ID_VNDR, FIRST + 4);
	put8(FIRST + 4 + PCI_CAP_FLAGS, 8);
	put16(FIRST + 8, 0x1234);
	machine_start();
	assert_int_equal(find(PCI_CAP_ID_PM), FIRST);
	config_write(FIRST + 8, 3, 2);
	/* The guest wrote to the vendor's register, and the device is as awake as it was. */
	assert_int_equal(hardware16(FIRST + 8), 3);
	assert_false(device->asleep);
}

TEST_WITH(pci_express_that_is_cut_short_has_no_control, start, machine_end)
{
	put_capability(PCI_CAP_ID_EXP, FIRST);
	put16(FIRST + PCI_EXP_FLAGS, 2);
	put_capability(PCI_CAP_ID_VNDR, FIRST + 8);
	put8(FIRST + 8 + PCI_CAP_FLAGS, 8);
	machine_start();
	assert_int_equal(device->pcie, 0);
	config_write(FIRST + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
	assert_int_equal(hardware->resets, 0);
}

TEST_WITH(pci_express_of_the_first_version_has_no_second_control, start, machine_end)
{
	put_capability(PCI_CAP_ID_EXP, FIRST);
	put16(FIRST + PCI_EXP_FLAGS, 1);
	put16(FIRST + PCI_EXP_DEVCTL2, 0x1111);
	machine_start();
	assert_int_equal(device->pcie, FIRST);
	/* What is behind it is in no capability: the device's own. */
	assert_int_equal(config_read(FIRST + PCI_EXP_DEVCTL2, 2), 0x1111);
	config_write(FIRST + PCI_EXP_DEVCTL2, 0x2222, 2);
	assert_int_equal(hardware16(FIRST + PCI_EXP_DEVCTL2), 0x2222);
}

TEST_WITH(capabilities_that_nobody_knows_are_hidden, start, machine_end)
{
	put_capability(PCI_CAP_ID_MAX + 1, FIRST);
	put32(FIRST + 4, 0x12345678);
	put_capability(0xff, FIRST + 0x10);
	machine_start();
	assert_int_equal(config_read(PCI_CAPABILITY_LIST, 1), 0);
	assert_int_equal(config_read(FIRST + 4, 4), 0);
	config_write(FIRST + 4, 0xffffffff, 4);
	assert_int_equal(hardware16(FIRST + 4), 0x5678);
}

TEST_WITH(msi_that_masks_its_vectors_keeps_that, start, machine_end)
{
	hardware->irq_counts[VFIO_PCI_MSI_IRQ_INDEX] = 2;
	put_capability(PCI_CAP_ID_MSI, FIRST);
	put16(FIRST + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | 1 << 1);
	put32(FIRST + PCI_MSI_MASK_64, 0xffffffff);
	machine_start();
	assert_int_equal(find(PCI_CAP_ID_MSI), FIRST);
	assert_int_equal(config_read(FIRST + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_MASKBIT,
			 PCI_MSI_FLAGS_MASKBIT);
	/* Masks are the guest's own, and pending bits none of the hardware's. */
	assert_int_equal(config_read(FIRST + PCI_MSI_MASK_64, 4), 0);
	config_write(FIRST + PCI_MSI_MASK_64, 3, 4);
	assert_int_equal(config_read(FIRST + PCI_MSI_MASK_64, 4), 3);
	assert_int_equal(hardware16(FIRST + PCI_MSI_MASK_64), 0xffff);
}

TEST_WITH(a_second_msi_is_no_second_one, start, machine_end)
{
	hardware->irq_counts[VFIO_PCI_MSI_IRQ_INDEX] = 1;
	put_capability(PCI_CAP_ID_MSI, FIRST);
	put16(FIRST + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT);
	put_capability(PCI_CAP_ID_MSI, FIRST + 0x20);
	put16(FIRST + 0x20 + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT);
	machine_start();
	assert_int_equal(find(PCI_CAP_ID_MSI), FIRST);
	assert_int_equal(config_read(FIRST + PCI_CAP_LIST_NEXT, 1), 0);
}

/* ---- extended ones ---- */

static void put_extended(u32 at, u16 id, u8 version, u32 next)
{
	put32(at, id | version << 16 | next << 20);
}

static u32 header_at(u32 at)
{
	return config_read(at, 4);
}

TEST_WITH(power_budgets_are_read_and_not_written, start, machine_end)
{
	put_extended(0x100, PCI_EXT_CAP_ID_PWR, 1, 0);
	put32(0x108, 0x55);
	machine_start();
	assert_int_equal(header_at(0x100), PCI_EXT_CAP_ID_PWR | 1 << 16);
	assert_int_equal(config_read(0x108, 4), 0x55);
	config_write(0x108, 0xff, 4);
	assert_int_equal(hardware16(0x108), 0x55);
	/* Behind its 16 bytes are the device's own registers. */
	config_write(0x110, 0x77, 4);
	assert_int_equal(hardware16(0x110), 0x77);
}

TEST_WITH(a_vendors_structure_has_its_own_length_or_less, start, machine_end)
{
	/* One says that it is longer than the room that there is, one that it is nothing. */
	put_extended(0x100, PCI_EXT_CAP_ID_VNDR, 1, 0x120);
	put32(0x104, 0xfff00000);
	put_extended(0x120, PCI_EXT_CAP_ID_DVSEC, 1, 0x140);
	put32(0x124, 0);
	/* And of one the second dword is the next one's header. */
	put_extended(0x140, PCI_EXT_CAP_ID_VNDR, 1, 0x144);
	put_extended(0x144, PCI_EXT_CAP_ID_DSN, 1, 0);
	put32(0x148, 0xabcd);
	machine_start();
	assert_int_equal(header_at(0x100) >> 20, 0x120);
	assert_int_equal(header_at(0x120) >> 20, 0x140);
	assert_int_equal(header_at(0x144) & 0xffff, PCI_EXT_CAP_ID_DSN);
	config_write(0x104, 0x1111, 2);
	assert_int_equal(hardware16(0x104), 0x1111);
	/* A serial number stays what it was. */
	config_write(0x148, 0, 4);
	put32(0x148, 0x9999);
	assert_int_equal(config_read(0x148, 4), 0xabcd);
}

TEST_WITH(extended_capabilities_that_nobody_knows_are_hidden, start, machine_end)
{
	put_extended(0x100, PCI_EXT_CAP_ID_MAX + 1, 1, 0x140);
	put32(0x104, 0x1234);
	put_extended(0x140, PCI_EXT_CAP_ID_DSN, 1, 0);
	machine_start();
	assert_int_equal(header_at(0x100) & 0xffff, 0);
	assert_int_equal(config_read(0x104, 4), 0);
	assert_int_equal(header_at(0x100) >> 20, 0x140);
}

TEST_WITH(an_extended_list_of_all_ones_is_none, start, machine_end)
{
	put32(0x100, 0xffffffff);
	machine_start();
	/* No capability; what is there is the device's own. */
	assert_int_equal(header_at(0x100), 0xffffffff);
}
