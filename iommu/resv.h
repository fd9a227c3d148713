/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reserved regions: where the guest may map nothing for an endpoint, as the RESV_MEM properties of
 * a PROBE answer say it.
 */
#ifndef IOMMU_RESV_H
#define IOMMU_RESV_H

#include "util/error.h"
#include "util/types.h"
#include "vmm/dma_limits.h"

struct resv {
	unsigned count;
	/* MSI or RESERVED; sorted, disjoint; <= 1 MSI */
	struct dma_range regions[DMA_LIMITS_RANGES];
};

/* -EINVAL with a line naming @name: @limits are not as vmm/dma_limits.h promises. */
int resv_init(struct resv *resv, const struct dma_limits *limits, const char *name,
	      struct error *err);

/* Whether a byte of [start, last] is in a region. */
bool resv_overlaps(const struct resv *resv, iova_t start, iova_t last);
/* The MSI window, or NULL. */
const struct dma_range *resv_doorbell(const struct resv *resv);

/* Bytes that the properties take in a PROBE answer. */
u32 resv_properties_size(const struct resv *resv);
/* Write them; @data has room for resv_properties_size() bytes. */
void resv_write_properties(const struct resv *resv, void *data);

#endif
