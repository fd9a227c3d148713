/* SPDX-License-Identifier: BSD-2-Clause */
#include "play.h"
#include "shim.h"

/* ---- what the hosts did ---- */

static unsigned mirror_failures(const struct mirror *mirror)
{
	if (!mirror->fail_at || mirror->calls < mirror->fail_at)
		return 0;
	return mirror->fail_on ? mirror->calls - mirror->fail_at + 1 : 1;
}

void count_failures(struct play *play)
{
	play->failures += alloc_failed();
	for (unsigned i = 0; i < MIRRORS; i++) {
		struct mirror *mirror = &play->mirrors[i];
		unsigned failures = mirror_failures(mirror);

		play->failures += failures;
		if (!failures)
			continue;
		/* What fails on goes on failing, from its next call. */
		mirror->fail_at = mirror->fail_on ? mirror->calls + 1 : 0;
	}
}

void disarm(struct play *play)
{
	for (unsigned i = 0; i < MIRRORS; i++) {
		play->mirrors[i].fail_at = 0;
		play->mirrors[i].fail_on = false;
	}
}

/* ---- what is always true ---- */

void *reach(struct play *play, unsigned endpoint, iova_t iova, enum dma_access access)
{
	return dma_object(play->spaces[endpoint], iova, 1, access);
}

/* What a host reaches the model's own translation reaches too, and at the same place. */
static void check_mirror(struct play *play, unsigned n)
{
	const struct mirror *mirror = &play->mirrors[n];
	const struct guest_memory *memory = play->rig.vm->memory;

	fuzz_check(!mirror->bypass || !mirror->count);
	if (mirror->bypass)
		fuzz_check(reach(play, 2 + n, 0x5000, DMA_READ) == memory_host(memory, 0x5000, 1));
	for (unsigned i = 0; i < mirror->count; i++) {
		const struct dma_mapping *m = &mirror->maps[i];
		enum dma_access access = m->access & DMA_READ ? DMA_READ : DMA_WRITE;

		/* Registers are no memory to us, whatever a host can do with them. */
		if (m->mmio)
			continue;
		fuzz_check(reach(play, 2 + n, m->start, access) == memory_host(memory, m->gpa, 1));
		fuzz_check(reach(play, 2 + n, m->last, access) ==
			   memory_host(memory, m->gpa + (m->last - m->start), 1));
	}
}

/* ---- against the model, when nothing is under way ---- */

void check_reach(struct play *play, unsigned n, iova_t iova, enum dma_access access)
{
	const struct model_endpoint *endpoint = &play->model.endpoints[n];
	void *expected = NULL;
	gpa_t gpa;

	if (model_translate(&play->model, endpoint, iova, access, &gpa))
		expected = memory_host(play->rig.vm->memory, gpa, 1);
	fuzz_check(reach(play, n, iova, access) == expected);
}

static void check_around(struct play *play, iova_t iova)
{
	for (unsigned n = 0; n < MODEL_ENDPOINTS; n++) {
		check_reach(play, n, iova, DMA_READ);
		check_reach(play, n, iova - 1, DMA_WRITE);
		check_reach(play, n, iova, DMA_WRITE);
	}
}

static bool mirror_has_mapping(const struct mirror *mirror, const struct model_mapping *wanted)
{
	for (unsigned i = 0; i < mirror->count; i++) {
		const struct dma_mapping *m = &mirror->maps[i];

		if (m->start == wanted->start && m->last == wanted->last && m->gpa == wanted->gpa)
			return m->access == (wanted->flags & (DMA_READ | DMA_WRITE));
	}
	return false;
}

static void check_mirror_whole(struct play *play, unsigned n)
{
	const struct model_domain *domain = play->model.endpoints[2 + n].domain;
	const struct mirror *mirror = &play->mirrors[n];
	unsigned count = 0;

	fuzz_check(mirror->bypass == (domain ? domain->bypass : play->model.bypass));
	for (unsigned i = 0; domain && i < domain->count; i++) {
		if (!model_mirrors(&domain->mappings[i]))
			continue;
		fuzz_check(mirror_has_mapping(mirror, &domain->mappings[i]));
		count++;
	}
	fuzz_check(mirror->count == count);
}

void check_whole(struct play *play)
{
	for (unsigned n = 0; n < MIRRORS; n++)
		check_mirror_whole(play, n);
	for (unsigned d = 0; d <= MODEL_ENDPOINTS; d++) {
		const struct model_domain *domain = &play->model.domains[d];

		for (unsigned i = 0; domain->live && i < domain->count; i++) {
			check_around(play, domain->mappings[i].start);
			check_around(play, domain->mappings[i].last + 1);
		}
	}
}

