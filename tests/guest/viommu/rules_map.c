/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules 22 to 32: MAP and UNMAP, and the examples of the latter. */
#include "conformance.h"

#define BYPASS VIRTIO_IOMMU_ATTACH_F_BYPASS

static u64 target(const struct conformance *t)
{
	return (u64)t->memory->page[0];
}

/* Pages [@first, @last] from IOVA on; nobody looks at where they lead. */
static int map_pages(struct conformance *t, u64 first, u64 last)
{
	return map(t, t->domain, IOVA + first * t->granule, IOVA + (last + 1) * t->granule - 1,
		   target(t), READ_WRITE);
}

static int unmap_pages(struct conformance *t, u64 first, u64 last)
{
	return unmap(t, t->domain, IOVA + first * t->granule, IOVA + (last + 1) * t->granule - 1);
}

static bool pages_free(struct conformance *t, u64 first, u64 last)
{
	return is_free(t, IOVA + first * t->granule, IOVA + (last + 1) * t->granule - 1);
}

static void misaligned(struct conformance *t)
{
	const u64 half = t->granule / 2, last = IOVA + t->granule - 1;

	begin_attached(t, ~0UL);
	expect_status(t, map(t, t->domain, IOVA + half, last, target(t), READ_WRITE), RANGE,
		      "virt_start");
	expect_status(t, map(t, t->domain, IOVA, last, target(t) + half, READ_WRITE), RANGE,
		      "phys_start");
	expect_status(t, map(t, t->domain, IOVA, last - half, target(t), READ_WRITE), RANGE,
		      "virt_end");
	expect_status(t, map(t, t->domain, IOVA, last + 1, target(t), READ_WRITE), RANGE,
		      "virt_end by one");
}

static void overlapping(struct conformance *t)
{
	begin_attached(t, ~0UL);
	expect_status(t, map_pages(t, 4, 7), OK, "MAP");
	expect_status(t, map_pages(t, 4, 7), INVAL, "the same again");
	expect_status(t, map_pages(t, 5, 6), INVAL, "within");
	expect_status(t, map_pages(t, 0, 15), INVAL, "around");
	expect_status(t, map_pages(t, 0, 4), INVAL, "over the start");
	expect_status(t, map_pages(t, 7, 9), INVAL, "over the end");
	expect_status(t, map_pages(t, 0, 3), OK, "beside it");
}

static int map_flags(struct conformance *t, u32 flags)
{
	return map(t, t->domain, IOVA, IOVA + t->granule - 1, target(t), flags);
}

static void map_unknown_flags(struct conformance *t)
{
	begin_attached(t, ~0UL);
	expect_status(t, map_flags(t, READ_WRITE | 8), INVAL, "flag 3");
	expect_status(t, map_flags(t, READ_WRITE | 1u << 31), INVAL, "flag 31");
	begin_attached(t, ~HAS(MMIO));
	expect_status(t, map_flags(t, READ_WRITE | VIRTIO_IOMMU_MAP_F_MMIO), INVAL,
		      "MMIO without F_MMIO");
}

static void map_no_domain(struct conformance *t)
{
	begin_attached(t, ~0UL);
	expect_status(t, map(t, t->domain + 1, IOVA, IOVA + t->granule - 1, target(t), READ_WRITE),
		      NOENT, "MAP");
}

static void map_bypass(struct conformance *t)
{
	if (!offered(t, HAS(BYPASS_CONFIG), "no BYPASS_CONFIG"))
		return;
	begin(t, ~0UL);
	expect_status(t, attach(t, t->domain, first_endpoint(t), BYPASS), OK, "ATTACH");
	expect_status(t, map_pages(t, 0, 0), INVAL, "MAP");
}

static void no_write_without_write(struct conformance *t)
{
	if (!drivable(t, 1))
		return;
	begin_attached(t, ~0UL);
	expect_status(t, map_flags(t, READ_ONLY), OK, "MAP");
	expect(t, !reaches(t, 0, IOVA, 0), "a write arrived");
	expect_status(t, unmap_pages(t, 0, 0), OK, "UNMAP");
	expect_status(t, map_flags(t, READ_WRITE), OK, "MAP");
	expect(t, reaches(t, 0, IOVA, 0), "and with WRITE none does either");
}

static void unmap_reserved(struct conformance *t)
{
	const struct virtio_iommu_req_unmap request = {
		.head.type = VIRTIO_IOMMU_T_UNMAP,
		.domain = t->domain,
		.virt_start = IOVA,
		.virt_end = IOVA + t->granule - 1,
		.reserved = { 0, 0, 0, 1 },
	};
	int status;

	begin_attached(t, ~0UL);
	expect_status(t, map_pages(t, 0, 0), OK, "MAP");
	status = ask(t, &request, offsetof(struct virtio_iommu_req_unmap, tail));
	expect(t, status == OK || status == INVAL, "neither OK nor INVAL");
	expect(t, pages_free(t, 0, 0) == (status == OK), "the status does not say what happened");
}

