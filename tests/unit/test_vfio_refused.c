/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host that refuses what VFIO is asked for: before there is a guest each refusal is a line, and
 * nothing is left open; afterwards it is the guest's device that lacks something.
 */
#include <unistd.h>

#include "catch.h"
#include "test.h"
#include "vfio_machine.h"

#define MSIX	0x40
#define MSI	0x50
#define PCIE	0x60
#define VECTORS 16

static struct error err;
static char said[1000];

static void refuse(unsigned long request, int error)
{
	vfio_fake.refuse_request = request;
	vfio_fake.refuse_error = error;
	vfio_fake.refuse_after = 0;
}

static int start(void **state)
{
	machine_host();
	err.text[0] = '\0';
	vfio_fake_region(hardware, 0, 0x4000, VFIO_REGION_INFO_FLAG_MMAP);
	hardware->irq_counts[VFIO_PCI_MSIX_IRQ_INDEX] = VECTORS;
	put_capability(PCI_CAP_ID_MSIX, MSIX);
	put16(MSIX + PCI_MSIX_FLAGS, VECTORS - 1);
	put32(MSIX + PCI_MSIX_TABLE, 0x2000);
	put32(MSIX + PCI_MSIX_PBA, 0x3000);
	hardware->irq_counts[VFIO_PCI_MSI_IRQ_INDEX] = 4;
	put_capability(PCI_CAP_ID_MSI, MSI);
	put16(MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT | 2 << 1);
	put_capability(PCI_CAP_ID_EXP, PCIE);
	put16(PCIE + PCI_EXP_FLAGS, 2);
	put32(PCIE + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR);
	return 0;
}

/* ---- before there is a device ---- */

static int start_bare(void **state)
{
	vfio_fake_init();
	vfio_fake_device("0000:00:04.0", 4);
	err.text[0] = '\0';
	return 0;
}

/* Checks that nothing was left open. */
static int stop_bare(void **state)
{
	vfio_fake_end();
	return 0;
}

TEST_WITH(a_vfio_of_another_version_is_said, start_bare, stop_bare)
{
	refuse(VFIO_GET_API_VERSION, VFIO_API_VERSION + 1);
	assert_int_equal(vfio_container_open(&container, &vfio_host_paths, "vfio x", &err),
			 -ENOTSUP);
	assert_string_equal(err.text, "vfio x: the host's VFIO is of another version");
}

TEST_WITH(a_host_without_vfio_is_told_which_module_has_it, start_bare, stop_bare)
{
	int fds[FAKE_CONTAINERS];

	for (unsigned i = 0; i < FAKE_CONTAINERS; i++)
		fds[i] = vfio_sys_open("/dev/vfio/vfio");
	assert_int_equal(vfio_container_open(&container, &vfio_host_paths, "vfio x", &err),
			 -ENOENT);
	assert_non_null(strstr(err.text, "modprobe vfio-pci"));
	for (unsigned i = 0; i < FAKE_CONTAINERS; i++)
		vfio_sys_close(fds[i]);
}

TEST_WITH(a_group_that_its_iommu_does_not_take_is_said, start_bare, stop_bare)
{
	int fd = vfio_sys_open("/dev/vfio/4");

	assert_int_equal(vfio_container_open(&container, &vfio_host_paths, "vfio x", &err), 0);
	refuse(VFIO_GROUP_SET_CONTAINER, -EIO);
	assert_int_equal(vfio_container_attach(container, fd, "vfio x", &err), -EIO);
	assert_non_null(strstr(err.text, "vfio x: "));
	vfio_sys_close(fd);
	vfio_container_close(container);
}

TEST_WITH(an_iommu_that_does_not_say_what_it_maps_is_said, start_bare, stop_bare)
{
	int fd = vfio_sys_open("/dev/vfio/4");

	assert_int_equal(vfio_container_open(&container, &vfio_host_paths, "vfio x", &err), 0);
	assert_int_equal(vfio_container_attach(container, fd, "vfio x", &err), 0);
	refuse(VFIO_IOMMU_GET_INFO, -EFAULT);
	assert_int_equal(vfio_container_learn(container, &err), -EFAULT);
	assert_non_null(strstr(err.text, "does not say what it can map"));
	vfio_sys_close(fd);
	vfio_container_close(container);
}

static int open_group(void)
{
	const struct vfio_host_device host = { .group = 4 };

	return vfio_group_open(&group, &vfio_host_paths, &host, "vfio x", &err);
}

TEST_WITH(a_group_that_cannot_be_asked_is_closed_again, start_bare, stop_bare)
{
	refuse(VFIO_GROUP_GET_STATUS, -EIO);
	assert_int_equal(open_group(), -EIO);
	assert_string_equal(err.text, "vfio x: group 4: Input/output error");
	assert_int_equal(group.fd, -1);
}

