/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio/interrupts.c, intx.c, msi.c, errors.c: whose interrupt is on, and what ends them all. */
#include <poll.h>
#include <unistd.h>

#include "vfio_machine.h"
#include "test.h"

#define MSIX	0x40
#define MSI	0x50
#define VECTORS 16

static u64 bar;

static int start(void **state)
{
	machine_host();
	vfio_fake_region(hardware, 0, 0x4000, VFIO_REGION_INFO_FLAG_MMAP);
	hardware->irq_counts[VFIO_PCI_MSIX_IRQ_INDEX] = VECTORS;
	put_capability(PCI_CAP_ID_MSIX, MSIX);
	put16(MSIX + PCI_MSIX_FLAGS, VECTORS - 1);
	put32(MSIX + PCI_MSIX_TABLE, 0x2000);
	put32(MSIX + PCI_MSIX_PBA, 0x3000);
	hardware->irq_counts[VFIO_PCI_MSI_IRQ_INDEX] = 4;
	put_capability(PCI_CAP_ID_MSI, MSI);
	put16(MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT | 2 << 1);
	return 0;
}

static void begin(void)
{
	machine_start();
	hardware->switched_off = 0; /* the probe of MSI */
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	bar = device->function.bars[0].address;
}

static void msix_switch(bool on)
{
	config_write(MSIX + PCI_MSIX_FLAGS, on ? PCI_MSIX_FLAGS_ENABLE : 0, 2);
}

static void msix_program(unsigned n, bool masked)
{
	mmio_write(bar + 0x2000 + 16 * n, 0xfee00000, 4);
	mmio_write(bar + 0x2004 + 16 * n, 0, 4);
	mmio_write(bar + 0x2008 + 16 * n, 0x40 + n, 4);
	mmio_write(bar + 0x200c + 16 * n, masked, 4);
}

static bool is_readable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, 0) == 1;
}

TEST_WITH(intx_is_on_from_the_drivers_first_sign_of_life, start, machine_end)
{
	machine_start();
	assert_int_equal(hardware->vector_count, 0);
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_int_equal(hardware->irq_on, VFIO_PCI_INTX_IRQ_INDEX);
	assert_int_equal(hardware->vector_count, 1);
	assert_true(hardware->unmask_fd >= 0);
	assert_int_equal(irq.pin_fds[MACHINE_GSI], hardware->vectors[0]);
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE, 2);
	assert_int_equal(hardware->vector_count, 0);
	assert_int_equal(irq.pin_fds[MACHINE_GSI], -1);
}

TEST_WITH(a_device_without_a_pin_has_no_intx, start, machine_end)
{
	put8(PCI_INTERRUPT_PIN, 0);
	begin();
	assert_int_equal(hardware->vector_count, 0);
}

TEST_WITH(the_guest_switches_between_all_three_kinds, start, machine_end)
{
	begin();
	msix_switch(true);
	assert_int_equal(hardware->irq_on, VFIO_PCI_MSIX_IRQ_INDEX);
	assert_int_equal(hardware->vector_count, 1);
	msix_switch(false);
	assert_int_equal(hardware->irq_on, VFIO_PCI_INTX_IRQ_INDEX);
	config_write(MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE, 2);
	assert_int_equal(hardware->irq_on, VFIO_PCI_MSI_IRQ_INDEX);
	config_write(MSI + PCI_MSI_FLAGS, 0, 2);
	assert_int_equal(hardware->irq_on, VFIO_PCI_INTX_IRQ_INDEX);
	assert_int_equal(hardware->vector_count, 1);
}

TEST_WITH(msi_has_the_vectors_that_the_guest_enables, start, machine_end)
{
	begin();
	config_write(MSI + PCI_MSI_ADDRESS_LO, 0xfee00000, 4);
	config_write(MSI + PCI_MSI_DATA_64, 0x60, 2);
	config_write(MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | 1 << 4, 2);
	assert_int_equal(hardware->vector_count, 2);
	assert_true(vfio_fake_raise(hardware, 1));
	assert_int_equal(irq_fake_run(&irq), 1);
	assert_int_equal(irq.messages[0].data, 0x61);
	/* More of them, while it is on. */
	config_write(MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | 2 << 4, 2);
	assert_int_equal(hardware->vector_count, 4);
}

