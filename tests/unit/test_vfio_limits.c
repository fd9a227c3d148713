/* SPDX-License-Identifier: BSD-2-Clause */
/* What PROBE says, from what hosts say: hosts as they are, and as they may be. */
#include <errno.h>
#include <string.h>

#include "cmocka_all.h"
#include "vfio/host.h"

#define PAGES_4K 0x40201000ULL

static int build(struct dma_limits *limits, u64 pages, const struct range *apertures,
		 unsigned aperture_count, const struct vfio_range *ranges, unsigned range_count)
{
	return vfio_limits_build(limits, pages, apertures, aperture_count, ranges, range_count,
				 NULL);
}

#define BUILD(limits, pages, apertures, ranges)                                                    \
	build(limits, pages, apertures, ARRAY_SIZE(apertures), ranges, ARRAY_SIZE(ranges))

static void expect(const struct dma_limits *limits, const struct dma_range *ranges, unsigned count)
{
	assert_int_equal(limits->count, count);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(limits->ranges[i].start, ranges[i].start);
		assert_int_equal(limits->ranges[i].last, ranges[i].last);
		assert_int_equal(limits->ranges[i].kind, ranges[i].kind);
	}
}

#define EXPECT(limits, ...)                                                                        \
	do {                                                                                       \
		const struct dma_range expected[] = { __VA_ARGS__ };                               \
		expect(limits, expected, ARRAY_SIZE(expected));                                    \
	} while (0)

static void an_smmu_host_has_its_msi_window_and_nothing_else(void **state)
{
	const struct range apertures[] = { { 0, 0x7ffffff }, { 0x8100000, 0xffffffffffff } };
	const struct vfio_range ranges[] = { { 0x8000000, 0x80fffff, VFIO_RANGE_MSI } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, PAGES_4K, apertures, ranges), 0);
	assert_int_equal(limits.page_size_mask, PAGES_4K);
	assert_int_equal(limits.aperture.start, 0);
	assert_int_equal(limits.aperture.last, 0xffffffffffff);
	EXPECT(&limits, { 0x8000000, 0x80fffff, DMA_RANGE_MSI });
}

static void an_amd_host_reserves_what_hypertransport_has(void **state)
{
	const struct range apertures[] = { { 0, 0xfedfffff },
					   { 0xfef00000, 0xfcffffffff },
					   { 0x10000000000, UINT64_MAX } };
	const struct vfio_range ranges[] = { { 0xfee00000, 0xfeefffff, VFIO_RANGE_MSI },
					     { 0xfd00000000, 0xffffffffff, VFIO_RANGE_RESERVED } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, 0xfffffffffffff000, apertures, ranges), 0);
	assert_true(limits.aperture.last == UINT64_MAX);
	EXPECT(&limits, { 0xfee00000, 0xfeefffff, DMA_RANGE_MSI },
	       { 0xfd00000000, 0xffffffffff, DMA_RANGE_RESERVED });
}

static void direct_ranges_are_reserved_and_relaxable_ones_are_not(void **state)
{
	const struct range apertures[] = { { 0, 0x7fffffffff } };
	const struct vfio_range ranges[] = {
		{ 0, 0xffffff, VFIO_RANGE_DIRECT_RELAXED },
		{ 0x7b000000, 0x7fffffff, VFIO_RANGE_DIRECT },
		{ 0xfee00000, 0xfeefffff, VFIO_RANGE_MSI },
	};
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, PAGES_4K, apertures, ranges), 0);
	EXPECT(&limits, { 0x7b000000, 0x7fffffff, DMA_RANGE_RESERVED },
	       { 0xfee00000, 0xfeefffff, DMA_RANGE_MSI });
}

static void a_window_elsewhere_is_told_where_it_is(void **state)
{
	const struct range apertures[] = { { 0, 0x9fffffff }, { 0xa0200000, UINT32_MAX } };
	const struct vfio_range ranges[] = { { 0xa0000000, 0xa01fffff, VFIO_RANGE_MSI } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, PAGES_4K, apertures, ranges), 0);
	EXPECT(&limits, { 0xa0000000, 0xa01fffff, DMA_RANGE_MSI });
}

static void holes_between_apertures_are_holes_but_for_what_has_a_name(void **state)
{
	const struct range apertures[] = { { 0x10000, 0xfffff }, { 0x400000, 0x4fffff } };
	const struct vfio_range ranges[] = { { 0x200000, 0x20ffff, VFIO_RANGE_MSI },
					     { 0x210000, 0x21ffff, VFIO_RANGE_RESERVED } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, PAGES_4K, apertures, ranges), 0);
	assert_int_equal(limits.aperture.start, 0x10000);
	assert_int_equal(limits.aperture.last, 0x4fffff);
	EXPECT(&limits, { 0x100000, 0x1fffff, DMA_RANGE_HOLE },
	       { 0x200000, 0x20ffff, DMA_RANGE_MSI }, { 0x210000, 0x21ffff, DMA_RANGE_RESERVED },
	       { 0x220000, 0x3fffff, DMA_RANGE_HOLE });
}

