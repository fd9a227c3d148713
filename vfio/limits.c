/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From what a host says of a group to what PROBE says of its endpoints. Each address is of one
 * kind: the MSI window before what is reserved, that before a hole. We walk from one change of kind
 * to the next, so that it does not matter how the host's ranges are sorted or overlap.
 */
#include <errno.h>

#include "vfio/host.h"

/* No Linux has larger pages than these. */
#define LARGEST_PAGE (64 * KIB)

/* Where lkvm's own doorbells are if they can be: x86; arm64's v2m frame and ITS. */
static const struct range doorbells[] = {
	{ 0xfee00000, 0xfee00fff },
	{ 0x08020000, 0x08020fff },
	{ 0x08080000, 0x0809ffff },
};

struct host {
	u64 granule;
	const struct range *apertures;
	unsigned aperture_count;
	const struct vfio_range *ranges;
	unsigned range_count;
	struct range whole; /* from the first to the last address that can be mapped */
	struct range msi;
	bool has_msi;
};

/* Widened to whole granules. */
static struct range outward(const struct host *host, u64 start, u64 last)
{
	return (struct range){ align_down(start, host->granule), last | (host->granule - 1) };
}

/* The whole granules of @in; false: there is none. */
static bool inward(const struct host *host, const struct range *in, struct range *out)
{
	const u64 mask = host->granule - 1;

	if (in->start > in->last || in->start > ~mask)
		return false;
	out->start = align_up(in->start, host->granule);
	out->last = in->last;
	if ((in->last & mask) != mask) {
		if (in->last < mask)
			return false;
		out->last = align_down(in->last, host->granule) - 1;
	}
	return out->start <= out->last;
}

/* ---- the MSI window ---- */

/* Range @n with all other MSI ranges that touch it. */
static struct range grow_window(const struct host *host, unsigned n)
{
	struct range window = outward(host, host->ranges[n].start, host->ranges[n].last);
	bool grown;

	do {
		grown = false;
		for (unsigned i = 0; i < host->range_count; i++) {
			struct range other = outward(host, host->ranges[i].start,
						     host->ranges[i].last);

			if (host->ranges[i].kind != VFIO_RANGE_MSI ||
			    (window.last != UINT64_MAX && other.start > window.last + 1) ||
			    (other.last != UINT64_MAX && window.start > other.last + 1) ||
			    range_contains(window.start, window.last, other.start, other.last))
				continue;
			window.start = MIN(window.start, other.start);
			window.last = MAX(window.last, other.last);
			grown = true;
		}
	} while (grown);
	return window;
}

static bool has_our_doorbell(const struct range *window)
{
	for (unsigned i = 0; i < ARRAY_SIZE(doorbells); i++) {
		if (range_contains(window->start, window->last, doorbells[i].start,
				   doorbells[i].last))
			return true;
	}
	return false;
}

/*
 * "There SHOULD be at most one MSI property" (virtio 1.4, "Property RESV_MEM"): the window where
 * our doorbell is anyway, else the largest, where one has room; of equals the lowest.
 */
static bool is_better_window(const struct range *window, const struct range *than)
{
	bool ours = has_our_doorbell(window), theirs = has_our_doorbell(than);
	u64 size = window->last - window->start, other = than->last - than->start;

	if (ours != theirs)
		return ours;
	if (size != other)
		return size > other;
	return window->start < than->start;
}

static void choose_window(struct host *host)
{
	for (unsigned i = 0; i < host->range_count; i++) {
		struct range window;

		if (host->ranges[i].kind != VFIO_RANGE_MSI)
			continue;
		window = grow_window(host, i);
		if (!host->has_msi || is_better_window(&window, &host->msi))
			host->msi = window;
		host->has_msi = true;
	}
}

/* ---- what is where ---- */

/* Whether @at is in @range; either way *until comes down to where that may change. */
static bool covers(const struct range *range, u64 at, u64 *until)
{
	if (at < range->start) {
		*until = MIN(*until, range->start - 1);
		return false;
	}
	if (at > range->last)
		return false;
	*until = MIN(*until, range->last);
	return true;
}

