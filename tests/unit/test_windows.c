/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/windows.h: what PROBE says and where doorbells go, for hosts of many kinds, and at random. */
#include <errno.h>
#include <string.h>

#include "test.h"
#include "windows_rig.h"

static int decide(struct dma_windows *windows, struct dma_limits *limits, u64 pages,
		  const struct range *apertures, unsigned aperture_count,
		  const struct dma_range *ranges, unsigned range_count,
		  const struct dma_doorbell *offer, struct error *err)
{
	const struct dma_host host = { "vfio 1",       pages,  apertures,
				       aperture_count, ranges, range_count };

	windows->usual = windows_usual;
	windows->usual_count = WINDOWS_USUAL;
	windows->hosts = &host;
	windows->host_count = 1;
	windows->passed = limits;
	return dma_windows_decide(windows, offer, err);
}

/* Without a doorbell: the host's truth alone. */
static int build_or_say(struct dma_limits *limits, u64 pages, const struct range *apertures,
			unsigned aperture_count, const struct dma_range *ranges,
			unsigned range_count, struct error *err)
{
	struct dma_windows windows = { .iommu = true };

	return decide(&windows, limits, pages, apertures, aperture_count, ranges, range_count, NULL,
		      err);
}

static int build(struct dma_limits *limits, u64 pages, const struct range *apertures,
		 unsigned aperture_count, const struct dma_range *ranges, unsigned range_count)
{
	return build_or_say(limits, pages, apertures, aperture_count, ranges, range_count, NULL);
}

#define BUILD(limits, pages, apertures, ranges)                                                    \
	build(limits, pages, apertures, ARRAY_SIZE(apertures), ranges, ARRAY_SIZE(ranges))

TEST(an_smmu_host_has_its_msi_window_and_nothing_else)
{
	const struct range apertures[] = { { 0, 0x7ffffff }, { 0x8100000, 0xffffffffffff } };
	const struct dma_range ranges[] = { { 0x8000000, 0x80fffff, DMA_RANGE_MSI } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, WINDOWS_4K, apertures, ranges), 0);
	assert_int_equal(limits.page_size_mask, WINDOWS_4K);
	assert_int_equal(limits.aperture.start, 0);
	assert_int_equal(limits.aperture.last, 0xffffffffffff);
	WINDOWS_EXPECT(&limits, { 0x8000000, 0x80fffff, DMA_RANGE_MSI });
}

TEST(an_amd_host_reserves_what_hypertransport_has)
{
	const struct range apertures[] = { { 0, 0xfedfffff },
					   { 0xfef00000, 0xfcffffffff },
					   { 0x10000000000, UINT64_MAX } };
	const struct dma_range ranges[] = { { 0xfee00000, 0xfeefffff, DMA_RANGE_MSI },
					    { 0xfd00000000, 0xffffffffff, DMA_RANGE_RESERVED } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, 0xfffffffffffff000, apertures, ranges), 0);
	assert_true(limits.aperture.last == UINT64_MAX);
	WINDOWS_EXPECT(&limits, { 0xfee00000, 0xfeefffff, DMA_RANGE_MSI },
		       { 0xfd00000000, 0xffffffffff, DMA_RANGE_RESERVED });
}

TEST(direct_ranges_are_reserved_and_relaxable_ones_are_not)
{
	const struct range apertures[] = { { 0, 0x7fffffffff } };
	const struct dma_range ranges[] = {
		{ 0, 0xffffff, DMA_RANGE_DIRECT_RELAXED },
		{ 0x7b000000, 0x7fffffff, DMA_RANGE_DIRECT },
		{ 0xfee00000, 0xfeefffff, DMA_RANGE_MSI },
	};
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, WINDOWS_4K, apertures, ranges), 0);
	WINDOWS_EXPECT(&limits, { 0x7b000000, 0x7fffffff, DMA_RANGE_RESERVED },
		       { 0xfee00000, 0xfeefffff, DMA_RANGE_MSI });
}