static void a_reservation_over_the_window_is_cut_around_it(void **state)
{
	const struct range apertures[] = { { 0, UINT32_MAX } };
	const struct vfio_range ranges[] = { { 0x8080000, 0x808ffff, VFIO_RANGE_MSI },
					     { 0x8000000, 0x80fffff, VFIO_RANGE_RESERVED } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, PAGES_4K, apertures, ranges), 0);
	EXPECT(&limits, { 0x8000000, 0x807ffff, DMA_RANGE_RESERVED },
	       { 0x8080000, 0x808ffff, DMA_RANGE_MSI },
	       { 0x8090000, 0x80fffff, DMA_RANGE_RESERVED });
}

static void of_several_windows_the_one_with_our_doorbell_stays(void **state)
{
	const struct range apertures[] = { { 0, UINT32_MAX } };
	const struct vfio_range ranges[] = { { 0xc0000000, 0xcfffffff, VFIO_RANGE_MSI },
					     { 0x8000000, 0x80fffff, VFIO_RANGE_MSI } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, PAGES_4K, apertures, ranges), 0);
	EXPECT(&limits, { 0x8000000, 0x80fffff, DMA_RANGE_MSI },
	       { 0xc0000000, 0xcfffffff, DMA_RANGE_RESERVED });
}

static void of_windows_without_it_the_largest_stays_or_the_lowest(void **state)
{
	const struct range apertures[] = { { 0, UINT32_MAX } };
	struct vfio_range ranges[] = { { 0xc0000000, 0xc000ffff, VFIO_RANGE_MSI },
				       { 0xd0000000, 0xd00fffff, VFIO_RANGE_MSI },
				       { 0x10000000, 0x1000ffff, VFIO_RANGE_MSI } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, PAGES_4K, apertures, ranges), 0);
	EXPECT(&limits, { 0x10000000, 0x1000ffff, DMA_RANGE_RESERVED },
	       { 0xc0000000, 0xc000ffff, DMA_RANGE_RESERVED },
	       { 0xd0000000, 0xd00fffff, DMA_RANGE_MSI });
	ranges[1].last = 0xd000ffff;
	assert_int_equal(BUILD(&limits, PAGES_4K, apertures, ranges), 0);
	EXPECT(&limits, { 0x10000000, 0x1000ffff, DMA_RANGE_MSI },
	       { 0xc0000000, 0xc000ffff, DMA_RANGE_RESERVED },
	       { 0xd0000000, 0xd000ffff, DMA_RANGE_RESERVED });
}

static void windows_that_touch_are_one(void **state)
{
	const struct range apertures[] = { { 0, UINT32_MAX } };
	const struct vfio_range ranges[] = { { 0xfee80000, 0xfeefffff, VFIO_RANGE_MSI },
					     { 0xfee40000, 0xfee8ffff, VFIO_RANGE_MSI },
					     { 0xfee00000, 0xfee3ffff, VFIO_RANGE_MSI } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, PAGES_4K, apertures, ranges), 0);
	EXPECT(&limits, { 0xfee00000, 0xfeefffff, DMA_RANGE_MSI });
}

static void a_host_without_a_window_has_none(void **state)
{
	const struct range apertures[] = { { 0, UINT32_MAX } };
	struct dma_limits limits;

	assert_int_equal(build(&limits, PAGES_4K, apertures, 1, NULL, 0), 0);
	assert_int_equal(limits.count, 0);
}

static void ranges_are_widened_to_the_granule_and_apertures_narrowed(void **state)
{
	/* A 64 KiB host whose firmware thought in 4 KiB. */
	const struct range apertures[] = { { 0x1000, 0x23fff }, { 0x52000, 0x9efff } };
	const struct vfio_range ranges[] = { { 0x71000, 0x71fff, VFIO_RANGE_RESERVED },
					     { 0x38000, 0x38fff, VFIO_RANGE_MSI } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, 0x20010000, apertures, ranges), 0);
	assert_int_equal(limits.aperture.start, 0x10000);
	assert_int_equal(limits.aperture.last, 0x8ffff);
	EXPECT(&limits, { 0x20000, 0x2ffff, DMA_RANGE_HOLE }, { 0x30000, 0x3ffff, DMA_RANGE_MSI },
	       { 0x40000, 0x5ffff, DMA_RANGE_HOLE }, { 0x70000, 0x7ffff, DMA_RANGE_RESERVED });
}

