/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An IOMMU that is full: "MAP request" has NOMEM for it (virtio 1.4, "IOMMU Device"). Whose table
 * it is that has no more room, the device's own or that of the host behind a passed endpoint,
 * nobody tells the guest: if the two were not at one, what is mapped would not be what is reached.
 */
#include "conformance.h"

#define NOMEM VIRTIO_IOMMU_S_NOMEM
/* Above all that a machine has below 4 GiB; a hole behind each page, that none is merged. */
#define FIRST_IOVA  0x100000000UL
#define STRIDE	    2
#define MOST_WANTED (1UL << 21)
#define FLAGS	    READ_WRITE

static u64 start_of(const struct conformance *t, u64 n)
{
	return FIRST_IOVA + n * STRIDE * t->granule;
}

static int map_nth(struct conformance *t, u64 n)
{
	const u64 start = start_of(t, n);

	return map(t, t->domain, start, start + t->granule - 1, (u64)t->memory->page[0], FLAGS);
}

static int unmap_nth(struct conformance *t, u64 n)
{
	const u64 start = start_of(t, n);

	return unmap(t, t->domain, start, start + t->granule - 1);
}

/* All endpoints are in one domain, with their rings mapped. */
static void attach_all(struct conformance *t)
{
	begin_attached(t, ~0UL);
	for (unsigned i = 1; i < t->endpoint_count; i++) {
		expect_status(t, attach(t, t->domain, t->endpoints[i]->endpoint, 0), OK,
			      "ATTACH of another endpoint");
		expect_status(t, map_control(t, t->domain, i), OK, "MAP of its rings");
	}
}

/* Page after page until one is refused: how many were not. */
static u64 fill(struct conformance *t)
{
	int status = OK;
	u64 count = 0;

	while (!t->failed && count < MOST_WANTED) {
		status = map_nth(t, count);
		if (status != OK)
			break;
		count++;
	}
	expect(t, count < MOST_WANTED, "there is no end to it");
	expect_status(t, status, NOMEM, "the MAP that is too much");
	return count;
}

static void expect_reached(struct conformance *t, u64 n, bool wanted, const char *otherwise)
{
	for (unsigned i = 0; i < t->endpoint_count && !t->failed; i++)
		expect(t, reaches(t, i, start_of(t, n), 0) == wanted, otherwise);
}

/* It is full: @count are mapped, and no more. */
static void check_full(struct conformance *t, u64 count)
{
	expect(t, count, "not one page can be mapped");
	expect_status(t, map_nth(t, count), NOMEM, "a second try");
	expect_reached(t, 0, true, "the first page that was mapped is not reached");
	expect_reached(t, count - 1, true, "the last page that was mapped is not reached");
	expect_reached(t, count, false, "what was refused is reached");
}

/* One goes, the one that was refused comes; and back. */
static void check_exchange(struct conformance *t, u64 count)
{
	expect_status(t, unmap_nth(t, 0), OK, "UNMAP of one");
	expect_reached(t, 0, false, "what was unmapped is reached");
	expect_status(t, map_nth(t, count), OK, "MAP of what was refused, in its place");
	expect_reached(t, count, true, "it is mapped, but not reached");
	expect_status(t, map_nth(t, 0), NOMEM, "MAP of the other, which has no room now");
	expect_status(t, unmap_nth(t, count), OK, "UNMAP of what was refused");
	expect_status(t, map_nth(t, 0), OK, "MAP again of what was unmapped");
	expect_reached(t, 0, true, "what was mapped again is not reached");
}

/* All go with one request, and as many come. */
static void check_recovery(struct conformance *t, u64 count)
{
	const u64 last = start_of(t, count) - 1;

	expect_status(t, unmap(t, t->domain, FIRST_IOVA, last), OK, "UNMAP of all");
	expect_reached(t, count - 1, false, "what was unmapped with all is reached");
	expect(t, fill(t) == count, "not as many fit as before");
	check_full(t, count);
	expect_status(t, unmap(t, t->domain, FIRST_IOVA, last), OK, "UNMAP of all, at the end");
}

void run_full(struct conformance *t)
{
	u64 count;

	attach_all(t);
	count = fill(t);
	check_full(t, count);
	check_exchange(t, count);
	check_recovery(t, count);
	virtio_reset(t->iommu);
	if (t->failed) {
		put("full: FAIL");
		put_why(t);
		put(", ");
	} else {
		put("full: pass ");
	}
	put("after ");
	put_decimal(count);
	put(" mappings\n");
}
