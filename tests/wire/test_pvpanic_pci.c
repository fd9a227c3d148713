/* SPDX-License-Identifier: BSD-2-Clause */
/* pvpanic on PCI, as Linux's pvpanic-pci and a hostile guest drive it. */
#include "test.h"

#include <linux/pci_regs.h>
#include <stdatomic.h>

#include "../../vmm/panic.h"
#include "pci_driver.h"
#include "vmm/device_class.h"
#include "vmm/pvpanic.h"

#define SLOT	 2
#define PANICKED 1
#define CRASH	 2

static struct vm *vm;
static u64 bar;

static int setup(void **state)
{
	struct device_place place = { .pci_slot = SLOT };

	vm = wire_create();
	assert_int_equal(panic_create(vm), 0);
	place.space = &vm->identity.space;
	pci_rig_create(vm);
	assert_int_equal(pvpanic_pci_create(vm, &place), 0);
	assert_int_equal(pci_bus_place_bars(vm->pci, NULL), 0);
	bar = pci_rig_bar(vm, SLOT, 0);
	pci_rig_write(vm, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	return 0;
}

static int teardown(void **state)
{
	panic_destroy(vm);
	wire_destroy(vm);
	return 0;
}

TEST_WITH(it_is_found_by_its_ids_and_tells_what_it_takes, setup, teardown)
{
	assert_int_equal(pci_rig_read(vm, SLOT, PCI_VENDOR_ID, 4), 0x00111b36);
	assert_int_equal(pci_rig_read(vm, SLOT, PCI_REVISION_ID, 1), 1);
	assert_int_equal(pci_rig_load(vm, bar, 1), PANICKED | CRASH);
}

TEST_WITH(a_panic_is_told_of_once_a_bit_is_written, setup, teardown)
{
	pci_rig_store(vm, bar, 0, 1);
	pci_rig_store(vm, bar, 0xfc, 1);
	assert_false(atomic_load(&vm->panicked));
	pci_rig_store(vm, bar, PANICKED, 1);
	assert_true(atomic_load(&vm->panicked));
}

TEST_WITH(bytes_behind_the_register_are_nothing, setup, teardown)
{
	for (unsigned offset = 1; offset < 16; offset++) {
		pci_rig_store(vm, bar + offset, PANICKED, 1);
		assert_int_equal(pci_rig_load(vm, bar + offset, 1), 0);
	}
	assert_false(atomic_load(&vm->panicked));
}

TEST_WITH(where_the_guest_moves_it_it_is_heard_and_nowhere_else, setup, teardown)
{
	pci_rig_move(vm, SLOT, 0, bar + 0x10000);
	pci_rig_store(vm, bar, PANICKED, 1);
	assert_false(atomic_load(&vm->panicked));
	pci_rig_store(vm, bar + 0x10000, PANICKED, 1);
	assert_true(atomic_load(&vm->panicked));
}
