/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio-iommu as a device: configuration, bypass, PROBE, fault reports and
 * doorbells (virtio 1.4, "IOMMU Device"); the rules' numbers go with their order there.
 */
#include <errno.h>
#include <string.h>

#include "test.h"
#include "iommu_driver.h"
#include "vmm/irq.h"

#define OK    VIRTIO_IOMMU_S_OK
#define INVAL VIRTIO_IOMMU_S_INVAL
#define RANGE VIRTIO_IOMMU_S_RANGE
#define NOENT VIRTIO_IOMMU_S_NOENT

#define BYPASS_OFFSET 36

static struct rig the_rig;

static int start_with(void **state, const struct viommu_config *config, u64 features)
{
	rig_create(&the_rig, config);
	rig_start(&the_rig, features);
	*state = &the_rig;
	return 0;
}

static int start(void **state)
{
	return start_with(state, NULL, ALL_FEATURES);
}

static int start_attached(void **state)
{
	start(state);
	return rig_attach(*state, 1, ENDPOINT_A, 0);
}

static int start_bypassing(void **state)
{
	const struct viommu_config config = { .bypass = true, .address_bits = 40 };

	return start_with(state, &config, ALL_FEATURES);
}

static int start_bypassing_unaware(void **state)
{
	const struct viommu_config config = { .bypass = true, .address_bits = 40 };

	return start_with(state, &config, FEATURE(MAP_UNMAP));
}

static int start_msi_map(void **state)
{
	const struct viommu_config config = { .msi_map = true, .address_bits = 40 };

	start_with(state, &config, ALL_FEATURES);
	return rig_attach(*state, 1, ENDPOINT_A, 0);
}

static int start_unaware(void **state)
{
	return start_with(state, NULL, FEATURE(MAP_UNMAP));
}

/* Endpoints as a host shows them: 64K pages, 39 bits, reserved ranges. */
static const struct dma_limits host_limits = {
	.page_size_mask = 0x20010000,
	.aperture = { 0x10000, (1ull << 39) - 1 },
	.count = 3,
	.ranges = { { 0x40000000, 0x4fffffff, DMA_RANGE_HOLE },
		    { 0x50000000, 0x5000ffff, DMA_RANGE_RESERVED },
		    { 0x80000000, 0x800fffff, DMA_RANGE_MSI } },
};

#define ENDPOINT_HOST 0x80000002u

static int start_with_host_limits(void **state)
{
	struct dma_space *space;

	rig_create(&the_rig, NULL);
	assert_int_equal(viommu_add_endpoint(the_rig.viommu, ENDPOINT_HOST, "host", &host_limits,
					     NULL, &space, NULL),
			 0);
	rig_start(&the_rig, ALL_FEATURES);
	*state = &the_rig;
	return rig_attach(*state, 1, ENDPOINT_A, 0);
}

static int stop(void **state)
{
	rig_destroy(*state);
	return 0;
}

static u64 config_u64(u32 offset)
{
	return wire_config_read(the_rig.vm, 0, offset, 4) |
	       (u64)wire_config_read(the_rig.vm, 0, offset + 4, 4) << 32;
}

static u8 config_bypass(void)
{
	return wire_config_read(the_rig.vm, 0, BYPASS_OFFSET, 1);
}

/* ---- features and configuration ---- */

TEST_WITH(viommu_rule_01_map_unmap_is_offered, start, stop)
{
	assert_true(wire_features(the_rig.vm, 0) & FEATURE(MAP_UNMAP));
}

TEST_WITH(viommu_rule_02_the_old_bypass_feature_is_not_offered, start, stop)
{
	u64 features = wire_features(the_rig.vm, 0);

	assert_false(features & FEATURE(BYPASS));
	assert_true(features & FEATURE(BYPASS_CONFIG));
}

TEST_WITH(viommu_rule_03_page_sizes_of_emulated_endpoints, start, stop)
{
	assert_int_equal(config_u64(0), 0x7ffff000);
	assert_int_equal(config_u64(8), 0);
	assert_int_equal(config_u64(16), UINT64_MAX);
	assert_int_equal(wire_config_read(the_rig.vm, 0, 24, 4), 0);
}

TEST_WITH(viommu_rule_03_page_sizes_and_input_range_are_what_all_can_do, start_with_host_limits,
	  stop)
{
	assert_int_equal(config_u64(0), 0x20010000);
	assert_int_equal(config_u64(8), 0x10000);
	assert_int_equal(config_u64(16), (1ull << 39) - 1);
	assert_int_equal(rig_map(*state, 1, 0x11000, 0x11fff, 0, READ_ONLY), RANGE);
	assert_int_equal(rig_map(*state, 1, 0x10000, 0x1ffff, 0, READ_ONLY), OK);
}

