/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/pci.h: the bus, configuration space, capabilities, INTx. */
#include <errno.h>

#include "pci_rig.h"
#include "test.h"

#define INTX_OFF PCI_COMMAND_INTX_DISABLE

TEST(a_host_bridge_is_in_slot_0)
{
	struct rig *rig = rig_create();

	assert_int_equal(pci_config_read(rig->bus, 0, 0, 4), 0x00081b36);
	assert_int_equal(pci_config_read(rig->bus, 0, PCI_CLASS_REVISION, 4), 0x06000000);
	assert_non_null(pci_bus_find(rig->bus, 0, 0));
	assert_ptr_equal(rig->vm.pci, rig->bus);
	rig_destroy(rig);
}

TEST(where_nobody_is_all_reads_as_ones_and_writes_go_nowhere)
{
	struct rig *rig = rig_create();

	assert_int_equal(pci_config_read(rig->bus, 5 << 3, 0, 4), 0xffffffff);
	assert_int_equal(pci_config_read(rig->bus, 0x100, 0, 4), 0xffffffff);
	assert_int_equal(pci_config_read(rig->bus, 0xffff, 0, 4), 0xffffffff);
	pci_config_write(rig->bus, 0x100, 4, ~0u, 4);
	assert_null(pci_bus_find(rig->bus, 32, 0));
	assert_null(pci_bus_find(rig->bus, 0, 8));
	rig_destroy(rig);
}

TEST(a_function_is_found_where_it_was_put)
{
	struct rig *rig = rig_create();
	struct toy *toy = toy_create(rig, false), *other = toy_create(rig, false);
	u32 value;

	assert_int_equal(pci_bus_add(rig->bus, &toy->function, 3, 2), 0);
	assert_int_equal(toy->function.device.info.bdf, 0x1a);
	assert_int_equal(toy->function.device.info.kind, DEVICE_PCI);
	assert_true(bus_read(rig->vm.mmio, RIG_ECAM + (0x1a << 12), &value, 4));
	assert_int_equal(value, RIG_DEVICE << 16 | 0x1234);
	assert_int_equal(pci_bus_add(rig->bus, &other->function, 3, 2), -EEXIST);
	assert_int_equal(pci_bus_add(rig->bus, &other->function, 32, 0), -EINVAL);
	assert_int_equal(pci_bus_add(rig->bus, &other->function, 0, 8), -EINVAL);
	toy_destroy(&other->function);
	rig_destroy(rig);
}

