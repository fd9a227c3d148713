/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ATTACH, DETACH and reset (virtio 1.4, "ATTACH request", "DETACH request"). Only the move of an
 * endpoint with a listener can fail. Its old attachment is then restored from our table, which has
 * not changed. If even that fails, it ends isolated: reaching too little is safe, reaching too
 * much is not.
 */
#include "private.h"

static u8 endpoint_move(struct endpoint *endpoint, struct domain *target)
{
	int ret;

	if (!domain_suits(target, endpoint))
		return VIRTIO_IOMMU_S_UNSUPP;
	ret = endpoint->group ? group_prepare_move(endpoint, target) : 0;
	if (ret) {
		endpoint->viommu->host_refused++;
		return listener_status(ret);
	}
	domain_join(target, endpoint);
	endpoint->viommu->attached = true;
	return VIRTIO_IOMMU_S_OK;
}

u8 endpoint_attach(struct endpoint *endpoint, u32 id, bool bypass, bool *moved)
{
	struct viommu *viommu = endpoint->viommu;
	struct domain *domain = domain_find(viommu, id);
	bool found = domain;
	u8 status;

	*moved = false;

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
		domain_destroy(domain);
	*moved = !status;
	return status;
}

/*
 * The endpoint leaves its domain even if the host then cannot give it what it has outside: it ends
 * isolated.
 */
u8 endpoint_detach(struct endpoint *endpoint)
{
	struct group *group = endpoint->group;

	/* The domain dies with its last endpoint: no group may hold it then. */
	if (group && group->domain == endpoint->domain && domain_is_last(endpoint))
		group_clear(group);
	domain_leave(endpoint);
	if (group && group_settle(group))
		return VIRTIO_IOMMU_S_DEVERR;
	return VIRTIO_IOMMU_S_OK;
}

/*
 * "Device initialization": a reset detaches all endpoints, also those whose devices still work.
 * Linux resets its IOMMU at power-off, and if it shuts a passed device down after that, the
 * device's last accesses fail and its driver waits for them. The user sees a guest that takes a
 * minute to end.
 */
static void explain_reset(const struct group *group)
{
	const struct dma_listener *listener = group->listener;

	/* The end of the VM is not the guest's doing. */
	if (group->viommu->device.ending || !listener->ops->masters(listener) ||
	    (group->domain->bypass && group->viommu->bypass))
		return;
	log_limited(
		&group->viommu->fault_log, LOG_INFO,
		"%s: the guest resets its IOMMU while this device may still do DMA: what was "
		"mapped for it is gone, and %s; a guest that waits here at its end has loaded the "
		"device's driver after virtio_iommu",
		group_name(group),
		group->viommu->bypass ? "it reaches all memory instead"
				      : "the host stops and logs what it still tries");
}

/* Those that bypass and are not attached keep what they have: to map all RAM again is dear. */
void endpoints_release(struct viommu *viommu)
{
	struct list_node *node;

	list_for_each(node, &viommu->groups) {
		struct group *group = list_entry(node, struct group, node);

		if (group->domain) {
			explain_reset(group);
			group_clear(group);
		}
	}
	list_for_each(node, &viommu->endpoints) {
		struct endpoint *endpoint = list_entry(node, struct endpoint, node);

		if (!endpoint->domain && endpoint_bypasses(endpoint))
			continue;
		endpoint->lost_holds = endpoint->space.holds_put;
		endpoint->isolated = true;
		domain_leave(endpoint);
	}
}

void endpoints_restart(struct viommu *viommu)
{
	struct list_node *node;

	list_for_each(node, &viommu->endpoints) {
		struct endpoint *endpoint = list_entry(node, struct endpoint, node);

		if (!endpoint->isolated)
			continue;
		endpoint->isolated = false;
		dma_space_changed(&endpoint->space);
	}
	list_for_each(node, &viommu->groups) {
		struct group *group = list_entry(node, struct group, node);

		if (group_settle(group))
			log_limited(
				&viommu->fault_log, LOG_ERROR,
				"%s: its memory cannot be mapped again after a reset of the IOMMU",
				group_name(group));
	}
}