TEST_WITH(a_group_in_anothers_container_is_in_use, start_bare, stop_bare)
{
	vfio_fake.groups[0].container = 3;
	assert_int_equal(open_group(), -EBUSY);
	assert_non_null(strstr(err.text, "in use by another program"));
	vfio_fake.groups[0].container = -1;
}

TEST_WITH(a_device_without_a_group_names_the_iommu, start_bare, stop_bare)
{
	const struct vfio_host_device host = { .group = -1 };

	assert_int_equal(vfio_group_open(&group, &vfio_host_paths, &host, "vfio x", &err), -ENODEV);
	assert_non_null(strstr(err.text, "no IOMMU translates it"));
}

/* A request that vfio_device_open() makes, and what it says when that is refused. */
static void opening_is_refused(unsigned long request, const char *words)
{
	struct vfio_device one = { .address = { .slot = 4 }, .name = "vfio x" };

	assert_int_equal(open_group(), 0);
	assert_int_equal(vfio_container_open(&container, &vfio_host_paths, "vfio x", &err), 0);
	assert_int_equal(vfio_container_attach(container, group.fd, "vfio x", &err), 0);
	group.container = container;
	refuse(request, -EIO);
	assert_int_equal(vfio_device_open(&one, &group, &err), -EIO);
	assert_non_null(strstr(err.text, words));
	assert_true(one.fd < 0);
	vfio_group_close(&group);
	vfio_container_close(container);
}

TEST_WITH(a_device_that_vfio_does_not_open_is_said, start_bare, stop_bare)
{
	opening_is_refused(VFIO_GROUP_GET_DEVICE_FD, "does not open it");
}

TEST_WITH(a_device_that_vfio_does_not_describe_is_closed_again, start_bare, stop_bare)
{
	opening_is_refused(VFIO_DEVICE_GET_INFO, "VFIO does not describe it");
}

TEST_WITH(a_device_without_configuration_space_is_closed_again, start_bare, stop_bare)
{
	opening_is_refused(VFIO_DEVICE_GET_REGION_INFO, "no configuration space");
}

/* ---- before the guest has it ---- */

static void adding_is_refused(int error, const char *words)
{
	assert_int_equal(vfio_device_add(device, vm.pci, &vm, 1, 0, &vm.identity.space, 8, &err),
			 error);
	assert_non_null(strstr(err.text, words));
}

TEST_WITH(configuration_space_that_cannot_be_read_is_said, start, machine_end)
{
	machine_vm();
	machine_open();
	vfio_fake.no_reads = true;
	adding_is_refused(-EIO, "cannot be read: is it powered?");
}

TEST_WITH(configuration_space_without_a_whole_header_is_said, start, machine_end)
{
	machine_vm();
	machine_open();
	device->config_size = PCI_STD_HEADER_SIZEOF - 4;
	adding_is_refused(-EIO, "cannot be read");
}

TEST_WITH(a_bridge_is_not_passed, start, machine_end)
{
	put8(PCI_HEADER_TYPE, PCI_HEADER_TYPE_BRIDGE);
	machine_vm();
	machine_open();
	adding_is_refused(-ENOTSUP, "a bridge, which cannot be passed");
}

TEST_WITH(errors_that_the_host_does_not_report_are_said, start, machine_end)
{
	hardware->irq_counts[VFIO_PCI_MSI_IRQ_INDEX] = 0;
	machine_vm();
	machine_open();
	refuse(VFIO_DEVICE_SET_IRQS, -EINVAL);
	adding_is_refused(-EINVAL, "does not report its errors");
}

TEST_WITH(interrupts_that_vfio_does_not_describe_are_none, start, machine_end)
{
	machine_vm();
	refuse(VFIO_DEVICE_GET_IRQ_INFO, -EINVAL);
	machine_open();
	vfio_fake.refuse_request = 0;
	assert_int_equal(vfio_device_add(device, vm.pci, &vm, 1, 0, &vm.identity.space, 8, &err),
			 0);
	assert_int_equal(config_read(PCI_INTERRUPT_PIN, 1), 0);
	assert_int_equal(config_read(MSIX, 1), 0);
	assert_int_equal(config_read(MSI, 1), 0);
}

TEST_WITH(a_host_with_three_messages_offers_two, start, machine_end)
{
	hardware->irq_counts[VFIO_PCI_MSI_IRQ_INDEX] = 3;
	machine_start();
	assert_int_equal(config_read(MSI + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_QMASK, 1 << 1);
}

/* ---- while the guest has it ---- */

static u64 begin(void)
{
	machine_start();
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE, 2);
	return device->function.bars[0].address;
}

static void use_vector(u64 bar, unsigned n)
{
	mmio_write(bar + 0x2000 + 16 * n, 0xfee00000, 4);
	mmio_write(bar + 0x2004 + 16 * n, 0, 4);
	mmio_write(bar + 0x2008 + 16 * n, 0x40 + n, 4);
	mmio_write(bar + 0x200c + 16 * n, 0, 4);
}

