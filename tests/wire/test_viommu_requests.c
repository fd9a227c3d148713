/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ATTACH, DETACH, MAP and UNMAP, one test for each rule of the specification
 * (virtio 1.4, "IOMMU Device"), numbered in the order in which it states them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "iommu_driver.h"

#define OK     VIRTIO_IOMMU_S_OK
#define INVAL  VIRTIO_IOMMU_S_INVAL
#define RANGE  VIRTIO_IOMMU_S_RANGE
#define NOENT  VIRTIO_IOMMU_S_NOENT
#define NOMEM  VIRTIO_IOMMU_S_NOMEM
#define UNSUPP VIRTIO_IOMMU_S_UNSUPP

#define BYPASS VIRTIO_IOMMU_ATTACH_F_BYPASS

static struct rig the_rig;

static int start(void **state)
{
	rig_create(&the_rig, NULL);
	rig_start(&the_rig, ALL_FEATURES);
	*state = &the_rig;
	return 0;
}

static int start_attached(void **state)
{
	start(state);
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 0), OK);
	return 0;
}

static int start_bare(void **state)
{
	rig_create(&the_rig, NULL);
	rig_start(&the_rig, FEATURE(MAP_UNMAP));
	*state = &the_rig;
	return rig_attach(*state, 1, ENDPOINT_A, 0);
}

static int stop(void **state)
{
	rig_destroy(*state);
	return 0;
}

/* ---- requests as such ---- */

TEST_WITH(viommu_rule_07_an_unknown_type_comes_back_unwritten, start, stop)
{
	static const u8 types[] = { 0, 6, 0x7f, 0xff };
	u8 reply[4];

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		const u8 request[64] = { types[i] };

		assert_int_equal(rig_send(*state, request, sizeof(request), reply, 4), 0);
		assert_int_equal(reply[0], 0xee);
	}
	assert_false(wire_needs_reset(the_rig.vm, 0));
	assert_int_equal(rig_counters(*state).refused, 4);
}

TEST_WITH(viommu_rule_07_a_request_that_is_too_short_comes_back_unwritten, start, stop)
{
	struct virtio_iommu_req_attach request = { .head.type = VIRTIO_IOMMU_T_ATTACH,
						   .domain = htole32(2),
						   .endpoint = htole32(ENDPOINT_B) };
	u8 reply[4];

	for (u32 size = 1; size < 20; size++)
		assert_int_equal(rig_send(*state, &request, size, reply, 4), 0);
	for (u32 size = 0; size < 4; size++)
		assert_int_equal(rig_send(*state, &request, 20, reply, size), 0);
	/* None of them was carried out. */
	assert_int_equal(rig_map(*state, 2, 0, 0xfff, 0, READ_ONLY), NOENT);
	assert_int_equal(rig_send(*state, &request, 20, reply, 4), 4);
	assert_int_equal(reply[0], OK);
}

TEST_WITH(viommu_rule_08_the_heads_reserved_bytes_are_ignored, start, stop)
{
	struct virtio_iommu_req_attach request = { .head = { VIRTIO_IOMMU_T_ATTACH, { 1, 2, 3 } },
						   .domain = htole32(1),
						   .endpoint = htole32(ENDPOINT_B) };
	static const u8 expected[4] = { OK };
	u8 reply[4];

	assert_int_equal(rig_send(*state, &request, 20, reply, 4), 4);
	assert_memory_equal(reply, expected, 4);
}

TEST_WITH(a_request_may_come_in_single_bytes, start, stop)
{
	const struct virtio_iommu_req_attach request = { .head.type = VIRTIO_IOMMU_T_ATTACH,
							 .domain = htole32(9),
							 .endpoint = htole32(ENDPOINT_A) };
	struct wire_segment segments[24];
	u8 status = 0xee;
	u32 len;

	wire_write(the_rig.vm, RIG_REQUEST, &request, 20);
	for (unsigned i = 0; i < 24; i++)
		segments[i] = (struct wire_segment){ RIG_REQUEST + i, 1, i >= 20 };
	wire_add(&the_rig.requests, segments, 24);
	wire_kick(&the_rig.requests);
	assert_true(wire_used(&the_rig.requests, NULL, &len));
	assert_int_equal(len, 4);
	wire_read(the_rig.vm, RIG_REQUEST + 20, &status, 1);
	assert_int_equal(status, OK);
	assert_int_equal(rig_map(*state, 9, 0, 0xfff, 0, READ_ONLY), OK);
}

