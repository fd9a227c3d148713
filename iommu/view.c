/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iommu-show, and the table of the commands. A walk over a million mappings takes long, so it is
 * done in pieces, and the guest goes on between them. A place in a list is therefore an address or
 * an ID, never a pointer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "iommu/view.h"
#include "private.h"
#include "view_json.h"

/* Mappings looked at before others have their turn: tens of microseconds. */
#define VIEW_WALK 1024

enum show_stage { SHOW_DEVICE, SHOW_ENDPOINTS, SHOW_DOMAINS, SHOW_MAPPINGS, SHOW_END };

/* How far an answer has come. */
struct show {
	const struct viommu *viommu;
	bool mappings; /* list them too */
	enum show_stage stage;
	unsigned endpoint; /* the next one */
	u64 domain;	   /* the smallest ID not done yet */
	u64 walking;	   /* the domain of the fields below; NO_DOMAIN: none */
	iova_t iova;	   /* where its walk goes on */
	u64 count, bytes;  /* found so far */
};

#define NO_DOMAIN UINT64_MAX

static json_t *show_requests(const struct viommu_stats *stats)
{
	json_t *types = json_object();

	for (unsigned type = 0; type < STATS_TYPES; type++) {
		json_t *statuses = json_object();

		for (unsigned status = 0; status < STATS_STATUSES; status++) {
			u64 count = stats->requests[type][status];

			if (count)
				json_object_set_new(statuses, view_statuses[status],
						    json_integer(view_number(count)));
		}
		json_object_set_new(types, view_types[type], statuses);
	}
	return types;
}

static json_t *show_latency(const struct viommu_stats *stats)
{
	json_t *buckets = json_array();

	for (unsigned n = 0; n < STATS_BUCKETS; n++) {
		if (stats->latency[n])
			json_array_append_new(buckets, json_pack("{sI,sI}", "ns",
								 (json_int_t)1 << n, "requests",
								 view_number(stats->latency[n])));
	}
	return buckets;
}

static void show_device(const struct viommu *viommu, struct control_client *client)
{
	struct viommu_counters now;

	viommu_get_counters(viommu, &now);
	control_send(client,
		     json_pack("{s{sb,so,s[oo],si,sI,sI,sI,sI,sI,sI}}", "iommu", "bypass",
			       viommu->bypass, "page_sizes", view_hex(viommu->page_size_mask),
			       "input_range", view_hex(viommu->aperture.start),
			       view_hex(viommu->aperture.last), "probe_size",
			       (int)viommu->probe_size, "mappings", view_number(now.mappings),
			       "mappings_peak", view_number(now.mappings_peak), "max_mappings",
			       view_number(viommu->config.max_mappings), "translations",
			       view_number(now.translations), "faults", view_number(now.faults),
			       "reports_dropped", view_number(now.reports_dropped)));
	control_send(client, json_pack("{so}", "requests", show_requests(&viommu->stats)));
	control_send(client, json_pack("{so}", "latency", show_latency(&viommu->stats)));
}

static json_t *show_reserved(const struct resv *resv)
{
	json_t *regions = json_array();

	for (unsigned i = 0; i < resv->count; i++) {
		const struct dma_range *region = &resv->regions[i];
		bool msi = region->kind == DMA_RANGE_MSI;

		json_array_append_new(regions,
				      json_pack("{so,so,ss}", "start", view_hex(region->start),
						"last", view_hex(region->last), "type",
						msi ? "msi" : "reserved"));
	}
	return regions;
}

static const char *endpoint_state(const struct endpoint *endpoint)
{
	if (endpoint_bypasses(endpoint))
		return "bypass";
	if (endpoint->domain)
		return "translated";
	return endpoint->isolated ? "isolated" : "blocked";
}

static void show_endpoint(const struct endpoint *endpoint, struct control_client *client)
{
	const struct domain *domain = endpoint->domain;

	control_send(client,
		     json_pack("{s{so,ss,ss,so,so,s[oo],so,sb,sI,sI}}", "endpoint", "id",
			       view_hex(endpoint->id), "name", endpoint->name, "state",
			       endpoint_state(endpoint), "domain",
			       domain ? json_integer(domain->id) : json_null(), "page_sizes",
			       view_hex(endpoint->page_size_mask), "aperture",
			       view_hex(endpoint->aperture.start),
			       view_hex(endpoint->aperture.last), "reserved",
			       show_reserved(&endpoint->resv), "mirrored", endpoint->group != NULL,
			       "translations", view_number(endpoint->space.translations), "faults",
			       view_number(endpoint->space.faults)));
}

static bool show_endpoints(struct show *show, struct control_client *client)
{
	const struct list_node *node;
	unsigned n = 0;

	list_for_each(node, &show->viommu->endpoints) {
		if (n++ < show->endpoint)
			continue;
		if (!control_has_room(client))
			return true;
		show_endpoint(list_entry(node, struct endpoint, node), client);
		show->endpoint++;
	}
	return false;
}

