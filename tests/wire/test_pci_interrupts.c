/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "MSI-X Vector Configuration", "ISR status capability": how the driver is told. */
#include <errno.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "test.h"
#include "pci_driver.h"
#include "virtio/pci.h"

#define ISR_QUEUE 1

static int setup(void **state)
{
	static struct pci_bench bench;

	pci_bench_setup(&bench, DEVICE_NO_ENDPOINT, false);
	*state = &bench;
	return 0;
}

static int teardown(void **state)
{
	pci_bench_teardown(*state);
	return 0;
}

static u8 isr(struct pci_bench *bench)
{
	return pci_driver_get(&bench->driver, &bench->driver.isr, 0, 1);
}

static void assert_message(unsigned count, u32 data)
{
	struct msi_message last;

	assert_int_equal(wire_msis(&last), count);
	assert_int_equal(last.address, RIG_DOORBELL);
	assert_int_equal(last.data, data);
	assert_int_equal(last.device_id, BENCH_SLOT << 3);
}

/* ---- INTx ---- */

TEST_WITH(the_line_is_high_until_the_isr_status_is_read, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_up(bench, 0);
	assert_false(wire_level(BENCH_GSI));
	pci_bench_echoes(bench);
	assert_true(wire_level(BENCH_GSI));
	assert_true(pci_rig_read(bench->vm, BENCH_SLOT, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	virtio_device_config_changed(&bench->echo->device);
	assert_int_equal(isr(bench), ISR_QUEUE | VIRTIO_PCI_ISR_CONFIG);
	assert_false(wire_level(BENCH_GSI));
	assert_false(pci_rig_read(bench->vm, BENCH_SLOT, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	assert_int_equal(isr(bench), 0);
	assert_int_equal(wire_msis(NULL), 0);
}

TEST_WITH(the_isr_status_is_one_byte_and_is_not_written, setup, teardown)
{
	struct pci_bench *bench = *state;
	const struct pci_driver *driver = &bench->driver;

	pci_bench_up(bench, 0);
	pci_bench_echoes(bench);
	assert_int_equal(pci_driver_get(driver, &driver->isr, 0, 2), 0);
	assert_int_equal(pci_driver_get(driver, &driver->isr, 0, 4), 0);
	assert_int_equal(pci_driver_get(driver, &driver->isr, 1, 1), 0);
	pci_driver_put(driver, &driver->isr, 0, 0xff, 1);
	assert_true(wire_level(BENCH_GSI));
	assert_int_equal(isr(bench), ISR_QUEUE);
}

TEST_WITH(a_reset_lowers_the_line, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_up(bench, 0);
	pci_bench_echoes(bench);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_false(wire_level(BENCH_GSI));
	assert_int_equal(isr(bench), 0);
}

TEST_WITH(interrupt_disable_keeps_the_line_low, setup, teardown)
{
	struct pci_bench *bench = *state;
	u16 command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	pci_bench_up(bench, 0);
	pci_rig_write(bench->vm, BENCH_SLOT, PCI_COMMAND, command | PCI_COMMAND_INTX_DISABLE, 2);
	pci_bench_echoes(bench);
	assert_false(wire_level(BENCH_GSI));
	pci_rig_write(bench->vm, BENCH_SLOT, PCI_COMMAND, command, 2);
	assert_true(wire_level(BENCH_GSI));
}

/* ---- MSI-X ---- */

TEST_WITH(queues_and_configuration_have_vectors_of_their_own, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_up(bench, 0);
	pci_bench_vectors(bench);
	pci_bench_echoes(bench);
	assert_message(1, RIG_MESSAGE(1));
	virtio_device_config_changed(&bench->echo->device);
	assert_message(2, RIG_MESSAGE(0));
	assert_false(wire_level(BENCH_GSI));
	/* "MUST set the Device Configuration Interrupt bit", MSI-X or not; the queues' is unused.
	 */
	assert_int_equal(isr(bench), VIRTIO_PCI_ISR_CONFIG);
}

TEST_WITH(events_without_a_vector_are_silent, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_up(bench, 0);
	pci_bench_vectors(bench);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_MSIX, VIRTIO_MSI_NO_VECTOR, 2);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_MSIX, VIRTIO_MSI_NO_VECTOR, 2);
	pci_bench_echoes(bench);
	virtio_device_config_changed(&bench->echo->device);
	assert_int_equal(wire_msis(NULL), 0);
	assert_false(wire_level(BENCH_GSI));
}

TEST_WITH(events_may_share_a_vector, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_up(bench, 0);
	pci_bench_vectors(bench);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_MSIX, 2, 2);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	pci_bench_echoes(bench);
	assert_message(1, RIG_MESSAGE(2));
	virtio_device_config_changed(&bench->echo->device);
	assert_message(2, RIG_MESSAGE(2));
}

TEST_WITH(vectors_past_the_table_read_back_as_none, setup, teardown)
{
	struct pci_bench *bench = *state;
	static const u16 bad[] = { ECHO_QUEUES + 1, 0x7ff, 0x800, 0xfffe, 0xffff };

	assert_int_equal(
		pci_rig_read(bench->vm, BENCH_SLOT, bench->driver.msix + PCI_MSIX_FLAGS, 2) &
			PCI_MSIX_FLAGS_QSIZE,
		ECHO_QUEUES);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		pci_bench_put(bench, VIRTIO_PCI_COMMON_MSIX, ECHO_QUEUES, 2);
		pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_MSIX, 0, 2);
		assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_MSIX, 2), ECHO_QUEUES);
		assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_Q_MSIX, 2), 0);
		pci_bench_put(bench, VIRTIO_PCI_COMMON_MSIX, bad[i], 2);
		pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_MSIX, bad[i], 2);
		assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_MSIX, 2),
				 VIRTIO_MSI_NO_VECTOR);
		assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_Q_MSIX, 2),
				 VIRTIO_MSI_NO_VECTOR);
	}
}