TEST_WITH(many_requests_of_one_kick_are_one_interrupt, start, stop)
{
	const struct virtio_iommu_req_attach request = { .head.type = VIRTIO_IOMMU_T_ATTACH,
							 .domain = htole32(9),
							 .endpoint = htole32(ENDPOINT_A) };
	const struct wire_segment segments[] = { { RIG_REQUEST, 20, false },
						 { RIG_REPLY, 4, true } };
	unsigned before = wire_interrupts(WIRE_GSI);

	wire_write(the_rig.vm, RIG_REQUEST, &request, 20);
	for (unsigned i = 0; i < 100; i++)
		wire_add(&the_rig.requests, segments, 2);
	wire_kick(&the_rig.requests);
	for (unsigned i = 0; i < 100; i++)
		assert_true(wire_used(&the_rig.requests, NULL, NULL));
	assert_int_equal(wire_interrupts(WIRE_GSI), before + 1);
}

TEST_WITH(a_reply_outside_memory_stops_the_device_alone, start, stop)
{
	const struct virtio_iommu_req_head request = { .type = VIRTIO_IOMMU_T_PROBE };
	const struct wire_segment segments[] = { { WIRE_RAM - 4, 72, false },
						 { RIG_REPLY, 128, true } };

	wire_write(the_rig.vm, WIRE_RAM - 4, &request, 4);
	wire_add(&the_rig.requests, segments, 2);
	wire_kick(&the_rig.requests);
	assert_false(wire_used(&the_rig.requests, NULL, NULL));
	assert_true(wire_needs_reset(the_rig.vm, 0));
	rig_restart(*state, ALL_FEATURES);
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 0), OK);
}

/* Numbers that are near each other, or at an edge: most requests get past the first check. */
static u64 random_address(unsigned *seed)
{
	static const u64 edges[] = {
		0, 0xfff, UINT64_MAX, UINT64_MAX - 0xfff, DOORBELL, WIRE_HIGH
	};
	u64 page = rand_r(seed) % 16;

	switch (rand_r(seed) % 4) {
	case 0:
		return edges[rand_r(seed) % ARRAY_SIZE(edges)];
	case 1:
		return page << 12;
	default:
		return page << 12 | 0xfff;
	}
}

TEST_WITH(random_requests_harm_nothing, start, stop)
{
	unsigned seed = 7;

	for (unsigned i = 0; i < 20000; i++) {
		u32 domain = rand_r(&seed) % 3, endpoint = ENDPOINT_A + rand_r(&seed) % 3;
		u64 start_at = random_address(&seed), last = random_address(&seed);

		if (start_at > last && rand_r(&seed) % 8) {
			u64 swap = start_at;

			start_at = last;
			last = swap;
		}
		switch (rand_r(&seed) % 8) {
		case 0:
			rig_attach(*state, domain, endpoint, rand_r(&seed) % 2);
			break;
		case 1:
			rig_detach(*state, domain, endpoint);
			break;
		case 2:
			rig_unmap(*state, domain, start_at, last);
			break;
		case 3:
			rig_dma(the_rig.a, start_at, DMA_READ);
			break;
		default:
			rig_map(*state, domain, start_at & ~0xfffull, last, start_at & ~0xfffull,
				rand_r(&seed) % 8);
		}
	}
	assert_false(wire_needs_reset(the_rig.vm, 0));
	assert_true(rig_counters(*state).maps > 300);
}

/* ---- ATTACH ---- */

TEST_WITH(viommu_rule_06_success_is_status_ok, start, stop)
{
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 0), 0);
	assert_int_equal(rig_counters(*state).attaches, 1);
}

