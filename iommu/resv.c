/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/virtio_iommu.h>
#include <string.h>

#include "iommu/viommu.h"
#include "resv.h"

static bool limits_sorted(const struct dma_limits *limits)
{
	for (unsigned i = 0; i < limits->count; i++) {
		const struct dma_range *range = &limits->ranges[i];

		if (range->start > range->last)
			return false;
		if (i && range->start <= limits->ranges[i - 1].last)
			return false;
	}
	return true;
}

static unsigned limits_doorbells(const struct dma_limits *limits)
{
	unsigned count = 0;

	for (unsigned i = 0; i < limits->count; i++)
		count += limits->ranges[i].kind == DMA_RANGE_MSI;
	return count;
}

/* Neighbours of one kind become one region; the MSI window stays by itself. */
static void resv_append(struct resv *resv, iova_t start, iova_t last, enum dma_range_kind kind)
{
	struct dma_range *before = resv->count ? &resv->regions[resv->count - 1] : NULL;

	if (before && before->kind == kind && before->last + 1 == start) {
		before->last = last;
		return;
	}
	resv->regions[resv->count++] = (struct dma_range){ start, last, kind };
}

int resv_init(struct resv *resv, const struct dma_limits *limits, const char *name,
	      struct error *err)
{
	memset(resv, 0, sizeof(*resv));
	if (limits->count > DMA_LIMITS_RANGES || !limits_sorted(limits))
		return error_set(err, -EINVAL, "%s: its reserved ranges overlap", name);
	if (limits_doorbells(limits) > 1)
		return error_set(err, -EINVAL, "%s: it has more than one MSI window", name);
	for (unsigned i = 0; i < limits->count; i++) {
		const struct dma_range *range = &limits->ranges[i];
		bool msi = range->kind == DMA_RANGE_MSI;

		resv_append(resv, range->start, range->last,
			    msi ? DMA_RANGE_MSI : DMA_RANGE_RESERVED);
	}
	return 0;
}

bool resv_overlaps(const struct resv *resv, iova_t start, iova_t last)
{
	for (unsigned i = 0; i < resv->count; i++) {
		if (range_overlaps(resv->regions[i].start, resv->regions[i].last, start, last))
			return true;
	}
	return false;
}

const struct dma_range *resv_doorbell(const struct resv *resv)
{
	for (unsigned i = 0; i < resv->count; i++) {
		if (resv->regions[i].kind == DMA_RANGE_MSI)
			return &resv->regions[i];
	}
	return NULL;
}

u32 resv_properties_size(const struct resv *resv)
{
	return resv->count * sizeof(struct virtio_iommu_probe_resv_mem);
}

/* virtio 1.4, "Property RESV_MEM": the length leaves out the property's own header. */
void resv_write_properties(const struct resv *resv, void *data)
{
	struct virtio_iommu_probe_resv_mem *property = data;

	for (unsigned i = 0; i < resv->count; i++, property++) {
		memset(property, 0, sizeof(*property));
		property->head.type = cpu_to_le16(VIRTIO_IOMMU_PROBE_T_RESV_MEM);
		property->head.length = cpu_to_le16(sizeof(*property) - sizeof(property->head));
		property->subtype = resv->regions[i].kind == DMA_RANGE_MSI
					    ? VIRTIO_IOMMU_RESV_MEM_T_MSI
					    : VIRTIO_IOMMU_RESV_MEM_T_RESERVED;
		property->start = cpu_to_le64(resv->regions[i].start);
		property->end = cpu_to_le64(resv->regions[i].last);
	}
}