/* The domain in work, or the next one; NULL: all are done. */
static const struct domain *show_next_domain(struct show *show)
{
	const struct domain *next = NULL;
	const struct list_node *node;

	list_for_each(node, &show->viommu->domains) {
		const struct domain *domain = list_entry(node, struct domain, node);

		if (domain->id >= show->domain && (!next || domain->id < next->id))
			next = domain;
	}
	/* Its predecessor may have died in the middle. */
	if (next && show->walking != next->id) {
		show->walking = next->id;
		show->iova = show->count = show->bytes = 0;
	}
	return next;
}

static void show_domain_done(struct show *show, const struct domain *domain)
{
	show->domain = (u64)domain->id + 1;
	show->walking = NO_DOMAIN;
}

static void show_mapping(const struct domain *domain, const struct mapping *m,
			 struct control_client *client)
{
	char access[4];

	snprintf(access, sizeof(access), "%s%s%s", m->flags & VIRTIO_IOMMU_MAP_F_READ ? "r" : "",
		 m->flags & VIRTIO_IOMMU_MAP_F_WRITE ? "w" : "",
		 m->flags & VIRTIO_IOMMU_MAP_F_MMIO ? "m" : "");
	control_send(client,
		     json_pack("{s{sI,so,so,so,ss}}", "mapping", "domain", (json_int_t)domain->id,
			       "start", view_hex(m->start), "last", view_hex(m->last), "gpa",
			       view_hex(m->gpa), "access", access));
}

/* A piece of the walk over @domain's mappings. True: there is more. */
static bool show_walk(struct show *show, const struct domain *domain, struct control_client *client)
{
	bool list = show->stage == SHOW_MAPPINGS;
	struct store_walk walk = store_from(&domain->store, show->iova);
	struct mapping m;

	for (unsigned n = 0; n < (list ? VIEW_LINES : VIEW_WALK); n++) {
		if (list && !control_has_room(client))
			return true;
		if (!store_step(&walk, &m))
			return false;
		/* What was grown at both ends meanwhile is new. */
		show->count++;
		if (__builtin_add_overflow(show->bytes, m.last - m.start + 1, &show->bytes) ||
		    !show->bytes)
			show->bytes = UINT64_MAX;
		if (list)
			show_mapping(domain, &m, client);
		if (m.last == UINT64_MAX)
			return false;
		show->iova = m.last + 1;
	}
	return true;
}

static unsigned count_endpoints(const struct domain *domain)
{
	const struct list_node *node;
	unsigned count = 0;

	list_for_each(node, &domain->endpoints)
		count++;
	return count;
}

/* A piece of one domain: its line comes when its mappings are counted. True: there is more. */
static bool show_domains(struct show *show, struct control_client *client)
{
	const struct domain *domain = show_next_domain(show);

	if (!domain)
		return false;
	if (show_walk(show, domain, client))
		return true;
	if (show->stage == SHOW_DOMAINS)
		control_send(client, json_pack("{s{sI,sb,si,sI,sI}}", "domain", "id",
					       (json_int_t)domain->id, "bypass", domain->bypass,
					       "endpoints", (int)count_endpoints(domain),
					       "mappings", view_number(show->count), "bytes",
					       view_number(show->bytes)));
	show_domain_done(show, domain);
	return true;
}

static enum control_more show_more(void *state, struct control_client *client)
{
	struct show *show = state;
	bool more = false;

	switch (show->stage) {
	case SHOW_DEVICE:
		show_device(show->viommu, client);
		break;
	case SHOW_ENDPOINTS:
		more = show_endpoints(show, client);
		break;
	case SHOW_DOMAINS:
	case SHOW_MAPPINGS:
		more = show_domains(show, client);
		break;
	case SHOW_END:
		return CONTROL_END;
	}
	if (!more) {
		show->stage++;
		show->domain = 0;
		if (show->stage == SHOW_MAPPINGS && !show->mappings)
			show->stage = SHOW_END;
	}
	return CONTROL_AGAIN;
}

static const struct control_stream show_stream = { .more = show_more, .end = free };

static int command_show(void *arg, struct control_client *client, json_t *request,
			struct error *err)
{
	struct show *show;
	int ret = view_check(arg, err);

	if (ret)
		return ret;
	show = calloc(1, sizeof(*show));
	if (!show)
		return -ENOMEM;
	show->viommu = arg;
	show->mappings = json_is_true(json_object_get(request, "mappings"));
	show->walking = NO_DOMAIN;
	ret = control_stream(client, &show_stream, show, err);
	if (ret)
		free(show);
	return ret;
}

const struct control_command viommu_commands[] = {
	{ "iommu-show", command_show },
	{ "iommu-trace", view_trace },
	{ "iommu-fault", view_fault },
	{ 0 },
};