TEST_WITH(a_reset_unmaps_all_events, setup, teardown)
{
	struct pci_bench *bench = *state;

	assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	pci_bench_vectors(bench);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	for (unsigned i = 0; i < ECHO_QUEUES; i++) {
		pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
		assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_Q_MSIX, 2),
				 VIRTIO_MSI_NO_VECTOR);
	}
	/* The table is the function's, not the device's. */
	pci_bench_up(bench, 0);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_MSIX, 1, 2);
	pci_bench_echoes(bench);
	assert_message(1, RIG_MESSAGE(1));
}

TEST_WITH(a_masked_vector_keeps_its_message_pending, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_up(bench, 0);
	pci_bench_vectors(bench);
	pci_driver_vector(&bench->driver, 1, RIG_DOORBELL, RIG_MESSAGE(1), true);
	pci_bench_echoes(bench);
	assert_int_equal(wire_msis(NULL), 0);
	assert_int_equal(pci_driver_pending(&bench->driver), 1 << 1);
	pci_driver_vector(&bench->driver, 1, RIG_DOORBELL, RIG_MESSAGE(1), false);
	assert_message(1, RIG_MESSAGE(1));
	assert_int_equal(pci_driver_pending(&bench->driver), 0);
}

TEST_WITH(the_line_follows_msix_enable, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_up(bench, 0);
	pci_bench_echoes(bench);
	assert_true(wire_level(BENCH_GSI));
	pci_driver_msix(&bench->driver, true);
	assert_false(wire_level(BENCH_GSI));
	pci_driver_msix(&bench->driver, false);
	assert_true(wire_level(BENCH_GSI));
	isr(bench);
	assert_false(wire_level(BENCH_GSI));
}

TEST_WITH(vectors_are_accessed_by_dwords_and_quadwords_inside_the_table, setup, teardown)
{
	struct pci_bench *bench = *state;
	u64 table = pci_rig_bar(bench->vm, BENCH_SLOT, 1);

	for (u64 at = table; at < table + 0x1000; at += 2) {
		for (unsigned len = 1; len <= 8; len *= 2) {
			pci_rig_store(bench->vm, at, UINT64_MAX, len);
			pci_rig_load(bench->vm, at, len);
		}
	}
	assert_int_equal(pci_rig_load(bench->vm, table + 16 * (ECHO_QUEUES + 1), 4), 0);
	pci_rig_store(bench->vm, table, 0x1234, 2);
	assert_int_equal(pci_rig_load(bench->vm, table, 4), 0xfffffffc);
	pci_bench_up(bench, 0);
	pci_bench_vectors(bench);
	pci_bench_echoes(bench);
	assert_message(1, RIG_MESSAGE(1));
}

TEST_WITH(a_guest_that_uses_no_msix_has_no_routes, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_up(bench, 0);
	pci_bench_echoes(bench);
	assert_int_equal(wire_routes(), 0);
	pci_bench_vectors(bench);
	assert_int_equal(wire_routes(), ECHO_QUEUES + 1);
	pci_driver_msix(&bench->driver, false);
	assert_int_equal(wire_routes(), 0);
}

/* ---- the device's own addresses ---- */

#define FAR 0x123456000ULL /* a doorbell as the device sees it */

static int far_resolve(struct dma_space *space, iova_t address, bool send, gpa_t *doorbell)
{
	if (address != FAR) {
		space->faults += send;
		return -EFAULT;
	}
	*doorbell = RIG_DOORBELL;
	return 0;
}

TEST_WITH(messages_go_where_the_devices_space_leads, setup, teardown)
{
	static struct dma_space_ops ops; /* they outlive the test: the device does */
	static struct dma_space space;
	struct pci_bench *bench = *state;
	struct echo *second = echo_alloc(bench->vm);
	struct wire_segment buffer = { 0x100000, 8, true };
	struct wire_queue queue;
	struct pci_driver driver;

	ops = *bench->vm->identity.space.ops;
	ops.resolve_msi = far_resolve;
	dma_space_init(&space, &ops, bench->vm->memory, bench->vm->irq);
	second->device.space = &space;
	assert_int_equal(
		virtio_pci_create(bench->vm, bench->vm->pci, &second->device, 9 << 3, 9 << 3), 0);
	pci_driver_find(&driver, bench->vm, 9);
	pci_rig_move(bench->vm, 9, 1, RIG_MMIO32 + 0x10000);
	pci_rig_move(bench->vm, 9, 4, RIG_MMIO32 + 0x20000);
	assert_true(pci_driver_negotiate(&driver, 1ULL << VIRTIO_F_ACCESS_PLATFORM));
	pci_driver_queue(&driver, &queue, 0, BENCH_SIZE, BENCH_RINGS2);
	pci_driver_msix(&driver, true);
	pci_driver_put(&driver, &driver.common, VIRTIO_PCI_COMMON_Q_MSIX, 0, 2);
	pci_driver_ok(&driver);
	for (unsigned i = 0; i < 2; i++) {
		pci_driver_vector(&driver, 0, i ? FAR : RIG_DOORBELL, 7, false);
		wire_add(&queue, &buffer, 1);
		pci_driver_kick(&driver, &queue);
		assert_true(pci_driver_used(&driver, &queue, NULL));
		assert_int_equal(wire_msis(NULL), i);
		assert_int_equal(space.faults, 1);
	}
}
