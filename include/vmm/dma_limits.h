/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the hardware behind an endpoint can translate: the truth that the IOMMU's PROBE tells the
 * guest. vmm/windows.h decides it, from what hosts say.
 */
#ifndef VMM_DMA_LIMITS_H
#define VMM_DMA_LIMITS_H

#include "util/range.h"
#include "util/types.h"

enum dma_range_kind {
	DMA_RANGE_MSI,	    /* the doorbell window: accesses pass untranslated */
	DMA_RANGE_RESERVED, /* the host uses it: nothing may be mapped there */
	/* Firmware's own mappings: facts of a host, which are RESERVED or nothing in limits. */
	DMA_RANGE_DIRECT,
	DMA_RANGE_DIRECT_RELAXED, /* dropped when the device is passed */
	DMA_RANGE_HOLE,		  /* outside what the host's IOMMU can translate */
};

struct dma_range {
	iova_t start;
	iova_t last; /* inclusive */
	enum dma_range_kind kind;
};

/* More than any host shows: a group has a handful. */
#define DMA_LIMITS_RANGES 32

/* No guest has smaller pages. */
#define DMA_SMALLEST_PAGE 4096ULL

struct dma_limits {
	u64 page_size_mask;    /* bit n: pages of 2^n bytes; never 0; the lowest is the granule */
	struct range aperture; /* IOVAs that can be mapped, before the ranges below are taken out */
	unsigned count;
	struct dma_range
		ranges[DMA_LIMITS_RANGES]; /* sorted, disjoint, granule-aligned; <= 1 MSI */
};

#endif
