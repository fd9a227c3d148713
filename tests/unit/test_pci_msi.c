/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/pci.h: the capabilities of MSI and MSI-X. */
#include <errno.h>

#include "pci_rig.h"
#include "test.h"

#define DOORBELL 0xfee00000u

/* Of the MSI capability at 0x40. */
#define CONTROL 0x42
#define ADDRESS 0x44
#define UPPER	0x48
#define DATA	0x4c
#define MASK	0x50
#define PENDING 0x54

static u16 enabled(unsigned log2)
{
	return PCI_MSI_FLAGS_ENABLE | log2 << 4;
}

static struct toy *with_msi(struct rig *rig, unsigned count, bool maskable, bool passed)
{
	struct toy *toy = toy_create(rig, passed);

	assert_int_equal(pci_add_msi(&toy->function, 0, count, maskable), 0);
	pci_set_interrupt_pin(&toy->function, 1);
	assert_int_equal(pci_bus_add(rig->bus, &toy->function, 2, 1), 0);
	rig_write(rig, toy, ADDRESS, DOORBELL | 3, 4);
	rig_write(rig, toy, DATA, 0x4f, 2);
	return toy;
}

TEST(impossible_capabilities_are_refused)
{
	struct rig *rig = rig_create();
	struct toy *toy = toy_create(rig, false);
	struct pci_function *f = &toy->function;

	assert_int_equal(pci_add_msi(f, 0, 0, false), -EINVAL);
	assert_int_equal(pci_add_msi(f, 0, 3, false), -EINVAL);
	assert_int_equal(pci_add_msi(f, 0, 64, false), -EINVAL);
	assert_int_equal(pci_add_msi(f, 0xf8, 1, false), -ENOSPC);
	assert_int_equal(pci_add_msi(f, 0, 1, false), 0);
	assert_int_equal(pci_add_msi(f, 0, 1, false), -EINVAL);
	assert_int_equal(pci_add_msix(f, 0, 0, 0, 0, 0, 0x800, NULL, NULL), -EINVAL);
	assert_int_equal(pci_add_msix(f, 0, 2049, 0, 0, 0, 0x800, NULL, NULL), -EINVAL);
	assert_int_equal(pci_add_msix(f, 0, 1, 6, 0, 0, 0x800, NULL, NULL), -EINVAL);
	assert_int_equal(pci_add_msix(f, 0, 1, 0, 4, 0, 0x800, NULL, NULL), -EINVAL);
	assert_int_equal(pci_add_msix(f, 0xfc, 1, 0, 0, 0, 0x800, NULL, NULL), -ENOSPC);
	assert_null(f->msix);
	toy_destroy(f);
	rig_destroy(rig);
}

TEST(an_msi_carries_its_vector_in_its_data)
{
	struct rig *rig = rig_create();
	struct toy *toy = with_msi(rig, 4, false, false);

	rig_write(rig, toy, CONTROL, enabled(2), 2);
	for (unsigned n = 0; n < 6; n++)
		pci_msi_signal(&toy->function, n);
	assert_int_equal(irq_fake_run(&rig->irq), 4);
	for (unsigned n = 0; n < 4; n++) {
		assert_int_equal(rig->irq.messages[n].address, DOORBELL);
		assert_int_equal(rig->irq.messages[n].data, 0x4c | n);
		assert_int_equal(rig->irq.messages[n].device_id, 2 << 3 | 1);
	}
	rig_destroy(rig);
}

TEST(no_more_vectors_are_enabled_than_there_are)
{
	struct rig *rig = rig_create();
	struct toy *toy = with_msi(rig, 2, false, true);

	rig_write(rig, toy, CONTROL, enabled(5), 2);
	assert_int_equal(toy->msi, 2);
	rig_write(rig, toy, CONTROL, enabled(7), 2);
	assert_int_equal(toy->msi, 2);
	rig_write(rig, toy, CONTROL, enabled(0), 2);
	assert_int_equal(toy->msi, 1);
	pci_msi_signal(&toy->function, 1);
	assert_int_equal(irq_fake_run(&rig->irq), 0);
	rig_write(rig, toy, CONTROL, 0, 2);
	assert_int_equal(toy->msi, 0);
	rig_destroy(rig);
}

