/* SPDX-License-Identifier: BSD-2-Clause */
/* What the specification wants outside its lists of rules. */
#include "conformance.h"

#define LAST_ADDRESS (~0UL)

static void too_short(struct conformance *t)
{
	const struct virtio_iommu_req_attach request = {
		.head.type = VIRTIO_IOMMU_T_ATTACH,
		.domain = t->domain,
		.endpoint = first_endpoint(t),
	};
	static const u32 sizes[] = { 1, 3, 4, 8, 19 };

	for (unsigned i = 0; i < COUNT(sizes); i++) {
		begin(t, ~0UL);
		expect_status(t, ask(t, &request, sizes[i]), UNWRITTEN, "a part of a request");
	}
}

static void single_bytes(struct conformance *t)
{
	const struct virtio_iommu_req_attach request = {
		.head.type = VIRTIO_IOMMU_T_ATTACH,
		.domain = t->domain,
		.endpoint = first_endpoint(t),
	};
	struct memory *m = t->memory;
	struct segment segments[24];

	begin(t, ~0UL);
	memcpy(m->request, &request, 20);
	memset(m->reply, 0xee, 4);
	for (unsigned i = 0; i < 20; i++)
		segments[i] = (struct segment){ .at = m->request + i, .size = 1 };
	for (unsigned i = 0; i < 4; i++)
		segments[20 + i] =
			(struct segment){ .at = m->reply + i, .size = 1, .writable = true };
	queue_add(&t->requests, 0, segments, COUNT(segments));
	queue_kick(&t->requests);
	expect_status(t, queue_wait(&t->requests), 4, "the used length");
	expect_status(t, m->reply[0], OK, "ATTACH");
}

static void reset_detaches(struct conformance *t)
{
	begin_attached(t, ~0UL);
	begin(t, ~0UL);
	expect_status(
		t,
		map(t, t->domain, IOVA, IOVA + t->granule - 1, (u64)t->memory->page[0], READ_WRITE),
		NOENT, "MAP in the domain of before");
}

static void bypass_without_feature(struct conformance *t)
{
	if (!offered(t, HAS(BYPASS_CONFIG), "no BYPASS_CONFIG") || !drivable(t, 1))
		return;
	begin(t, ~0UL);
	write_bypass(t, 1);
	expect_status(t, read_bypass(t), 1, "bypass once written");
	begin(t, ~HAS(BYPASS_CONFIG));
	expect(t, reaches(t, 0, (u64)t->memory->page[0], 0), "it does not");
	begin(t, ~0UL);
}

static void bypass_domain(struct conformance *t)
{
	if (!offered(t, HAS(BYPASS_CONFIG), "no BYPASS_CONFIG") || !drivable(t, 1))
		return;
	begin(t, ~0UL);
	expect_status(t, attach(t, t->domain, first_endpoint(t), VIRTIO_IOMMU_ATTACH_F_BYPASS), OK,
		      "ATTACH");
	expect(t, reaches(t, 0, (u64)t->memory->page[0], 0), "it does not");
}

static void no_event_buffers(struct conformance *t)
{
	struct virtio_iommu_fault report;

	if (!drivable(t, 1))
		return;
	begin_attached(t, ~0UL);
	for (unsigned i = 0; i < 3; i++)
		reaches(t, 0, IOVA, 0);
	expect(t, !virtio_broken(t->iommu), "the device gives up");
	expect(t, provoke(t, IOVA, &report), "no report once there are buffers");
}

/* What is outside input_range or domain_range, if anything is. */
static void outside_ranges(struct conformance *t)
{
	const u64 config = t->iommu->config, page = (u64)t->memory->page[0];
	const u64 last = read32(config + 16) | (u64)read32(config + 20) << 32;
	const u32 last_domain = read32(config + 28);
	const bool narrow = t->features & HAS(INPUT_RANGE) && last != LAST_ADDRESS;
	const bool few = t->features & HAS(DOMAIN_RANGE) && last_domain != ~0u;

	if (!narrow && !few) {
		skip(t, "all addresses and all domains are inside");
		return;
	}
	begin_attached(t, ~0UL);
	if (narrow)
		expect_status(t, map(t, t->domain, last + 1, last + t->granule, page, READ_WRITE),
			      RANGE, "MAP");
	if (few)
		expect(t, attach(t, last_domain + 1, first_endpoint(t), 0) > OK, "ATTACH is OK");
}