/* It is tried when the guest switches it on, and not at each of its writes. */
static void switching_on_is_refused(u32 at, u16 value, u16 off, const char *words)
{
	refuse(VFIO_DEVICE_SET_IRQS, -EBUSY);
	catch_stderr();
	config_write(at, value, 2);
	config_write(at, value, 2);
	caught_stderr(said, sizeof(said));
	assert_non_null(strstr(said, words));
	assert_null(strstr(strstr(said, words) + 1, words));
	assert_int_equal(hardware->vector_count, 0);
	/* The guest may try again, and gets it. */
	vfio_fake.refuse_request = 0;
	config_write(at, off, 2);
	config_write(at, value, 2);
	assert_true(hardware->vector_count > 0);
}

TEST_WITH(intx_that_the_host_refuses_is_said_once, start, machine_end)
{
	begin();
	switching_on_is_refused(PCI_COMMAND, PCI_COMMAND_MEMORY,
				PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE,
				"does not switch its INTx interrupts on");
	assert_int_equal(hardware->irq_on, VFIO_PCI_INTX_IRQ_INDEX);
}

TEST_WITH(intx_without_its_unmasking_is_no_intx, start, machine_end)
{
	begin();
	refuse(VFIO_DEVICE_SET_IRQS, -EBUSY);
	vfio_fake.refuse_after = 1;
	catch_stderr();
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	caught_stderr(said, sizeof(said));
	assert_non_null(strstr(said, "does not switch its INTx interrupts on"));
	assert_int_equal(irq.pin_fds[MACHINE_GSI], -1);
	vfio_fake.refuse_request = 0;
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE, 2);
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_int_equal(hardware->vector_count, 1);
}

TEST_WITH(msi_that_the_host_refuses_is_said_once, start, machine_end)
{
	begin();
	switching_on_is_refused(MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE, 0,
				"does not switch its MSI interrupts on");
}

TEST_WITH(msix_that_the_host_refuses_is_said_once, start, machine_end)
{
	begin();
	switching_on_is_refused(MSIX + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 0,
				"does not switch its MSI-X interrupts on");
}

TEST_WITH(a_vector_that_the_host_refuses_costs_that_vector_alone, start, machine_end)
{
	u64 bar = begin();

	hardware->vectors_max = 4;
	config_write(MSIX + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
	use_vector(bar, 0);
	catch_stderr();
	use_vector(bar, 9);
	caught_stderr(said, sizeof(said));
	assert_non_null(strstr(said, "no interrupt for its MSI-X vector 9"));
	/* What was on before is on again. */
	assert_true(vfio_fake_raise(hardware, 0));
	assert_true(irq_fake_run(&irq) >= 1);
}

TEST_WITH(a_host_short_of_vectors_gives_those_that_are_used, start, machine_end)
{
	u64 bar = begin();

	/* Twice as many as before are more than it has. */
	hardware->irq_flags[VFIO_PCI_MSIX_IRQ_INDEX] |= VFIO_IRQ_INFO_NORESIZE;
	device->irq_flags[VFIO_PCI_MSIX_IRQ_INDEX] |= VFIO_IRQ_INFO_NORESIZE;
	hardware->vectors_max = 5;
	config_write(MSIX + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
	use_vector(bar, 3);
	use_vector(bar, 4);
	assert_int_equal(hardware->vector_count, 5);
	assert_true(vfio_fake_raise(hardware, 4));
	assert_true(irq_fake_run(&irq) >= 1);
}

TEST_WITH(vectors_that_were_programmed_before_come_on_with_msix, start, machine_end)
{
	u64 bar = begin();

	use_vector(bar, 2);
	use_vector(bar, 5);
	assert_int_equal(hardware->vector_count, 0);
	config_write(MSIX + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
	assert_int_equal(hardware->vector_count, 6);
	assert_true(vfio_fake_raise(hardware, 2));
	assert_true(vfio_fake_raise(hardware, 5));
	assert_int_equal(irq_fake_run(&irq), 2);
}

TEST_WITH(a_reset_that_the_host_refuses_is_said, start, machine_end)
{
	begin();
	refuse(VFIO_DEVICE_RESET, -EIO);
	catch_stderr();
	config_write(PCIE + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
	caught_stderr(said, sizeof(said));
	assert_non_null(strstr(said, "the host cannot reset it for the guest"));
	/* To the guest it was one all the same: the BAR has no place. */
	assert_int_equal(config_read(PCI_COMMAND, 2), 0);
	assert_int_equal(config_read(PCI_BASE_ADDRESS_0, 4) & PCI_BASE_ADDRESS_MEM_MASK, 0);
}

TEST_WITH(registers_that_cannot_be_read_are_all_ones, start, machine_end)
{
	machine_start();
	assert_int_equal(config_read(PCIE + PCI_EXP_DEVCTL, 2), 0);
	vfio_fake.no_reads = true;
	assert_int_equal(config_read(PCIE + PCI_EXP_DEVCTL, 2) & 0x7fff, 0x7fff);
	vfio_fake.no_reads = false;
}