TEST(a_window_elsewhere_is_told_where_it_is)
{
	const struct range apertures[] = { { 0, 0x9fffffff }, { 0xa0200000, UINT32_MAX } };
	const struct dma_range ranges[] = { { 0xa0000000, 0xa01fffff, DMA_RANGE_MSI } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, WINDOWS_4K, apertures, ranges), 0);
	WINDOWS_EXPECT(&limits, { 0xa0000000, 0xa01fffff, DMA_RANGE_MSI });
}

TEST(holes_between_apertures_are_holes_but_for_what_has_a_name)
{
	const struct range apertures[] = { { 0x10000, 0xfffff }, { 0x400000, 0x4fffff } };
	const struct dma_range ranges[] = { { 0x200000, 0x20ffff, DMA_RANGE_MSI },
					    { 0x210000, 0x21ffff, DMA_RANGE_RESERVED } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, WINDOWS_4K, apertures, ranges), 0);
	assert_int_equal(limits.aperture.start, 0x10000);
	assert_int_equal(limits.aperture.last, 0x4fffff);
	WINDOWS_EXPECT(&limits, { 0x100000, 0x1fffff, DMA_RANGE_HOLE },
		       { 0x200000, 0x20ffff, DMA_RANGE_MSI },
		       { 0x210000, 0x21ffff, DMA_RANGE_RESERVED },
		       { 0x220000, 0x3fffff, DMA_RANGE_HOLE });
}

TEST(a_reservation_over_the_window_is_cut_around_it)
{
	const struct range apertures[] = { { 0, UINT32_MAX } };
	const struct dma_range ranges[] = { { 0x8080000, 0x808ffff, DMA_RANGE_MSI },
					    { 0x8000000, 0x80fffff, DMA_RANGE_RESERVED } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, WINDOWS_4K, apertures, ranges), 0);
	WINDOWS_EXPECT(&limits, { 0x8000000, 0x807ffff, DMA_RANGE_RESERVED },
		       { 0x8080000, 0x808ffff, DMA_RANGE_MSI },
		       { 0x8090000, 0x80fffff, DMA_RANGE_RESERVED });
}

TEST(of_several_windows_the_one_with_our_doorbell_stays)
{
	const struct range apertures[] = { { 0, UINT32_MAX } };
	const struct dma_range ranges[] = { { 0xc0000000, 0xcfffffff, DMA_RANGE_MSI },
					    { 0x8000000, 0x80fffff, DMA_RANGE_MSI } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, WINDOWS_4K, apertures, ranges), 0);
	WINDOWS_EXPECT(&limits, { 0x8000000, 0x80fffff, DMA_RANGE_MSI },
		       { 0xc0000000, 0xcfffffff, DMA_RANGE_RESERVED });
}

TEST(of_windows_without_it_the_largest_stays_or_the_lowest)
{
	const struct range apertures[] = { { 0, UINT32_MAX } };
	struct dma_range ranges[] = { { 0xc0000000, 0xc000ffff, DMA_RANGE_MSI },
				      { 0xd0000000, 0xd00fffff, DMA_RANGE_MSI },
				      { 0x10000000, 0x1000ffff, DMA_RANGE_MSI } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, WINDOWS_4K, apertures, ranges), 0);
	WINDOWS_EXPECT(&limits, { 0x10000000, 0x1000ffff, DMA_RANGE_RESERVED },
		       { 0xc0000000, 0xc000ffff, DMA_RANGE_RESERVED },
		       { 0xd0000000, 0xd00fffff, DMA_RANGE_MSI });
	ranges[1].last = 0xd000ffff;
	assert_int_equal(BUILD(&limits, WINDOWS_4K, apertures, ranges), 0);
	WINDOWS_EXPECT(&limits, { 0x10000000, 0x1000ffff, DMA_RANGE_MSI },
		       { 0xc0000000, 0xc000ffff, DMA_RANGE_RESERVED },
		       { 0xd0000000, 0xd000ffff, DMA_RANGE_RESERVED });
}

TEST(windows_that_touch_are_one)
{
	const struct range apertures[] = { { 0, UINT32_MAX } };
	const struct dma_range ranges[] = { { 0xfee80000, 0xfeefffff, DMA_RANGE_MSI },
					    { 0xfee40000, 0xfee8ffff, DMA_RANGE_MSI },
					    { 0xfee00000, 0xfee3ffff, DMA_RANGE_MSI } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, WINDOWS_4K, apertures, ranges), 0);
	WINDOWS_EXPECT(&limits, { 0xfee00000, 0xfeefffff, DMA_RANGE_MSI });
}

