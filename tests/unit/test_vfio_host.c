/* SPDX-License-Identifier: BSD-2-Clause */
/* What is read of a fake host's sysfs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "vfio_tree.h"

static int setup(void **state)
{
	static struct vfio_tree tree;

	vfio_tree_create(&tree);
	*state = &tree;
	return 0;
}

static int teardown(void **state)
{
	vfio_tree_destroy(*state);
	return 0;
}

TEST_WITH(a_device_is_read_as_sysfs_shows_it, setup, teardown)
{
	struct vfio_tree *tree = *state;
	struct vfio_address address = vfio_tree_address("00:04.0");
	struct vfio_host_device d;

	vfio_tree_device(tree, "0000:00:04.0", "0x010802\n", "nvme", 7);
	assert_int_equal(vfio_host_read(&tree->paths, &address, &d, NULL), 0);
	assert_int_equal(d.vendor, 0x1b36);
	assert_int_equal(d.device, 0x0010);
	assert_int_equal(d.subsystem_vendor, 0x1af4);
	assert_int_equal(d.subsystem_device, 0x1100);
	assert_int_equal(d.class, 0x010802);
	assert_string_equal(d.driver, "nvme");
	assert_string_equal(d.reset, "flr pm");
	assert_int_equal(d.group, 7);
	assert_false(d.is_bridge);
	assert_int_equal(d.member_count, 1);
	assert_int_equal(d.members[0].slot, 4);
}

TEST_WITH(a_device_that_is_not_there_is_said_so, setup, teardown)
{
	struct vfio_tree *tree = *state;
	struct vfio_address address = vfio_tree_address("00:09.0");
	struct vfio_host_device d;
	struct error err = { "" };

	assert_int_equal(vfio_host_read(&tree->paths, &address, &d, &err), -ENOENT);
	assert_non_null(strstr(err.text, "0000:00:09.0: there is no such PCI device"));
}

TEST_WITH(what_is_missing_is_none, setup, teardown)
{
	struct vfio_tree *tree = *state;
	struct vfio_address address = vfio_tree_address("00:04.0");
	struct vfio_host_device d;

	vfio_tree_device(tree, "0000:00:04.0", "0x010802\n", "", -1);
	vfio_tree_remove(tree, "sys/devices/pci0000:00/0000:00:04.0/reset_method");
	assert_int_equal(vfio_host_read(&tree->paths, &address, &d, NULL), 0);
	assert_string_equal(d.driver, "");
	assert_string_equal(d.reset, "");
	assert_int_equal(d.group, -1);
	assert_int_equal(d.range_count, 0);
	assert_int_equal(d.member_count, 1);
	/* As kernels before 5.15 say it. */
	vfio_tree_file(tree, "", "sys/devices/pci0000:00/0000:00:04.0/reset");
	assert_int_equal(vfio_host_read(&tree->paths, &address, &d, NULL), 0);
	assert_string_equal(d.reset, "reset");
}

TEST_WITH(a_group_of_vfios_no_iommu_mode_is_none, setup, teardown)
{
	struct vfio_tree *tree = *state;
	struct vfio_address address = vfio_tree_address("00:04.0");
	struct vfio_host_device d;

	vfio_tree_device(tree, "0000:00:04.0", "0x010802\n", "vfio-pci", 0);
	vfio_tree_file(tree, "vfio-noiommu\n", "sys/kernel/iommu_groups/0/name");
	assert_int_equal(vfio_host_read(&tree->paths, &address, &d, NULL), 0);
	assert_int_equal(d.group, -1);
}

TEST_WITH(members_of_a_group_are_sorted_and_of_pci, setup, teardown)
{
	struct vfio_tree *tree = *state;
	struct vfio_address address = vfio_tree_address("00:08.1");
	struct vfio_host_device d;

	vfio_tree_device(tree, "0000:00:08.1", "0x00ff00\n", "", 3);
	vfio_tree_device(tree, "0000:00:08.0", "0x00ff00\n", "", 3);
	vfio_tree_device(tree, "0000:00:01.0", "0x060400\n", "pcieport", 3);
	vfio_tree_link(tree, "/nowhere", "sys/kernel/iommu_groups/3/devices/fb000000.dma");
	assert_int_equal(vfio_host_read(&tree->paths, &address, &d, NULL), 0);
	assert_int_equal(d.member_count, 3);
	assert_int_equal(d.members[0].slot, 1);
	assert_int_equal(d.members[1].function, 0);
	assert_int_equal(d.members[2].function, 1);
}

TEST_WITH(a_bridge_is_known_by_its_header_or_else_its_class, setup, teardown)
{
	struct vfio_tree *tree = *state;
	struct vfio_address bridge = vfio_tree_address("00:01.0");
	struct vfio_host_device d;

	vfio_tree_device(tree, "0000:00:01.0", "0x060400\n", "pcieport", 0);
	assert_int_equal(vfio_host_read(&tree->paths, &bridge, &d, NULL), 0);
	assert_true(d.is_bridge);
	/* An ISA bridge has a device's header. */
	vfio_tree_device(tree, "0000:00:01.0", "0x060100\n", "lpc_ich", 0);
	assert_int_equal(vfio_host_read(&tree->paths, &bridge, &d, NULL), 0);
	assert_false(d.is_bridge);
	vfio_tree_file(tree, "12345678901234\x81x", "sys/devices/pci0000:00/0000:00:01.0/config");
	assert_int_equal(vfio_host_read(&tree->paths, &bridge, &d, NULL), 0);
	assert_true(d.is_bridge);
}

