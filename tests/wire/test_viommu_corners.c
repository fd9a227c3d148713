/* SPDX-License-Identifier: BSD-2-Clause */
/* What guests and hosts may do to a virtio-iommu and seldom do. */
#include <errno.h>
#include <string.h>

#include "catch.h"
#include "iommu_driver.h"
#include "test.h"

#define OK     VIRTIO_IOMMU_S_OK
#define DEVERR VIRTIO_IOMMU_S_DEVERR
#define BYPASS offsetof(struct virtio_iommu_config, bypass)

static struct rig the_rig;
static struct mirror host;
static struct dma_space *behind; /* the endpoint with the host */
static const struct viommu_config bypassing = { .bypass = true, .address_bits = 40 };

static int start(void **state)
{
	rig_create(&the_rig, NULL);
	rig_start(&the_rig, ALL_FEATURES);
	return 0;
}

static int start_bypassing(void **state)
{
	mirror_init(&host);
	rig_create(&the_rig, &bypassing);
	behind = rig_add_mirror(&the_rig, 0x10, &host);
	rig_start(&the_rig, ALL_FEATURES);
	return 0;
}

static int stop(void **state)
{
	rig_destroy(&the_rig);
	return 0;
}

/* ---- answers that cannot be written ---- */

static void ask_with(const void *request, u32 size, const struct wire_segment *reply,
		     unsigned replies)
{
	struct wire_segment segments[4] = { { RIG_REQUEST, size, false } };

	wire_write(the_rig.vm, RIG_REQUEST, request, size);
	memcpy(segments + 1, reply, replies * sizeof(*reply));
	wire_add(&the_rig.requests, segments, replies + 1);
	wire_kick(&the_rig.requests);
}

static const struct virtio_iommu_req_attach attach = { .head.type = VIRTIO_IOMMU_T_ATTACH,
						       .domain = 1,
						       .endpoint = ENDPOINT_A };
#define ATTACH_SIZE offsetof(struct virtio_iommu_req_attach, tail)

TEST_WITH(a_status_outside_memory_stops_the_device_alone, start, stop)
{
	const struct wire_segment outside = { WIRE_RAM, 4, true };

	ask_with(&attach, ATTACH_SIZE, &outside, 1);
	assert_true(wire_needs_reset(the_rig.vm, 0));
	rig_restart(&the_rig, ALL_FEATURES);
	assert_int_equal(rig_attach(&the_rig, 2, ENDPOINT_A, 0), OK);
}

TEST_WITH(a_status_that_leaves_memory_stops_the_device_alone, start, stop)
{
	const struct wire_segment over_the_end = { WIRE_RAM - 2, 4, true };

	ask_with(&attach, ATTACH_SIZE, &over_the_end, 1);
	assert_true(wire_needs_reset(the_rig.vm, 0));
	rig_restart(&the_rig, ALL_FEATURES);
	assert_int_equal(rig_attach(&the_rig, 2, ENDPOINT_A, 0), OK);
}

TEST_WITH(properties_outside_memory_are_a_device_error, start, stop)
{
	struct virtio_iommu_req_probe probe = { .head.type = VIRTIO_IOMMU_T_PROBE,
						.endpoint = htole32(ENDPOINT_A) };
	u32 size = rig_probe_size(&the_rig) - 4;
	const struct wire_segment reply[] = { { WIRE_RAM, size, true }, { RIG_REPLY, 4, true } };
	u8 status;

	wire_fill(the_rig.vm, RIG_REPLY, 0xee, 4);
	ask_with(&probe, sizeof(probe), reply, 2);
	assert_true(wire_used(&the_rig.requests, NULL, NULL));
	wire_read(the_rig.vm, RIG_REPLY, &status, 1);
	assert_int_equal(status, DEVERR);
	assert_false(wire_needs_reset(the_rig.vm, 0));
}

/* ---- bypass ---- */

TEST_WITH(bypass_that_is_written_again_asks_no_host, start_bypassing, stop)
{
	unsigned before = host.calls;

	assert_true(host.bypass);
	/* It would fail. */
	mirror_fail(&host, 1, -ENOMEM);
	wire_config_write(the_rig.vm, 0, BYPASS, 1, 1);
	assert_int_equal(host.calls, before);
	assert_true(host.bypass);
	wire_config_write(the_rig.vm, 0, BYPASS, 0, 1);
	assert_false(host.bypass);
	wire_config_write(the_rig.vm, 0, BYPASS, 0, 1);
	assert_false(wire_needs_reset(the_rig.vm, 0));
}

TEST_WITH(bypass_is_no_wider_than_a_byte, start, stop)
{
	wire_config_write(the_rig.vm, 0, BYPASS, 1, 2);
	wire_config_write(the_rig.vm, 0, BYPASS, 1, 4);
	assert_int_equal(wire_config_read(the_rig.vm, 0, BYPASS, 1), 0);
	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_READ), -EFAULT);
}

TEST_WITH(a_host_that_cannot_map_memory_for_bypass_stops_the_device, start_bypassing, stop)
{
	wire_config_write(the_rig.vm, 0, BYPASS, 0, 1);
	mirror_fail(&host, 1, -ENOMEM);
	wire_config_write(the_rig.vm, 0, BYPASS, 1, 1);
	assert_true(wire_needs_reset(the_rig.vm, 0));
	rig_restart(&the_rig, ALL_FEATURES);
}