TEST_WITH(viommu_rule_10_attach_with_reserved_bytes_is_inval, start, stop)
{
	struct virtio_iommu_req_attach request = { .head.type = VIRTIO_IOMMU_T_ATTACH,
						   .domain = htole32(2),
						   .endpoint = htole32(ENDPOINT_B),
						   .reserved = { 0, 0, 0, 1 } };
	u8 reply[4];

	assert_int_equal(rig_send(*state, &request, 20, reply, 4), 4);
	assert_int_equal(reply[0], INVAL);
	assert_int_equal(rig_map(*state, 2, 0, 0xfff, 0, READ_ONLY), NOENT);
}

TEST_WITH(viommu_rule_11_an_unknown_attach_flag_is_inval, start, stop)
{
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 2), INVAL);
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 1u << 31), INVAL);
}

TEST_WITH(viommu_rule_11_the_bypass_flag_is_unknown_without_its_feature, start_bare, stop)
{
	assert_int_equal(rig_attach(*state, 2, ENDPOINT_B, BYPASS), INVAL);
}

TEST_WITH(viommu_rule_12_attach_of_no_endpoint_is_noent, start, stop)
{
	assert_int_equal(rig_attach(*state, 1, NO_ENDPOINT, 0), NOENT);
	assert_int_equal(rig_attach(*state, 1, 0, 0), NOENT);
}

TEST_WITH(viommu_rule_13_endpoints_share_a_domain, start_attached, stop)
{
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_B, 0), OK);
	assert_int_equal(rig_map(*state, 1, 0x1000, 0x1fff, 0x100000, READ_WRITE), OK);
	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_WRITE), 0);
	assert_int_equal(rig_dma(the_rig.b, 0x1000, DMA_WRITE), 0);
}

TEST_WITH(viommu_rule_14_a_bypass_flag_that_disagrees_with_the_domain_is_inval, start_attached,
	  stop)
{
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_B, BYPASS), INVAL);
	assert_int_equal(rig_attach(*state, 2, ENDPOINT_B, BYPASS), OK);
	assert_int_equal(rig_attach(*state, 2, ENDPOINT_A, 0), INVAL);
	/* A refused move leaves the endpoint where it was. */
	assert_int_equal(rig_map(*state, 1, 0x1000, 0x1fff, 0x100000, READ_WRITE), OK);
	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_READ), 0);
}

TEST_WITH(viommu_rule_15_attach_elsewhere_leaves_the_old_domain, start_attached, stop)
{
	assert_int_equal(rig_map(*state, 1, 0x1000, 0x1fff, 0x100000, READ_WRITE), OK);
	assert_int_equal(rig_attach(*state, 2, ENDPOINT_A, 0), OK);
	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_READ), -EFAULT);
	assert_int_equal(rig_unmap(*state, 1, 0, UINT64_MAX), NOENT);
	assert_int_equal(rig_counters(*state).mappings, 0);
	/* Where it is already is no move. */
	assert_int_equal(rig_map(*state, 2, 0x1000, 0x1fff, 0x100000, READ_WRITE), OK);
	assert_int_equal(rig_attach(*state, 2, ENDPOINT_A, 0), OK);
	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_READ), 0);
}

TEST_WITH(viommu_rule_16_a_domain_mapped_over_the_endpoints_doorbell_is_unsupp, start_attached,
	  stop)
{
	assert_int_equal(rig_attach(*state, 2, ENDPOINT_B, 0), OK);
	assert_int_equal(rig_map(*state, 2, DOORBELL, DOORBELL + 0xfff, 0, READ_WRITE), OK);
	assert_int_equal(rig_map(*state, 1, 0, 0xfff, 0, READ_WRITE), OK);
	assert_int_equal(rig_attach(*state, 2, ENDPOINT_A, 0), UNSUPP);
	assert_int_equal(rig_dma(the_rig.a, 0, DMA_READ), 0);
}

