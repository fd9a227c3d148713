/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules 10 to 21: ATTACH and DETACH. */
#include "conformance.h"

#define BYPASS VIRTIO_IOMMU_ATTACH_F_BYPASS

/* No machine has these: PCI's bus 222, and past the platform devices. */
static const u32 nobody[] = { 0xdead, 0x7fffffff, 0x8000ffff };

static u64 page_of(const struct conformance *t, unsigned n)
{
	return (u64)t->memory->page[n];
}

/* page[@page] at @iova of domain @domain, for one granule. */
static int map_page(struct conformance *t, u32 domain, u64 iova, unsigned page)
{
	return map(t, domain, iova, iova + t->granule - 1, page_of(t, page), READ_WRITE);
}

static void attach_reserved(struct conformance *t)
{
	for (unsigned i = 0; i < 4; i++) {
		struct virtio_iommu_req_attach request = {
			.head.type = VIRTIO_IOMMU_T_ATTACH,
			.domain = t->domain,
			.endpoint = first_endpoint(t),
		};

		begin(t, ~0UL);
		request.reserved[i] = 1;
		expect_status(t, ask(t, &request, offsetof(struct virtio_iommu_req_attach, tail)),
			      INVAL, "ATTACH with reserved bytes");
	}
}

static void attach_flags(struct conformance *t)
{
	begin(t, ~0UL);
	expect_status(t, attach(t, t->domain, first_endpoint(t), 2), INVAL, "flag 1");
	expect_status(t, attach(t, t->domain, first_endpoint(t), 1u << 31), INVAL, "flag 31");
	begin(t, ~HAS(BYPASS_CONFIG));
	expect_status(t, attach(t, t->domain, first_endpoint(t), BYPASS), INVAL,
		      "the BYPASS flag without BYPASS_CONFIG");
}

static void attach_nobody(struct conformance *t)
{
	begin(t, ~0UL);
	for (unsigned i = 0; i < COUNT(nobody); i++)
		expect_status(t, attach(t, t->domain, nobody[i], 0), NOENT, "no such endpoint");
}

static void share(struct conformance *t)
{
	int status;

	if (!drivable(t, 2))
		return;
	begin_attached(t, ~0UL);
	status = attach(t, t->domain, t->endpoints[1]->endpoint, 0);
	if (status == UNSUPP)
		return;
	expect_status(t, status, OK, "ATTACH of a second endpoint");
	expect_status(t, map_control(t, t->domain, 1), OK, "MAP");
	expect_status(t, map_page(t, t->domain, IOVA, 0), OK, "MAP");
	expect(t, reaches(t, 0, IOVA, 0), "the first reaches no mapping made for both");
	expect(t, reaches(t, 1, IOVA, 0), "the second reaches no mapping made for both");
}

static void bypass_flag_agrees(struct conformance *t)
{
	if (!offered(t, HAS(BYPASS_CONFIG), "no BYPASS_CONFIG") || !drivable(t, 2))
		return;
	begin_attached(t, ~0UL);
	expect_status(t, attach(t, t->domain, t->endpoints[1]->endpoint, BYPASS), INVAL,
		      "with BYPASS to a domain without");
	expect_status(t, attach(t, t->domain + 1, t->endpoints[1]->endpoint, BYPASS), OK,
		      "with BYPASS to a new domain");
	expect_status(t, attach(t, t->domain + 1, first_endpoint(t), 0), INVAL,
		      "without BYPASS to a domain with");
}

static void move(struct conformance *t)
{
	if (!drivable(t, 1))
		return;
	begin_attached(t, ~0UL);
	expect_status(t, map_page(t, t->domain, IOVA, 0), OK, "MAP");
	expect(t, reaches(t, 0, IOVA, 0), "a mapping is not reached");
	expect_status(t, attach(t, t->domain + 1, first_endpoint(t), 0), OK, "the move");
	expect_status(t, map_control(t, t->domain + 1, 0), OK, "MAP in the new domain");
	expect(t, !reaches(t, 0, IOVA, 0), "the old domain is still reached");
	expect_status(t, map_page(t, t->domain + 1, IOVA, 1), OK, "MAP in the new domain");
	expect(t, reaches(t, 0, IOVA, 1), "the new domain is not reached");
}

