/* SPDX-License-Identifier: BSD-2-Clause */
#include <linux/virtio_iommu.h>
#include <string.h>

#include "model.h"
#include "shim.h"

#define LAST_DOMAIN 0x7fffffffu
#define HAS(name)   (model->features >> VIRTIO_IOMMU_F_##name & 1)
#define S(name)	    (1u << VIRTIO_IOMMU_S_##name)

union body {
	struct virtio_iommu_req_head head;
	struct virtio_iommu_req_attach attach;
	struct virtio_iommu_req_detach detach;
	struct virtio_iommu_req_map map;
	struct virtio_iommu_req_unmap unmap;
	struct virtio_iommu_req_probe probe;
};

static union body body_of(const struct model_request *request)
{
	union body body = { 0 };

	memcpy(&body, request->bytes, MIN(sizeof(body), sizeof(request->bytes)));
	return body;
}

void model_reset(struct model *model)
{
	for (unsigned i = 0; i < MODEL_ENDPOINTS; i++)
		model->endpoints[i].domain = NULL;
	for (unsigned i = 0; i <= MODEL_ENDPOINTS; i++)
		model->domains[i].live = false;
}

struct model_endpoint *model_endpoint(struct model *model, u32 id)
{
	for (unsigned i = 0; i < MODEL_ENDPOINTS; i++) {
		if (model->endpoints[i].id == id)
			return &model->endpoints[i];
	}
	return NULL;
}

static const struct model_endpoint *find_endpoint(const struct model *model, u32 id)
{
	return model_endpoint((struct model *)model, id);
}

static struct model_domain *find_domain(const struct model *model, u32 id)
{
	for (unsigned i = 0; i <= MODEL_ENDPOINTS; i++) {
		if (model->domains[i].live && model->domains[i].id == id)
			return (struct model_domain *)&model->domains[i];
	}
	return NULL;
}

unsigned model_count(const struct model *model)
{
	unsigned count = 0;

	for (unsigned i = 0; i <= MODEL_ENDPOINTS; i++)
		count += model->domains[i].live ? model->domains[i].count : 0;
	return count;
}

static const struct model_mapping *find_mapping(const struct model_domain *domain, iova_t start,
						iova_t last)
{
	for (unsigned i = 0; i < domain->count; i++) {
		const struct model_mapping *m = &domain->mappings[i];

		if (range_overlaps(m->start, m->last, start, last))
			return m;
	}
	return NULL;
}

bool model_mirrors(const struct model_mapping *mapping)
{
	return mapping->flags & (VIRTIO_IOMMU_MAP_F_READ | VIRTIO_IOMMU_MAP_F_WRITE);
}

/* ---- judging: every reason there is to refuse, as a set of statuses ---- */

static bool any(const u8 *bytes, size_t size)
{
	u8 all = 0;

	while (size--)
		all |= *bytes++;
	return all;
}

static u32 judge_attach(const struct model *model, const union body *body)
{
	const struct virtio_iommu_req_attach *attach = &body->attach;
	const struct model_endpoint *endpoint = find_endpoint(model, le32_to_cpu(attach->endpoint));
	u32 id = le32_to_cpu(attach->domain), flags = le32_to_cpu(attach->flags);
	const struct model_domain *domain = find_domain(model, id);
	u32 reasons = 0;

	if (any(attach->reserved, sizeof(attach->reserved)))
		reasons |= S(INVAL);
	if (flags & ~(HAS(BYPASS_CONFIG) ? VIRTIO_IOMMU_ATTACH_F_BYPASS : 0u))
		reasons |= S(INVAL);
	if (id > LAST_DOMAIN)
		reasons |= S(RANGE);
	if (!endpoint)
		return reasons | S(NOENT);
	if (!domain)
		return reasons;
	if (domain->bypass != (flags & VIRTIO_IOMMU_ATTACH_F_BYPASS))
		reasons |= S(INVAL);
	if (domain != endpoint->domain && endpoint->has_window &&
	    find_mapping(domain, model->window.start, model->window.last))
		reasons |= S(UNSUPP);
	return reasons;
}

