/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "vmm/windows.h"

/* No Linux has larger pages than these. */
#define LARGEST_PAGE (64 * KIB)

/* ---- from what a host says to limits ---- */

/*
 * Each address is of one kind: the MSI window before what is reserved, that before a hole. We walk
 * from one change of kind to the next, so that it does not matter how the host's ranges are sorted
 * or overlap.
 */
struct host {
	const struct dma_host *facts;
	const struct dma_windows *windows;
	u64 granule;
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

/* Range @n with all other MSI ranges that touch it. */
static struct range grow_window(const struct host *host, unsigned n)
{
	struct range window = outward(host, host->facts->ranges[n].start,
				      host->facts->ranges[n].last);
	bool grown;

	do {
		grown = false;
		for (unsigned i = 0; i < host->facts->range_count; i++) {
			struct range other = outward(host, host->facts->ranges[i].start,
						     host->facts->ranges[i].last);

			if (host->facts->ranges[i].kind != DMA_RANGE_MSI ||
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

static bool range_is_in(const struct range *range, const struct range *window)
{
	return range_contains(window->start, window->last, range->start, range->last);
}

static bool has_our_doorbell(const struct host *host, const struct range *window)
{
	for (unsigned i = 0; i < host->windows->usual_count; i++) {
		if (range_is_in(&host->windows->usual[i], window))
			return true;
	}
	return false;
}

/*
 * "There SHOULD be at most one MSI property" (virtio 1.4, "Property RESV_MEM"): the window where
 * our doorbell usually is, else the largest, where one has room; of equals the lowest.
 */
static bool is_better_window(const struct host *host, const struct range *window,
			     const struct range *than)
{
	bool ours = has_our_doorbell(host, window), theirs = has_our_doorbell(host, than);
	u64 size = window->last - window->start, other = than->last - than->start;

	if (ours != theirs)
		return ours;
	if (size != other)
		return size > other;
	return window->start < than->start;
}

static void choose_window(struct host *host)
{
	for (unsigned i = 0; i < host->facts->range_count; i++) {
		struct range window;

		if (host->facts->ranges[i].kind != DMA_RANGE_MSI)
			continue;
		window = grow_window(host, i);
		if (!host->has_msi || is_better_window(host, &window, &host->msi))
			host->msi = window;
		host->has_msi = true;
	}
}

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

	for (unsigned i = 0; i < host->facts->range_count; i++) {
		struct range wide = outward(host, host->facts->ranges[i].start,
					    host->facts->ranges[i].last);

		/* type1 lifts these when it takes the device. */
		if (host->facts->ranges[i].kind != DMA_RANGE_DIRECT_RELAXED)
			reserved |= covers(&wide, at, until);
	}
	return reserved;
}

static bool is_hole(const struct host *host, u64 at, u64 *until)
{
	bool usable = false;
	struct range whole;

	for (unsigned i = 0; i < host->facts->aperture_count; i++) {
		if (inward(host, &host->facts->apertures[i], &whole))
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

static bool find_whole(struct host *host)
{
	struct range whole;
	bool found = false;

	for (unsigned i = 0; i < host->facts->aperture_count; i++) {
		if (!inward(host, &host->facts->apertures[i], &whole))
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

static int check_ranges(const struct dma_host *facts, struct error *err)
{
	for (unsigned i = 0; i < facts->range_count; i++) {
		if (facts->ranges[i].start > facts->ranges[i].last)
			return error_set(err, -EINVAL,
					 "the host's reserved range %#llx ends before it starts",
					 (unsigned long long)facts->ranges[i].start);
	}
	return 0;
}

static int limits_build(struct dma_limits *limits, const struct dma_windows *windows,
			const struct dma_host *facts, struct error *err)
{
	struct host host = { .facts = facts,
			     .windows = windows,
			     .granule = facts->page_size_mask & -facts->page_size_mask };
	int ret = check_pages(facts->page_size_mask, err);

	if (!ret)
		ret = check_ranges(facts, err);
	if (ret)
		return ret;
	if (!find_whole(&host))
		return error_set(err, -EINVAL, "the host's IOMMU can map no address at all");
	choose_window(&host);
	*limits = (struct dma_limits){ .page_size_mask = facts->page_size_mask,
				       .aperture = host.whole };
	if (append_all(limits, &host))
		return error_set(err, -EINVAL, "the host reserves more than %u ranges of addresses",
				 DMA_LIMITS_RANGES);
	return 0;
}

static int build_all(struct dma_windows *windows, struct error *err)
{
	for (unsigned i = 0; i < windows->host_count; i++) {
		const struct dma_host *facts = &windows->hosts[i];
		struct error reason = { "" };
		int ret = limits_build(&windows->passed[i], windows, facts, &reason);

		if (ret)
			return error_set(err, ret, "%s: %s", facts->name, reason.text);
	}
	return 0;
}

/* ---- the doorbell ---- */

static struct dma_range *find_window(struct dma_limits *limits)
{
	for (unsigned i = 0; i < limits->count; i++) {
		if (limits->ranges[i].kind == DMA_RANGE_MSI)
			return &limits->ranges[i];
	}
	return NULL;
}

/* Into the host's window, where the first device says that there is one. */
static void place_doorbell(struct dma_windows *windows, const struct dma_doorbell *offer)
{
	const struct dma_range *first = NULL;
	struct range window;

	windows->has_doorbell = offer;
	if (!offer)
		return;
	windows->doorbell = offer->at;
	for (unsigned i = 0; i < windows->host_count && !first; i++)
		first = find_window(&windows->passed[i]);
	if (!first || !offer->move)
		return;
	window = (struct range){ first->start, first->last };
	if (!range_is_in(&offer->at, &window) &&
	    !offer->move(offer->arg, &window, &windows->doorbell))
		windows->doorbell = offer->at;
}

/* ---- what PROBE answers ---- */

/*
 * Our own table translates any 64-bit address, whatever the width of a guest-physical one: a
 * guest's DMA API hands out addresses from the top of its device's mask.
 */
static void decide_emulated(struct dma_windows *windows)
{
	struct dma_limits *limits = &windows->emulated;

	*limits = (struct dma_limits){
		.page_size_mask = (2 * GIB - 1) & -DMA_SMALLEST_PAGE,
		.aperture = { 0, UINT64_MAX },
	};
	/* With msi=map the guest maps its doorbell where it likes. */
	if (!windows->has_doorbell || windows->msi_map)
		return;
	limits->count = 1;
	limits->ranges[0] = (struct dma_range){
		.start = align_down(windows->doorbell.start, DMA_SMALLEST_PAGE),
		.last = windows->doorbell.last | (DMA_SMALLEST_PAGE - 1),
		.kind = DMA_RANGE_MSI,
	};
}

static int limits_insert(struct dma_limits *limits, const struct dma_range *range, const char *name,
			 struct error *err)
{
	unsigned at = 0;

	while (at < limits->count && limits->ranges[at].last < range->start)
		at++;
	if (limits->count == DMA_LIMITS_RANGES ||
	    (at < limits->count && limits->ranges[at].start <= range->last))
		return error_set(
			err, -EINVAL,
			"%s: its host reserves the place of the guest's MSI doorbell, 0x%llx", name,
			(unsigned long long)range->start);
	memmove(&limits->ranges[at + 1], &limits->ranges[at],
		(limits->count - at) * sizeof(limits->ranges[0]));
	limits->ranges[at] = *range;
	limits->count++;
	return 0;
}

/* A host's window without the doorbell is closed to the guest all the same. */
static int admit_doorbell(struct dma_limits *limits, const struct range *doorbell, const char *name,
			  struct error *err)
{
	u64 granule = MAX(limits->page_size_mask & -limits->page_size_mask, DMA_SMALLEST_PAGE);
	struct dma_range *window = find_window(limits);
	const struct dma_range page = {
		.start = align_down(doorbell->start, granule),
		.last = doorbell->last | (granule - 1),
		.kind = DMA_RANGE_MSI,
	};

	if (window && range_contains(window->start, window->last, doorbell->start, doorbell->last))
		return 0;
	if (window)
		window->kind = DMA_RANGE_RESERVED;
	return limits_insert(limits, &page, name, err);
}

static int decide_passed(struct dma_windows *windows, unsigned n, struct error *err)
{
	struct dma_limits *limits = &windows->passed[n];
	struct dma_range *window;
	int ret = 0;

	if (windows->has_doorbell)
		ret = admit_doorbell(limits, &windows->doorbell, windows->hosts[n].name, err);
	/* With msi=map the host needs its window, and the guest maps the doorbell elsewhere. */
	window = find_window(limits);
	if (windows->msi_map && window)
		window->kind = DMA_RANGE_RESERVED;
	return ret;
}

int dma_windows_decide(struct dma_windows *windows, const struct dma_doorbell *offer,
		       struct error *err)
{
	int ret = build_all(windows, err);

	if (ret)
		return ret;
	place_doorbell(windows, offer);
	if (!windows->iommu)
		return 0;
	decide_emulated(windows);
	for (unsigned i = 0; i < windows->host_count && !ret; i++)
		ret = decide_passed(windows, i, err);
	return ret;
}
