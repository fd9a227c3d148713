/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains: who is a member, and what MAP and UNMAP do to them (virtio 1.4, "IOMMU Device",
 * "MAP request", "UNMAP request"). A change is made in our table and in every listener, or in
 * none: if one listener refuses it, it is undone in the others. A listener that refuses even
 * that is marked as lost, and what becomes of it is for groups_isolate_lost().
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "private.h"

static_assert((u32)DMA_READ == VIRTIO_IOMMU_MAP_F_READ, "access is taken from the flags");
static_assert((u32)DMA_WRITE == VIRTIO_IOMMU_MAP_F_WRITE, "access is taken from the flags");
static_assert(VIRTIO_IOMMU_MAP_F_MASK <= UINT8_MAX, "a store keeps eight flags");

struct domain *domain_find(const struct viommu *viommu, u32 id)
{
	struct list_node *node;

	list_for_each(node, &viommu->domains) {
		struct domain *domain = list_entry(node, struct domain, node);

		if (domain->id == id)
			return domain;
	}
	return NULL;
}

struct domain *domain_create(struct viommu *viommu, u32 id, bool bypass)
{
	struct domain *domain = calloc(1, sizeof(*domain));

	if (!domain)
		return NULL;
	domain->viommu = viommu;
	store_init(&domain->store, &viommu->pool);
	list_init(&domain->endpoints);
	list_init(&domain->groups);
	domain->id = id;
	domain->bypass = bypass;
	list_add_tail(&viommu->domains, &domain->node);
	return domain;
}

void domain_destroy(struct domain *domain)
{
	assert(list_empty(&domain->endpoints) && list_empty(&domain->groups));
	domain->viommu->mappings -= domain->store.count;
	store_clear(&domain->store);
	list_del(&domain->node);
	free(domain);
}

/* ---- members ---- */

bool endpoint_bypasses(const struct endpoint *endpoint)
{
	if (endpoint->domain)
		return endpoint->domain->bypass;
	return endpoint->viommu->bypass && !endpoint->isolated;
}

static void domain_remove(struct endpoint *endpoint)
{
	struct domain *domain = endpoint->domain;

	if (!domain)
		return;
	list_del(&endpoint->member);
	endpoint->domain = NULL;
	if (list_empty(&domain->endpoints))
		domain_destroy(domain);
}

void domain_join(struct domain *domain, struct endpoint *endpoint)
{
	domain_remove(endpoint);
	list_add_tail(&domain->endpoints, &endpoint->member);
	endpoint->domain = domain;
	endpoint->isolated = false;
	dma_space_changed(&endpoint->space);
}

void domain_leave(struct endpoint *endpoint)
{
	domain_remove(endpoint);
	dma_space_changed(&endpoint->space);
}

bool domain_is_last(const struct endpoint *endpoint)
{
	const struct domain *domain = endpoint->domain;

	return domain && domain->endpoints.next == domain->endpoints.prev;
}

bool domain_suits(const struct domain *domain, const struct endpoint *endpoint)
{
	for (unsigned i = 0; i < endpoint->resv.count; i++) {
		const struct dma_range *region = &endpoint->resv.regions[i];

		if (store_overlaps(&domain->store, region->start, region->last))
			return false;
	}
	return true;
}

/* ---- listeners ---- */

u8 listener_status(int error)
{
	if (error == -ENOSPC || error == -ENOMEM)
		return VIRTIO_IOMMU_S_NOMEM;
	return VIRTIO_IOMMU_S_DEVERR;
}

/* @m as a listener takes it. False: it has neither READ nor WRITE, which no IOMMU can express. */
static bool mapping_mirrors(const struct mapping *m, struct dma_mapping *out)
{
	u32 access = m->flags & (DMA_READ | DMA_WRITE);

	if (!access)
		return false;
	*out = (struct dma_mapping){
		.start = m->start,
		.last = m->last,
		.gpa = m->gpa,
		.access = access,
		.mmio = m->flags & VIRTIO_IOMMU_MAP_F_MMIO,
	};
	return true;
}

int domain_replay(const struct domain *domain, struct dma_listener *listener)
{
	struct store_walk walk = store_from(&domain->store, 0);
	struct dma_mapping mapping;
	struct mapping m;

	if (domain->bypass)
		return listener->ops->bypass(listener);
	while (store_step(&walk, &m)) {
		int ret = mapping_mirrors(&m, &mapping) ? listener->ops->map(listener, &mapping)
							: 0;

		if (ret)
			return ret;
	}
	return 0;
}