/* The host behind the endpoint is full: it may be refused, but need not be. */
static bool attach_is_tight(const struct model *model, const union body *body)
{
	const struct model_endpoint *endpoint = find_endpoint(model,
							      le32_to_cpu(body->attach.endpoint));
	const struct model_domain *domain = find_domain(model, le32_to_cpu(body->attach.domain));
	unsigned mirrored = 0;

	if (!endpoint || !domain || domain == endpoint->domain)
		return false;
	for (unsigned i = 0; i < domain->count; i++)
		mirrored += model_mirrors(&domain->mappings[i]);
	return mirrored > endpoint->room;
}

static u32 judge_detach(const struct model *model, const union body *body)
{
	const struct model_endpoint *endpoint = find_endpoint(model,
							      le32_to_cpu(body->detach.endpoint));
	u32 id = le32_to_cpu(body->detach.domain);
	u32 reasons = id > LAST_DOMAIN ? S(RANGE) : 0;

	if (!endpoint)
		return reasons | S(NOENT);
	if (!endpoint->domain || endpoint->domain->id != id)
		reasons |= S(INVAL);
	return reasons;
}

/* What MAP and UNMAP have in common. */
static u32 judge_domain(const struct model *model, u32 id, struct model_domain **domain)
{
	u32 reasons = id > LAST_DOMAIN ? S(RANGE) : 0;

	*domain = find_domain(model, id);
	if (!*domain)
		return reasons | S(NOENT);
	return reasons | ((*domain)->bypass ? S(INVAL) : 0);
}

static u32 judge_addresses(const struct model *model, iova_t start, iova_t last, gpa_t gpa)
{
	u32 reasons = 0;

	if (last < start)
		return S(INVAL) | S(RANGE);
	if ((start | gpa | (last + 1)) % model->granule)
		reasons |= S(RANGE);
	if (start < model->aperture.start || last > model->aperture.last)
		reasons |= S(RANGE);
	if (gpa > model->last_gpa || last - start > model->last_gpa - gpa)
		reasons |= S(RANGE);
	return reasons;
}

static bool reserves(const struct model *model, const struct model_domain *domain, iova_t start,
		     iova_t last)
{
	if (!range_overlaps(model->window.start, model->window.last, start, last))
		return false;
	for (unsigned i = 0; i < MODEL_ENDPOINTS; i++) {
		if (model->endpoints[i].domain == domain && model->endpoints[i].has_window)
			return true;
	}
	return false;
}

static u32 judge_map(const struct model *model, const union body *body)
{
	iova_t start = le64_to_cpu(body->map.virt_start), last = le64_to_cpu(body->map.virt_end);
	u32 known = VIRTIO_IOMMU_MAP_F_READ | VIRTIO_IOMMU_MAP_F_WRITE |
		    (HAS(MMIO) ? VIRTIO_IOMMU_MAP_F_MMIO : 0);
	struct model_domain *domain;
	u32 reasons = judge_domain(model, le32_to_cpu(body->map.domain), &domain);

	if (le32_to_cpu(body->map.flags) & ~known)
		reasons |= S(INVAL);
	reasons |= judge_addresses(model, start, last, le64_to_cpu(body->map.phys_start));
	if (!domain || last < start)
		return reasons;
	if (find_mapping(domain, start, last) || reserves(model, domain, start, last))
		reasons |= S(INVAL);
	if (model_count(model) >= model->max_mappings)
		reasons |= S(NOMEM);
	return reasons;
}

static u32 judge_unmap(const struct model *model, const union body *body)
{
	iova_t start = le64_to_cpu(body->unmap.virt_start);
	iova_t last = le64_to_cpu(body->unmap.virt_end);
	struct model_domain *domain;
	u32 reasons = judge_domain(model, le32_to_cpu(body->unmap.domain), &domain);

	if (any(body->unmap.reserved, sizeof(body->unmap.reserved)))
		reasons |= S(INVAL);
	if (last < start)
		return reasons | S(INVAL) | S(RANGE);
	for (unsigned i = 0; domain && i < domain->count; i++) {
		const struct model_mapping *m = &domain->mappings[i];

		if (range_overlaps(m->start, m->last, start, last) &&
		    !range_contains(start, last, m->start, m->last))
			reasons |= S(RANGE);
	}
	return reasons;
}

