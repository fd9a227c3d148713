/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests and their answers (virtio 1.4, "IOMMU Device", "Device operations"). */
#include "conformance.h"

int exchange(struct conformance *t, const void *request, u32 size, u32 reply_size)
{
	struct memory *m = t->memory;
	const struct segment segments[] = {
		{ .at = m->request, .size = size },
		{ .at = m->reply, .size = reply_size, .writable = true },
	};
	int len;

	memcpy(m->request, request, size);
	memset(m->reply, 0xee, sizeof(m->reply));
	queue_add(&t->requests, 0, segments, 2);
	queue_kick(&t->requests);
	len = queue_wait(&t->requests);
	if (len < 0)
		return len == -1 ? BROKEN : SILENT;
	return len;
}

/* The status behind @before bytes of answer. */
static int status_of(struct conformance *t, int len, u32 before)
{
	const u8 *reply = t->memory->reply;

	if (len == BROKEN || len == SILENT)
		return len;
	if (!len)
		return all_bytes(reply, 0xee, before + 4) ? UNWRITTEN : ODD_LENGTH;
	return len == (int)before + 4 ? reply[before] : ODD_LENGTH;
}

int ask(struct conformance *t, const void *request, u32 size)
{
	return status_of(t, exchange(t, request, size, 4), 0);
}

int attach(struct conformance *t, u32 domain, u32 endpoint, u32 flags)
{
	const struct virtio_iommu_req_attach request = {
		.head.type = VIRTIO_IOMMU_T_ATTACH,
		.domain = domain,
		.endpoint = endpoint,
		.flags = flags,
	};

	return ask(t, &request, offsetof(struct virtio_iommu_req_attach, tail));
}

int detach(struct conformance *t, u32 domain, u32 endpoint)
{
	const struct virtio_iommu_req_detach request = {
		.head.type = VIRTIO_IOMMU_T_DETACH,
		.domain = domain,
		.endpoint = endpoint,
	};

	return ask(t, &request, offsetof(struct virtio_iommu_req_detach, tail));
}

int map(struct conformance *t, u32 domain, u64 start, u64 last, u64 gpa, u32 flags)
{
	const struct virtio_iommu_req_map request = {
		.head.type = VIRTIO_IOMMU_T_MAP,
		.domain = domain,
		.virt_start = start,
		.virt_end = last,
		.phys_start = gpa,
		.flags = flags,
	};

	return ask(t, &request, offsetof(struct virtio_iommu_req_map, tail));
}

int unmap(struct conformance *t, u32 domain, u64 start, u64 last)
{
	const struct virtio_iommu_req_unmap request = {
		.head.type = VIRTIO_IOMMU_T_UNMAP,
		.domain = domain,
		.virt_start = start,
		.virt_end = last,
	};

	return ask(t, &request, offsetof(struct virtio_iommu_req_unmap, tail));
}

int probe(struct conformance *t, u32 endpoint)
{
	const struct virtio_iommu_req_probe request = {
		.head.type = VIRTIO_IOMMU_T_PROBE,
		.endpoint = endpoint,
	};

	return status_of(t, exchange(t, &request, sizeof(request), t->probe_size + 4),
			 t->probe_size);
}

int map_control(struct conformance *t, u32 domain, unsigned n)
{
	const u64 at = (u64)t->memory->control[n];

	return map(t, domain, at, at + t->granule - 1, at, READ_WRITE);
}

bool is_free(struct conformance *t, u64 start, u64 last)
{
	if (map(t, t->domain, start, last, (u64)t->memory->page[0], READ_WRITE) != OK)
		return false;
	return unmap(t, t->domain, start, last) == OK;
}

u8 read_bypass(const struct conformance *t)
{
	return *(volatile u8 *)(t->iommu->config + offsetof(struct virtio_iommu_config, bypass));
}

void write_bypass(struct conformance *t, u8 value)
{
	*(volatile u8 *)(t->iommu->config + offsetof(struct virtio_iommu_config, bypass)) = value;
}

u32 first_endpoint(const struct conformance *t)
{
	return t->endpoint_count ? t->endpoints[0]->endpoint : 0;
}

void begin(struct conformance *t, u64 features)
{
	if (!virtio_begin(t->iommu, features & ALL_FEATURES))
		expect(t, false, "the device takes not even the features that it offers");
	if (!queue_start(&t->requests, t->iommu, 0, SMALL_QUEUE_SIZE * 4, t->memory->request_ring))
		expect(t, false, "there is no request queue");
	if (!queue_start(&t->events, t->iommu, 1, SMALL_QUEUE_SIZE, t->memory->event_ring))
		expect(t, false, "there is no event queue");
	virtio_ready(t->iommu);
	if (t->features & features & HAS(BYPASS_CONFIG))
		write_bypass(t, 0);
}

void begin_attached(struct conformance *t, u64 features)
{
	begin(t, features);
	expect_status(t, attach(t, t->domain, first_endpoint(t), 0), OK, "ATTACH, to begin with");
	expect_status(t, map_control(t, t->domain, 0), OK, "MAP, to begin with");
}