TEST_WITH(viommu_rule_17_who_joins_a_domain_finds_its_mappings, start_attached, stop)
{
	assert_int_equal(rig_map(*state, 1, 0x1000, 0x1fff, 0x100000, READ_WRITE), OK);
	assert_int_equal(rig_dma(the_rig.b, 0x1000, DMA_READ), -EFAULT);
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_B, 0), OK);
	assert_int_equal(rig_dma(the_rig.b, 0x1000, DMA_READ), 0);
}

TEST_WITH(a_domain_outside_domain_range_is_range, start, stop)
{
	u32 last = wire_config_read(the_rig.vm, 0, 28, 4);

	assert_int_equal(rig_attach(*state, last, ENDPOINT_A, 0), OK);
	assert_int_equal(rig_attach(*state, last + 1, ENDPOINT_A, 0), RANGE);
	assert_int_equal(rig_detach(*state, last + 1, ENDPOINT_A), RANGE);
	assert_int_equal(rig_map(*state, UINT32_MAX, 0, 0xfff, 0, READ_ONLY), RANGE);
	assert_int_equal(rig_unmap(*state, UINT32_MAX, 0, 0xfff), RANGE);
}

/* ---- DETACH ---- */

TEST_WITH(viommu_rule_18_detach_ignores_reserved_bytes, start_attached, stop)
{
	struct virtio_iommu_req_detach request = { .head.type = VIRTIO_IOMMU_T_DETACH,
						   .domain = htole32(1),
						   .endpoint = htole32(ENDPOINT_A),
						   .reserved = { 1, 2, 3, 4, 5, 6, 7, 8 } };
	u8 reply[4];

	assert_int_equal(rig_send(*state, &request, 20, reply, 4), 4);
	assert_int_equal(reply[0], OK);
}

TEST_WITH(viommu_rule_19_detach_of_no_endpoint_is_noent, start_attached, stop)
{
	assert_int_equal(rig_detach(*state, 1, NO_ENDPOINT), NOENT);
}

TEST_WITH(viommu_rule_20_detach_from_another_domain_is_inval, start_attached, stop)
{
	assert_int_equal(rig_detach(*state, 2, ENDPOINT_A), INVAL);
	assert_int_equal(rig_detach(*state, 1, ENDPOINT_B), INVAL);
	assert_int_equal(rig_map(*state, 1, 0, 0xfff, 0, READ_WRITE), OK);
	assert_int_equal(rig_dma(the_rig.a, 0, DMA_READ), 0);
}

TEST_WITH(viommu_rule_21_after_detach_no_mapping_is_reached, start_attached, stop)
{
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_B, 0), OK);
	assert_int_equal(rig_map(*state, 1, 0, 0xfff, 0x100000, READ_WRITE), OK);
	assert_int_equal(rig_detach(*state, 1, ENDPOINT_A), OK);
	assert_int_equal(rig_dma(the_rig.a, 0, DMA_READ), -EFAULT);
	assert_int_equal(rig_dma(the_rig.b, 0, DMA_READ), 0);
	/* The domain dies with its last endpoint. */
	assert_int_equal(rig_detach(*state, 1, ENDPOINT_B), OK);
	assert_int_equal(rig_map(*state, 1, 0x1000, 0x1fff, 0, READ_WRITE), NOENT);
	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 0), OK);
	assert_int_equal(rig_dma(the_rig.a, 0, DMA_READ), -EFAULT);
}

/* ---- MAP ---- */

TEST_WITH(viommu_rule_22_misaligned_map_is_range, start_attached, stop)
{
	assert_int_equal(rig_map(*state, 1, 0x800, 0x1fff, 0, READ_ONLY), RANGE);
	assert_int_equal(rig_map(*state, 1, 0, 0x17ff, 0, READ_ONLY), RANGE);
	assert_int_equal(rig_map(*state, 1, 0, 0x1000, 0, READ_ONLY), RANGE);
	assert_int_equal(rig_map(*state, 1, 0, 0xfff, 0x800, READ_ONLY), RANGE);
	assert_int_equal(rig_counters(*state).mappings, 0);
}

