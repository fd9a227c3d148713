/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bus Master of a virtio function, while the host is at work: a driver that takes it away, as
 * Linux does before it starts another kernel, relies on it that memory is not written any more.
 */
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/virtio_blk.h>

#include "test.h"
#include "fake_disk.h"
#include "vcpus.h"
#include "virtio/blk.h"
#include "virtio/pci.h"

#define SLOT   3
#define RINGS  0x100000
#define HEADER 0x120000
#define STATUS 0x121000
#define DATA   0x200000

static struct bench {
	struct vm *vm;
	struct disk *disk;
	struct pci_driver driver;
	struct wire_queue queue;
} bench;

static int setup(void **state)
{
	struct virtio_device *blk;

	(void)state;
	bench = (struct bench){ .vm = wire_create() };
	pci_rig_create(bench.vm);
	bench.disk = fake_disk_create(DISK_SIZE, false, true, NULL);
	fake_disk_fill(bench.disk);
	assert_int_equal(virtio_blk_create(&blk, bench.disk, NULL, bench.vm->loop,
					   &bench.vm->identity.space),
			 0);
	assert_int_equal(
		virtio_pci_create(bench.vm, bench.vm->pci, blk, SLOT << 3, DEVICE_NO_ENDPOINT), 0);
	assert_int_equal(pci_bus_place_bars(bench.vm->pci, NULL), 0);
	pci_driver_find(&bench.driver, bench.vm, SLOT);
	assert_true(pci_driver_negotiate(&bench.driver, 0));
	pci_driver_queue(&bench.driver, &bench.queue, 0, 16, RINGS);
	pci_driver_ok(&bench.driver);
	bench.disk->hold = true;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vcpus_end(bench.vm);
	wire_destroy(bench.vm);
	return 0;
}

/* Of sector 0. */
static void add_read(unsigned n)
{
	const struct virtio_blk_outhdr header = { .type = htole32(VIRTIO_BLK_T_IN) };
	const struct wire_segment parts[] = { { HEADER, sizeof(header), false },
					      { DATA + 512 * n, 512, true },
					      { STATUS + n, 1, true } };

	wire_write(bench.vm, HEADER, &header, sizeof(header));
	wire_fill(bench.vm, STATUS + n, 0xee, 1);
	wire_fill(bench.vm, DATA + 512 * n, 0xdd, 512);
	wire_add(&bench.queue, parts, 3);
	pci_driver_kick(&bench.driver, &bench.queue);
	turn_loop(bench.vm, 4);
}

static u8 byte_at(gpa_t gpa)
{
	u8 byte;

	wire_read(bench.vm, gpa, &byte, 1);
	return byte;
}

static struct vcpu_write *take_mastering(void)
{
	const u64 command = RIG_ECAM + (SLOT << 15) + PCI_COMMAND;

	return vcpu_writes(bench.vm, 0, command - WIRE_MMIO, PCI_COMMAND_MEMORY, 2);
}

/* While one read is under way: the write waits for it. */
static struct vcpu_write *mastering_waits(void)
{
	struct vcpu_write *write;

	add_read(0);
	write = take_mastering();
	vcpu_still_waits(write, bench.vm);
	return write;
}

static void release(unsigned count)
{
	vm_lock(bench.vm);
	fake_disk_release(bench.disk, count);
	vm_unlock(bench.vm);
}

TEST_WITH(what_is_under_way_is_over_when_bus_mastering_is_off, setup, teardown)
{
	struct vcpu_write *write;

	add_read(0);
	add_read(1);
	assert_non_null(bench.disk->running);
	write = take_mastering();
	vcpu_still_waits(write, bench.vm);
	release(1);
	vcpu_still_waits(write, bench.vm);
	release(1);
	vcpu_ends(write, bench.vm);
	assert_null(bench.disk->running);
	for (unsigned n = 0; n < 2; n++)
		assert_int_equal(byte_at(STATUS + n), VIRTIO_BLK_S_OK);
}

TEST_WITH(without_it_nothing_is_begun_until_it_is_back, setup, teardown)
{
	vcpu_ends(take_mastering(), bench.vm);
	add_read(0);
	assert_null(bench.disk->running);
	assert_int_equal(byte_at(STATUS), 0xee);
	fake_disk_hold(bench.disk, false);
	pci_rig_write(bench.vm, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	turn_loop(bench.vm, 4);
	assert_int_equal(byte_at(STATUS), VIRTIO_BLK_S_OK);
}

TEST_WITH(the_wait_ends_when_another_processor_gives_it_back, setup, teardown)
{
	struct vcpu_write *write = mastering_waits();

	pci_rig_write(bench.vm, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	vcpu_ends(write, bench.vm);
	assert_non_null(bench.disk->running);
	release(1);
	turn_loop(bench.vm, 4);
	assert_int_equal(byte_at(STATUS), VIRTIO_BLK_S_OK);
}

TEST_WITH(a_stop_of_the_machine_ends_the_wait, setup, teardown)
{
	struct vcpu_write *write = mastering_waits();

	loop_stop(bench.vm->loop);
	assert_int_equal(loop_run(bench.vm->loop), 0);
	vcpu_join(write);
	assert_true(atomic_load(&write->done));
	assert_non_null(bench.disk->running);
}
