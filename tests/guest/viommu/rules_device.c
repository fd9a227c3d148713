/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules 1 to 9: features, configuration, and requests as such. */
#include "conformance.h"

static void offers_map_unmap(struct conformance *t)
{
	expect(t, t->features & HAS(MAP_UNMAP), "it does not");
}

static void offers_no_bypass(struct conformance *t)
{
	expect(t, !(t->features & HAS(BYPASS)),
	       t->features & HAS(BYPASS_CONFIG) ? "both are offered" : "F_BYPASS is offered");
}

static void has_page_sizes(struct conformance *t)
{
	begin_attached(t, ~0UL);
	expect(t, t->granule, "page_size_mask is 0");
	expect_status(
		t,
		map(t, t->domain, IOVA, IOVA + t->granule - 1, (u64)t->memory->page[0], READ_WRITE),
		OK, "MAP of a granule");
}

static void keeps_bypass(struct conformance *t)
{
	if (!offered(t, HAS(BYPASS_CONFIG), "no BYPASS_CONFIG"))
		return;
	for (int value = 1; value >= 0; value--) {
		begin(t, ~0UL);
		write_bypass(t, value);
		expect_status(t, read_bypass(t), value, "bypass once written");
		virtio_reset(t->iommu);
		expect_status(t, read_bypass(t), value, "bypass after a device reset");
	}
}

static void bypass_is_0_or_1(struct conformance *t)
{
	static const u8 others[] = { 2, 0x80, 0xff };

	expect(t, t->first_bypass <= 1, "it starts with another value");
	if (!offered(t, HAS(BYPASS_CONFIG), "no BYPASS_CONFIG"))
		return;
	for (unsigned i = 0; i < COUNT(others); i++) {
		begin(t, ~0UL);
		write_bypass(t, others[i]);
		expect(t, read_bypass(t) <= 1, "it took another value");
	}
}

static void success_is_ok(struct conformance *t)
{
	begin(t, ~0UL);
	expect_status(t, attach(t, t->domain, first_endpoint(t), 0), OK, "ATTACH");
	expect_status(t, detach(t, t->domain, first_endpoint(t)), OK, "DETACH");
}

static void unknown_types_are_unwritten(struct conformance *t)
{
	static const u8 types[] = { 0, 6, 0x7f, 0xff };

	for (unsigned i = 0; i < COUNT(types); i++) {
		const u8 request[64] = { types[i] };

		begin(t, ~0UL);
		expect_status(t, ask(t, request, sizeof(request)), UNWRITTEN, "an unknown type");
	}
}

static void reserved_bytes_of_head_and_tail(struct conformance *t)
{
	const struct virtio_iommu_req_attach request = {
		.head = { .type = VIRTIO_IOMMU_T_ATTACH, .reserved = { 1, 2, 0xff } },
		.domain = t->domain,
		.endpoint = first_endpoint(t),
	};

	begin(t, ~0UL);
	expect_status(t, ask(t, &request, offsetof(struct virtio_iommu_req_attach, tail)), OK,
		      "ATTACH with head.reserved");
	expect(t, all_bytes(t->memory->reply + 1, 0, 3), "tail.reserved is not 0");
}

static void unattached_reaches_nothing(struct conformance *t)
{
	if (!drivable(t, 1))
		return;
	begin(t, ~0UL);
	if (!(t->features & HAS(BYPASS_CONFIG)) && read_bypass(t)) {
		skip(t, "it is in bypass, and no BYPASS_CONFIG to leave it");
		return;
	}
	expect(t, !reaches(t, 0, (u64)t->memory->page[0], 0), "its write arrived");
}

const struct rule device_rules[] = {
	{ "MAP_UNMAP is offered", offers_map_unmap },
	{ "F_BYPASS is not offered, nor together with BYPASS_CONFIG", offers_no_bypass },
	{ "page_size_mask has a bit, the lowest is the granule", has_page_sizes },
	{ "bypass survives a device reset", keeps_bypass },
	{ "bypass is never other than 0 or 1", bypass_is_0_or_1 },
	{ "success is status OK", success_is_ok },
	{ "unknown request types come back unwritten", unknown_types_are_unwritten },
	{ "head.reserved is ignored, tail.reserved is 0", reserved_bytes_of_head_and_tail },
	{ "an endpoint neither attached nor in bypass reaches nothing",
	  unattached_reaches_nothing },
};
const unsigned device_rule_count = COUNT(device_rules);