void check_step(struct play *play)
{
	for (unsigned n = 0; n < MIRRORS; n++)
		check_mirror(play, n);
	if (play->lost || play->pending_count)
		return;
	fuzz_check(rig_counters(&play->rig).mappings == model_count(&play->model));
	check_around(play, play->last_iova);
	for (unsigned n = 0; n < MIRRORS; n++)
		check_mirror_whole(play, n);
}

/* ---- answers ---- */

static bool is_held(const struct play *play, unsigned endpoint, iova_t start, iova_t last)
{
	for (unsigned i = 0; i < HOLDS; i++) {
		const struct held *held = &play->holds[i];
		struct range range;

		if (held->live && held->endpoint == endpoint &&
		    range_make(held->segment.iova, held->segment.len, &range) &&
		    range_overlaps(range.start, range.last, start, last))
			return true;
	}
	return false;
}

/*
 * "OK" to UNMAP and DETACH means that no device is still at it. An endpoint that bypasses
 * once it is detached may have begun something new meanwhile, which nobody waits for.
 */
static void check_not_held(struct play *play, const struct model_request *request)
{
	struct virtio_iommu_req_unmap unmap;
	struct virtio_iommu_req_detach detach;

	memcpy(&unmap, request->bytes, sizeof(unmap));
	memcpy(&detach, request->bytes, sizeof(detach));
	for (unsigned n = 0; n < MODEL_ENDPOINTS; n++) {
		const struct model_endpoint *endpoint = &play->model.endpoints[n];

		if (request->bytes[0] == VIRTIO_IOMMU_T_DETACH && !play->model.bypass &&
		    endpoint->id == le32_to_cpu(detach.endpoint))
			fuzz_check(!is_held(play, n, 0, UINT64_MAX));
		if (request->bytes[0] == VIRTIO_IOMMU_T_UNMAP && endpoint->domain &&
		    endpoint->domain->id == le32_to_cpu(unmap.domain))
			fuzz_check(!is_held(play, n, le64_to_cpu(unmap.virt_start),
					    le64_to_cpu(unmap.virt_end)));
	}
}

/* The status, and that nothing is written behind it. */
static unsigned read_answer(struct play *play, const struct pending *pending, u32 len)
{
	u8 reply[4096];

	fuzz_check(len <= pending->request.room);
	wire_read(play->rig.vm, REPLIES + pending->slot * 0x1000, reply, sizeof(reply));
	for (u32 i = len; i < sizeof(reply); i++)
		fuzz_check(reply[i] == 0xee);
	if (!len)
		return MODEL_UNWRITTEN;
	fuzz_check(len >= 4 && !reply[len - 3] && !reply[len - 2] && !reply[len - 1]);
	return reply[len - 4];
}

static void judge(struct play *play, const struct pending *pending, u32 len)
{
	const struct model_request *request = &pending->request;
	unsigned status = read_answer(play, pending, len);
	bool failed = play->failures > play->excused;

	if (!model_allows(&play->model, request, status, false)) {
		fuzz_check(model_allows(&play->model, request, status, failed));
		play->excused++;
		/* The guest was done with it, so it is detached all the same. */
		play->lost |= request->bytes[0] == VIRTIO_IOMMU_T_DETACH;
	}
	fuzz_check(len == model_used_length(&play->model, request, status));
	if (play->lost || status != VIRTIO_IOMMU_S_OK)
		return;
	check_not_held(play, request);
	model_carry_out(&play->model, request);
}

void harvest(struct play *play)
{
	u16 head;
	u32 len;

	count_failures(play);
	/* The second failure may be one of undoing the first. */
	play->lost |= play->failures > 1;
	while (!play->lost && wire_has_used(&play->rig.requests)) {
		struct pending first = play->pending[0];

		fuzz_check(play->pending_count);
		fuzz_check(wire_used(&play->rig.requests, &head, &len) && head == first.head);
		memmove(play->pending, play->pending + 1,
			--play->pending_count * sizeof(play->pending[0]));
		judge(play, &first, len);
	}
	/* A driver that only asks cannot stop the device. */
	fuzz_check(play->lost || !wire_needs_reset(play->rig.vm, 0));
	if (!play->pending_count)
		play->failures = play->excused = 0;
}