static struct group *group_at(struct list_node *node)
{
	return list_entry(node, struct group, member);
}

/* Give @mapping to @listener, or take it away. */
static int listener_change(struct dma_listener *listener, const struct dma_mapping *mapping,
			   bool map)
{
	return map ? listener->ops->map(listener, mapping)
		   : listener->ops->unmap(listener, mapping);
}

/* Undo listeners_change(@map) in the listeners before @end (NULL: in all). */
static void listeners_undo(struct domain *domain, const struct dma_mapping *mapping, bool map,
			   const struct group *end)
{
	struct list_node *node;

	list_for_each(node, &domain->groups) {
		struct group *group = group_at(node);

		if (group == end)
			return;
		if (listener_change(group->listener, mapping, !map))
			group->lost = true;
	}
}

/* In all of the listeners or, with -errno, in none. */
static int listeners_change(struct domain *domain, const struct dma_mapping *mapping, bool map)
{
	struct list_node *node;

	list_for_each(node, &domain->groups) {
		struct group *group = group_at(node);
		int ret = listener_change(group->listener, mapping, map);

		if (!ret)
			continue;
		group->viommu->host_refused++;
		listeners_undo(domain, mapping, map, group);
		return ret;
	}
	return 0;
}

/* ---- MAP ---- */

static bool domain_reserves(const struct domain *domain, iova_t start, iova_t last)
{
	const struct list_node *node;

	list_for_each(node, &domain->endpoints) {
		if (resv_overlaps(&list_entry(node, struct endpoint, member)->resv, start, last))
			return true;
	}
	return false;
}

/* The last guest-physical address there is. */
static gpa_t last_address(const struct viommu *viommu)
{
	unsigned bits = viommu->config.address_bits;

	return bits && bits < 64 ? (1ULL << bits) - 1 : UINT64_MAX;
}

/*
 * Addresses that MAP may not have, whatever is mapped. The specification leaves the
 * status of a physical range open that wraps or that no guest has: RANGE, as for
 * virtual ones.
 */
static u8 map_check_range(const struct viommu *viommu, const struct map_args *args)
{
	u64 granule = viommu->page_size_mask & -viommu->page_size_mask;
	gpa_t gpa_last;

	if (args->last < args->start)
		return VIRTIO_IOMMU_S_INVAL;
	/* last + 1 may wrap to 0, which is aligned, as it should be. */
	if (!is_aligned(args->start | args->gpa | (args->last + 1), granule))
		return VIRTIO_IOMMU_S_RANGE;
	if (!range_contains(viommu->aperture.start, viommu->aperture.last, args->start, args->last))
		return VIRTIO_IOMMU_S_RANGE;
	if (__builtin_add_overflow(args->gpa, args->last - args->start, &gpa_last) ||
	    gpa_last > last_address(viommu))
		return VIRTIO_IOMMU_S_RANGE;
	return VIRTIO_IOMMU_S_OK;
}

static u8 map_into_table(struct domain *domain, const struct mapping *m)
{
	if (domain->viommu->mappings >= domain->viommu->config.max_mappings)
		return store_overlaps(&domain->store, m->start, m->last) ? VIRTIO_IOMMU_S_INVAL
									 : VIRTIO_IOMMU_S_NOMEM;
	switch (store_insert(&domain->store, m)) {
	case 0:
		return VIRTIO_IOMMU_S_OK;
	case -EEXIST:
		return VIRTIO_IOMMU_S_INVAL;
	default:
		return VIRTIO_IOMMU_S_NOMEM;
	}
}

/* Remove @m, which was just inserted. */
static void map_undo(struct domain *domain, const struct mapping *m)
{
	struct store_range range;

	if (!store_select(&domain->store, m->start, m->last, &range))
		store_remove(&domain->store, &range);
}

static int map_into_listeners(struct domain *domain, const struct mapping *m)
{
	struct dma_mapping mapping;
	int ret;

	if (list_empty(&domain->groups) || !mapping_mirrors(m, &mapping))
		return 0;
	ret = listeners_change(domain, &mapping, true);
	if (ret)
		map_undo(domain, m);
	return ret;
}

