/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The requests (virtio 1.4, "IOMMU Device", "Device operations"). A request is a string of bytes,
 * however the driver cuts it into descriptors. It is copied first and looked at then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

#define NO_FEATURE (~0u)

union request_body {
	struct virtio_iommu_req_head head;
	struct virtio_iommu_req_attach attach;
	struct virtio_iommu_req_detach detach;
	struct virtio_iommu_req_map map;
	struct virtio_iommu_req_unmap unmap;
	struct virtio_iommu_req_probe probe;
};

struct request_type {
	u8 (*execute)(struct viommu *viommu, const union request_body *body,
		      struct request *request);
	u32 size;	  /* of the part that the device reads */
	unsigned feature; /* without which the type is unknown */
};

static bool all_zero(const u8 *bytes, size_t size)
{
	while (size--) {
		if (*bytes++)
			return false;
	}
	return true;
}

/* Wait for all holds that @endpoint had when it moved. */
static void wait_for_endpoint(struct request *request, struct endpoint *endpoint)
{
	request->wait = (struct request_wait){ .what = WAIT_ENDPOINT,
					       .endpoint = endpoint,
					       .holds_put = endpoint->space.holds_put };
}

static u8 execute_attach(struct viommu *viommu, const union request_body *body,
			 struct request *request)
{
	const struct virtio_iommu_req_attach *attach = &body->attach;
	u32 id = le32_to_cpu(attach->domain), flags = le32_to_cpu(attach->flags);
	struct endpoint *endpoint = endpoint_find(viommu, le32_to_cpu(attach->endpoint));
	u32 known = 0;
	bool moved;
	u8 status;

	if (virtio_has_feature(&viommu->device, VIRTIO_IOMMU_F_BYPASS_CONFIG))
		known = VIRTIO_IOMMU_ATTACH_F_BYPASS;
	if (flags & ~known || !all_zero(attach->reserved, sizeof(attach->reserved)))
		return VIRTIO_IOMMU_S_INVAL;
	if (id > VIOMMU_LAST_DOMAIN)
		return VIRTIO_IOMMU_S_RANGE;
	if (!endpoint)
		return VIRTIO_IOMMU_S_NOENT;
	status = endpoint_attach(endpoint, id, flags & VIRTIO_IOMMU_ATTACH_F_BYPASS, &moved);
	/* If it was there already, nothing was taken away. */
	if (moved)
		wait_for_endpoint(request, endpoint);
	return status;
}

static u8 execute_detach(struct viommu *viommu, const union request_body *body,
			 struct request *request)
{
	const struct virtio_iommu_req_detach *detach = &body->detach;
	u32 id = le32_to_cpu(detach->domain);
	struct endpoint *endpoint = endpoint_find(viommu, le32_to_cpu(detach->endpoint));
	u8 status;

	if (id > VIOMMU_LAST_DOMAIN)
		return VIRTIO_IOMMU_S_RANGE;
	if (!endpoint)
		return VIRTIO_IOMMU_S_NOENT;
	if (!endpoint->domain || endpoint->domain->id != id)
		return VIRTIO_IOMMU_S_INVAL;
	status = endpoint_detach(endpoint);
	if (!status)
		wait_for_endpoint(request, endpoint);
	return status;
}

/* The domain that MAP and UNMAP name, or why there is none. */
static u8 find_mapped_domain(struct viommu *viommu, u32 id, struct domain **domain)
{
	if (id > VIOMMU_LAST_DOMAIN)
		return VIRTIO_IOMMU_S_RANGE;
	*domain = domain_find(viommu, id);
	if (!*domain)
		return VIRTIO_IOMMU_S_NOENT;
	return (*domain)->bypass ? VIRTIO_IOMMU_S_INVAL : VIRTIO_IOMMU_S_OK;
}

static u8 execute_map(struct viommu *viommu, const union request_body *body,
		      struct request *request)
{
	const struct virtio_iommu_req_map *map = &body->map;
	struct map_args args = {
		.start = le64_to_cpu(map->virt_start),
		.last = le64_to_cpu(map->virt_end),
		.gpa = le64_to_cpu(map->phys_start),
		.flags = le32_to_cpu(map->flags),
	};
	u32 known = VIRTIO_IOMMU_MAP_F_READ | VIRTIO_IOMMU_MAP_F_WRITE;
	struct domain *domain;
	u8 status;

