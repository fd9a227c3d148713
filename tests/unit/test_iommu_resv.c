/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/virtio_iommu.h>

#include "test.h"
#include "iommu/viommu.h"

#include "../../iommu/resv.h"

/* A host like many: a hole, a doorbell, direct-mapped memory right above it. */
static const struct dma_limits host = {
	.page_size_mask = 0x40201000,
	.aperture = { 0, (1ULL << 48) - 1 },
	.count = 3,
	.ranges = { { 0x1000, 0x1fff, DMA_RANGE_HOLE },
		    { 0x2000, 0x2fff, DMA_RANGE_RESERVED },
		    { 0x08000000, 0x080fffff, DMA_RANGE_MSI } },
};

TEST(holes_and_reservations_become_one_reserved_region)
{
	struct resv resv;

	assert_int_equal(resv_init(&resv, &host, "x", NULL), 0);
	assert_int_equal(resv.count, 2);
	assert_int_equal(resv.regions[0].start, 0x1000);
	assert_int_equal(resv.regions[0].last, 0x2fff);
	assert_int_equal(resv.regions[0].kind, DMA_RANGE_RESERVED);
	assert_int_equal(resv.regions[1].kind, DMA_RANGE_MSI);
	assert_ptr_equal(resv_doorbell(&resv), &resv.regions[1]);
}

TEST(limits_that_break_their_contract_are_refused)
{
	struct dma_limits limits = host;
	struct error err = { "" };
	struct resv resv;

	limits.ranges[1].start = 0x1fff;
	assert_int_equal(resv_init(&resv, &limits, "vfio 1", &err), -EINVAL);
	assert_string_equal(err.text, "vfio 1: its reserved ranges overlap");
	limits = host;
	limits.ranges[0].kind = DMA_RANGE_MSI;
	assert_int_equal(resv_init(&resv, &limits, "x", NULL), -EINVAL);
	limits = host;
	limits.count = DMA_LIMITS_RANGES + 1;
	assert_int_equal(resv_init(&resv, &limits, "x", NULL), -EINVAL);
}

TEST(properties_are_byte_for_byte_as_specified)
{
	/* As little-endian words: type 1, length 20, subtype 0 or 1; start; end. */
	static const u64 expected[] = { 0x0000000000140001, 0x1000,	0x2fff,
					0x0000000100140001, 0x08000000, 0x080fffff };
	u8 bytes[sizeof(expected)];
	struct resv resv;

	assert_int_equal(resv_init(&resv, &host, "x", NULL), 0);
	assert_int_equal(resv_properties_size(&resv), sizeof(expected));
	resv_write_properties(&resv, bytes);
	assert_memory_equal(bytes, expected, sizeof(expected));
}

/* As the command line does with the value of --viommu; a config that was never touched. */
static int read_options(struct viommu_config *config, char *text, struct error *err)
{
	*config = (struct viommu_config){ 0 };
	option_preset(viommu_options, config);
	return option_set(&viommu_options[0], config, text, err);
}

TEST(options_are_read)
{
	char text[] = "bypass=on,max-mappings=0x100,msi=map", none[] = "";
	struct viommu_config config;

	assert_int_equal(read_options(&config, NULL, NULL), 0);
	assert_false(config.bypass || config.msi_map);
	assert_int_equal(config.max_mappings, VIOMMU_DEFAULT_MAPPINGS);
	assert_int_equal(read_options(&config, none, NULL), 0);
	assert_int_equal(read_options(&config, text, NULL), 0);
	assert_true(config.bypass && config.msi_map);
	assert_int_equal(config.max_mappings, 0x100);
}

TEST(options_of_polling_are_read)
{
	char off[] = "poll=off", none[] = "", on[] = "poll=on,poll-us=50", both[] = "poll=auto",
	     maybe[] = "poll=maybe", bare[] = "poll", zero[] = "poll-us=0",
	     long_wait[] = "poll-us=10001";
	struct viommu_config config;
	struct error err = { "" };

	assert_int_equal(read_options(&config, none, NULL), 0);
	assert_int_equal(config.poll, VIRTIO_POLL_AUTO);
	assert_int_equal(read_options(&config, off, NULL), 0);
	assert_int_equal(config.poll, VIRTIO_POLL_OFF);
	assert_int_equal(config.poll_us, VIOMMU_POLL_US);
	assert_int_equal(read_options(&config, on, NULL), 0);
	assert_int_equal(config.poll, VIRTIO_POLL_ON);
	assert_int_equal(config.poll_us, 50);
	assert_int_equal(read_options(&config, both, NULL), 0);
	assert_int_equal(config.poll, VIRTIO_POLL_AUTO);
	assert_int_equal(read_options(&config, maybe, &err), -EINVAL);
	assert_int_equal(read_options(&config, bare, NULL), -EINVAL);
	assert_int_equal(read_options(&config, zero, NULL), -EINVAL);
	assert_int_equal(read_options(&config, long_wait, &err), -EINVAL);
}

TEST(options_that_are_none_are_refused_with_a_line)
{
	char slip[] = "bypas=on", value[] = "bypass=maybe", bare[] = "msi",
	     zero[] = "max-mappings=0", twice[] = "bypass=on,bypass=off";
	struct viommu_config config;
	struct error err = { "" };

	assert_int_equal(read_options(&config, slip, &err), -EINVAL);
	assert_string_equal(err.text, "--viommu: unknown option 'bypas': did you mean bypass?");
	assert_int_equal(read_options(&config, value, NULL), -EINVAL);
	assert_int_equal(read_options(&config, bare, NULL), -EINVAL);
	assert_int_equal(read_options(&config, zero, NULL), -EINVAL);
	assert_int_equal(read_options(&config, twice, NULL), -EINVAL);
}
