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

/* No guest has smaller pages. */
#define RESV_SMALLEST_PAGE 4096ULL

struct resv_region {
	iova_t start;
	iova_t last; /* inclusive */
	u8 subtype;  /* VIRTIO_IOMMU_RESV_MEM_T_* */
};

struct resv {
	unsigned count;
	struct resv_region regions[DMA_LIMITS_RANGES]; /* sorted, disjoint; <= 1 MSI */
};

/* What the guest is told of a range of kind DMA_RANGE_MSI. */
enum resv_msi {
	RESV_MSI_WINDOW,   /* an MSI property: doorbell writes pass untranslated */
	RESV_MSI_RESERVED, /* the host needs it, the guest maps its doorbell elsewhere */
	RESV_MSI_NONE,	   /* nothing: the guest maps its doorbell where it likes */
};

/* -EINVAL with a line naming @name: @limits are not as vmm/dma_limits.h promises. */
int resv_init(struct resv *resv, const struct dma_limits *limits, enum resv_msi msi,
	      const char *name, struct error *err);

/* Whether a byte of [start, last] is in a region. */
bool resv_overlaps(const struct resv *resv, iova_t start, iova_t last);
/* The region of subtype MSI, or NULL. */
const struct resv_region *resv_doorbell(const struct resv *resv);

/* Bytes that the properties take in a PROBE answer. */
u32 resv_properties_size(const struct resv *resv);
/* Write them; @data has room for resv_properties_size() bytes. */
void resv_write_properties(const struct resv *resv, void *data);

#endif