static u32 judge_probe(const struct model *model, const struct model_request *request,
		       const union body *body)
{
	u32 reasons = 0;

	if (request->room - sizeof(struct virtio_iommu_req_tail) < model->probe_size)
		reasons |= S(INVAL);
	if (!find_endpoint(model, le32_to_cpu(body->probe.endpoint)))
		reasons |= S(NOENT);
	return reasons;
}

/* The bytes that the device reads of a request of @type; 0: it knows none such. */
static u32 size_of(const struct model *model, u8 type)
{
	switch (type) {
	case VIRTIO_IOMMU_T_ATTACH:
		return offsetof(struct virtio_iommu_req_attach, tail);
	case VIRTIO_IOMMU_T_DETACH:
		return offsetof(struct virtio_iommu_req_detach, tail);
	case VIRTIO_IOMMU_T_MAP:
		return HAS(MAP_UNMAP) ? offsetof(struct virtio_iommu_req_map, tail) : 0;
	case VIRTIO_IOMMU_T_UNMAP:
		return HAS(MAP_UNMAP) ? offsetof(struct virtio_iommu_req_unmap, tail) : 0;
	case VIRTIO_IOMMU_T_PROBE:
		return HAS(PROBE) ? offsetof(struct virtio_iommu_req_probe, properties) : 0;
	default:
		return 0;
	}
}

static bool is_readable(const struct model *model, const struct model_request *request)
{
	u32 size = request->size ? size_of(model, request->bytes[0]) : 0;

	return size && request->size >= size &&
	       request->room >= sizeof(struct virtio_iommu_req_tail);
}

static u32 judge(const struct model *model, const struct model_request *request)
{
	union body body = body_of(request);

	switch (body.head.type) {
	case VIRTIO_IOMMU_T_ATTACH:
		return judge_attach(model, &body);
	case VIRTIO_IOMMU_T_DETACH:
		return judge_detach(model, &body);
	case VIRTIO_IOMMU_T_MAP:
		return judge_map(model, &body);
	case VIRTIO_IOMMU_T_UNMAP:
		return judge_unmap(model, &body);
	default:
		return judge_probe(model, request, &body);
	}
}

bool model_allows(const struct model *model, const struct model_request *request, unsigned status,
		  bool failed)
{
	union body body = body_of(request);
	u32 reasons;

	if (!is_readable(model, request))
		return status == MODEL_UNWRITTEN;
	if (status > VIRTIO_IOMMU_S_NOMEM)
		return false;
	reasons = judge(model, request);
	if (!reasons) {
		reasons = S(OK);
		if (failed)
			reasons |= S(NOMEM) | S(DEVERR);
		if (body.head.type == VIRTIO_IOMMU_T_ATTACH && attach_is_tight(model, &body))
			reasons |= S(NOMEM);
	}
	return reasons >> status & 1;
}

u32 model_used_length(const struct model *model, const struct model_request *request,
		      unsigned status)
{
	u32 tail = sizeof(struct virtio_iommu_req_tail);

	if (status == MODEL_UNWRITTEN)
		return 0;
	if (request->bytes[0] != VIRTIO_IOMMU_T_PROBE)
		return tail;
	return MIN(request->room, model->probe_size + tail);
}

/* ---- following ---- */

static void leave(struct model *model, struct model_endpoint *endpoint)
{
	struct model_domain *domain = endpoint->domain;

	endpoint->domain = NULL;
	for (unsigned i = 0; i < MODEL_ENDPOINTS; i++) {
		if (model->endpoints[i].domain == domain)
			return;
	}
	if (domain)
		domain->live = false;
}

