/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/windows.h: all that goes in and all that comes out, a row for each machine and host. */
#include "test.h"
#include "windows_rig.h"

#define LAPIC                                                                                      \
	{                                                                                          \
		0xfee00000, 0xfeefffff                                                             \
	}
#define ITS                                                                                        \
	{                                                                                          \
		0x08090000, 0x0809ffff                                                             \
	}
#define NO_END 0xffffffffffffULL

/* Into windows below 4 GiB, at their start. */
static bool move_low(const void *arg, const struct range *window, struct range *at)
{
	u64 size = at->last - at->start;

	if (window->start > UINT32_MAX || window->last - window->start < size)
		return false;
	*at = (struct range){ window->start, window->start + size };
	return true;
}

static const struct row {
	const char *name;
	struct range doorbell; /* last 0: none */
	bool moves, no_iommu, msi_map;
	unsigned hosts;
	struct range apertures[2][2]; /* of each host; last 0: none */
	struct dma_range ranges[2][2];
	/* Out. */
	struct range placed;
	unsigned emulated; /* 1: the MSI property is the doorbell's pages */
	unsigned counts[2];
	struct dma_range answers[2][4];
} rows[] = {
	{ .name = "x86, nothing passed", .doorbell = LAPIC, .placed = LAPIC, .emulated = 1 },
	{ .name = "arm64, nothing passed", .doorbell = ITS, .placed = ITS, .emulated = 1 },
	{ .name = "arm64, msi=map", .doorbell = ITS, .msi_map = true, .placed = ITS },
	{ .name = "gicv3 without an ITS" },
	{ .name = "x86, VT-d",
	  .doorbell = LAPIC,
	  .hosts = 1,
	  .apertures = { { { 0, 0xfedfffff }, { 0xfef00000, NO_END } } },
	  .ranges = { { { 0xfee00000, 0xfeefffff, DMA_RANGE_MSI } } },
	  .placed = LAPIC,
	  .emulated = 1,
	  .counts = { 1 },
	  .answers = { { { 0xfee00000, 0xfeefffff, DMA_RANGE_MSI } } } },
	{ .name = "arm64, SMMU, ITS in its window",
	  .doorbell = ITS,
	  .moves = true,
	  .hosts = 1,
	  .apertures = { { { 0, 0x7ffffff }, { 0x8100000, NO_END } } },
	  .ranges = { { { 0x8000000, 0x80fffff, DMA_RANGE_MSI } } },
	  .placed = ITS,
	  .emulated = 1,
	  .counts = { 1 },
	  .answers = { { { 0x8000000, 0x80fffff, DMA_RANGE_MSI } } } },
	{ .name = "arm64, SMMU, msi=map",
	  .doorbell = ITS,
	  .moves = true,
	  .msi_map = true,
	  .hosts = 1,
	  .apertures = { { { 0, 0x7ffffff }, { 0x8100000, NO_END } } },
	  .ranges = { { { 0x8000000, 0x80fffff, DMA_RANGE_MSI } } },
	  .placed = ITS,
	  .counts = { 1 },
	  .answers = { { { 0x8000000, 0x80fffff, DMA_RANGE_RESERVED } } } },
	{ .name = "arm64, a window elsewhere: the doorbell moves",
	  .doorbell = ITS,
	  .moves = true,
	  .hosts = 1,
	  .apertures = { { { 0, NO_END } } },
	  .ranges = { { { 0xa0000000, 0xa01fffff, DMA_RANGE_MSI } } },
	  .placed = { 0xa0000000, 0xa000ffff },
	  .emulated = 1,
	  .counts = { 1 },
	  .answers = { { { 0xa0000000, 0xa01fffff, DMA_RANGE_MSI } } } },
	{ .name = "without an IOMMU for the guest it moves as well",
	  .doorbell = ITS,
	  .moves = true,
	  .no_iommu = true,
	  .hosts = 1,
	  .apertures = { { { 0, NO_END } } },
	  .ranges = { { { 0xa0000000, 0xa01fffff, DMA_RANGE_MSI } } },
	  .placed = { 0xa0000000, 0xa000ffff } },
	{ .name = "a window with no room: its own page is the property",
	  .doorbell = ITS,
	  .moves = true,
	  .hosts = 1,
	  .apertures = { { { 0, NO_END } } },
	  .ranges = { { { 0xa0000000, 0xa0000fff, DMA_RANGE_MSI } } },
	  .placed = ITS,
	  .emulated = 1,
	  .counts = { 2 },
	  .answers = { { { 0x8090000, 0x809ffff, DMA_RANGE_MSI },
			 { 0xa0000000, 0xa0000fff, DMA_RANGE_RESERVED } } } },
	{ .name = "the same with msi=map: the page is closed as well",
	  .doorbell = ITS,
	  .moves = true,
	  .msi_map = true,
	  .hosts = 1,
	  .apertures = { { { 0, NO_END } } },
	  .ranges = { { { 0xa0000000, 0xa0000fff, DMA_RANGE_MSI } } },
	  .placed = ITS,
	  .counts = { 2 },
	  .answers = { { { 0x8090000, 0x809ffff, DMA_RANGE_RESERVED },
			 { 0xa0000000, 0xa0000fff, DMA_RANGE_RESERVED } } } },
	{ .name = "two devices, of which the second alone has a window",
	  .doorbell = ITS,
	  .moves = true,
	  .hosts = 2,
	  .apertures = { { { 0, NO_END } }, { { 0, NO_END } } },
	  .ranges = { { { 0, 0xffff, DMA_RANGE_DIRECT } },
		      { { 0x30000000, 0x300fffff, DMA_RANGE_MSI } } },
	  .placed = { 0x30000000, 0x3000ffff },
	  .emulated = 1,
	  .counts = { 2, 1 },
	  .answers = { { { 0, 0xffff, DMA_RANGE_RESERVED },
			 { 0x30000000, 0x3000ffff, DMA_RANGE_MSI } },
		       { { 0x30000000, 0x300fffff, DMA_RANGE_MSI } } } },
	{ .name = "two devices with windows of their own: it goes into the first's",
	  .doorbell = ITS,
	  .moves = true,
	  .hosts = 2,
	  .apertures = { { { 0, NO_END } }, { { 0, NO_END } } },
	  .ranges = { { { 0x20000000, 0x200fffff, DMA_RANGE_MSI } },
		      { { 0x30000000, 0x300fffff, DMA_RANGE_MSI } } },
	  .placed = { 0x20000000, 0x2000ffff },
	  .emulated = 1,
	  .counts = { 1, 2 },
	  .answers = { { { 0x20000000, 0x200fffff, DMA_RANGE_MSI } },
		       { { 0x20000000, 0x2000ffff, DMA_RANGE_MSI },
			 { 0x30000000, 0x300fffff, DMA_RANGE_RESERVED } } } },
	{ .name = "no doorbell: the host's window stays one",
	  .hosts = 1,
	  .apertures = { { { 0, NO_END } } },
	  .ranges = { { { 0x8000000, 0x80fffff, DMA_RANGE_MSI } } },
	  .counts = { 1 },
	  .answers = { { { 0x8000000, 0x80fffff, DMA_RANGE_MSI } } } },
};