	if (virtio_has_feature(&viommu->device, VIRTIO_IOMMU_F_MMIO))
		known |= VIRTIO_IOMMU_MAP_F_MMIO;
	if (args.flags & ~known)
		return VIRTIO_IOMMU_S_INVAL;
	status = find_mapped_domain(viommu, le32_to_cpu(map->domain), &domain);
	if (status)
		return status;
	status = domain_map(domain, &args);
	if (status)
		groups_isolate_lost(viommu);
	return status;
}

static u8 execute_unmap(struct viommu *viommu, const union request_body *body,
			struct request *request)
{
	const struct virtio_iommu_req_unmap *unmap = &body->unmap;
	iova_t start = le64_to_cpu(unmap->virt_start), last = le64_to_cpu(unmap->virt_end);
	struct domain *domain;
	u8 status;

	if (!all_zero(unmap->reserved, sizeof(unmap->reserved)))
		return VIRTIO_IOMMU_S_INVAL;
	status = find_mapped_domain(viommu, le32_to_cpu(unmap->domain), &domain);
	if (status)
		return status;
	status = domain_unmap(domain, start, last);
	if (status)
		groups_isolate_lost(viommu);
	else
		/* What was there must be let go by all members that could reach it. */
		request->wait = (struct request_wait){
			.what = WAIT_DOMAIN, .domain = domain->id, .start = start, .last = last
		};
	return status;
}

/*
 * "PROBE request": the answer fills probe_size bytes, and the status follows
 * them. In a buffer that is too short for that no property is written, and the
 * status is its end, where a driver that assumes a smaller size looks for it.
 */
static u8 execute_probe(struct viommu *viommu, const union request_body *body,
			struct request *request)
{
	struct endpoint *endpoint = endpoint_find(viommu, le32_to_cpu(body->probe.endpoint));
	u8 properties[DMA_LIMITS_RANGES * sizeof(struct virtio_iommu_probe_resv_mem)] = { 0 };
	u64 room = request->chain.writable_len - sizeof(struct virtio_iommu_req_tail);
	bool short_buffer = room < viommu->probe_size;

	request->tail = MIN(room, viommu->probe_size);
	if (endpoint && !short_buffer)
		resv_write_properties(&endpoint->resv, properties);
	/* The zeros are written, too: the used length covers all bytes up to the status. */
	if (virtq_chain_write(&request->chain, 0, properties, request->tail) != request->tail)
		return VIRTIO_IOMMU_S_DEVERR;
	if (short_buffer)
		return VIRTIO_IOMMU_S_INVAL;
	return endpoint ? VIRTIO_IOMMU_S_OK : VIRTIO_IOMMU_S_NOENT;
}

static const struct request_type request_types[] = {
	[VIRTIO_IOMMU_T_ATTACH] = { execute_attach, offsetof(struct virtio_iommu_req_attach, tail),
				    NO_FEATURE },
	[VIRTIO_IOMMU_T_DETACH] = { execute_detach, offsetof(struct virtio_iommu_req_detach, tail),
				    NO_FEATURE },
	[VIRTIO_IOMMU_T_MAP] = { execute_map, offsetof(struct virtio_iommu_req_map, tail),
				 VIRTIO_IOMMU_F_MAP_UNMAP },
	[VIRTIO_IOMMU_T_UNMAP] = { execute_unmap, offsetof(struct virtio_iommu_req_unmap, tail),
				   VIRTIO_IOMMU_F_MAP_UNMAP },
	[VIRTIO_IOMMU_T_PROBE] = { execute_probe,
				   offsetof(struct virtio_iommu_req_probe, properties),
				   VIRTIO_IOMMU_F_PROBE },
};

static const struct request_type *request_type_find(const struct viommu *viommu, u8 type)
{
	const struct request_type *found;

	if (type >= ARRAY_SIZE(request_types) || !request_types[type].execute)
		return NULL;
	found = &request_types[type];
	if (found->feature != NO_FEATURE && !virtio_has_feature(&viommu->device, found->feature))
		return NULL;
	return found;
}

