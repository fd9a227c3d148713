/* SPDX-License-Identifier: BSD-2-Clause */
#include <libfdt.h>
#include <string.h>

#include "test.h"

/* The library has it for machines with a device tree alone; here it runs on any. */
#include "../../iommu/fdt.c"

/* A tree of one node with what is added for @info. */
static int build(char *fdt, int size, const struct device_info *info, u32 phandle)
{
	assert_int_equal(fdt_create(fdt, size), 0);
	assert_int_equal(fdt_finish_reservemap(fdt), 0);
	assert_int_equal(fdt_begin_node(fdt, ""), 0);
	assert_int_equal(fdt_begin_node(fdt, "device"), 0);
	assert_int_equal(iommu_fdt_properties(fdt, info, phandle), 0);
	assert_int_equal(fdt_end_node(fdt), 0);
	assert_int_equal(fdt_end_node(fdt), 0);
	assert_int_equal(fdt_finish(fdt), 0);
	return fdt_path_offset(fdt, "/device");
}

TEST(the_iommu_is_coherent_and_named_by_one_cell)
{
	const struct device_info info = { .is_iommu = true, .endpoint = DEVICE_NO_ENDPOINT };
	char fdt[1024];
	int len, node = build(fdt, sizeof(fdt), &info, 5);
	const fdt32_t *cells = fdt_getprop(fdt, node, "#iommu-cells", &len);

	assert_int_equal(len, 4);
	assert_int_equal(fdt32_to_cpu(*cells), 1);
	assert_non_null(fdt_getprop(fdt, node, "dma-coherent", &len));
	assert_int_equal(len, 0);
	assert_null(fdt_getprop(fdt, node, "iommus", NULL));
}

TEST(an_endpoint_names_the_iommu_and_itself)
{
	const struct device_info info = { .endpoint = DEVICE_PLATFORM_ENDPOINT + 3 };
	char fdt[1024];
	int len, node = build(fdt, sizeof(fdt), &info, 5);
	const fdt32_t *iommus = fdt_getprop(fdt, node, "iommus", &len);

	assert_int_equal(len, 8);
	assert_int_equal(fdt32_to_cpu(iommus[0]), 5);
	assert_int_equal(fdt32_to_cpu(iommus[1]), 0x80000003);
	assert_null(fdt_getprop(fdt, node, "#iommu-cells", NULL));
}

TEST(what_is_not_translated_gets_no_property)
{
	const struct device_info none = { .endpoint = DEVICE_NO_ENDPOINT };
	const struct device_info endpoint = { .endpoint = DEVICE_PLATFORM_ENDPOINT };
	char fdt[1024];

	assert_true(fdt_first_property_offset(fdt, build(fdt, sizeof(fdt), &none, 5)) < 0);
	/* A machine without an IOMMU. */
	assert_true(fdt_first_property_offset(fdt, build(fdt, sizeof(fdt), &endpoint, 0)) < 0);
}

TEST(the_pci_host_maps_its_endpoints_one_by_one)
{
	const struct device_info bridge = { .bdf = 0, .endpoint = DEVICE_NO_ENDPOINT };
	const struct device_info a = { .bdf = 8, .endpoint = 8 },
				 b = { .bdf = 0x11, .endpoint = 7 };
	const struct device_info *functions[] = { &bridge, &a, &b };
	static const u32 expected[] = { 8, 5, 8, 1, 0x11, 5, 7, 1 };
	char fdt[1024];
	const fdt32_t *map;
	int len;

	assert_int_equal(fdt_create(fdt, sizeof(fdt)), 0);
	assert_int_equal(fdt_finish_reservemap(fdt), 0);
	assert_int_equal(fdt_begin_node(fdt, ""), 0);
	assert_int_equal(iommu_fdt_pci_properties(fdt, functions, 3, 5), 0);
	assert_int_equal(fdt_end_node(fdt), 0);
	assert_int_equal(fdt_finish(fdt), 0);
	map = fdt_getprop(fdt, 0, "iommu-map", &len);
	assert_int_equal(len, sizeof(expected));
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++)
		assert_int_equal(fdt32_to_cpu(map[i]), expected[i]);
}

TEST(without_endpoints_or_an_iommu_the_pci_host_has_no_map)
{
	const struct device_info bridge = { .endpoint = DEVICE_NO_ENDPOINT };
	const struct device_info a = { .bdf = 8, .endpoint = 8 };
	const struct device_info *none[] = { &bridge }, *one[] = { &a };
	char fdt[1024];

	assert_int_equal(fdt_create(fdt, sizeof(fdt)), 0);
	assert_int_equal(fdt_finish_reservemap(fdt), 0);
	assert_int_equal(fdt_begin_node(fdt, ""), 0);
	assert_int_equal(iommu_fdt_pci_properties(fdt, none, 1, 5), 0);
	assert_int_equal(iommu_fdt_pci_properties(fdt, one, 1, 0), 0);
	assert_int_equal(fdt_end_node(fdt), 0);
	assert_int_equal(fdt_finish(fdt), 0);
	assert_true(fdt_first_property_offset(fdt, 0) < 0);
}