static void unmap_no_domain(struct conformance *t)
{
	begin_attached(t, ~0UL);
	expect_status(t, unmap(t, t->domain + 1, IOVA, IOVA + t->granule - 1), NOENT, "UNMAP");
}

static void unmap_bypass(struct conformance *t)
{
	if (!offered(t, HAS(BYPASS_CONFIG), "no BYPASS_CONFIG"))
		return;
	begin(t, ~0UL);
	expect_status(t, attach(t, t->domain, first_endpoint(t), BYPASS), OK, "ATTACH");
	expect_status(t, unmap_pages(t, 0, 0), INVAL, "UNMAP");
}

static void no_splitting(struct conformance *t)
{
	begin_attached(t, ~0UL);
	expect_status(t, map_pages(t, 0, 3), OK, "MAP");
	expect_status(t, map_pages(t, 4, 7), OK, "MAP");
	expect_status(t, unmap_pages(t, 0, 5), RANGE, "all of one and a part of the next");
	expect(t, !pages_free(t, 0, 0), "RANGE, but the first is gone");
	expect_status(t, unmap_pages(t, 2, 7), RANGE, "a part of one and all of the next");
	expect(t, !pages_free(t, 4, 4), "RANGE, but the second is gone");
	expect_status(t, unmap_pages(t, 1, 2), RANGE, "from the middle");
	expect(t, !pages_free(t, 1, 2), "RANGE, but the middle is gone");
}

static void holes(struct conformance *t)
{
	begin_attached(t, ~0UL);
	expect_status(t, map_pages(t, 2, 3), OK, "MAP");
	expect_status(t, map_pages(t, 8, 9), OK, "MAP");
	expect_status(t, unmap_pages(t, 0, 15), OK, "UNMAP of all and of holes");
	expect(t, pages_free(t, 0, 15), "something is left");
}

const struct rule map_rules[] = {
	{ "MAP: misaligned addresses are RANGE", misaligned },
	{ "MAP: overlap is INVAL", overlapping },
	{ "MAP: unknown flags are INVAL", map_unknown_flags },
	{ "MAP: a domain that does not exist is NOENT", map_no_domain },
	{ "MAP: a bypass domain is INVAL", map_bypass },
	{ "MAP: no write through a mapping without WRITE", no_write_without_write },
	{ "UNMAP: reserved bytes may be INVAL", unmap_reserved },
	{ "UNMAP: a domain that does not exist is NOENT", unmap_no_domain },
	{ "UNMAP: a bypass domain is INVAL", unmap_bypass },
	{ "UNMAP: a split is RANGE and removes nothing", no_splitting },
	{ "UNMAP: holes are no error", holes },
};
const unsigned map_rule_count = COUNT(map_rules);

/* ---- "UNMAP request", the examples ---- */

struct example {
	u8 maps[2][2]; /* pages [first, last]; {1, 0}: none */
	u8 unmap_last; /* from page 0 on */
	int status;
	u8 first_left, last_left; /* pages that stay mapped; {1, 0}: none */
};

static const struct example examples[] = {
	{ { { 1, 0 }, { 1, 0 } }, 4, OK, 1, 0 },    { { { 0, 9 }, { 1, 0 } }, 9, OK, 1, 0 },
	{ { { 0, 4 }, { 5, 9 } }, 9, OK, 1, 0 },    { { { 0, 9 }, { 1, 0 } }, 4, RANGE, 0, 9 },
	{ { { 0, 4 }, { 5, 9 } }, 4, OK, 5, 9 },    { { { 0, 4 }, { 1, 0 } }, 9, OK, 1, 0 },
	{ { { 0, 4 }, { 10, 14 } }, 14, OK, 1, 0 },
};

static void unmap_example(struct conformance *t)
{
	const struct example *example = &examples[t->number - 1];

	begin_attached(t, ~0UL);
	for (unsigned i = 0; i < 2; i++) {
		if (example->maps[i][0] <= example->maps[i][1])
			expect_status(t, map_pages(t, example->maps[i][0], example->maps[i][1]), OK,
				      "MAP");
	}
	expect_status(t, unmap_pages(t, 0, example->unmap_last), example->status, "UNMAP");
	for (u64 page = 0; page < 16; page++) {
		const bool left = page >= example->first_left && page <= example->last_left;

		expect(t, pages_free(t, page, page) != left,
		       left ? "it removed too much" : "it removed too little");
	}
}

const struct rule unmap_examples[COUNT(examples)] = {
	{ "UNMAP of nothing", unmap_example },
	{ "UNMAP of one mapping", unmap_example },
	{ "UNMAP of two neighbours", unmap_example },
	{ "UNMAP of a part is refused", unmap_example },
	{ "UNMAP of one of two neighbours", unmap_example },
	{ "UNMAP of one and of nothing behind it", unmap_example },
	{ "UNMAP of two and the hole between them", unmap_example },
};
const unsigned unmap_example_count = COUNT(unmap_examples);