TEST_WITH(viommu_rule_23_overlapping_map_is_inval, start_attached, stop)
{
	assert_int_equal(rig_map(*state, 1, 0x1000, 0x2fff, 0, READ_ONLY), OK);
	assert_int_equal(rig_map(*state, 1, 0x1000, 0x2fff, 0, READ_ONLY), INVAL);
	assert_int_equal(rig_map(*state, 1, 0, 0x1fff, 0, READ_ONLY), INVAL);
	assert_int_equal(rig_map(*state, 1, 0x2000, 0x3fff, 0, READ_ONLY), INVAL);
	assert_int_equal(rig_map(*state, 1, 0, 0xffff, 0, READ_ONLY), INVAL);
	assert_int_equal(rig_counters(*state).mappings, 1);
}

TEST_WITH(viommu_rule_24_an_unknown_map_flag_is_inval, start_attached, stop)
{
	assert_int_equal(rig_map(*state, 1, 0, 0xfff, 0, READ_ONLY | 8), INVAL);
	assert_int_equal(rig_map(*state, 1, 0, 0xfff, 0, 1u << 31), INVAL);
}

TEST_WITH(viommu_rule_24_the_mmio_flag_is_unknown_without_its_feature, start_bare, stop)
{
	assert_int_equal(rig_map(*state, 1, 0, 0xfff, 0, MMIO_WRITE), INVAL);
	assert_int_equal(rig_map(*state, 1, 0, 0xfff, 0, WRITE_ONLY), OK);
}

TEST_WITH(viommu_rule_25_map_in_no_domain_is_noent, start, stop)
{
	assert_int_equal(rig_map(*state, 7, 0, 0xfff, 0, READ_ONLY), NOENT);
}

TEST_WITH(viommu_rule_26_map_in_a_bypass_domain_is_inval, start, stop)
{
	assert_int_equal(rig_attach(*state, 2, ENDPOINT_B, BYPASS), OK);
	assert_int_equal(rig_map(*state, 2, 0, 0xfff, 0, READ_ONLY), INVAL);
}

TEST_WITH(viommu_rule_27_no_access_that_a_mapping_does_not_allow, start_attached, stop)
{
	assert_int_equal(rig_map(*state, 1, 0x1000, 0x1fff, 0x100000, READ_ONLY), OK);
	assert_int_equal(rig_map(*state, 1, 0x2000, 0x2fff, 0x101000, WRITE_ONLY), OK);
	assert_int_equal(rig_map(*state, 1, 0x3000, 0x3fff, 0x102000, 0), OK);
	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_READ), 0);
	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_WRITE), -EFAULT);
	assert_int_equal(rig_dma(the_rig.a, 0x2000, DMA_READ), -EFAULT);
	assert_int_equal(rig_dma(the_rig.a, 0x2000, DMA_WRITE), 0);
	assert_int_equal(rig_dma(the_rig.a, 0x3000, DMA_READ), -EFAULT);
	assert_int_equal(rig_dma(the_rig.a, 0x3000, DMA_WRITE), -EFAULT);
}

TEST_WITH(viommu_rule_44_map_over_a_reserved_region_is_inval, start_attached, stop)
{
	assert_int_equal(rig_map(*state, 1, DOORBELL, DOORBELL + 0xfff, 0, READ_ONLY), INVAL);
	assert_int_equal(rig_map(*state, 1, 0, DOORBELL_LAST, 0, READ_ONLY), INVAL);
	assert_int_equal(
		rig_map(*state, 1, DOORBELL_LAST - 0xfff, DOORBELL_LAST + 0x1000, 0, READ_ONLY),
		INVAL);
	assert_int_equal(rig_map(*state, 1, DOORBELL - 0x1000, DOORBELL - 1, 0, READ_ONLY), OK);
	assert_int_equal(
		rig_map(*state, 1, DOORBELL_LAST + 1, DOORBELL_LAST + 0x1000, 0, READ_ONLY), OK);
}