TEST(only_a_slot_of_several_functions_says_that_it_is_one)
{
	struct rig *rig = rig_create();
	struct toy *a = toy_create(rig, false), *b = toy_create(rig, false);

	/* As a passed device may come along. */
	a->function.config[PCI_HEADER_TYPE] = 0x80;
	assert_int_equal(pci_bus_add(rig->bus, &a->function, 1, 0), 0);
	assert_int_equal(rig_read(rig, a, PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(pci_bus_add(rig->bus, &b->function, 1, 7), 0);
	assert_int_equal(rig_read(rig, a, PCI_HEADER_TYPE, 1), 0x80);
	assert_int_equal(pci_config_read(rig->bus, 0, PCI_HEADER_TYPE, 1), 0);
	rig_destroy(rig);
}

TEST(accesses_are_1_2_or_4_bytes_and_aligned)
{
	struct rig *rig = rig_create();
	struct toy *toy = toy_create(rig, false);
	const u64 at = RIG_ECAM + (1 << 15);
	u64 value = 0;

	assert_int_equal(pci_bus_add(rig->bus, &toy->function, 1, 0), 0);
	assert_int_equal(rig_read(rig, toy, 3, 1), RIG_DEVICE >> 8);
	assert_int_equal(rig_read(rig, toy, 2, 2), RIG_DEVICE);
	assert_int_equal(rig_read(rig, toy, 1, 2), 0xffffffff);
	assert_int_equal(rig_read(rig, toy, 2, 4), 0xffffffff);
	assert_int_equal(rig_read(rig, toy, 0, 3), 0xffffffff);
	assert_int_equal(rig_read(rig, toy, 0x1000, 4), 0xffffffff);
	assert_int_equal(rig_read(rig, toy, 0xfffffffc, 4), 0xffffffff);
	assert_true(bus_read(rig->vm.mmio, at, &value, 8));
	assert_true(value == ~0ULL);
	bus_write(rig->vm.mmio, at, &value, 8);
	rig_write(rig, toy, 3, 0x7, 2);
	rig_write(rig, toy, 0x1004, 0x7, 2);
	rig_write(rig, toy, PCI_COMMAND, 0x7, 0);
	assert_int_equal(rig_read(rig, toy, PCI_COMMAND, 2), 0);
	assert_int_equal(toy->config_writes, 0);
	rig_destroy(rig);
}

TEST(read_only_bits_stay_and_status_is_cleared_by_ones)
{
	struct rig *rig = rig_create();
	struct toy *toy = toy_create(rig, false);

	assert_int_equal(pci_bus_add(rig->bus, &toy->function, 1, 0), 0);
	pci_set16(&toy->function, PCI_STATUS, PCI_STATUS_PARITY | PCI_STATUS_REC_TARGET_ABORT);
	rig_write(rig, toy, PCI_STATUS, PCI_STATUS_PARITY, 2);
	assert_int_equal(rig_read(rig, toy, PCI_STATUS, 2), PCI_STATUS_REC_TARGET_ABORT);
	for (u32 offset = 0; offset < PCI_CONFIG_SIZE; offset += 4)
		rig_write(rig, toy, offset, ~0u, 4);
	assert_int_equal(rig_read(rig, toy, 0, 4), RIG_DEVICE << 16 | 0x1234);
	assert_int_equal(rig_read(rig, toy, PCI_COMMAND, 4), 0x547);
	assert_int_equal(rig_read(rig, toy, PCI_CLASS_REVISION, 4), 0xff000003);
	assert_int_equal(rig_read(rig, toy, PCI_CACHE_LINE_SIZE, 4), 0xff);
	assert_int_equal(rig_read(rig, toy, PCI_INTERRUPT_LINE, 4), 0xff);
	for (u32 offset = 0x10; offset < 0x3c; offset += 4)
		assert_int_equal(rig_read(rig, toy, offset, 4), 0);
	for (u32 offset = 0x40; offset < PCI_CONFIG_SIZE; offset += 4)
		assert_int_equal(rig_read(rig, toy, offset, 4), 0);
	assert_int_equal(toy->config_writes, PCI_CONFIG_SIZE / 4 + 1);
	rig_destroy(rig);
}

TEST(capabilities_are_linked_in_order_and_do_not_overlap)
{
	struct rig *rig = rig_create();
	struct toy *toy = toy_create(rig, false);
	struct pci_function *f = &toy->function;

	assert_int_equal(pci_add_capability(f, 0x10, 0x60, 0x3c), 0x60);
	assert_int_equal(pci_add_capability(f, 0x09, 0, 0x20), 0x40);
	assert_int_equal(pci_add_capability(f, 0x09, 0, 2), 0x9c);
	assert_int_equal(pci_add_capability(f, 0x09, 0x98, 8), -ENOSPC);
	assert_int_equal(pci_add_capability(f, 0x09, 0x3c, 8), -ENOSPC);
	assert_int_equal(pci_add_capability(f, 0x09, 0xfc, 8), -ENOSPC);
	assert_int_equal(pci_add_capability(f, 0x09, 0xa2, 4), -ENOSPC);
	assert_int_equal(pci_add_capability(f, 0x09, 0, 0x80), -ENOSPC);
	assert_int_equal(pci_add_capability(f, 0x09, 0, 1), -ENOSPC);
	assert_int_equal(pci_add_capability(f, 0x09, 0xfff0, 0xffff), -ENOSPC);
	assert_int_equal(f->config[PCI_CAPABILITY_LIST], 0x60);
	assert_int_equal(pci_get16(f, 0x60), 0x4010);
	assert_int_equal(pci_get16(f, 0x40), 0x9c09);
	assert_int_equal(pci_get16(f, 0x9c), 0x0009);
	assert_true(pci_get16(f, PCI_STATUS) & PCI_STATUS_CAP_LIST);
	toy_destroy(f);
	rig_destroy(rig);
}

TEST(the_extended_list_begins_at_0x100_whatever_comes_first)
{
	struct rig *rig = rig_create();
	struct toy *toy = toy_create(rig, false);
	struct pci_function *f = &toy->function;

	assert_int_equal(pci_add_extended_capability(f, 0x0b, 1, 0x148, 0x10), 0x148);
	assert_int_equal(pci_get32(f, 0x100), 0x148 << 20);
	assert_int_equal(pci_add_extended_capability(f, 0x01, 2, 0x100, 0x48), 0x100);
	assert_int_equal(pci_get32(f, 0x100), 0x148 << 20 | 2 << 16 | 1);
	assert_int_equal(pci_add_extended_capability(f, 0x03, 1, 0, 0xc), 0x158);
	assert_int_equal(pci_get32(f, 0x148), 0x158 << 20 | 1 << 16 | 0x0b);
	assert_int_equal(pci_add_extended_capability(f, 0x03, 1, 0xffc, 8), -ENOSPC);
	assert_int_equal(pci_add_extended_capability(f, 0x03, 1, 0x80, 4), -ENOSPC);
	assert_int_equal(pci_add_extended_capability(f, 0x03, 1, 0xffc, 4), 0xffc);
	assert_int_equal(pci_get32(f, 0x158), 0xffcu << 20 | 1 << 16 | 3);
	toy_destroy(f);
	rig_destroy(rig);
}

static struct toy *wired(struct rig *rig, unsigned slot, unsigned fn, u8 pin)
{
	struct toy *toy = toy_create(rig, false);

	pci_set_interrupt_pin(&toy->function, pin);
	assert_int_equal(pci_bus_add(rig->bus, &toy->function, slot, fn), 0);
	return toy;
}

TEST(functions_share_a_line_which_is_low_when_all_are)
{
	struct rig *rig = rig_create();
	/* Slots 1 and 5 begin with the same line; slot 4's INTB is it too. */
	struct toy *a = wired(rig, 1, 0, 1), *b = wired(rig, 5, 0, 1), *c = wired(rig, 4, 0, 2);
	struct toy *none = wired(rig, 6, 0, 0);
	const u32 gsi = RIG_GSI + 1;

	assert_int_equal(pci_intx_gsi(&a->function), gsi);
	assert_int_equal(pci_intx_gsi(&c->function), gsi);
	assert_int_equal(rig->irq.trigger[gsi], IRQ_LEVEL);
	assert_int_equal(pci_intx_gsi(&none->function), DEVICE_NO_IRQ);
	pci_intx(&a->function, true);
	pci_intx(&a->function, true);
	pci_intx(&b->function, true);
	pci_intx(&a->function, false);
	assert_true(rig->irq.level[gsi]);
	pci_intx(&c->function, true);
	pci_intx(&b->function, false);
	assert_true(rig->irq.level[gsi]);
	pci_intx(&c->function, false);
	assert_false(rig->irq.level[gsi]);
	pci_intx(&none->function, true);
	for (unsigned i = 0; i < IRQ_FAKE_PINS; i++)
		assert_false(rig->irq.level[i]);
	rig_destroy(rig);
}

TEST(interrupt_disable_holds_the_line_low_and_the_status_shows_the_level)
{
	struct rig *rig = rig_create();
	struct toy *toy = wired(rig, 1, 0, 1);
	const u32 gsi = RIG_GSI + 1;

	rig_write(rig, toy, PCI_COMMAND, INTX_OFF, 2);
	pci_intx(&toy->function, true);
	assert_false(rig->irq.level[gsi]);
	assert_int_equal(rig_read(rig, toy, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT,
			 PCI_STATUS_INTERRUPT);
	/* It is no bit that ones clear. */
	rig_write(rig, toy, PCI_STATUS, 0xffff, 2);
	rig_write(rig, toy, PCI_COMMAND, 0, 2);
	assert_true(rig->irq.level[gsi]);
	rig_write(rig, toy, PCI_COMMAND, INTX_OFF, 2);
	assert_false(rig->irq.level[gsi]);
	pci_intx(&toy->function, false);
	assert_int_equal(rig_read(rig, toy, PCI_STATUS, 2), 0);
	rig_destroy(rig);
}

TEST(a_passed_function_hears_of_interrupt_disable)
{
	struct rig *rig = rig_create();
	struct toy *toy = toy_create(rig, true);

	pci_set_interrupt_pin(&toy->function, 1);
	assert_int_equal(pci_bus_add(rig->bus, &toy->function, 1, 0), 0);
	rig_write(rig, toy, PCI_COMMAND, INTX_OFF, 2);
	assert_int_equal(toy->intx, 0);
	rig_write(rig, toy, PCI_COMMAND, INTX_OFF | PCI_COMMAND_MASTER, 2);
	rig_write(rig, toy, PCI_COMMAND, 0, 2);
	assert_string_equal(toy->order, "iI");
	rig_destroy(rig);
}

TEST(a_reset_lowers_the_line_and_clears_what_the_guest_wrote)
{
	struct rig *rig = rig_create();
	struct toy *toy = wired(rig, 1, 0, 1);

	pci_intx(&toy->function, true);
	rig_write(rig, toy, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	rig_write(rig, toy, PCI_INTERRUPT_LINE, 11, 1);
	pci_function_reset(&toy->function);
	assert_false(rig->irq.level[RIG_GSI + 1]);
	assert_int_equal(rig_read(rig, toy, PCI_COMMAND, 4), 0);
	assert_int_equal(rig_read(rig, toy, PCI_INTERRUPT_LINE, 1), 0);
	rig_destroy(rig);
}

TEST(the_machine_destroys_its_functions)
{
	struct rig *rig = rig_create();
	struct toy *toy = wired(rig, 1, 0, 1);
	bool destroyed = false;

	toy->destroyed = &destroyed;
	pci_intx(&toy->function, true);
	rig_destroy(rig);
	assert_true(destroyed);
}