static void compatible(struct conformance *t)
{
	if (!drivable(t, 2))
		return;
	begin_attached(t, ~0UL);
	expect_status(t, map_page(t, t->domain, IOVA, 0), OK, "MAP");
	expect_status(t, attach(t, t->domain, t->endpoints[1]->endpoint, 0), OK,
		      "an endpoint of the same kind");
}

static void joins(struct conformance *t)
{
	if (!drivable(t, 2))
		return;
	begin_attached(t, ~0UL);
	expect_status(t, map_page(t, t->domain, IOVA, 0), OK, "MAP");
	expect_status(t, map_control(t, t->domain, 1), OK, "MAP");
	expect_status(t, attach(t, t->domain, t->endpoints[1]->endpoint, 0), OK, "ATTACH");
	expect(t, reaches(t, 1, IOVA, 0), "it does not reach what was mapped before it came");
}

static void detach_reserved(struct conformance *t)
{
	struct virtio_iommu_req_detach request = {
		.head.type = VIRTIO_IOMMU_T_DETACH,
		.domain = t->domain,
		.endpoint = first_endpoint(t),
		.reserved = { 1, 2, 3, 4, 5, 6, 7, 8 },
	};

	begin_attached(t, ~0UL);
	expect_status(t, ask(t, &request, offsetof(struct virtio_iommu_req_detach, tail)), OK,
		      "DETACH with reserved bytes");
}

static void detach_nobody(struct conformance *t)
{
	begin_attached(t, ~0UL);
	for (unsigned i = 0; i < COUNT(nobody); i++)
		expect_status(t, detach(t, t->domain, nobody[i]), NOENT, "no such endpoint");
}

/* The specification allows other answers, but not that the endpoint is torn off. */
static void detach_elsewhere(struct conformance *t)
{
	int status;

	begin_attached(t, ~0UL);
	status = detach(t, t->domain + 1, first_endpoint(t));
	expect(t, status >= 0, "no status at all");
	expect(t, status != OK || is_free(t, IOVA, IOVA + t->granule - 1),
	       "OK, and it was torn off its domain");
}

static void detached_reaches_nothing(struct conformance *t)
{
	if (!drivable(t, 1))
		return;
	begin_attached(t, ~0UL);
	expect_status(t, map_page(t, t->domain, IOVA, 0), OK, "MAP");
	expect(t, reaches(t, 0, IOVA, 0), "a mapping is not reached");
	expect_status(t, detach(t, t->domain, first_endpoint(t)), OK, "DETACH");
	expect(t, !reaches(t, 0, IOVA, 0), "a mapping is still reached");
	/* Nor does the domain's next endpoint find it. */
	begin_attached(t, ~0UL);
	expect(t, !reaches(t, 0, IOVA, 0), "a mapping outlives a reset");
}

const struct rule attach_rules[] = {
	{ "ATTACH: reserved bytes are INVAL", attach_reserved },
	{ "ATTACH: unknown flags are INVAL", attach_flags },
	{ "ATTACH: an endpoint that does not exist is NOENT", attach_nobody },
	{ "ATTACH: endpoints share a domain, or UNSUPP", share },
	{ "ATTACH: a bypass flag that disagrees with the domain is INVAL", bypass_flag_agrees },
	{ "ATTACH while attached elsewhere detaches first", move },
	{ "ATTACH: compatible properties attach", compatible },
	{ "ATTACH: who joins a domain reaches its mappings", joins },
	{ "DETACH: reserved bytes are ignored", detach_reserved },
	{ "DETACH: an endpoint that does not exist is NOENT", detach_nobody },
	{ "DETACH from another domain may be INVAL, and changes nothing", detach_elsewhere },
	{ "DETACH: no mapping is reached after it", detached_reaches_nothing },
};
const unsigned attach_rule_count = COUNT(attach_rules);