TEST(only_the_guests_bits_of_the_capability_are_the_guests)
{
	struct rig *rig = rig_create();
	struct toy *toy = with_msi(rig, 4, true, false);

	for (u32 offset = 0x40; offset < 0x58; offset += 4)
		rig_write(rig, toy, offset, 0xffffffff, 4);
	assert_int_equal(rig_read(rig, toy, 0x40, 4), 0x01f50005);
	assert_int_equal(rig_read(rig, toy, ADDRESS, 4), 0xfffffffc);
	assert_int_equal(rig_read(rig, toy, UPPER, 4), 0xffffffff);
	assert_int_equal(rig_read(rig, toy, DATA, 4), 0xffff);
	assert_int_equal(rig_read(rig, toy, MASK, 4), 0xf);
	assert_int_equal(rig_read(rig, toy, PENDING, 4), 0);
	rig_destroy(rig);
}

TEST(a_masked_msi_is_pending_until_it_is_unmasked)
{
	struct rig *rig = rig_create();
	struct toy *toy = with_msi(rig, 32, true, false);

	rig_write(rig, toy, MASK, 1u << 2 | 1u << 31, 4);
	rig_write(rig, toy, CONTROL, enabled(5), 2);
	pci_msi_signal(&toy->function, 2);
	pci_msi_signal(&toy->function, 31);
	assert_int_equal(irq_fake_run(&rig->irq), 0);
	assert_int_equal(rig_read(rig, toy, PENDING, 4), 1u << 2 | 1u << 31);
	assert_int_equal(rig_read(rig, toy, PENDING + 3, 1), 0x80);
	assert_int_equal(rig_read(rig, toy, PENDING, 2), 4);
	rig_write(rig, toy, CONTROL, 0, 2);
	assert_int_equal(rig_read(rig, toy, PENDING, 4), 0);
	rig_destroy(rig);
}

TEST(unmasking_sends_what_is_pending)
{
	struct rig *rig = rig_create();
	struct toy *toy = with_msi(rig, 2, true, false);

	rig_write(rig, toy, MASK, 3, 4);
	rig_write(rig, toy, CONTROL, enabled(1), 2);
	pci_msi_signal(&toy->function, 1);
	rig_write(rig, toy, MASK, 1, 1);
	assert_int_equal(irq_fake_run(&rig->irq), 1);
	assert_int_equal(rig->irq.messages[0].data, 0x4f);
	rig_destroy(rig);
}