TEST_WITH(map_at_the_end_of_the_address_space, start_attached, stop)
{
	const iova_t page = UINT64_MAX - 0xfff;
	u8 data[2];

	assert_int_equal(rig_map(*state, 1, page, UINT64_MAX, 0x100000, READ_WRITE), OK);
	assert_int_equal(rig_dma(the_rig.a, UINT64_MAX, DMA_WRITE), 0);
	assert_int_equal(dma_read(the_rig.a, UINT64_MAX, data, 2), -EFAULT);
	assert_int_equal(rig_unmap(*state, 1, 0, UINT64_MAX - 1), RANGE);
	assert_int_equal(rig_unmap(*state, 1, 0, UINT64_MAX), OK);
	assert_int_equal(rig_counters(*state).mappings, 0);
}

TEST_WITH(map_of_an_end_before_its_start_is_inval, start_attached, stop)
{
	assert_int_equal(rig_map(*state, 1, 0x2000, 0x0fff, 0, READ_ONLY), INVAL);
	assert_int_equal(rig_map(*state, 1, 0x1000, 0x0fff, 0, READ_ONLY), INVAL);
	assert_int_equal(rig_unmap(*state, 1, 0x1000, 0x0fff), INVAL);
}

TEST_WITH(map_to_physical_addresses_that_do_not_exist_is_range, start_attached, stop)
{
	assert_int_equal(rig_map(*state, 1, 0, 0x1fff, UINT64_MAX - 0xfff, READ_ONLY), RANGE);
	assert_int_equal(rig_map(*state, 1, 0, UINT64_MAX, 0x1000, READ_ONLY), RANGE);
	assert_int_equal(rig_map(*state, 1, 0, 0xfff, 1ull << 40, READ_ONLY), RANGE);
	assert_int_equal(rig_map(*state, 1, 0, 0xfff, (1ull << 40) - 0x1000, READ_ONLY), OK);
}

TEST_WITH(a_mapping_of_what_is_no_memory_faults_when_used, start_attached, stop)
{
	assert_int_equal(rig_map(*state, 1, 0, 0x1fff, WIRE_RAM - 0x1000, READ_WRITE), OK);
	assert_int_equal(rig_dma(the_rig.a, 0xfff, DMA_WRITE), 0);
	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_WRITE), -EFAULT);
	assert_int_equal(rig_counters(*state).faults, 1);
}

TEST_WITH(a_buffer_may_cross_mappings, start_attached, stop)
{
	u8 data[0x3000], back[0x3000];
	struct iovec iov[4];

	memset(data, 0x77, sizeof(data));
	assert_int_equal(rig_map(*state, 1, 0x1000, 0x1fff, 0x102000, READ_WRITE), OK);
	assert_int_equal(rig_map(*state, 1, 0x2000, 0x2fff, 0x100000, READ_WRITE), OK);
	assert_int_equal(rig_map(*state, 1, 0x3000, 0x3fff, WIRE_HIGH, READ_ONLY), OK);
	assert_int_equal(dma_write(the_rig.a, 0x1800, data, 0x1000), 0);
	assert_int_equal(dma_write(the_rig.a, 0x1800, data, 0x1801), -EFAULT);
	assert_int_equal(dma_read(the_rig.a, 0x1000, back, 0x3000), 0);
	assert_int_equal(dma_map_iov(the_rig.a, 0x1000, 0x3000, DMA_READ, iov, 4), 3);
	assert_ptr_equal(iov[0].iov_base, memory_host(the_rig.vm->memory, 0x102000, 1));
}

/* ---- UNMAP ---- */

TEST_WITH(viommu_rule_28_unmap_with_reserved_bytes_unmaps_nothing, start_attached, stop)
{
	struct virtio_iommu_req_unmap request = { .head.type = VIRTIO_IOMMU_T_UNMAP,
						  .domain = htole32(1),
						  .virt_end = htole64(0xfff),
						  .reserved = { 0, 1 } };
	u8 reply[4];

	assert_int_equal(rig_map(*state, 1, 0, 0xfff, 0, READ_ONLY), OK);
	assert_int_equal(rig_send(*state, &request, 28, reply, 4), 4);
	assert_int_equal(reply[0], INVAL);
	assert_int_equal(rig_dma(the_rig.a, 0, DMA_READ), 0);
}