static void an_aperture_smaller_than_a_granule_is_a_hole(void **state)
{
	const struct range apertures[] = { { 0, 0xffff },
					   { 0x21000, 0x22fff },
					   { 0x30000, 0x3ffff } };
	struct dma_limits limits;

	assert_int_equal(build(&limits, 0x10000, apertures, 3, NULL, 0), 0);
	EXPECT(&limits, { 0x10000, 0x2ffff, DMA_RANGE_HOLE });
	assert_int_equal(build(&limits, 0x10000, apertures + 1, 1, NULL, 0), -EINVAL);
}

static void the_end_of_the_address_space_is_no_edge(void **state)
{
	const struct range apertures[] = { { 0, 0xfff }, { 0x2000, UINT64_MAX - 0x1000 } };
	const struct vfio_range ranges[] = {
		{ UINT64_MAX - 0x10, UINT64_MAX, VFIO_RANGE_MSI },
		{ UINT64_MAX - 0x2fff, UINT64_MAX, VFIO_RANGE_RESERVED },
		{ 0, 0, VFIO_RANGE_RESERVED },
	};
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, PAGES_4K, apertures, ranges), 0);
	assert_true(limits.aperture.last == UINT64_MAX - 0x1000);
	EXPECT(&limits, { 0, 0xfff, DMA_RANGE_RESERVED }, { 0x1000, 0x1fff, DMA_RANGE_HOLE },
	       { UINT64_MAX - 0x2fff, UINT64_MAX - 0x1000, DMA_RANGE_RESERVED },
	       { UINT64_MAX - 0xfff, UINT64_MAX, DMA_RANGE_MSI });
}

static void ranges_of_one_kind_that_overlap_are_one(void **state)
{
	const struct range apertures[] = { { 0, UINT32_MAX } };
	const struct vfio_range ranges[] = {
		{ 0x5000, 0x9fff, VFIO_RANGE_DIRECT },	 { 0x1000, 0x5fff, VFIO_RANGE_RESERVED },
		{ 0xa000, 0xafff, VFIO_RANGE_RESERVED }, { 0x2000, 0x2fff, VFIO_RANGE_DIRECT },
		{ 0x1000, 0x5fff, VFIO_RANGE_RESERVED },
	};
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, PAGES_4K, apertures, ranges), 0);
	EXPECT(&limits, { 0x1000, 0xafff, DMA_RANGE_RESERVED });
}

static void more_ranges_than_fit_are_refused(void **state)
{
	const struct range apertures[] = { { 0, UINT32_MAX } };
	struct vfio_range ranges[DMA_LIMITS_RANGES + 1];
	struct dma_limits limits;
	struct error err = { "" };

	for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++)
		ranges[i] = (struct vfio_range){ i * 0x2000ULL, i * 0x2000ULL + 0xfff,
						 VFIO_RANGE_RESERVED };
	assert_int_equal(build(&limits, PAGES_4K, apertures, 1, ranges, DMA_LIMITS_RANGES), 0);
	assert_int_equal(limits.count, DMA_LIMITS_RANGES);
	assert_int_equal(vfio_limits_build(&limits, PAGES_4K, apertures, 1, ranges,
					   ARRAY_SIZE(ranges), &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "more than 32"));
	/* As many that become one fit. */
	ranges[0].last = UINT32_MAX;
	assert_int_equal(BUILD(&limits, PAGES_4K, apertures, ranges), 0);
	assert_int_equal(limits.count, 1);
}

static void hosts_that_fit_no_guest_are_refused(void **state)
{
	const struct range apertures[] = { { 0, UINT32_MAX } }, upside_down[] = { { 2, 1 } };
	const struct vfio_range backwards = { 0x2000, 0x1fff, VFIO_RANGE_MSI };
	struct dma_limits limits;
	struct error err = { "" };

	assert_int_equal(build(&limits, 0, apertures, 1, NULL, 0), -EINVAL);
	assert_int_equal(vfio_limits_build(&limits, 0x40200000, apertures, 1, NULL, 0, &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "2048 KiB"));
	assert_int_equal(build(&limits, 1ULL << 63, apertures, 1, NULL, 0), -EINVAL);
	assert_int_equal(build(&limits, PAGES_4K, apertures, 0, NULL, 0), -EINVAL);
	assert_int_equal(build(&limits, PAGES_4K, upside_down, 1, NULL, 0), -EINVAL);
	assert_int_equal(build(&limits, PAGES_4K, apertures, 1, &backwards, 1), -EINVAL);
}

