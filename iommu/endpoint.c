/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An endpoint's view of memory: its domain's mappings, all of RAM in bypass, or nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

struct endpoint *endpoint_find(const struct viommu *viommu, u32 id)
{
	struct list_node *node;

	list_for_each(node, &viommu->endpoints) {
		struct endpoint *endpoint = list_entry(node, struct endpoint, node);

		if (endpoint->id == id)
			return endpoint;
	}
	return NULL;
}

static struct endpoint *endpoint_of(struct dma_space *space)
{
	return container_of(space, struct endpoint, space);
}

static int endpoint_refuse(struct endpoint *endpoint, iova_t iova, enum dma_access access,
			   u8 reason)
{
	endpoint->space.faults++;
	fault_report(endpoint, iova, access, reason);
	return -EFAULT;
}

static int endpoint_translate(struct dma_space *space, iova_t iova, enum dma_access access,
			      struct dma_run *run)
{
	struct endpoint *endpoint = endpoint_of(space);
	struct mapping m;

	/* In bypass a doorbell needs no special case: it is not RAM, so an access there faults. */
	if (endpoint_bypasses(endpoint)) {
		*run = (struct dma_run){ 0, UINT64_MAX, 0, DMA_READ | DMA_WRITE };
		return 0;
	}
	if (!endpoint->domain)
		return endpoint_refuse(endpoint, iova, access, VIRTIO_IOMMU_FAULT_R_DOMAIN);
	/* Nothing is ever mapped in a doorbell window: an access there faults like in any hole. */
	if (!store_find(&endpoint->domain->store, iova, &m) || !(m.flags & access) ||
	    m.flags & VIRTIO_IOMMU_MAP_F_MMIO)
		return endpoint_refuse(endpoint, iova, access, VIRTIO_IOMMU_FAULT_R_MAPPING);
	*run = (struct dma_run){ m.start, m.last, m.gpa, m.flags & (DMA_READ | DMA_WRITE) };
	return 0;
}

/* dma.c has counted it. */
static void endpoint_bad_access(struct dma_space *space, iova_t iova, enum dma_access access)
{
	fault_report(endpoint_of(space), iova, access, VIRTIO_IOMMU_FAULT_R_MAPPING);
}

/*
 * The MSI window passes whatever the endpoint is attached to (virtio 1.4, "Property
 * RESV_MEM": accesses to it may not be translated); elsewhere the guest must have mapped
 * the doorbell for that.
 */
static int endpoint_resolve_msi(struct dma_space *space, iova_t address, bool send, gpa_t *doorbell)
{
	const u32 flags = VIRTIO_IOMMU_MAP_F_MMIO | VIRTIO_IOMMU_MAP_F_WRITE;
	struct endpoint *endpoint = endpoint_of(space);
	const struct dma_range *window = resv_doorbell(&endpoint->resv);
	u8 reason = VIRTIO_IOMMU_FAULT_R_MAPPING;
	struct mapping m;

	*doorbell = address;
	if (window && address >= window->start && address <= window->last)
		return 0;
	if (endpoint_bypasses(endpoint))
		return 0;
	if (!endpoint->domain) {
		reason = VIRTIO_IOMMU_FAULT_R_DOMAIN;
	} else if (store_find(&endpoint->domain->store, address, &m) &&
		   (m.flags & flags) == flags) {
		*doorbell = m.gpa + (address - m.start);
		return 0;
	}
	return send ? endpoint_refuse(endpoint, address, DMA_WRITE, reason) : -EFAULT;
}

static const struct dma_space_ops endpoint_space_ops = {
	.translate = endpoint_translate,
	.bad_access = endpoint_bad_access,
	.resolve_msi = endpoint_resolve_msi,
};

int endpoint_create(struct endpoint **out, struct viommu *viommu, u32 id, const char *name,
		    const struct guest_memory *memory)
{
	struct endpoint *endpoint = calloc(1, sizeof(*endpoint));

	if (!endpoint)
		return -ENOMEM;
	endpoint->name = strdup(name);
	if (!endpoint->name) {
		free(endpoint);
		return -ENOMEM;
	}
	dma_space_init(&endpoint->space, &endpoint_space_ops, memory, viommu->irq);
	endpoint->viommu = viommu;
	endpoint->id = id;
	list_init(&endpoint->node);
	list_init(&endpoint->member);
	list_init(&endpoint->sibling);
	*out = endpoint;
	return 0;
}

void endpoint_destroy(struct endpoint *endpoint)
{
	if (!endpoint)
		return;
	list_del(&endpoint->node);
	list_del(&endpoint->sibling);
	free(endpoint->name);
	free(endpoint);
}