TEST(a_host_without_a_window_has_none)
{
	const struct range apertures[] = { { 0, UINT32_MAX } };
	struct dma_limits limits;

	assert_int_equal(build(&limits, WINDOWS_4K, apertures, 1, NULL, 0), 0);
	assert_int_equal(limits.count, 0);
}

TEST(ranges_are_widened_to_the_granule_and_apertures_narrowed)
{
	/* A 64 KiB host whose firmware thought in 4 KiB. */
	const struct range apertures[] = { { 0x1000, 0x23fff }, { 0x52000, 0x9efff } };
	const struct dma_range ranges[] = { { 0x71000, 0x71fff, DMA_RANGE_RESERVED },
					    { 0x38000, 0x38fff, DMA_RANGE_MSI } };
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, 0x20010000, apertures, ranges), 0);
	assert_int_equal(limits.aperture.start, 0x10000);
	assert_int_equal(limits.aperture.last, 0x8ffff);
	WINDOWS_EXPECT(&limits, { 0x20000, 0x2ffff, DMA_RANGE_HOLE },
		       { 0x30000, 0x3ffff, DMA_RANGE_MSI }, { 0x40000, 0x5ffff, DMA_RANGE_HOLE },
		       { 0x70000, 0x7ffff, DMA_RANGE_RESERVED });
}

TEST(an_aperture_smaller_than_a_granule_is_a_hole)
{
	const struct range apertures[] = { { 0, 0xffff },
					   { 0x21000, 0x22fff },
					   { 0x30000, 0x3ffff } };
	struct dma_limits limits;

	assert_int_equal(build(&limits, 0x10000, apertures, 3, NULL, 0), 0);
	WINDOWS_EXPECT(&limits, { 0x10000, 0x2ffff, DMA_RANGE_HOLE });
	assert_int_equal(build(&limits, 0x10000, apertures + 1, 1, NULL, 0), -EINVAL);
}

TEST(the_end_of_the_address_space_is_no_edge)
{
	const struct range apertures[] = { { 0, 0xfff }, { 0x2000, UINT64_MAX - 0x1000 } };
	const struct dma_range ranges[] = {
		{ UINT64_MAX - 0x10, UINT64_MAX, DMA_RANGE_MSI },
		{ UINT64_MAX - 0x2fff, UINT64_MAX, DMA_RANGE_RESERVED },
		{ 0, 0, DMA_RANGE_RESERVED },
	};
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, WINDOWS_4K, apertures, ranges), 0);
	assert_true(limits.aperture.last == UINT64_MAX - 0x1000);
	WINDOWS_EXPECT(&limits, { 0, 0xfff, DMA_RANGE_RESERVED },
		       { 0x1000, 0x1fff, DMA_RANGE_HOLE },
		       { UINT64_MAX - 0x2fff, UINT64_MAX - 0x1000, DMA_RANGE_RESERVED },
		       { UINT64_MAX - 0xfff, UINT64_MAX, DMA_RANGE_MSI });
}

TEST(ranges_of_one_kind_that_overlap_are_one)
{
	const struct range apertures[] = { { 0, UINT32_MAX } };
	const struct dma_range ranges[] = {
		{ 0x5000, 0x9fff, DMA_RANGE_DIRECT },	{ 0x1000, 0x5fff, DMA_RANGE_RESERVED },
		{ 0xa000, 0xafff, DMA_RANGE_RESERVED }, { 0x2000, 0x2fff, DMA_RANGE_DIRECT },
		{ 0x1000, 0x5fff, DMA_RANGE_RESERVED },
	};
	struct dma_limits limits;

	assert_int_equal(BUILD(&limits, WINDOWS_4K, apertures, ranges), 0);
	WINDOWS_EXPECT(&limits, { 0x1000, 0xafff, DMA_RANGE_RESERVED });
}

