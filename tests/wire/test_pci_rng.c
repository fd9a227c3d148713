/* SPDX-License-Identifier: BSD-2-Clause */
/* A stock device behind PCI: the device does not know, the driver gets its noise. */
#include <linux/pci_regs.h>
#include <linux/virtio_ids.h>

#include "test.h"
#include "pci_driver.h"
#include "virtio/pci.h"
#include "virtio/rng.h"

#define SLOT  3
#define RINGS 0x10000
#define DATA  0x100000

static int setup(void **state)
{
	struct vm *vm = wire_create();
	struct virtio_device *device;

	pci_rig_create(vm);
	assert_int_equal(virtio_rng_create(&device, &vm->identity.space), 0);
	assert_int_equal(virtio_pci_create(vm, vm->pci, device, SLOT << 3, DEVICE_NO_ENDPOINT), 0);
	assert_int_equal(pci_bus_place_bars(vm->pci, NULL), 0);
	*state = vm;
	return 0;
}

static int teardown(void **state)
{
	wire_destroy(*state);
	return 0;
}

static void noise(struct pci_driver *driver)
{
	struct wire_segment buffers[] = { { DATA, 64, true }, { DATA + 64, 64, true } };
	u8 zero[64] = { 0 }, a[64], b[64];
	struct wire_queue queue;
	u32 len;

	assert_true(pci_driver_negotiate(driver, 0));
	pci_driver_queue(driver, &queue, 0, 16, RINGS);
	pci_driver_ok(driver);
	wire_fill(driver->vm, DATA, 0, 128);
	wire_add(&queue, &buffers[0], 1);
	wire_add(&queue, &buffers[1], 1);
	pci_driver_kick(driver, &queue);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(pci_driver_used(driver, &queue, &len));
		assert_int_equal(len, 64);
	}
	wire_read(driver->vm, DATA, a, 64);
	wire_read(driver->vm, DATA + 64, b, 64);
	assert_memory_not_equal(a, zero, 64);
	assert_memory_not_equal(a, b, 64);
}

TEST_WITH(a_stock_device_works_behind_bars_and_interrupts_by_intx, setup, teardown)
{
	struct pci_driver driver;

	pci_driver_find(&driver, *state, SLOT);
	noise(&driver);
	assert_true(wire_level(RIG_INTX + SLOT));
	assert_int_equal(pci_driver_get(&driver, &driver.isr, 0, 1), 1);
	assert_false(wire_level(RIG_INTX + SLOT));
}

/* "An alternative (and likely suboptimal) access method": BARs that nobody has switched on. */
TEST_WITH(a_stock_device_works_through_configuration_space_alone, setup, teardown)
{
	struct pci_driver driver;

	pci_driver_find(&driver, *state, SLOT);
	pci_rig_write(driver.vm, SLOT, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	driver.by_window = true;
	noise(&driver);
	assert_int_equal(pci_driver_get(&driver, &driver.isr, 0, 1), 1);
	assert_int_equal(pci_driver_get(&driver, &driver.isr, 0, 1), 0);
}
