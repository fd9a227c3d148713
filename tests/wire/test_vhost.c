/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device whose queues the host's kernel serves, while that kernel is ours: when it runs, and when
 * it must not.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>

#include "catch.h"
#include "test.h"
#include "pci_driver.h"
#include "virtio/mmio.h"
#include "virtio/pci.h"
#include "virtio/vsock.h"

#define SLOT  3
#define CID   7
#define SIZE  16
#define RINGS 0x10000
#define TAKEN 11 /* chains that the kernel has taken when it is asked */

/* ---- the host's kernel ---- */

static struct kernel {
	int fd;
	int running;
	unsigned starts;
	u32 base[2]; /* of each queue when it was last set */
} kernel;

/* What may be changed only while nothing is served (Linux, drivers/vhost/vhost.c). */
static int at_rest(void)
{
	if (!kernel.running)
		return 0;
	errno = EBUSY;
	return -1;
}

static int set_base(const struct vhost_vring_state *state)
{
	if (at_rest())
		return -1;
	kernel.base[state->index] = state->num;
	return 0;
}

static int set_running(int running)
{
	kernel.starts += running && !kernel.running;
	kernel.running = running;
	return 0;
}

static int answer(unsigned long request, void *arg)
{
	switch (request) {
	case VHOST_GET_FEATURES:
		*(u64 *)arg = 1ull << VIRTIO_F_VERSION_1;
		return 0;
	case VHOST_SET_VRING_NUM:
		return at_rest();
	case VHOST_SET_VRING_BASE:
		return set_base(arg);
	case VHOST_GET_VRING_BASE:
		((struct vhost_vring_state *)arg)->num = TAKEN;
		return 0;
	case VHOST_VSOCK_SET_RUNNING:
		return set_running(*(int *)arg);
	default:
		return 0;
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	void *arg;

	va_start(list, request);
	arg = va_arg(list, void *);
	va_end(list);
	return fd == kernel.fd ? answer(request, arg) : syscall(SYS_ioctl, fd, request, arg);
}

/* ---- the machine ---- */

static struct bench {
	struct vm *vm;
	struct pci_driver driver;
	struct wire_queue queues[3];
} bench;

static struct virtio_device *create(void)
{
	struct virtio_device *device;

	bench = (struct bench){ .vm = wire_create() };
	kernel = (struct kernel){ .fd = eventfd(0, EFD_CLOEXEC) };
	assert_int_equal(virtio_vsock_create_kernel(&device, CID, kernel.fd, bench.vm->loop,
						    &bench.vm->identity.space),
			 0);
	return device;
}

static int setup(void **state)
{
	struct virtio_device *device = create();

	pci_rig_create(bench.vm);
	assert_int_equal(
		virtio_pci_create(bench.vm, bench.vm->pci, device, SLOT << 3, DEVICE_NO_ENDPOINT),
		0);
	assert_int_equal(pci_bus_place_bars(bench.vm->pci, NULL), 0);
	pci_driver_find(&bench.driver, bench.vm, SLOT);
	return 0;
}

static int setup_mmio(void **state)
{
	struct virtio_device *device = create();
	struct device_resource slot;

	wire_slot(0, &slot);
	assert_int_equal(virtio_mmio_create(bench.vm, device, &slot, DEVICE_NO_ENDPOINT, false), 0);
	return 0;
}

static int teardown(void **state)
{
	wire_destroy(bench.vm);
	assert_false(kernel.running);
	return 0;
}

/* The queues that the kernel serves; the third is the device's. */
static void bring_up(void)
{
	assert_true(pci_driver_negotiate(&bench.driver, 0));
	for (unsigned i = 0; i < 2; i++)
		pci_driver_queue(&bench.driver, &bench.queues[i], i, SIZE, RINGS * (1 + i));
	pci_driver_ok(&bench.driver);
}

static bool needs_reset(void)
{
	return pci_driver_status(&bench.driver) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void be_master(bool master)
{
	u32 command = pci_rig_read(bench.vm, SLOT, PCI_COMMAND, 2);

	command = master ? command | PCI_COMMAND_MASTER : command & ~PCI_COMMAND_MASTER;
	pci_rig_write(bench.vm, SLOT, PCI_COMMAND, command, 2);
}

/* As a pause and a resume of the machine do. */
static void pause_all(bool paused)
{
	struct list_node *node;

	vm_lock(bench.vm);
	list_for_each(node, &bench.vm->devices) {
		struct device *device = list_entry(node, struct device, node);
		void (*tell)(struct device * device) = paused ? device->ops->pause
							      : device->ops->resume;

		if (tell)
			tell(device);
	}
	vm_unlock(bench.vm);
}

/* A queue where no ring can be: the device stops. */
static void break_device(void)
{
	const struct pci_driver *driver = &bench.driver;

	pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_Q_SELECT, 2, 2);
	pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_Q_DESCLO, 1, 4);
	pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	assert_true(needs_reset());
}