TEST_WITH(a_map_outside_the_input_range_is_range, start_with_host_limits, stop)
{
	assert_int_equal(rig_map(*state, 1, 0, 0xffff, 0, READ_ONLY), RANGE);
	assert_int_equal(rig_map(*state, 1, 1ull << 39, (1ull << 39) + 0xffff, 0, READ_ONLY),
			 RANGE);
	assert_int_equal(rig_map(*state, 1, (1ull << 39) - 0x10000, (1ull << 39) - 1, 0, READ_ONLY),
			 OK);
}

TEST_WITH(viommu_rule_04_bypass_starts_at_0_unless_asked_for, start, stop)
{
	assert_int_equal(config_bypass(), 0);
	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_READ), -EFAULT);
}

TEST_WITH(viommu_rule_04_boot_bypass_reaches_memory_until_attached, start_bypassing, stop)
{
	assert_int_equal(config_bypass(), 1);
	assert_int_equal(rig_dma(the_rig.a, 0x100000, DMA_WRITE), 0);
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 0), OK);
	assert_int_equal(rig_dma(the_rig.a, 0x100000, DMA_WRITE), -EFAULT);
	assert_int_equal(rig_dma(the_rig.b, 0x100000, DMA_WRITE), 0);
	assert_int_equal(rig_detach(*state, 1, ENDPOINT_A), OK);
	assert_int_equal(rig_dma(the_rig.a, 0x100000, DMA_WRITE), 0);
}

TEST_WITH(viommu_rule_04_bypass_outlives_a_device_reset, start, stop)
{
	wire_config_write(the_rig.vm, 0, BYPASS_OFFSET, 1, 1);
	rig_restart(*state, ALL_FEATURES);
	assert_int_equal(config_bypass(), 1);
	wire_config_write(the_rig.vm, 0, BYPASS_OFFSET, 0, 1);
	rig_restart(*state, ALL_FEATURES);
	assert_int_equal(config_bypass(), 0);
}

TEST_WITH(viommu_rule_05_bypass_is_0_or_1_whatever_is_written, start, stop)
{
	wire_config_write(the_rig.vm, 0, BYPASS_OFFSET, 2, 1);
	assert_int_equal(config_bypass(), 0);
	wire_config_write(the_rig.vm, 0, BYPASS_OFFSET, 1, 1);
	wire_config_write(the_rig.vm, 0, BYPASS_OFFSET, 0xff, 1);
	assert_int_equal(config_bypass(), 1);
}

TEST_WITH(nothing_but_bypass_can_be_written, start, stop)
{
	for (u32 offset = 0; offset < 40; offset++) {
		if (offset != BYPASS_OFFSET)
			wire_config_write(the_rig.vm, 0, offset, 1, 1);
	}
	assert_int_equal(config_u64(0), 0x7ffff000);
	assert_int_equal(config_u64(16), UINT64_MAX);
	assert_int_equal(config_bypass(), 0);
}

TEST_WITH(bypass_holds_for_a_driver_that_does_not_know_it, start_bypassing_unaware, stop)
{
	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_READ), 0);
	wire_config_write(the_rig.vm, 0, BYPASS_OFFSET, 0, 1);
	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_READ), 0);
}

TEST_WITH(viommu_rule_09_an_endpoint_that_is_not_attached_reaches_nothing, start, stop)
{
	struct virtio_iommu_fault event;

	rig_offer_event(*state, sizeof(event));
	assert_int_equal(rig_dma(the_rig.b, 0x1234, DMA_READ), -EFAULT);
	assert_int_equal(rig_event(*state, &event), sizeof(event));
	assert_int_equal(event.reason, VIRTIO_IOMMU_FAULT_R_DOMAIN);
	assert_int_equal(le32toh(event.endpoint), ENDPOINT_B);
	assert_int_equal(le64toh(event.address), 0x1234);
	assert_int_equal(rig_dma(the_rig.b, 0, DMA_WRITE), -EFAULT);
}