static bool is_reserved(const struct host *host, u64 at, u64 *until)
{
	bool reserved = false;

	for (unsigned i = 0; i < host->range_count; i++) {
		struct range wide = outward(host, host->ranges[i].start, host->ranges[i].last);

		/* type1 lifts these when it takes the device. */
		if (host->ranges[i].kind != VFIO_RANGE_DIRECT_RELAXED)
			reserved |= covers(&wide, at, until);
	}
	return reserved;
}

static bool is_hole(const struct host *host, u64 at, u64 *until)
{
	bool usable = false;
	struct range whole;

	for (unsigned i = 0; i < host->aperture_count; i++) {
		if (inward(host, &host->apertures[i], &whole))
			usable |= covers(&whole, at, until);
	}
	return covers(&host->whole, at, until) && !usable;
}

/* False: @at can be mapped. All up to *until is the same. */
static bool kind_at(const struct host *host, u64 at, enum dma_range_kind *kind, u64 *until)
{
	bool msi, reserved, hole;

	*until = UINT64_MAX;
	msi = host->has_msi && covers(&host->msi, at, until);
	reserved = is_reserved(host, at, until);
	hole = is_hole(host, at, until);
	*kind = msi ? DMA_RANGE_MSI : reserved ? DMA_RANGE_RESERVED : DMA_RANGE_HOLE;
	return msi || reserved || hole;
}

static int append(struct dma_limits *limits, u64 start, u64 last, enum dma_range_kind kind)
{
	struct dma_range *before = limits->count ? &limits->ranges[limits->count - 1] : NULL;

	if (before && before->kind == kind && before->last + 1 == start) {
		before->last = last;
		return 0;
	}
	if (limits->count == DMA_LIMITS_RANGES)
		return -E2BIG;
	limits->ranges[limits->count++] = (struct dma_range){ start, last, kind };
	return 0;
}

static int append_all(struct dma_limits *limits, const struct host *host)
{
	enum dma_range_kind kind;
	u64 at = 0, until;
	int ret = 0;

	for (; !ret; at = until + 1) {
		if (kind_at(host, at, &kind, &until))
			ret = append(limits, at, until, kind);
		if (until == UINT64_MAX)
			break;
	}
	return ret;
}

/* ---- the whole ---- */

static bool find_whole(struct host *host)
{
	struct range whole;
	bool found = false;

	for (unsigned i = 0; i < host->aperture_count; i++) {
		if (!inward(host, &host->apertures[i], &whole))
			continue;
		host->whole.start = found ? MIN(host->whole.start, whole.start) : whole.start;
		host->whole.last = found ? MAX(host->whole.last, whole.last) : whole.last;
		found = true;
	}
	return found;
}

static int check_pages(u64 page_size_mask, struct error *err)
{
	u64 granule = page_size_mask & -page_size_mask;

	if (!granule)
		return error_set(err, -EINVAL, "the host's IOMMU names no page size");
	if (granule > LARGEST_PAGE)
		return error_set(err, -EINVAL,
				 "the host's IOMMU maps pages of %llu KiB at least, which is more "
				 "than any guest's",
				 granule / KIB);
	return 0;
}

int vfio_limits_build(struct dma_limits *limits, u64 page_size_mask, const struct range *apertures,
		      unsigned aperture_count, const struct vfio_range *ranges,
		      unsigned range_count, struct error *err)
{
	struct host host = {
		.granule = page_size_mask & -page_size_mask,
		.apertures = apertures,
		.aperture_count = aperture_count,
		.ranges = ranges,
		.range_count = range_count,
	};
	int ret = check_pages(page_size_mask, err);

	if (ret)
		return ret;
	for (unsigned i = 0; i < range_count; i++) {
		if (ranges[i].start > ranges[i].last)
			return error_set(err, -EINVAL,
					 "the host's reserved range %#llx ends before it starts",
					 (unsigned long long)ranges[i].start);
	}
	if (!find_whole(&host))
		return error_set(err, -EINVAL, "the host's IOMMU can map no address at all");
	choose_window(&host);
	*limits = (struct dma_limits){ .page_size_mask = page_size_mask, .aperture = host.whole };
	if (append_all(limits, &host))
		return error_set(err, -EINVAL, "the host reserves more than %u ranges of addresses",
				 DMA_LIMITS_RANGES);
	return 0;
}
