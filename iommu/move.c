/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Endpoints on the move (virtio 1.4, "ATTACH request", "DETACH request"). Only
 * an endpoint with a listener can fail to move, and its old attachment is then
 * restored from our table, which has not changed. If even that fails it ends
 * isolated: reaching too little is safe, reaching too much is not.
 */
#include <errno.h>

#include "private.h"

static void endpoint_leave(struct endpoint *endpoint)
{
	struct domain *domain = endpoint->domain;

	if (!domain)
		return;
	list_del(&endpoint->member);
	domain->listeners -= !!endpoint->listener;
	endpoint->domain = NULL;
	if (list_empty(&domain->endpoints))
		domain_destroy(endpoint->viommu, domain);
}

static void endpoint_join(struct endpoint *endpoint, struct domain *domain)
{
	endpoint_leave(endpoint);
	list_add_tail(&domain->endpoints, &endpoint->member);
	domain->listeners += !!endpoint->listener;
	endpoint->domain = domain;
	endpoint->isolated = false;
}

void endpoint_isolate(struct endpoint *endpoint)
{
	if (endpoint->listener)
		endpoint->listener->ops->clear(endpoint->listener);
	endpoint_leave(endpoint);
	endpoint->isolated = true;
}

/* Fill the empty listener as for @domain; NULL: not attached. */
static int listener_fill(struct endpoint *endpoint, const struct domain *domain)
{
	struct dma_listener *listener = endpoint->listener;

	if (domain)
		return domain_replay(domain, listener);
	if (endpoint->viommu->bypass && !endpoint->isolated)
		return listener->ops->bypass(listener);
	return 0;
}

/* The listener from the endpoint's domain to @target's; -errno: nothing has changed, or isolated.
 */
static int listener_move(struct endpoint *endpoint, const struct domain *target)
{
	struct dma_listener *listener = endpoint->listener;
	int ret;

	listener->ops->clear(listener);
	ret = listener_fill(endpoint, target);
	if (!ret)
		return 0;
	listener->ops->clear(listener);
	if (!listener_fill(endpoint, endpoint->domain))
		return ret;
	log_limited(&endpoint->viommu->fault_log, LOG_ERROR,
		    "%s: the host took neither the new mappings nor the old ones back: detached",
		    endpoint->name);
	endpoint_isolate(endpoint);
	return -EIO;
}

/* Whether the mappings that are there suit @endpoint, before anything is touched. */
static u8 endpoint_check_move(const struct endpoint *endpoint, const struct domain *target)
{
	struct dma_listener *listener = endpoint->listener;
	u64 freed = endpoint->domain ? endpoint->domain->mirrored : 0;

	for (unsigned i = 0; i < endpoint->resv.count; i++) {
		const struct resv_region *region = &endpoint->resv.regions[i];

		if (store_overlaps(&target->store, region->start, region->last))
			return VIRTIO_IOMMU_S_UNSUPP;
	}
	/* The move gives back what the listener holds now. */
	if (listener && target->mirrored > freed &&
	    !listener->ops->has_room(listener, target->mirrored - freed))
		return VIRTIO_IOMMU_S_NOMEM;
	return VIRTIO_IOMMU_S_OK;
}

static u8 endpoint_move(struct endpoint *endpoint, struct domain *target)
{
	u8 status = endpoint_check_move(endpoint, target);
	int ret;

	if (status)
		return status;
	if (endpoint->listener) {
		ret = listener_move(endpoint, target);
		if (ret)
			return listener_status(ret);
	}
	endpoint_join(endpoint, target);
	endpoint->viommu->attached = true;
	return VIRTIO_IOMMU_S_OK;
}

u8 endpoint_attach(struct endpoint *endpoint, u32 id, bool bypass)
{
	struct viommu *viommu = endpoint->viommu;
	struct domain *domain = domain_find(viommu, id);
	bool found = domain;
	u8 status;

	if (found && domain->bypass != bypass)
		return VIRTIO_IOMMU_S_INVAL;
	if (found && domain == endpoint->domain)
		return VIRTIO_IOMMU_S_OK;
	if (!found)
		domain = domain_create(viommu, id, bypass);
	if (!domain)
		return VIRTIO_IOMMU_S_NOMEM;
	status = endpoint_move(endpoint, domain);
	if (status && !found)
		domain_destroy(viommu, domain);
	return status;
}

u8 endpoint_detach(struct endpoint *endpoint)
{
	int ret = 0;

	if (endpoint->listener)
		endpoint->listener->ops->clear(endpoint->listener);
	endpoint_leave(endpoint);
	/* The guest is done with the domain all the same: it ends isolated. */
	if (endpoint->listener)
		ret = endpoint_boot_bypass(endpoint);
	return ret ? VIRTIO_IOMMU_S_DEVERR : VIRTIO_IOMMU_S_OK;
}

int endpoint_boot_bypass(struct endpoint *endpoint)
{
	struct dma_listener *listener = endpoint->listener;
	int ret;

	if (endpoint->domain || endpoint->isolated || !listener)
		return 0;
	listener->ops->clear(listener);
	ret = listener_fill(endpoint, NULL);
	if (ret)
		endpoint_isolate(endpoint);
	return ret;
}

void endpoint_reset(struct endpoint *endpoint)
{
	/* What is already as it should be costs nothing: bypass pins all RAM. */
	if (!endpoint->domain && !endpoint->isolated)
		return;
	endpoint_isolate(endpoint);
	endpoint->isolated = false;
	if (endpoint_boot_bypass(endpoint))
		log_error("%s: its memory cannot be mapped again after a reset of the IOMMU",
			  endpoint->name);
}