TEST_WITH(a_bypass_domain_reaches_all_of_ram_and_no_more, start, stop)
{
	assert_int_equal(rig_attach(*state, 3, ENDPOINT_A, VIRTIO_IOMMU_ATTACH_F_BYPASS), OK);
	assert_int_equal(rig_dma(the_rig.a, WIRE_HIGH, DMA_WRITE), 0);
	assert_int_equal(rig_dma(the_rig.a, WIRE_RAM, DMA_WRITE), -EFAULT);
	assert_int_equal(rig_dma(the_rig.a, UINT64_MAX, DMA_WRITE), -EFAULT);
}

TEST_WITH(a_reset_leaves_nothing_attached, start_attached, stop)
{
	assert_int_equal(rig_map(*state, 1, 0, 0xfff, 0, READ_WRITE), OK);
	rig_restart(*state, ALL_FEATURES);
	assert_int_equal(rig_dma(the_rig.a, 0, DMA_READ), -EFAULT);
	assert_int_equal(rig_map(*state, 1, 0, 0xfff, 0, READ_WRITE), NOENT);
	assert_int_equal(rig_counters(*state).mappings, 0);
}

TEST(the_quota_is_nomem_and_recovers)
{
	const struct viommu_config config = { .max_mappings = 3, .address_bits = 40 };

	rig_create(&the_rig, &config);
	rig_start(&the_rig, ALL_FEATURES);
	assert_int_equal(rig_attach(&the_rig, 1, ENDPOINT_A, 0), OK);
	assert_int_equal(rig_attach(&the_rig, 2, ENDPOINT_B, 0), OK);
	assert_int_equal(rig_map(&the_rig, 1, 0, 0xfff, 0, READ_ONLY), OK);
	assert_int_equal(rig_map(&the_rig, 1, 0x1000, 0x1fff, 0, READ_ONLY), OK);
	assert_int_equal(rig_map(&the_rig, 2, 0, 0xfff, 0, READ_ONLY), OK);
	assert_int_equal(rig_map(&the_rig, 2, 0x1000, 0x1fff, 0, READ_ONLY), VIRTIO_IOMMU_S_NOMEM);
	assert_int_equal(rig_map(&the_rig, 2, 0, 0xfff, 0, READ_ONLY), INVAL);
	assert_int_equal(rig_unmap(&the_rig, 1, 0, 0xfff), OK);
	assert_int_equal(rig_map(&the_rig, 2, 0x1000, 0x1fff, 0, READ_ONLY), OK);
	/* A domain that dies gives its mappings back. */
	assert_int_equal(rig_detach(&the_rig, 2, ENDPOINT_B), OK);
	assert_int_equal(rig_counters(&the_rig).mappings, 1);
	rig_destroy(&the_rig);
}

/* ---- PROBE ---- */

TEST_WITH(viommu_rule_33_probe_ignores_reserved_bytes, start, stop)
{
	struct virtio_iommu_req_probe request = { .head.type = VIRTIO_IOMMU_T_PROBE,
						  .endpoint = htole32(ENDPOINT_A) };
	u32 size = rig_probe_size(*state);
	u8 reply[256];

	memset(request.reserved, 0xff, sizeof(request.reserved));
	assert_int_equal(rig_send(*state, &request, sizeof(request), reply, size + 4), size + 4);
	assert_int_equal(reply[size], OK);
}

TEST_WITH(viommu_rule_34_probe_of_no_endpoint_is_noent, start, stop)
{
	u8 properties[256];

	assert_int_equal(rig_probe(*state, NO_ENDPOINT, properties), NOENT);
	assert_int_equal(properties[0] | properties[1], 0);
}

TEST_WITH(viommu_rule_35_probe_without_its_feature_comes_back_unwritten, start_unaware, stop)
{
	const struct virtio_iommu_req_probe request = { .head.type = VIRTIO_IOMMU_T_PROBE,
							.endpoint = htole32(ENDPOINT_A) };
	u8 reply[128];

	assert_int_equal(rig_send(*state, &request, sizeof(request), reply, sizeof(reply)), 0);
	assert_int_equal(reply[0], 0xee);
}

TEST_WITH(viommu_rule_36_37_38_42_probe_gives_the_one_doorbell_window, start, stop)
{
	/* As little-endian words: type 1, length 20, subtype 1; start; end. */
	static const u64 expected[] = { 0x0000000100140001, DOORBELL, DOORBELL_LAST };
	u8 properties[256];

	assert_true(rig_probe_size(*state) >= sizeof(expected));
	assert_int_equal(rig_probe(*state, ENDPOINT_A, properties), OK);
	assert_memory_equal(properties, expected, sizeof(expected));
}