TEST(more_ranges_than_fit_are_refused)
{
	const struct range apertures[] = { { 0, UINT32_MAX } };
	struct dma_range ranges[DMA_LIMITS_RANGES + 1];
	struct dma_limits limits;
	struct error err = { "" };

	for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++)
		ranges[i] = (struct dma_range){ i * 0x2000ULL, i * 0x2000ULL + 0xfff,
						DMA_RANGE_RESERVED };
	assert_int_equal(build(&limits, WINDOWS_4K, apertures, 1, ranges, DMA_LIMITS_RANGES), 0);
	assert_int_equal(limits.count, DMA_LIMITS_RANGES);
	assert_int_equal(
		build_or_say(&limits, WINDOWS_4K, apertures, 1, ranges, ARRAY_SIZE(ranges), &err),
		-EINVAL);
	assert_non_null(strstr(err.text, "more than 32"));
	/* As many that become one fit. */
	ranges[0].last = UINT32_MAX;
	assert_int_equal(BUILD(&limits, WINDOWS_4K, apertures, ranges), 0);
	assert_int_equal(limits.count, 1);
}

TEST(hosts_that_fit_no_guest_are_refused)
{
	const struct range apertures[] = { { 0, UINT32_MAX } }, upside_down[] = { { 2, 1 } };
	const struct dma_range backwards = { 0x2000, 0x1fff, DMA_RANGE_MSI };
	struct dma_limits limits;
	struct error err = { "" };

	assert_int_equal(build(&limits, 0, apertures, 1, NULL, 0), -EINVAL);
	assert_int_equal(build_or_say(&limits, 0x40200000, apertures, 1, NULL, 0, &err), -EINVAL);
	assert_non_null(strstr(err.text, "2048 KiB"));
	assert_int_equal(build(&limits, 1ULL << 63, apertures, 1, NULL, 0), -EINVAL);
	assert_int_equal(build(&limits, WINDOWS_4K, apertures, 0, NULL, 0), -EINVAL);
	assert_int_equal(build(&limits, WINDOWS_4K, upside_down, 1, NULL, 0), -EINVAL);
	assert_int_equal(build(&limits, WINDOWS_4K, apertures, 1, &backwards, 1), -EINVAL);
}

/* ---- with a doorbell ---- */

/* A host like many: a hole, a doorbell, direct-mapped memory right above it. */
static const struct range some_apertures[] = { { 0, 0xfff }, { 0x2000, (1ULL << 48) - 1 } };
static const struct dma_range some_ranges[] = { { 0x2000, 0x2fff, DMA_RANGE_RESERVED },
						{ 0x08000000, 0x080fffff, DMA_RANGE_MSI } };

static int admit(struct dma_limits *limits, u64 pages, u64 start, u64 last, bool msi_map,
		 struct error *err)
{
	const struct dma_doorbell offer = { .at = { start, last } };
	struct dma_windows windows = { .iommu = true, .msi_map = msi_map };

	return decide(&windows, limits, pages, some_apertures, 2, some_ranges, 2, &offer, err);
}

TEST(an_emulated_endpoint_has_its_doorbell_page_alone)
{
	const struct dma_doorbell offer = { .at = { 0x08020040, 0x08020043 } };
	struct dma_windows windows = { .iommu = true };
	const struct dma_limits *limits = &windows.emulated;

	assert_int_equal(dma_windows_decide(&windows, NULL, NULL), 0);
	assert_int_equal(limits->count, 0);
	assert_int_equal(dma_windows_decide(&windows, &offer, NULL), 0);
	assert_int_equal(limits->page_size_mask, 0x7ffff000);
	assert_int_equal(limits->aperture.last, UINT64_MAX);
	WINDOWS_EXPECT(limits, { 0x08020000, 0x08020fff, DMA_RANGE_MSI });
	windows.msi_map = true;
	assert_int_equal(dma_windows_decide(&windows, &offer, NULL), 0);
	assert_int_equal(limits->count, 0);
}