static void backwards(struct conformance *t)
{
	const u64 page = (u64)t->memory->page[0];

	begin_attached(t, ~0UL);
	expect(t, map(t, t->domain, IOVA + t->granule, IOVA - 1, page, READ_WRITE) > OK,
	       "it is OK");
	expect(t, map(t, t->domain, IOVA, IOVA - 1, page, READ_WRITE) > OK, "one of no byte is OK");
	/* Were one of them in a table now, it could be one without an end. */
	expect_status(t, unmap(t, t->domain, 0, LAST_ADDRESS), OK, "UNMAP of everything, after it");
}

static void last_page(struct conformance *t)
{
	const u64 page = (u64)t->memory->page[0], top = LAST_ADDRESS - t->granule + 1;
	const u64 config = t->iommu->config;

	if (t->features & HAS(INPUT_RANGE) && (read32(config + 16) & read32(config + 20)) != ~0u) {
		skip(t, "it is outside input_range");
		return;
	}
	begin_attached(t, ~0UL);
	expect_status(t, map(t, t->domain, top, LAST_ADDRESS, page, READ_WRITE), OK, "MAP");
	expect_status(t, map(t, t->domain, top, LAST_ADDRESS, page, READ_WRITE), INVAL,
		      "MAP once more");
	expect_status(t, unmap(t, t->domain, top, LAST_ADDRESS), OK, "UNMAP");
}

static void unmap_everything(struct conformance *t)
{
	begin_attached(t, ~0UL);
	expect_status(t, unmap(t, t->domain, 0, LAST_ADDRESS), OK, "UNMAP");
	expect_status(t, map_control(t, t->domain, 0), OK, "MAP of what was mapped before");
}

static void physical_wrap(struct conformance *t)
{
	const u64 top = LAST_ADDRESS - t->granule + 1;

	begin_attached(t, ~0UL);
	expect(t, map(t, t->domain, IOVA, IOVA + 2 * t->granule - 1, top, READ_WRITE) > OK,
	       "it is OK");
}

static void failed_move(struct conformance *t)
{
	if (!offered(t, HAS(BYPASS_CONFIG), "no BYPASS_CONFIG") || !drivable(t, 2))
		return;
	begin_attached(t, ~0UL);
	expect_status(
		t,
		map(t, t->domain, IOVA, IOVA + t->granule - 1, (u64)t->memory->page[0], READ_WRITE),
		OK, "MAP");
	expect_status(
		t,
		attach(t, t->domain + 1, t->endpoints[1]->endpoint, VIRTIO_IOMMU_ATTACH_F_BYPASS),
		OK, "ATTACH");
	expect(t, attach(t, t->domain + 1, first_endpoint(t), 0) > OK, "it is not refused");
	expect(t, reaches(t, 0, IOVA, 0), "the old domain is lost");
}

static void buffers_across_mappings(struct conformance *t)
{
	const u64 a = (u64)t->memory->page[0], b = (u64)t->memory->page[1];

	if (!drivable(t, 1))
		return;
	begin_attached(t, ~0UL);
	/* Neighbours in IOVA, the other way round in memory: not one mapping in disguise. */
	expect_status(t, map(t, t->domain, IOVA, IOVA + t->granule - 1, b, READ_WRITE), OK, "MAP");
	expect_status(
		t, map(t, t->domain, IOVA + t->granule, IOVA + 2 * t->granule - 1, a, READ_WRITE),
		OK, "MAP");
	expect(t, reaches(t, 0, IOVA + t->granule - 32, 0), "its second part does not arrive");
}

const struct rule prose_rules[] = {
	{ "a request that is too short comes back unwritten", too_short },
	{ "a request may come in single bytes", single_bytes },
	{ "a reset leaves nothing attached", reset_detaches },
	{ "bypass = 1 holds if the driver does not accept BYPASS_CONFIG", bypass_without_feature },
	{ "an endpoint in a bypass domain reaches memory", bypass_domain },
	{ "without event buffers reports are dropped", no_event_buffers },
	{ "outside input_range and domain_range requests fail", outside_ranges },
	{ "a MAP that ends before it starts fails", backwards },
	{ "MAP and UNMAP of the page that ends at 2^64-1", last_page },
	{ "UNMAP of all 2^64 addresses", unmap_everything },
	{ "a MAP whose physical range wraps fails", physical_wrap },
	{ "a refused ATTACH leaves the old attachment", failed_move },
	{ "a buffer may cross mappings", buffers_across_mappings },
};
const unsigned prose_rule_count = COUNT(prose_rules);