TEST_WITH(viommu_rule_39_a_buffer_below_probe_size_is_inval_without_properties, start, stop)
{
	const struct virtio_iommu_req_probe request = { .head.type = VIRTIO_IOMMU_T_PROBE,
							.endpoint = htole32(ENDPOINT_A) };
	u32 size = rig_probe_size(*state);
	u8 reply[256];

	for (u32 room = 0; room < size; room++) {
		assert_int_equal(rig_send(*state, &request, sizeof(request), reply, room + 4),
				 room + 4);
		for (u32 i = 0; i < room; i++)
			assert_int_equal(reply[i], 0);
		assert_int_equal(reply[room], INVAL);
	}
	for (u32 room = 0; room < 4; room++)
		assert_int_equal(rig_send(*state, &request, sizeof(request), reply, room), 0);
}

TEST_WITH(viommu_rule_40_the_rest_of_the_properties_is_zero, start, stop)
{
	u8 properties[256];

	assert_int_equal(rig_probe(*state, ENDPOINT_B, properties), OK);
	for (u32 i = 0; i < rig_probe_size(*state); i++)
		assert_int_equal(properties[i], 0);
}

TEST_WITH(viommu_rule_41_43_a_hosts_ranges_are_disjoint_properties, start_with_host_limits, stop)
{
	struct virtio_iommu_probe_resv_mem found[2];
	u8 properties[256];

	assert_true(rig_probe_size(*state) >= sizeof(found));
	assert_int_equal(rig_probe(*state, ENDPOINT_HOST, properties), OK);
	memcpy(found, properties, sizeof(found));
	assert_int_equal(found[0].subtype, VIRTIO_IOMMU_RESV_MEM_T_RESERVED);
	assert_int_equal(le64toh(found[0].start), 0x40000000);
	assert_int_equal(le64toh(found[0].end), 0x5000ffff);
	assert_int_equal(found[1].subtype, VIRTIO_IOMMU_RESV_MEM_T_MSI);
	assert_int_equal(le64toh(found[1].start), 0x80000000);
	assert_int_equal(found[0].reserved[0] | found[0].reserved[1] | found[0].reserved[2], 0);
}

TEST_WITH(a_guest_that_maps_doorbells_itself_gets_no_msi_property, start_msi_map, stop)
{
	u8 properties[256];

	assert_int_equal(rig_probe(*state, ENDPOINT_A, properties), OK);
	assert_int_equal(properties[0], VIRTIO_IOMMU_PROBE_T_NONE);
}

/* ---- faults ---- */

TEST_WITH(viommu_rule_46_47_48_49_a_report_is_byte_for_byte_as_specified, start_attached, stop)
{
	/* As little-endian words: reason, flags ADDRESS and WRITE; endpoint; address. */
	static const u64 expected[] = { 0x102ull << 32 | VIRTIO_IOMMU_FAULT_R_MAPPING, ENDPOINT_A,
					0x12345678 };
	unsigned before = wire_interrupts(WIRE_GSI);
	struct virtio_iommu_fault event;

	rig_offer_event(*state, 64);
	assert_int_equal(rig_dma(the_rig.a, 0x12345678, DMA_WRITE), -EFAULT);
	assert_int_equal(rig_event(*state, &event), sizeof(expected));
	assert_memory_equal(&event, expected, sizeof(expected));
	assert_int_equal(wire_interrupts(WIRE_GSI), before + 1);
}

TEST_WITH(a_write_through_a_read_only_mapping_is_reported, start_attached, stop)
{
	struct virtio_iommu_fault event;

	assert_int_equal(rig_map(*state, 1, 0x1000, 0x1fff, 0x100000, READ_ONLY), OK);
	rig_offer_event(*state, sizeof(event));
	assert_int_equal(rig_dma(the_rig.a, 0x1800, DMA_WRITE), -EFAULT);
	assert_int_equal(rig_event(*state, &event), sizeof(event));
	assert_int_equal(event.reason, VIRTIO_IOMMU_FAULT_R_MAPPING);
	assert_int_equal(le32toh(event.flags),
			 VIRTIO_IOMMU_FAULT_F_WRITE | VIRTIO_IOMMU_FAULT_F_ADDRESS);
	assert_int_equal(le64toh(event.address), 0x1800);
}

TEST_WITH(viommu_rule_50_a_buffer_too_short_for_a_report_comes_back_empty, start_attached, stop)
{
	struct virtio_iommu_fault event;

	rig_offer_event(*state, sizeof(event) - 1);
	assert_int_equal(rig_dma(the_rig.a, 0, DMA_WRITE), -EFAULT);
	assert_int_equal(rig_event(*state, &event), 0);
	assert_int_equal(event.reason, 0xee);
	assert_int_equal(rig_counters(*state).reports_dropped, 1);
}