static u64 next_random(u64 *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 33;
}

/* Against the rules, page by page, on a small address space. */
static enum dma_range_kind naive(const struct range *apertures, const struct vfio_range *ranges,
				 unsigned count, u64 page, bool *free)
{
	enum dma_range_kind kind = DMA_RANGE_HOLE;

	*free = false;
	for (unsigned i = 0; i < 3; i++)
		*free |= page >= apertures[i].start && page + 0xfff <= apertures[i].last;
	for (unsigned i = 0; i < count; i++) {
		if (page + 0xfff < ranges[i].start || page > ranges[i].last ||
		    ranges[i].kind == VFIO_RANGE_DIRECT_RELAXED)
			continue;
		*free = false;
		if (kind == DMA_RANGE_HOLE)
			kind = DMA_RANGE_RESERVED;
		if (ranges[i].kind == VFIO_RANGE_MSI)
			kind = DMA_RANGE_MSI;
	}
	return kind;
}

static void any_host_is_told_truly_page_by_page(void **state)
{
	u64 seed = 1;

	for (unsigned round = 0; round < 3000; round++) {
		struct range apertures[3];
		struct vfio_range ranges[6];
		struct dma_limits limits;
		u64 at = 0;

		for (unsigned i = 0; i < 3; i++) {
			at += next_random(&seed) % 0x8000;
			apertures[i].start = at;
			at += 0x2000 + next_random(&seed) % 0x8000;
			apertures[i].last = at++;
		}
		for (unsigned i = 0; i < 6; i++) {
			ranges[i].start = next_random(&seed) % 0x28000;
			ranges[i].last = ranges[i].start + next_random(&seed) % 0x4000;
			/* One window: which of several is chosen is tested above. */
			ranges[i].kind = i ? VFIO_RANGE_RESERVED + next_random(&seed) % 3
					   : VFIO_RANGE_MSI;
		}
		assert_int_equal(BUILD(&limits, 0x1000, apertures, ranges), 0);
		for (unsigned i = 0; i < limits.count; i++) {
			const struct dma_range *r = &limits.ranges[i];

			assert_true(r->start <= r->last && is_aligned(r->start, 0x1000) &&
				    is_aligned(r->last + 1, 0x1000));
			assert_true(!i || r->start > r[-1].last);
		}
		for (u64 page = 0; page < 0x40000; page += 0x1000) {
			enum dma_range_kind kind;
			const struct dma_range *in = NULL;
			bool free;

			kind = naive(apertures, ranges, 6, page, &free);
			for (unsigned i = 0; i < limits.count; i++) {
				if (range_contains(limits.ranges[i].start, limits.ranges[i].last,
						   page, page + 0xfff))
					in = &limits.ranges[i];
			}
			if (free)
				assert_true(!in && range_contains(limits.aperture.start,
								  limits.aperture.last, page,
								  page + 0xfff));
			else if (in)
				assert_int_equal(in->kind, kind);
			else
				assert_true(kind == DMA_RANGE_HOLE &&
					    !range_overlaps(limits.aperture.start,
							    limits.aperture.last, page,
							    page + 0xfff));
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_smmu_host_has_its_msi_window_and_nothing_else),
		cmocka_unit_test(an_amd_host_reserves_what_hypertransport_has),
		cmocka_unit_test(direct_ranges_are_reserved_and_relaxable_ones_are_not),
		cmocka_unit_test(a_window_elsewhere_is_told_where_it_is),
		cmocka_unit_test(holes_between_apertures_are_holes_but_for_what_has_a_name),
		cmocka_unit_test(a_reservation_over_the_window_is_cut_around_it),
		cmocka_unit_test(of_several_windows_the_one_with_our_doorbell_stays),
		cmocka_unit_test(of_windows_without_it_the_largest_stays_or_the_lowest),
		cmocka_unit_test(windows_that_touch_are_one),
		cmocka_unit_test(a_host_without_a_window_has_none),
		cmocka_unit_test(ranges_are_widened_to_the_granule_and_apertures_narrowed),
		cmocka_unit_test(an_aperture_smaller_than_a_granule_is_a_hole),
		cmocka_unit_test(the_end_of_the_address_space_is_no_edge),
		cmocka_unit_test(ranges_of_one_kind_that_overlap_are_one),
		cmocka_unit_test(more_ranges_than_fit_are_refused),
		cmocka_unit_test(hosts_that_fit_no_guest_are_refused),
		cmocka_unit_test(any_host_is_told_truly_page_by_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