/* Tell the tracers what request_execute() carried out. */
static void request_trace(struct viommu *viommu, const union request_body *body,
			  const struct request *request)
{
	struct trace_event event = { .kind = TRACE_REQUEST + request->type,
				     .status = request->answered ? request->status
								 : STATS_UNWRITTEN };

	switch (request->type) {
	case VIRTIO_IOMMU_T_ATTACH:
		event.flags = le32_to_cpu(body->attach.flags);
		/* fall through */
	case VIRTIO_IOMMU_T_DETACH:
		event.domain = le32_to_cpu(body->attach.domain);
		event.endpoint = le32_to_cpu(body->attach.endpoint);
		break;
	case VIRTIO_IOMMU_T_MAP:
		event.flags = le32_to_cpu(body->map.flags);
		event.gpa = le64_to_cpu(body->map.phys_start);
		/* fall through */
	case VIRTIO_IOMMU_T_UNMAP:
		event.domain = le32_to_cpu(body->map.domain);
		event.start = le64_to_cpu(body->map.virt_start);
		event.last = le64_to_cpu(body->map.virt_end);
		break;
	case VIRTIO_IOMMU_T_PROBE:
		event.endpoint = le32_to_cpu(body->probe.endpoint);
		break;
	}
	trace_send(viommu, &event);
}

/*
 * Copy the request, and find its type: NULL if it is none that we know, is too short, or has no
 * place for its status. -errno: its bytes cannot be read.
 */
static int request_parse(struct viommu *viommu, struct request *request, union request_body *body,
			 const struct request_type **type)
{
	s64 size = virtq_chain_read(&request->chain, 0, body, sizeof(*body));

	*type = NULL;
	request->type = 0;
	if (size < 0)
		return size;
	if (size < (s64)sizeof(body->head) ||
	    request->chain.writable_len < sizeof(struct virtio_iommu_req_tail))
		return 0;
	*type = request_type_find(viommu, body->head.type);
	if (!*type)
		return 0;
	request->type = body->head.type;
	if (size < (*type)->size)
		*type = NULL;
	return 0;
}

int request_execute(struct viommu *viommu, struct request *request)
{
	union request_body body = { 0 };
	const struct request_type *type;
	int ret = request_parse(viommu, request, &body, &type);

	request->answered = false;
	request->tail = 0;
	request->wait.what = WAIT_NOTHING;
	if (ret)
		return ret;
	if (type) {
		request->status = type->execute(viommu, &body, request);
		request->answered = true;
	}
	if (!list_empty(&viommu->tracers))
		request_trace(viommu, &body, request);
	return 0;
}

static bool domain_held(const struct domain *domain, iova_t start, iova_t last)
{
	const struct list_node *node;

	list_for_each(node, &domain->endpoints) {
		const struct endpoint *endpoint = list_entry(node, struct endpoint, member);

		if (dma_space_held(&endpoint->space, start, last))
			return true;
	}
	return false;
}

bool request_waits(const struct viommu *viommu, const struct request *request)
{
	const struct request_wait *wait = &request->wait;
	const struct domain *domain;

	switch (wait->what) {
	case WAIT_DOMAIN:
		/* Looked up each time: it may die meanwhile, if a host refuses something. */
		domain = domain_find(viommu, wait->domain);
		return domain && domain_held(domain, wait->start, wait->last);
	case WAIT_ENDPOINT:
		return dma_space_held_before(&wait->endpoint->space, wait->holds_put);
	default:
		return false;
	}
}

s64 request_answer(struct viommu *viommu, const struct request *request)
{
	struct virtio_iommu_req_tail tail = { .status = request->status };
	s64 written;

	viommu->stats
		.requests[request->type][request->answered ? request->status : STATS_UNWRITTEN]++;
	if (!request->answered)
		return 0;
	written = virtq_chain_write(&request->chain, request->tail, &tail, sizeof(tail));
	if (written != sizeof(tail))
		return written < 0 ? written : -EFAULT;
	return request->tail + sizeof(tail);
}