/*
 * Count mappings of registers and inaccessible ones that were added (@by 1) or removed (-1). Where
 * doorbells lead may have changed then, so the endpoints' MSIs are resolved again.
 */
static void domain_count(struct domain *domain, u64 registers, u64 inaccessible, int by)
{
	struct list_node *node;

	domain->inaccessible += by * inaccessible;
	domain->registers += by * registers;
	if (!registers)
		return;
	list_for_each(node, &domain->endpoints)
		dma_space_changed(&list_entry(node, struct endpoint, member)->space);
}

static bool is_registers(const struct mapping *m)
{
	return m->flags & VIRTIO_IOMMU_MAP_F_MMIO;
}

static bool is_inaccessible(const struct mapping *m)
{
	return !(m->flags & (DMA_READ | DMA_WRITE));
}

u8 domain_map(struct domain *domain, const struct map_args *args)
{
	const struct mapping mapping = {
		.start = args->start, .last = args->last, .gpa = args->gpa, .flags = args->flags
	};
	struct viommu *viommu = domain->viommu;
	u8 status = map_check_range(viommu, args);
	int ret;

	if (status)
		return status;
	if (domain_reserves(domain, args->start, args->last))
		return VIRTIO_IOMMU_S_INVAL;
	status = map_into_table(domain, &mapping);
	if (status)
		return status;
	ret = map_into_listeners(domain, &mapping);
	if (ret)
		return listener_status(ret);
	viommu->mappings++;
	viommu->mappings_peak = MAX(viommu->mappings_peak, viommu->mappings);
	domain_count(domain, is_registers(&mapping), is_inaccessible(&mapping), 1);
	return VIRTIO_IOMMU_S_OK;
}

/* ---- UNMAP ---- */

/* Give back to the listeners what of @range lies before @end. */
static void unmap_undo(struct domain *domain, const struct store_range *range, iova_t end)
{
	struct store_walk walk = store_from_range(range);
	struct dma_mapping mapping;
	struct mapping m;

	while (store_step(&walk, &m) && m.start < end) {
		if (mapping_mirrors(&m, &mapping))
			listeners_undo(domain, &mapping, false, NULL);
	}
}

/* All of @range out of the listeners. */
static int unmap_from_listeners(struct domain *domain, const struct store_range *range)
{
	struct store_walk walk = store_from_range(range);
	struct dma_mapping mapping;
	struct mapping m;

	while (store_step(&walk, &m) && m.start <= range->last) {
		int ret;

		if (!mapping_mirrors(&m, &mapping))
			continue;
		ret = listeners_change(domain, &mapping, false);
		if (ret) {
			unmap_undo(domain, range, m.start);
			return ret;
		}
	}
	return 0;
}

/* How much of what domain_count() counts is in @range. */
static void count_special(const struct domain *domain, const struct store_range *range,
			  u64 *registers, u64 *inaccessible)
{
	struct store_walk walk = store_from_range(range);
	struct mapping m;

	*registers = *inaccessible = 0;
	/* Most domains have none, and UNMAP need not walk its range. */
	if (!domain->registers && !domain->inaccessible)
		return;
	while (store_step(&walk, &m) && m.start <= range->last) {
		*registers += is_registers(&m);
		*inaccessible += is_inaccessible(&m);
	}
}

/* Devices find nothing of [start, last] any more. */
static void unmap_forget(struct domain *domain, iova_t start, iova_t last)
{
	struct list_node *node;

	list_for_each(node, &domain->endpoints)
		dma_space_forget(&list_entry(node, struct endpoint, member)->space, start, last);
}

u8 domain_unmap(struct domain *domain, iova_t start, iova_t last)
{
	struct store_range range;
	u64 registers, inaccessible;
	int ret;

	if (last < start)
		return VIRTIO_IOMMU_S_INVAL;
	if (store_select(&domain->store, start, last, &range))
		return VIRTIO_IOMMU_S_RANGE;
	/* Our table comes last: it is still whole if a listener refuses. */
	ret = list_empty(&domain->groups) ? 0 : unmap_from_listeners(domain, &range);
	if (ret)
		return listener_status(ret);
	count_special(domain, &range, &registers, &inaccessible);
	domain->viommu->mappings -= store_remove(&domain->store, &range);
	domain_count(domain, registers, inaccessible, -1);
	unmap_forget(domain, start, last);
	return VIRTIO_IOMMU_S_OK;
}
