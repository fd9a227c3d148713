/* SPDX-License-Identifier: BSD-2-Clause */
/* The eventfd by which the host's kernel interrupts a driver itself (virtio/device.h). */
#include <sys/eventfd.h>

#include <linux/virtio_pci.h>

#include "test.h"
#include "pci_driver.h"
#include "virtio/mmio.h"

static int setup(void **state)
{
	static struct pci_bench bench;

	pci_bench_setup(&bench, DEVICE_NO_ENDPOINT, false);
	pci_bench_up(&bench, 0);
	*state = &bench;
	return 0;
}

static int teardown(void **state)
{
	pci_bench_teardown(*state);
	return 0;
}

static int interrupt_fd(struct pci_bench *bench)
{
	struct virtio_device *device = &bench->echo->device;

	return device->transport->interrupt_fd(device, 0);
}

/* Whether the device was told of a change since the last time. */
static bool told(struct pci_bench *bench)
{
	bool moved = bench->echo->moved;

	bench->echo->moved = 0;
	return moved;
}

TEST_WITH(without_msix_there_is_none, setup, teardown)
{
	assert_int_equal(interrupt_fd(*state), -1);
}

TEST_WITH(it_sends_the_queues_message, setup, teardown)
{
	struct pci_bench *bench = *state;
	struct msi_message last;

	pci_bench_vectors(bench);
	assert_true(told(bench));
	assert_int_equal(eventfd_write(interrupt_fd(bench), 1), 0);
	assert_int_equal(wire_msis(&last), 1);
	assert_int_equal(last.data, RIG_MESSAGE(1));
}

TEST_WITH(another_vector_of_the_queue_is_another_one, setup, teardown)
{
	struct pci_bench *bench = *state;
	struct msi_message last;

	pci_bench_vectors(bench);
	told(bench);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	assert_true(told(bench));
	assert_int_equal(eventfd_write(interrupt_fd(bench), 1), 0);
	assert_int_equal(wire_msis(&last), 1);
	assert_int_equal(last.data, RIG_MESSAGE(2));
	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_MSIX, VIRTIO_MSI_NO_VECTOR, 2);
	assert_true(told(bench));
	assert_int_equal(interrupt_fd(bench), -1);
}

TEST_WITH(what_it_says_of_a_masked_vector_is_pending, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_vectors(bench);
	pci_driver_vector(&bench->driver, 1, RIG_DOORBELL, RIG_MESSAGE(1), true);
	assert_int_equal(eventfd_write(interrupt_fd(bench), 1), 0);
	assert_int_equal(wire_msis(NULL), 0);
	assert_int_equal(pci_driver_pending(&bench->driver), 1 << 1);
	pci_driver_vector(&bench->driver, 1, RIG_DOORBELL, RIG_MESSAGE(1), false);
	assert_int_equal(wire_msis(NULL), 1);
}

TEST_WITH(there_is_none_when_msix_is_off_again, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_vectors(bench);
	told(bench);
	pci_driver_msix(&bench->driver, false);
	assert_true(told(bench));
	assert_int_equal(interrupt_fd(bench), -1);
}

/* Nothing of a device that does not run is anybody's to tell. */
TEST_WITH(a_device_that_was_reset_is_not_told, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_put(bench, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	told(bench);
	pci_bench_vectors(bench);
	assert_false(told(bench));
}