TEST_WITH(a_host_that_cannot_map_memory_after_a_reset_is_said, start_bypassing, stop)
{
	char said[400];

	assert_int_equal(rig_attach(&the_rig, 1, 0x10, 0), OK);
	assert_false(host.bypass);
	mirror_fail(&host, 1, -ENOMEM);
	host.fail_on = true;
	catch_stderr();
	rig_restart(&the_rig, ALL_FEATURES);
	caught_stderr(said, sizeof(said));
	assert_non_null(strstr(said, "its memory cannot be mapped again"));
	assert_false(host.bypass);
	/* Others have it, and so has that one when the host can. */
	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_READ), 0);
	host.fail_on = false;
	assert_int_equal(rig_attach(&the_rig, 1, 0x10, 0), OK);
}

/* ---- reports ---- */

TEST_WITH(an_msi_of_an_endpoint_in_no_domain_is_reported_so, start, stop)
{
	struct virtio_iommu_fault event;

	/* Its window begins and ends there. */
	rig_offer_event(&the_rig, sizeof(event));
	assert_int_equal(rig_signal_msi(the_rig.a, DOORBELL - 4, 1, 2), -EFAULT);
	assert_int_equal(rig_event(&the_rig, &event), sizeof(event));
	assert_int_equal(event.reason, VIRTIO_IOMMU_FAULT_R_DOMAIN);
	assert_int_equal(le64toh(event.address), DOORBELL - 4);
	rig_offer_event(&the_rig, sizeof(event));
	assert_int_equal(rig_signal_msi(the_rig.a, DOORBELL_LAST + 1, 1, 2), -EFAULT);
	assert_int_equal(rig_event(&the_rig, &event), sizeof(event));
	assert_int_equal(le64toh(event.address), DOORBELL_LAST + 1);
	assert_int_equal(wire_msis(NULL), 0);
}

TEST_WITH(reports_of_a_device_that_was_stopped_are_dropped, start, stop)
{
	const struct wire_segment outside = { WIRE_RAM, 4, true };

	rig_offer_event(&the_rig, sizeof(struct virtio_iommu_fault));
	ask_with(&attach, ATTACH_SIZE, &outside, 1);
	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_READ), -EFAULT);
	assert_int_equal(rig_counters(&the_rig).reports_dropped, 1);
	assert_false(wire_has_used(&the_rig.events));
}

TEST_WITH(a_driver_without_an_event_queue_gets_no_reports, start, stop)
{
	assert_true(wire_negotiate(the_rig.vm, 0, FEATURE(MAP_UNMAP)));
	wire_queue_init(&the_rig.requests, the_rig.vm, 0, 0, 16, 0x10000);
	wire_driver_ok(the_rig.vm, 0);
	assert_int_equal(rig_attach(&the_rig, 1, ENDPOINT_A, 0), OK);
	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_READ), -EFAULT);
	assert_int_equal(rig_counters(&the_rig).reports_dropped, 1);
	assert_false(wire_needs_reset(the_rig.vm, 0));
}

/* ---- hosts whose limits make no sense together ---- */

static int add(u32 id, const struct dma_limits *limits, struct dma_listener *listener,
	       struct error *err)
{
	struct dma_space *space;

	return viommu_add_endpoint(the_rig.viommu, id, "odd", limits, listener, &space, err);
}

TEST(endpoints_that_share_no_address_are_refused)
{
	const struct dma_limits low = { .page_size_mask = 0x1000, .aperture = { 0, 0xffff } };
	const struct dma_limits high = { .page_size_mask = 0x1000,
					 .aperture = { 0x10000, 0xffffff } };
	struct error err = { "" };

	rig_create(&the_rig, NULL);
	assert_int_equal(add(5, &low, NULL, &err), 0);
	assert_int_equal(add(6, &high, NULL, &err), -EINVAL);
	assert_string_equal(err.text, "odd: its DMA addresses are none that the other devices "
				      "have");
	rig_start(&the_rig, ALL_FEATURES);
	rig_destroy(&the_rig);
}

TEST(ranges_that_end_before_they_begin_are_refused)
{
	const struct dma_limits odd = { .page_size_mask = 0x1000,
					.aperture = { 0, UINT32_MAX },
					.count = 1,
					.ranges = { { 0x2000, 0x1fff, DMA_RANGE_RESERVED } } };
	struct error err = { "" };

	rig_create(&the_rig, NULL);
	assert_int_equal(add(5, &odd, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.text, "odd"));
	rig_start(&the_rig, ALL_FEATURES);
	rig_destroy(&the_rig);
}

TEST(a_host_that_cannot_map_all_memory_is_refused)
{
	const struct dma_limits plain = { .page_size_mask = 0x1000, .aperture = { 0, UINT64_MAX } };
	struct error err = { "" };

	mirror_init(&host);
	mirror_fail(&host, 1, -ENOSPC);
	rig_create(&the_rig, &bypassing);
	assert_int_equal(add(5, &plain, &host.listener, &err), -ENOMEM);
	assert_string_equal(err.text, "odd: the host cannot map all memory for it");
	rig_start(&the_rig, ALL_FEATURES);
	rig_destroy(&the_rig);
}