static struct model_domain *new_domain(struct model *model, u32 id, bool bypass)
{
	struct model_domain *domain = model->domains;

	while (domain->live)
		domain++;
	fuzz_check(domain <= &model->domains[MODEL_ENDPOINTS]);
	*domain = (struct model_domain){ .live = true, .id = id, .bypass = bypass };
	return domain;
}

static void carry_out_attach(struct model *model, const union body *body)
{
	struct model_endpoint *endpoint = model_endpoint(model, le32_to_cpu(body->attach.endpoint));
	u32 id = le32_to_cpu(body->attach.domain);
	struct model_domain *domain = find_domain(model, id);

	if (domain && domain == endpoint->domain)
		return;
	if (!domain)
		domain = new_domain(model, id, le32_to_cpu(body->attach.flags) & 1);
	leave(model, endpoint);
	endpoint->domain = domain;
}

static void carry_out_map(struct model *model, const union body *body)
{
	struct model_domain *domain = find_domain(model, le32_to_cpu(body->map.domain));

	fuzz_check(domain->count < MODEL_MAPPINGS);
	domain->mappings[domain->count++] = (struct model_mapping){
		.start = le64_to_cpu(body->map.virt_start),
		.last = le64_to_cpu(body->map.virt_end),
		.gpa = le64_to_cpu(body->map.phys_start),
		.flags = le32_to_cpu(body->map.flags),
	};
}

static void carry_out_unmap(struct model *model, const union body *body)
{
	struct model_domain *domain = find_domain(model, le32_to_cpu(body->unmap.domain));
	iova_t start = le64_to_cpu(body->unmap.virt_start);
	iova_t last = le64_to_cpu(body->unmap.virt_end);

	for (unsigned i = domain->count; i-- > 0;) {
		const struct model_mapping *m = &domain->mappings[i];

		if (range_contains(start, last, m->start, m->last))
			domain->mappings[i] = domain->mappings[--domain->count];
	}
}

void model_carry_out(struct model *model, const struct model_request *request)
{
	union body body = body_of(request);

	switch (body.head.type) {
	case VIRTIO_IOMMU_T_ATTACH:
		carry_out_attach(model, &body);
		break;
	case VIRTIO_IOMMU_T_DETACH:
		leave(model, model_endpoint(model, le32_to_cpu(body.detach.endpoint)));
		break;
	case VIRTIO_IOMMU_T_MAP:
		carry_out_map(model, &body);
		break;
	case VIRTIO_IOMMU_T_UNMAP:
		carry_out_unmap(model, &body);
		break;
	}
}

/* ---- accesses ---- */

static bool bypasses(const struct model *model, const struct model_endpoint *endpoint)
{
	return endpoint->domain ? endpoint->domain->bypass : model->bypass;
}

bool model_translate(const struct model *model, const struct model_endpoint *endpoint, iova_t iova,
		     enum dma_access access, gpa_t *gpa)
{
	const struct model_mapping *m;

	*gpa = iova;
	if (bypasses(model, endpoint))
		return true;
	if (!endpoint->domain)
		return false;
	m = find_mapping(endpoint->domain, iova, iova);
	if (!m || !(m->flags & access) || m->flags & VIRTIO_IOMMU_MAP_F_MMIO)
		return false;
	*gpa = m->gpa + (iova - m->start);
	return true;
}

bool model_doorbell(const struct model *model, const struct model_endpoint *endpoint,
		    iova_t address, gpa_t *gpa)
{
	const struct model_mapping *m;

	*gpa = address;
	if (endpoint->has_window &&
	    range_contains(model->window.start, model->window.last, address, address))
		return true;
	if (bypasses(model, endpoint))
		return true;
	m = endpoint->domain ? find_mapping(endpoint->domain, address, address) : NULL;
	if (!m || ~m->flags & (VIRTIO_IOMMU_MAP_F_MMIO | VIRTIO_IOMMU_MAP_F_WRITE))
		return false;
	*gpa = m->gpa + (address - m->start);
	return true;
}