TEST_WITH(viommu_rule_29_unmap_in_no_domain_is_noent, start, stop)
{
	assert_int_equal(rig_unmap(*state, 7, 0, UINT64_MAX), NOENT);
}

TEST_WITH(viommu_rule_30_unmap_in_a_bypass_domain_is_inval, start, stop)
{
	assert_int_equal(rig_attach(*state, 2, ENDPOINT_B, BYPASS), OK);
	assert_int_equal(rig_unmap(*state, 2, 0, UINT64_MAX), INVAL);
}

/* The specification's examples of "UNMAP request", in pages for its units. */
static u8 page_map(struct rig *rig, u64 first, u64 last)
{
	return rig_map(rig, 1, first << 12, (last << 12) | 0xfff, 0x100000, READ_WRITE);
}

static u8 page_unmap(struct rig *rig, u64 first, u64 last)
{
	return rig_unmap(rig, 1, first << 12, (last << 12) | 0xfff);
}

TEST_WITH(unmap_example_1_nothing_mapped_is_ok, start_attached, stop)
{
	assert_int_equal(page_unmap(*state, 0, 4), OK);
}

TEST_WITH(unmap_example_2_all_of_one_mapping, start_attached, stop)
{
	assert_int_equal(page_map(*state, 0, 9), OK);
	assert_int_equal(page_unmap(*state, 0, 9), OK);
	assert_int_equal(rig_dma(the_rig.a, 0, DMA_READ), -EFAULT);
}

TEST_WITH(unmap_example_3_all_of_two_mappings, start_attached, stop)
{
	assert_int_equal(page_map(*state, 0, 4), OK);
	assert_int_equal(page_map(*state, 5, 9), OK);
	assert_int_equal(page_unmap(*state, 0, 9), OK);
	assert_int_equal(rig_counters(*state).mappings, 0);
}

TEST_WITH(unmap_example_4_viommu_rule_31_a_split_is_range_and_removes_nothing, start_attached, stop)
{
	assert_int_equal(page_map(*state, 0, 9), OK);
	assert_int_equal(page_unmap(*state, 0, 4), RANGE);
	assert_int_equal(rig_dma(the_rig.a, 0, DMA_READ), 0);
	/* Nor anything of the whole mappings that lie beside the one that would be split. */
	assert_int_equal(page_map(*state, 10, 12), OK);
	assert_int_equal(page_unmap(*state, 5, 12), RANGE);
	assert_int_equal(rig_dma(the_rig.a, 10 << 12, DMA_READ), 0);
	assert_int_equal(rig_counters(*state).mappings, 2);
}

TEST_WITH(unmap_example_5_one_of_two_mappings, start_attached, stop)
{
	assert_int_equal(page_map(*state, 0, 4), OK);
	assert_int_equal(page_map(*state, 5, 9), OK);
	assert_int_equal(page_unmap(*state, 0, 4), OK);
	assert_int_equal(rig_dma(the_rig.a, 0, DMA_READ), -EFAULT);
	assert_int_equal(rig_dma(the_rig.a, 5 << 12, DMA_READ), 0);
}

TEST_WITH(unmap_example_6_more_than_is_mapped, start_attached, stop)
{
	assert_int_equal(page_map(*state, 0, 4), OK);
	assert_int_equal(page_unmap(*state, 0, 9), OK);
	assert_int_equal(rig_counters(*state).mappings, 0);
}

TEST_WITH(unmap_example_7_viommu_rule_32_holes_are_no_hindrance, start_attached, stop)
{
	assert_int_equal(page_map(*state, 0, 4), OK);
	assert_int_equal(page_map(*state, 10, 14), OK);
	assert_int_equal(page_unmap(*state, 0, 14), OK);
	assert_int_equal(rig_counters(*state).mappings, 0);
	assert_int_equal(rig_counters(*state).mappings_peak, 2);
}
