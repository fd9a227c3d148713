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

/* Neighbours of one subtype become one region; the MSI window stays by itself. */
static void resv_append(struct resv *resv, iova_t start, iova_t last, u8 subtype)
{
	struct resv_region *before = resv->count ? &resv->regions[resv->count - 1] : NULL;

	if (before && before->subtype == subtype && before->last + 1 == start) {
		before->last = last;
		return;
	}
	resv->regions[resv->count++] =
		(struct resv_region){ .start = start, .last = last, .subtype = subtype };
}

int resv_init(struct resv *resv, const struct dma_limits *limits, enum resv_msi msi,
	      const char *name, struct error *err)
{
	memset(resv, 0, sizeof(*resv));
	if (limits->count > DMA_LIMITS_RANGES || !limits_sorted(limits))
		return error_set(err, -EINVAL, "%s: its reserved ranges overlap", name);
	if (limits_doorbells(limits) > 1)
		return error_set(err, -EINVAL, "%s: it has more than one MSI window", name);
	for (unsigned i = 0; i < limits->count; i++) {
		const struct dma_range *range = &limits->ranges[i];
		u8 subtype = VIRTIO_IOMMU_RESV_MEM_T_RESERVED;

		if (range->kind == DMA_RANGE_MSI && msi == RESV_MSI_NONE)
			continue;
		if (range->kind == DMA_RANGE_MSI && msi == RESV_MSI_WINDOW)
			subtype = VIRTIO_IOMMU_RESV_MEM_T_MSI;
		resv_append(resv, range->start, range->last, subtype);
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

const struct resv_region *resv_doorbell(const struct resv *resv)
{
	for (unsigned i = 0; i < resv->count; i++) {
		if (resv->regions[i].subtype == VIRTIO_IOMMU_RESV_MEM_T_MSI)
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
		property->subtype = resv->regions[i].subtype;
		property->start = cpu_to_le64(resv->regions[i].start);
		property->end = cpu_to_le64(resv->regions[i].last);
	}
}

/*
 * Our own table translates any 64-bit address, whatever the width of a guest-physical
 * one: a guest's DMA API hands out addresses from the top of its device's mask.
 */
void viommu_emulated_limits(struct dma_limits *limits, const struct range *doorbell)
{
	*limits = (struct dma_limits){
		.page_size_mask = (2 * GIB - 1) & -RESV_SMALLEST_PAGE,
		.aperture = { 0, UINT64_MAX },
	};
	if (!doorbell)
		return;
	limits->count = 1;
	limits->ranges[0] = (struct dma_range){
		.start = align_down(doorbell->start, RESV_SMALLEST_PAGE),
		.last = doorbell->last | (RESV_SMALLEST_PAGE - 1),
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

/*
 * Linux leaves the doorbell unmapped only if it lies in the window of the one MSI
 * property. A host's window elsewhere is closed to the guest all the same.
 */
int viommu_passed_limits(struct dma_limits *limits, const struct dma_limits *host,
			 const struct range *doorbell, const char *name, struct error *err)
{
	u64 granule = MAX(host->page_size_mask & -host->page_size_mask, RESV_SMALLEST_PAGE);
	struct dma_range window;

	*limits = *host;
	if (!doorbell)
		return 0;
	for (unsigned i = 0; i < limits->count; i++) {
		struct dma_range *range = &limits->ranges[i];

		if (range->kind != DMA_RANGE_MSI)
			continue;
		if (range_contains(range->start, range->last, doorbell->start, doorbell->last))
			return 0;
		range->kind = DMA_RANGE_RESERVED;
	}
	window = (struct dma_range){
		.start = align_down(doorbell->start, granule),
		.last = doorbell->last | (granule - 1),
		.kind = DMA_RANGE_MSI,
	};
	return limits_insert(limits, &window, name, err);
}