TEST_WITH(the_kernel_serves_from_driver_ok_to_the_reset, setup, teardown)
{
	bring_up();
	assert_true(kernel.running);
	pci_driver_put(&bench.driver, &bench.driver.common, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_false(kernel.running);
	bring_up();
	assert_int_equal(kernel.starts, 2);
	assert_int_equal(kernel.base[0], 0);
}

TEST_WITH(a_pause_goes_on_where_the_kernel_was, setup, teardown)
{
	bring_up();
	pause_all(true);
	assert_false(kernel.running);
	pause_all(false);
	assert_true(kernel.running);
	assert_int_equal(kernel.base[0], TAKEN);
	assert_int_equal(kernel.base[1], TAKEN);
	assert_false(needs_reset());
}

/* "Bus Master": without it a function accesses no memory, and neither does the kernel for it. */
TEST_WITH(a_device_that_is_no_bus_master_yet_is_served_when_it_is, setup, teardown)
{
	be_master(false);
	bring_up();
	assert_false(kernel.running);
	be_master(true);
	assert_true(kernel.running);
	assert_int_equal(kernel.base[0], 0);
	assert_false(needs_reset());
}

TEST_WITH(a_broken_device_is_at_rest_in_a_machine_that_is_paused, setup, teardown)
{
	bring_up();
	break_device();
	pause_all(true);
	assert_false(kernel.running);
	pause_all(false);
	assert_false(kernel.running);
	bring_up();
	assert_true(kernel.running);
	assert_false(needs_reset());
}

TEST_WITH(a_device_that_breaks_is_served_no_more_until_its_reset, setup, teardown)
{
	bring_up();
	break_device();
	assert_false(kernel.running);
	pci_driver_put(&bench.driver, &bench.driver.common, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	bring_up();
	assert_true(kernel.running);
	assert_int_equal(kernel.starts, 2);
	assert_int_equal(kernel.base[0], 0);
	assert_false(needs_reset());
}

TEST_WITH(one_that_never_started_is_not_begun_by_a_resume, setup, teardown)
{
	pause_all(true);
	pause_all(false);
	assert_int_equal(kernel.starts, 0);
}

/* Its driver has the ring's memory back. */
TEST_WITH(a_queue_that_was_stopped_is_not_begun_by_a_resume, setup_mmio, teardown)
{
	assert_true(wire_negotiate(bench.vm, 0, 0));
	for (unsigned i = 0; i < 2; i++)
		wire_queue_init(&bench.queues[i], bench.vm, 0, i, SIZE, RINGS * (1 + i));
	wire_driver_ok(bench.vm, 0);
	assert_true(kernel.running);
	wire_reg_write(bench.vm, 0, VIRTIO_MMIO_QUEUE_SEL, 0);
	wire_reg_write(bench.vm, 0, VIRTIO_MMIO_QUEUE_READY, 0);
	assert_false(kernel.running);
	pause_all(true);
	pause_all(false);
	assert_false(kernel.running);
}

TEST_WITH(a_guest_that_gives_it_no_ring_for_ever_does_not_fill_the_log, setup, teardown)
{
	struct pci_driver *driver = &bench.driver;
	char text[65536];
	unsigned lines = 0;

	catch_stderr();
	for (unsigned i = 0; i < 200; i++) {
		assert_true(pci_driver_negotiate(driver, 0));
		pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_Q_SIZE, SIZE, 2);
		/* Where no memory is. */
		pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_Q_DESCHI, 0x4000, 4);
		pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
		pci_driver_ok(driver);
		assert_true(needs_reset());
	}
	caught_stderr(text, sizeof(text));
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	assert_in_range(lines, 1, 4 * LOG_LIMIT_BURST);
}
