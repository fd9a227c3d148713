/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "iommu/viot.h"

static const struct device_info serial = { .name = "serial",
					   .kind = DEVICE_SERIAL,
					   .endpoint = DEVICE_NO_ENDPOINT };
static const struct device_info iommu = {
	.name = "virtio-iommu",
	.kind = DEVICE_VIRTIO_MMIO,
	.resource = { .base = 0xfe000200, .size = 0x200 },
	.endpoint = DEVICE_NO_ENDPOINT,
	.is_iommu = true,
};
static const struct device_info disk = {
	.name = "virtio-blk 0",
	.kind = DEVICE_VIRTIO_MMIO,
	.resource = { .base = 0x1fe000400, .size = 0x200 },
	.endpoint = DEVICE_PLATFORM_ENDPOINT + 7,
};

/* From ACPI 6.5's tables: nodes at 48; the IOMMU's type 4, an endpoint's type 2. */
static const u8 expected_nodes[] = {
	2,    0,    48,	  0,	0,    0,    0, 0, 0,  0, 0, 0, 4,  0, 16, 0, 0, 0,
	0,    0,    0x00, 0x02, 0x00, 0xfe, 0, 0, 0,  0, 2, 0, 24, 0, 7,  0, 0, 0x80,
	0x00, 0x04, 0x00, 0xfe, 1,    0,    0, 0, 48, 0, 0, 0, 0,  0, 0,  0,
};

TEST(the_table_is_byte_for_byte_as_specified)
{
	/* The IOMMU's node is first wherever the IOMMU is. */
	const struct device_info *devices[] = { &serial, &disk, &iommu };
	u8 *table, sum = 0;
	u32 size;

	assert_int_equal(viot_build(devices, 3, (void **)&table, &size), 0);
	assert_int_equal(size, 48 + 16 + 24);
	assert_memory_equal(table, "VIOT\x58\0\0\0\0", 9);
	assert_memory_equal(table + 36, expected_nodes, sizeof(expected_nodes));
	for (u32 i = 0; i < size; i++)
		sum += table[i];
	assert_int_equal(sum, 0);
	free(table);
}

static struct device_info function(u16 bdf, u32 endpoint)
{
	return (struct device_info){ .kind = DEVICE_PCI, .bdf = bdf, .endpoint = endpoint };
}

/* Endpoint, segments, BDFs, the IOMMU's node. */
static const u8 expected_ranges[] = {
	1, 0, 24, 0, 0x08, 0, 0, 0, 0, 0, 0, 0, 0x08, 0, 0x09, 0, 48, 0, 0, 0, 0, 0, 0, 0,
	1, 0, 24, 0, 0x18, 0, 0, 0, 0, 0, 0, 0, 0x18, 0, 0x18, 0, 48, 0, 0, 0, 0, 0, 0, 0,
	1, 0, 24, 0, 0x30, 0, 0, 0, 0, 0, 0, 0, 0x19, 0, 0x19, 0, 48, 0, 0, 0, 0, 0, 0, 0,
};

TEST(neighbours_on_pci_are_one_range)
{
	const struct device_info bridge = function(0, DEVICE_NO_ENDPOINT), a = function(8, 8),
				 b = function(9, 9), c = function(0x18, 0x18),
				 d = function(0x19, 0x30);
	const struct device_info *devices[] = { &iommu, &bridge, &a, &b, &c, &d };
	u8 *table;
	u32 size;

	assert_int_equal(viot_build(devices, ARRAY_SIZE(devices), (void **)&table, &size), 0);
	assert_int_equal(size, 48 + 16 + 3 * 24);
	assert_int_equal(table[4], size);
	assert_int_equal(table[36], 4);
	assert_memory_equal(table + 64, expected_ranges, sizeof(expected_ranges));
	free(table);
}

TEST(an_endpoint_between_two_does_not_part_them)
{
	const struct device_info a = function(8, 8), b = function(9, 9);
	const struct device_info *devices[] = { &iommu, &a, &disk, &b };
	u8 *table;
	u32 size;

	assert_int_equal(viot_build(devices, ARRAY_SIZE(devices), (void **)&table, &size), 0);
	assert_int_equal(size, 48 + 16 + 2 * 24);
	assert_int_equal(table[64 + 14], 9);
	assert_int_equal(table[88], 2);
	free(table);
}

TEST(without_an_iommu_there_is_no_table)
{
	const struct device_info *devices[] = { &serial, &disk };
	void *table;
	u32 size;

	assert_int_equal(viot_build(devices, 2, &table, &size), -EINVAL);
	assert_int_equal(viot_build(devices, 0, &table, &size), -EINVAL);
}

TEST(an_iommu_without_endpoints_is_a_table_of_one_node)
{
	const struct device_info *devices[] = { &iommu, &serial };
	u8 *table;
	u32 size;

	assert_int_equal(viot_build(devices, 2, (void **)&table, &size), 0);
	assert_int_equal(size, 64);
	assert_int_equal(table[36], 1);
	free(table);
}