TEST(a_doorbell_within_the_hosts_window_leaves_the_hosts_truth_as_it_is)
{
	struct dma_limits limits;

	assert_int_equal(admit(&limits, WINDOWS_4K, 0x08090000, 0x0809ffff, false, NULL), 0);
	WINDOWS_EXPECT(&limits, { 0x1000, 0x1fff, DMA_RANGE_HOLE },
		       { 0x2000, 0x2fff, DMA_RANGE_RESERVED },
		       { 0x08000000, 0x080fffff, DMA_RANGE_MSI });
	assert_int_equal(BUILD(&limits, WINDOWS_4K, some_apertures, some_ranges), 0);
	WINDOWS_EXPECT(&limits, { 0x1000, 0x1fff, DMA_RANGE_HOLE },
		       { 0x2000, 0x2fff, DMA_RANGE_RESERVED },
		       { 0x08000000, 0x080fffff, DMA_RANGE_MSI });
}

TEST(a_doorbell_elsewhere_is_the_window_and_the_hosts_is_reserved)
{
	struct dma_limits limits;

	assert_int_equal(admit(&limits, WINDOWS_4K, 0x04000040, 0x04000043, false, NULL), 0);
	WINDOWS_EXPECT(&limits, { 0x1000, 0x1fff, DMA_RANGE_HOLE },
		       { 0x2000, 0x2fff, DMA_RANGE_RESERVED },
		       { 0x04000000, 0x04000fff, DMA_RANGE_MSI },
		       { 0x08000000, 0x080fffff, DMA_RANGE_RESERVED });
}

TEST(with_msi_map_no_window_is_left_and_the_hosts_stays_closed)
{
	struct dma_limits limits;

	assert_int_equal(admit(&limits, WINDOWS_4K, 0x08090000, 0x0809ffff, true, NULL), 0);
	WINDOWS_EXPECT(&limits, { 0x1000, 0x1fff, DMA_RANGE_HOLE },
		       { 0x2000, 0x2fff, DMA_RANGE_RESERVED },
		       { 0x08000000, 0x080fffff, DMA_RANGE_RESERVED });
}

TEST(a_doorbells_page_is_one_of_the_hosts_pages)
{
	struct dma_limits limits;

	assert_int_equal(admit(&limits, 0x2004000, 0x04010000, 0x04010fff, false, NULL), 0);
	for (unsigned i = 0; i < limits.count; i++) {
		if (limits.ranges[i].kind != DMA_RANGE_MSI)
			continue;
		assert_int_equal(limits.ranges[i].start, 0x04010000);
		assert_int_equal(limits.ranges[i].last, 0x04013fff);
		return;
	}
	fail();
}

TEST(a_doorbell_that_the_host_reserves_is_refused_with_a_line)
{
	struct error err = { "" };
	struct dma_limits limits;

	assert_int_equal(admit(&limits, WINDOWS_4K, 0x1000, 0x1fff, false, &err), -EINVAL);
	assert_string_equal(
		err.text,
		"vfio 1: its host reserves the place of the guest's MSI doorbell, 0x1000");
}

/* ---- at random ---- */

static u64 next_random(u64 *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 33;
}

/* Against the rules, page by page, on a small address space. */
static enum dma_range_kind naive(const struct range *apertures, const struct dma_range *ranges,
				 unsigned count, u64 page, bool *free)
{
	enum dma_range_kind kind = DMA_RANGE_HOLE;

	*free = false;
	for (unsigned i = 0; i < 3; i++)
		*free |= page >= apertures[i].start && page + 0xfff <= apertures[i].last;
	for (unsigned i = 0; i < count; i++) {
		if (page + 0xfff < ranges[i].start || page > ranges[i].last ||
		    ranges[i].kind == DMA_RANGE_DIRECT_RELAXED)
			continue;
		*free = false;
		if (kind == DMA_RANGE_HOLE)
			kind = DMA_RANGE_RESERVED;
		if (ranges[i].kind == DMA_RANGE_MSI)
			kind = DMA_RANGE_MSI;
	}
	return kind;
}

TEST(any_host_is_told_truly_page_by_page)
{
	u64 seed = 1;

	for (unsigned round = 0; round < 3000; round++) {
		struct range apertures[3];
		struct dma_range ranges[6];
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
			ranges[i].kind = i ? DMA_RANGE_RESERVED + next_random(&seed) % 3
					   : DMA_RANGE_MSI;
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