TEST_WITH(the_guest_is_offered_no_more_msi_than_the_host_gives, start, machine_end)
{
	hardware->vectors_max = 1;
	begin();
	assert_int_equal(config_read(MSI + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_QMASK, 0);
}

TEST_WITH(msix_vectors_are_taken_one_by_one_as_they_are_used, start, machine_end)
{
	begin();
	msix_switch(true);
	msix_program(2, false);
	assert_int_equal(hardware->vector_count, 3);
	assert_int_equal(hardware->vectors[0], -1);
	assert_int_equal(hardware->vectors[1], -1);
	assert_true(vfio_fake_raise(hardware, 2));
	assert_int_equal(irq_fake_run(&irq), 1);
	assert_int_equal(irq.messages[0].data, 0x42);
	msix_program(0, false);
	assert_int_equal(hardware->vector_count, 3);
	assert_true(hardware->vectors[0] >= 0);
	/* Nothing was switched off for it but INTx. */
	assert_int_equal(hardware->switched_off, 1);
	assert_int_equal(device->regrown, 0);
}

TEST_WITH(where_the_host_cannot_add_vectors_none_of_their_interrupts_is_lost, start, machine_end)
{
	unsigned before;

	hardware->irq_flags[VFIO_PCI_MSIX_IRQ_INDEX] = VFIO_IRQ_INFO_NORESIZE;
	begin();
	msix_switch(true);
	msix_program(0, false);
	assert_int_equal(hardware->vector_count, 1);
	before = irq_fake_run(&irq);
	msix_program(1, false);
	assert_int_equal(hardware->vector_count, 2);
	assert_int_equal(device->regrown, 1);
	/* What may have come in between is told to the driver: vectors 0 and 1 are raised. */
	assert_int_equal(irq_fake_run(&irq), before + 2);
	/* Room grows by doubling. */
	msix_program(2, false);
	assert_int_equal(hardware->vector_count, 4);
	msix_program(3, true);
	msix_program(3, false);
	assert_int_equal(device->regrown, 2);
}

TEST_WITH(a_host_out_of_vectors_leaves_what_was_on, start, machine_end)
{
	hardware->irq_flags[VFIO_PCI_MSIX_IRQ_INDEX] = VFIO_IRQ_INFO_NORESIZE;
	hardware->vectors_max = 2;
	begin();
	msix_switch(true);
	msix_program(0, false);
	msix_program(5, false);
	assert_int_equal(hardware->vector_count, 1);
	assert_true(vfio_fake_raise(hardware, 0));
}

TEST_WITH(an_interrupt_of_a_masked_vector_is_pending, start, machine_end)
{
	unsigned before;

	begin();
	msix_switch(true);
	msix_program(1, false);
	msix_program(1, true);
	before = irq.delivered;
	assert_true(vfio_fake_raise(hardware, 1));
	assert_int_equal(irq_fake_run(&irq), before);
	assert_int_equal(mmio_read(bar + 0x3000, 8), 2);
	msix_program(1, false);
	assert_int_equal(irq_fake_run(&irq), before + 1);
	assert_int_equal(mmio_read(bar + 0x3000, 8), 0);
}

static void signal_and_serve(int fd)
{
	u64 one = 1;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(loop_poll(vm.loop, 0), 1);
}

static void check_gone(void)
{
	assert_false(hardware->open);
	assert_int_equal(hardware->mapped, 0);
	assert_int_equal(slots_shown, 0);
	assert_int_equal(config_read(PCI_VENDOR_ID, 4), ~0u);
	assert_int_equal(config_read(PCI_STATUS, 1), 0xff);
	assert_int_equal(mmio_read(bar, 4), ~0u);
	assert_int_equal(mmio_read(bar + 0x2000, 4), ~0u);
	assert_int_equal(irq.pin_fds[MACHINE_GSI], -1);
	/* Whatever the guest does now harms nobody. */
	mmio_write(bar, 0, 8);
	msix_program(3, false);
	msix_switch(true);
	msix_switch(false);
	config_write(MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE, 2);
	config_write(PCI_COMMAND, 0, 2);
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	assert_int_equal(slots_shown, 0);
	assert_int_equal(loop_poll(vm.loop, 0), 0);
}

TEST_WITH(a_device_that_dies_answers_all_ones, start, machine_end)
{
	begin();
	msix_switch(true);
	msix_program(0, false);
	signal_and_serve(hardware->error_fd);
	check_gone();
}

TEST_WITH(a_device_that_the_host_wants_back_is_given_back, start, machine_end)
{
	begin();
	signal_and_serve(hardware->request_fd);
	check_gone();
}

TEST_WITH(a_vector_keeps_its_eventfd_through_a_reset, start, machine_end)
{
	begin();
	msix_switch(true);
	msix_program(0, false);
	pci_function_reset(&device->function);
	assert_int_equal(hardware->vector_count, 0);
	assert_int_equal(config_read(MSIX + PCI_MSIX_FLAGS, 2), VECTORS - 1);
	config_write(PCI_BASE_ADDRESS_0, MMIO32, 4);
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	bar = MMIO32;
	msix_switch(true);
	msix_program(0, false);
	assert_true(vfio_fake_raise(hardware, 0));
	assert_true(is_readable(hardware->vectors[0]));
	assert_int_equal(irq_fake_run(&irq), 1);
}
