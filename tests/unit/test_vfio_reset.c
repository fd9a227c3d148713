/* SPDX-License-Identifier: BSD-2-Clause */
/* A reset that the guest asks for, which takes the host 100 ms or more: what others do meanwhile.
 */
#include <linux/pci_regs.h>
#include <sys/eventfd.h>

#include "vfio_machine.h"
#include "test.h"

#define EXPRESS 0x60
#define BAR	MMIO32

static bool seen; /* during_reset() was called */

static int start(void **state)
{
	(void)state;
	seen = false;
	machine_host();
	put_capability(PCI_CAP_ID_EXP, EXPRESS);
	put16(EXPRESS + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	put32(EXPRESS + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR);
	vfio_fake_region(hardware, 0, 0x4000, VFIO_REGION_INFO_FLAG_MMAP);
	/* No page: all its registers trap. */
	vfio_fake_region(hardware, 1, 0x100, 0);
	machine_start();
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	return 0;
}

static void reset(void (*meanwhile)(void))
{
	hardware->during_reset = meanwhile;
	config_write(EXPRESS + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
	assert_true(seen);
}

/* What a reset takes from the VM until it is over: nothing, but the device. */
static void others_go_on(void)
{
	seen = true;
	assert_int_equal(pthread_mutex_trylock(&vm.lock), 0);
	pthread_mutex_unlock(&vm.lock);
}

TEST_WITH(the_machine_goes_on_while_the_host_resets_a_device, start, machine_end)
{
	reset(others_go_on);
	assert_int_equal(hardware->resets, 1);
}

static void another_vcpu_uses_it(void)
{
	unsigned before = device->trapped;

	others_go_on();
	put16(EXPRESS + PCI_EXP_DEVCTL, 0x1234);
	assert_int_equal(config_read(EXPRESS + PCI_EXP_DEVCTL, 2), 0xffff);
	config_write(EXPRESS + PCI_EXP_DEVCTL, 0, 2);
	assert_int_equal(hardware16(EXPRESS + PCI_EXP_DEVCTL), 0x1234);
	config_write(PCI_BASE_ADDRESS_0, BAR, 4);
	config_write(PCI_BASE_ADDRESS_1, BAR + 0x10000, 4);
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	assert_int_equal(slots_shown, 0);
	assert_int_equal(mmio_read(BAR + 0x10000, 4), 0xffffffff);
	mmio_write(BAR + 0x10000, 0, 4);
	assert_int_equal(device->trapped, before);
	assert_int_equal(device->mode, VFIO_IRQ_OFF);
	/* One reset is enough. */
	config_write(EXPRESS + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
}

TEST_WITH(a_device_in_its_reset_answers_all_ones_and_then_is_as_the_guest_has_set_it, start,
	  machine_end)
{
	reset(another_vcpu_uses_it);
	assert_int_equal(hardware->resets, 1);
	assert_int_equal(slots_shown, 1);
	assert_int_equal(hardware16(PCI_COMMAND),
			 PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(container->listener.ops->masters(&container->listener));
	assert_int_equal(device->mode, VFIO_IRQ_INTX);
	assert_int_equal(mmio_read(BAR + 0x10000, 4), 0);
	assert_int_equal(config_read(EXPRESS + PCI_EXP_DEVCTL, 2), 0x1234);
}

static void the_host_wants_it_back(void)
{
	others_go_on();
	assert_int_equal(eventfd_write(hardware->request_fd, 1), 0);
	assert_int_equal(loop_poll(vm.loop, 1000), 1);
	assert_false(device->gone);
	/* Heard, and not again and again. */
	assert_int_equal(loop_poll(vm.loop, 0), 0);
}

TEST_WITH(a_device_that_the_host_wants_back_in_its_reset_is_given_back_after_it, start, machine_end)
{
	reset(the_host_wants_it_back);
	assert_true(device->gone);
	assert_int_equal(device->fd, -1);
	assert_int_equal(config_read(PCI_VENDOR_ID, 4), 0xffffffff);
}
