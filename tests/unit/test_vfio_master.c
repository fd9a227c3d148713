/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio/container.c: whether a device behind it may begin DMA. */
#include <linux/pci_regs.h>
#include <sys/eventfd.h>

#include "vfio_machine.h"
#include "test.h"

static int start(void **state)
{
	machine_host();
	put_capability(PCI_CAP_ID_EXP, 0x60);
	put16(0x60 + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	put32(0x60 + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR);
	machine_start();
	return 0;
}

static bool masters(void)
{
	return container->listener.ops->masters(&container->listener);
}

TEST_WITH(it_may_when_the_guest_has_bus_mastering_on, start, machine_end)
{
	assert_false(masters());
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_false(masters());
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	config_write(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	assert_true(masters());
	config_write(PCI_COMMAND, 0, 2);
	assert_false(masters());
}

TEST_WITH(it_may_not_after_a_function_level_reset, start, machine_end)
{
	config_write(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	config_write(0x60 + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
	assert_false(masters());
}

TEST_WITH(it_may_not_once_the_host_has_it_back, start, machine_end)
{
	config_write(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	assert_int_equal(eventfd_write(hardware->request_fd, 1), 0);
	assert_int_equal(loop_poll(vm.loop, 1000), 1);
	assert_true(device->gone);
	assert_false(masters());
}

/* ---- when the driver lets go of it ---- */

static unsigned looks; /* until the guest has asked its IOMMU */

static bool tell_unasked(struct dma_space *space)
{
	(void)space;
	return looks && looks--;
}

static int start_behind_iommu(void **state)
{
	static const struct vm_config config = { .cpus = 2 };

	start(state);
	vm.config = &config;
	vm.identity.space.has_unasked = tell_unasked;
	assert_int_equal(unasked_create(&device->unasked, &vm, &vm.identity.space), 0);
	return 0;
}

TEST_WITH(the_end_of_bus_mastering_waits_for_what_the_guest_has_yet_to_ask_its_iommu,
	  start_behind_iommu, machine_end)
{
	looks = 3;
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	config_write(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	assert_int_equal(looks, 3);
	config_write(PCI_COMMAND, 0, 2);
	assert_int_equal(looks, 0);
	looks = 3;
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_int_equal(looks, 3);
	config_write(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	config_write(0x60 + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
	assert_int_equal(looks, 0);
}