static unsigned count_ranges(const struct dma_range *ranges)
{
	return !!ranges[0].last + !!ranges[1].last;
}

static unsigned count_apertures(const struct range *apertures)
{
	return !!apertures[0].last + !!apertures[1].last;
}

static void try_row(const struct row *row)
{
	const struct dma_doorbell offer = { .at = row->doorbell,
					    .move = row->moves ? move_low : NULL };
	struct dma_limits passed[2];
	struct dma_host hosts[2];
	struct dma_windows windows = { .usual = windows_usual,
				       .usual_count = WINDOWS_USUAL,
				       .hosts = hosts,
				       .host_count = row->hosts,
				       .iommu = !row->no_iommu,
				       .msi_map = row->msi_map,
				       .passed = passed };

	for (unsigned i = 0; i < row->hosts; i++)
		hosts[i] = (struct dma_host){ "x",
					      WINDOWS_4K,
					      row->apertures[i],
					      count_apertures(row->apertures[i]),
					      row->ranges[i],
					      count_ranges(row->ranges[i]) };
	assert_int_equal(dma_windows_decide(&windows, row->doorbell.last ? &offer : NULL, NULL), 0);
	assert_int_equal(windows.has_doorbell, !!row->doorbell.last);
	assert_int_equal(windows.doorbell.start, row->placed.start);
	assert_int_equal(windows.doorbell.last, row->placed.last);
	if (row->no_iommu)
		return;
	assert_int_equal(windows.emulated.count, row->emulated);
	if (row->emulated)
		WINDOWS_EXPECT(&windows.emulated,
			       { row->placed.start, row->placed.last, DMA_RANGE_MSI });
	for (unsigned i = 0; i < row->hosts; i++)
		windows_expect(&passed[i], row->answers[i], row->counts[i]);
}

TEST(each_machine_and_host_has_its_windows)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		print_message("    %s\n", rows[i].name);
		try_row(&rows[i]);
	}
}