TEST_WITH(reserved_regions_keep_their_kinds, setup, teardown)
{
	struct vfio_tree *tree = *state;
	struct vfio_address address = vfio_tree_address("00:04.0");
	struct vfio_host_device d;

	vfio_tree_device(tree, "0000:00:04.0", "0x010802\n", "nvme", 7);
	vfio_tree_file(tree,
		       "0x0000000000000000 0x0000000000ffffff direct-relaxable\n"
		       "0x000000007b000000 0x000000007fffffff direct\n"
		       "0x00000000fee00000 0x00000000feefffff msi\n"
		       "0x000000fd00000000 0x000000ffffffffff reserved\n"
		       "0x0001000000000000 0xffffffffffffffff what-comes-next\n",
		       "sys/kernel/iommu_groups/7/reserved_regions");
	assert_int_equal(vfio_host_read(&tree->paths, &address, &d, NULL), 0);
	assert_int_equal(d.range_count, 5);
	assert_int_equal(d.ranges[0].kind, DMA_RANGE_DIRECT_RELAXED);
	assert_int_equal(d.ranges[1].kind, DMA_RANGE_DIRECT);
	assert_int_equal(d.ranges[1].start, 0x7b000000);
	assert_int_equal(d.ranges[1].last, 0x7fffffff);
	assert_int_equal(d.ranges[2].kind, DMA_RANGE_MSI);
	assert_int_equal(d.ranges[3].kind, DMA_RANGE_RESERVED);
	assert_int_equal(d.ranges[4].kind, DMA_RANGE_RESERVED);
	assert_true(d.ranges[4].last == UINT64_MAX);
}

TEST_WITH(regions_that_cannot_be_read_are_refused, setup, teardown)
{
	struct vfio_tree *tree = *state;
	struct vfio_address address = vfio_tree_address("00:04.0");
	char many[64 * (VFIO_MAX_RANGES + 1)] = "";
	struct vfio_host_device d;
	struct error err = { "" };

	vfio_tree_device(tree, "0000:00:04.0", "0x010802\n", "nvme", 7);
	vfio_tree_file(tree, "0x2000 0x1000 msi\n", "sys/kernel/iommu_groups/7/reserved_regions");
	assert_int_equal(vfio_host_read(&tree->paths, &address, &d, &err), -EIO);
	assert_non_null(strstr(err.text, "reserved_regions"));
	for (unsigned i = 0; i <= VFIO_MAX_RANGES; i++)
		strcat(many, "0x1000 0x1fff msi\n");
	vfio_tree_file(tree, many, "sys/kernel/iommu_groups/7/reserved_regions");
	assert_int_equal(vfio_host_read(&tree->paths, &address, &d, NULL), -E2BIG);
	assert_int_equal(d.range_count, VFIO_MAX_RANGES);
}

TEST_WITH(a_group_of_too_many_members_is_refused, setup, teardown)
{
	struct vfio_tree *tree = *state;
	struct vfio_address address = vfio_tree_address("00:00.0");
	struct vfio_host_device d;
	char name[VFIO_ADDRESS_TEXT];

	for (unsigned i = 0; i <= VFIO_MAX_MEMBERS; i++) {
		vfio_address_format(&(struct vfio_address){ 0, 0, i / 8, i % 8 }, name);
		vfio_tree_device(tree, name, "0x00ff00\n", "", 1);
	}
	assert_int_equal(vfio_host_read(&tree->paths, &address, &d, NULL), -E2BIG);
}

TEST_WITH(the_list_is_sorted_and_whole, setup, teardown)
{
	struct vfio_tree *tree = *state;
	struct vfio_host_device *devices;
	unsigned count;

	vfio_tree_device(tree, "0001:00:00.0", "0x00ff00\n", "", -1);
	vfio_tree_device(tree, "0000:02:00.0", "0x00ff00\n", "", -1);
	vfio_tree_device(tree, "0000:00:1f.2", "0x00ff00\n", "", -1);
	vfio_tree_device(tree, "10000:00:00.0", "0x00ff00\n", "", -1);
	assert_int_equal(vfio_host_list(&tree->paths, &devices, &count, NULL), 0);
	assert_int_equal(count, 3);
	assert_int_equal(devices[0].address.slot, 0x1f);
	assert_int_equal(devices[1].address.bus, 2);
	assert_int_equal(devices[2].address.domain, 1);
	free(devices);
}

TEST_WITH(a_host_without_pci_has_an_empty_list, setup, teardown)
{
	struct vfio_tree *tree = *state;
	struct vfio_host_device *devices;
	unsigned count;

	vfio_tree_remove(tree, "sys/bus");
	assert_int_equal(vfio_host_list(&tree->paths, &devices, &count, NULL), 0);
	assert_int_equal(count, 0);
	free(devices);
}

TEST_WITH(drivers_that_are_vfios_are_known, setup, teardown)
{
	assert_true(vfio_host_is_vfio_driver("vfio-pci"));
	assert_true(vfio_host_is_vfio_driver("mlx5_vfio_pci"));
	assert_true(vfio_host_is_vfio_driver("nvgrace-gpu-vfio-pci"));
	assert_false(vfio_host_is_vfio_driver(""));
	assert_false(vfio_host_is_vfio_driver("nvme"));
	assert_false(vfio_host_is_vfio_driver("virtio-pci"));
}