TEST_WITH(reports_without_a_buffer_are_dropped_and_counted, start_attached, stop)
{
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(rig_dma(the_rig.a, 0, DMA_READ), -EFAULT);
	assert_int_equal(rig_counters(*state).reports_dropped, 1000);
	assert_int_equal(rig_counters(*state).faults, 1000);
	assert_false(wire_has_used(&the_rig.events));
}

TEST_WITH(an_event_buffer_outside_memory_stops_the_device, start_attached, stop)
{
	const struct wire_segment segment = { WIRE_RAM, 64, true };

	wire_add(&the_rig.events, &segment, 1);
	assert_int_equal(rig_dma(the_rig.a, 0, DMA_READ), -EFAULT);
	assert_true(wire_needs_reset(the_rig.vm, 0));
	assert_int_equal(rig_dma(the_rig.a, 0, DMA_READ), -EFAULT);
}

/* ---- doorbells ---- */

TEST_WITH(viommu_rule_45_a_write_to_the_doorbell_window_is_an_msi_and_no_dma, start_attached, stop)
{
	struct msi_message msi;

	assert_int_equal(rig_signal_msi(the_rig.a, DOORBELL + 0x40, 33, 7), 0);
	assert_int_equal(wire_msis(&msi), 1);
	assert_int_equal(msi.address, DOORBELL + 0x40);
	assert_int_equal(msi.data, 33);
	assert_int_equal(msi.device_id, 7);
	assert_int_equal(rig_dma(the_rig.a, DOORBELL + 0x40, DMA_WRITE), -EFAULT);
}

TEST_WITH(a_doorbell_that_is_not_mapped_is_refused, start_attached, stop)
{
	struct virtio_iommu_fault event;

	assert_int_equal(rig_map(*state, 1, 0x1000, 0x1fff, 0x08020000, READ_WRITE), OK);
	rig_offer_event(*state, sizeof(event));
	assert_int_equal(rig_signal_msi(the_rig.a, 0x1040, 33, 7), -EFAULT);
	assert_int_equal(rig_event(*state, &event), sizeof(event));
	assert_int_equal(le64toh(event.address), 0x1040);
	assert_int_equal(wire_msis(NULL), 0);
}

TEST_WITH(a_mapped_doorbell_is_translated_and_takes_no_other_dma, start_msi_map, stop)
{
	struct msi_message msi;

	assert_int_equal(rig_map(*state, 1, DOORBELL, DOORBELL + 0xfff, 0x100000, MMIO_WRITE), OK);
	assert_int_equal(rig_signal_msi(the_rig.a, DOORBELL + 0x40, 33, 7), 0);
	assert_int_equal(wire_msis(&msi), 1);
	assert_int_equal(msi.address, 0x100040);
	/* There happens to be RAM. */
	assert_int_equal(rig_dma(the_rig.a, DOORBELL, DMA_WRITE), -EFAULT);
	assert_int_equal(rig_unmap(*state, 1, DOORBELL, DOORBELL + 0xfff), OK);
	assert_int_equal(rig_signal_msi(the_rig.a, DOORBELL + 0x40, 33, 7), -EFAULT);
}

TEST_WITH(in_bypass_a_doorbell_is_where_it_is, start_bypassing, stop)
{
	struct msi_message msi;

	assert_int_equal(rig_signal_msi(the_rig.b, 0x08020040, 1, 2), 0);
	assert_int_equal(wire_msis(&msi), 1);
	assert_int_equal(msi.address, 0x08020040);
}

/* ---- building ---- */

TEST(endpoints_that_no_guest_could_use_are_refused)
{
	struct dma_limits limits = host_limits;
	struct error err = { "" };
	struct dma_space *space;

	rig_create(&the_rig, NULL);
	limits.page_size_mask = 1ull << 40;
	assert_int_equal(viommu_add_endpoint(the_rig.viommu, 5, "big", &limits, NULL, &space, &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "big: its page sizes"));
	assert_int_equal(viommu_add_endpoint(the_rig.viommu, ENDPOINT_A, "again", &host_limits,
					     NULL, &space, NULL),
			 -EEXIST);
	rig_start(&the_rig, ALL_FEATURES);
	assert_int_equal(config_u64(0), 0x7ffff000);
	rig_destroy(&the_rig);
}