TEST(intx_goes_before_msi_comes_and_comes_back_after)
{
	struct rig *rig = rig_create();
	struct toy *toy = with_msi(rig, 1, false, true);

	rig_write(rig, toy, CONTROL, enabled(0), 2);
	rig_write(rig, toy, CONTROL, 0, 2);
	assert_string_equal(toy->order, "iMmI");
	/* With Interrupt Disable there is nothing to give back. */
	rig_write(rig, toy, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
	rig_write(rig, toy, CONTROL, enabled(0), 2);
	rig_write(rig, toy, CONTROL, 0, 2);
	assert_string_equal(toy->order, "iMmIiMm");
	rig_destroy(rig);
}

TEST(a_function_does_not_use_intx_while_it_has_msi)
{
	struct rig *rig = rig_create();
	struct toy *toy = with_msi(rig, 1, false, false);
	u32 gsi = pci_intx_gsi(&toy->function);

	pci_intx(&toy->function, true);
	assert_true(rig->irq.level[gsi]);
	rig_write(rig, toy, CONTROL, enabled(0), 2);
	assert_false(rig->irq.level[gsi]);
	rig_write(rig, toy, CONTROL, 0, 2);
	assert_true(rig->irq.level[gsi]);
	rig_destroy(rig);
}

static struct toy *with_msix(struct rig *rig, bool passed)
{
	struct toy *toy = toy_create(rig, passed);

	assert_int_equal(pci_add_msix(&toy->function, 0, 3, 1, 0, 1, 0x800, NULL, NULL), 0);
	pci_set_interrupt_pin(&toy->function, 1);
	assert_int_equal(pci_bus_add(rig->bus, &toy->function, 2, 1), 0);
	return toy;
}

TEST(the_msix_capability_tells_where_and_how_many)
{
	struct rig *rig = rig_create();
	struct toy *toy = with_msix(rig, false);

	for (u32 offset = 0x40; offset < 0x4c; offset += 4)
		rig_write(rig, toy, offset, 0x3fffffff, 4);
	assert_int_equal(rig_read(rig, toy, 0x40, 4), 0x00020011);
	assert_int_equal(rig_read(rig, toy, 0x44, 4), 1);
	assert_int_equal(rig_read(rig, toy, 0x48, 4), 0x801);
	rig_destroy(rig);
}

TEST(msix_control_reaches_the_table)
{
	struct rig *rig = rig_create();
	struct toy *toy = with_msix(rig, false);
	struct msix *msix = toy->function.msix;

	msix_table_write(msix, 16, DOORBELL, 8);
	msix_table_write(msix, 24, 0x33, 8);
	rig_write(rig, toy, 0x42, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 2);
	assert_true(msix_is_enabled(msix));
	msix_signal(msix, 1);
	assert_int_equal(irq_fake_run(&rig->irq), 0);
	/* The upper byte alone, as some drivers write it. */
	rig_write(rig, toy, 0x43, PCI_MSIX_FLAGS_ENABLE >> 8, 1);
	assert_int_equal(irq_fake_run(&rig->irq), 1);
	assert_int_equal(rig->irq.messages[0].device_id, 2 << 3 | 1);
	rig_write(rig, toy, 0x42, 0, 2);
	assert_false(msix_is_enabled(msix));
	rig_destroy(rig);
}

TEST(a_function_does_not_use_intx_while_it_has_msix)
{
	struct rig *rig = rig_create();
	struct toy *toy = with_msix(rig, true);

	rig_write(rig, toy, 0x42, PCI_MSIX_FLAGS_ENABLE, 2);
	assert_int_equal(toy->intx, 0);
	rig_write(rig, toy, 0x42, PCI_MSIX_FLAGS_MASKALL, 2);
	assert_int_equal(toy->intx, 1);
	rig_destroy(rig);
}

TEST(a_reset_switches_both_off)
{
	struct rig *rig = rig_create();
	struct toy *toy = with_msi(rig, 1, true, true);

	assert_int_equal(pci_add_msix(&toy->function, 0, 3, 1, 0, 1, 0x800, NULL, NULL), 0);
	rig_write(rig, toy, CONTROL, enabled(0), 2);
	rig_write(rig, toy, toy->function.msix_at + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
	pci_function_reset(&toy->function);
	assert_int_equal(toy->msi, 0);
	assert_int_equal(toy->intx, 1);
	assert_false(msix_is_enabled(toy->function.msix));
	assert_int_equal(rig_read(rig, toy, 0x40, 4) >> 16, 0x0180);
	assert_int_equal(rig_read(rig, toy, ADDRESS, 4), 0);
	assert_int_equal(rig_read(rig, toy, toy->function.msix_at + PCI_MSIX_FLAGS, 2), 2);
	rig_destroy(rig);
}

TEST(a_function_that_goes_takes_its_vectors_along_and_asks_for_no_intx)
{
	struct rig *rig = rig_create();
	struct toy *toy = with_msi(rig, 1, false, true);

	rig_write(rig, toy, CONTROL, enabled(0), 2);
	assert_int_equal(toy->intx, 0);
	pci_function_release(&toy->function);
	assert_int_equal(toy->msi, 0);
	assert_int_equal(toy->intx, 0);
	assert_null(pci_bus_find(rig->bus, 2, 1));
	rig_destroy(rig);
}
