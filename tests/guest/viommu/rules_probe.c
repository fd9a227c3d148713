/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules 33 to 45: PROBE, properties, and reserved regions. */
#include "conformance.h"

#define TYPE_RESERVED 0xf000 /* the bits of a property's type that have no meaning */
#define MAX_REGIONS   32

struct properties {
	struct virtio_iommu_probe_resv_mem regions[MAX_REGIONS];
	unsigned count;
	unsigned owner; /* which of the endpoints */
	u32 end;	/* where they end in the answer */
	u16 reserved_bits;
	bool long_length; /* one whose length counts its header too */
	bool lost;	  /* what follows one, length + 4 behind it, is no property */
};

/* "Property RESV_MEM" begins with its header: the rest is what its length counts. */
#define RESV_LENGTH (sizeof(struct virtio_iommu_probe_resv_mem) - 4)

static void read_property(struct properties *p, const struct virtio_iommu_probe_property *head)
{
	p->reserved_bits |= head->type & TYPE_RESERVED;
	if ((head->type & VIRTIO_IOMMU_PROBE_T_MASK) != VIRTIO_IOMMU_PROBE_T_RESV_MEM) {
		p->lost = true;
		return;
	}
	p->long_length |= head->length != RESV_LENGTH;
	/* Within the memory of replies, even if it is past the end of this one. */
	if (p->count < MAX_REGIONS)
		memcpy(&p->regions[p->count++], head, sizeof(p->regions[0]));
}

/* Probe endpoint @n afresh, and take its answer apart. False: there is none, which was said. */
static bool read_properties(struct conformance *t, unsigned n, struct properties *p)
{
	const u8 *reply = t->memory->reply;

	memset(p, 0, sizeof(*p));
	p->owner = n;
	if (!offered(t, HAS(PROBE), "no F_PROBE"))
		return false;
	begin(t, ~0UL);
	expect_status(t, probe(t, t->endpoints[n]->endpoint), OK, "PROBE");
	while (p->end + 4 <= t->probe_size && !p->lost) {
		const struct virtio_iommu_probe_property *head = (const void *)(reply + p->end);

		if (!head->type)
			break;
		read_property(p, head);
		p->lost |= p->end + 4 + head->length > t->probe_size;
		p->end += 4 + head->length;
	}
	return !t->failed;
}

/* The same of the first endpoint that has properties; skipped where none has. */
static bool read_regions(struct conformance *t, struct properties *p)
{
	for (unsigned n = 0; n < t->endpoint_count; n++) {
		if (!read_properties(t, n, p))
			return false;
		if (p->count || p->lost)
			return true;
	}
	skip(t, "no endpoint has a property");
	return false;
}

static void probe_reserved(struct conformance *t)
{
	struct virtio_iommu_req_probe request = {
		.head.type = VIRTIO_IOMMU_T_PROBE,
		.endpoint = first_endpoint(t),
	};

	if (!offered(t, HAS(PROBE), "no F_PROBE"))
		return;
	memset(request.reserved, 0xff, sizeof(request.reserved));
	begin(t, ~0UL);
	exchange(t, &request, sizeof(request), t->probe_size + 4);
	expect_status(t, t->memory->reply[t->probe_size], OK, "PROBE with reserved bytes");
}

static void probe_nobody(struct conformance *t)
{
	if (!offered(t, HAS(PROBE), "no F_PROBE"))
		return;
	begin(t, ~0UL);
	expect_status(t, probe(t, 0xdead), NOENT, "PROBE");
}

static void probe_without_feature(struct conformance *t)
{
	if (!t->probe_size)
		t->probe_size = 64;
	begin(t, ~HAS(PROBE));
	expect_status(t, probe(t, first_endpoint(t)), UNWRITTEN, "PROBE without F_PROBE");
}

static void property_reserved(struct conformance *t)
{
	struct properties p;

	if (read_regions(t, &p))
		expect(t, !p.reserved_bits, "bits 12 to 15 of a type are not 0");
}

static void property_length(struct conformance *t)
{
	struct properties p;

	if (read_regions(t, &p))
		expect(t, !p.long_length, "a RESV_MEM property's length is not 20");
}

static void property_next(struct conformance *t)
{
	struct properties p;

	if (read_regions(t, &p))
		expect(t, !p.lost, "no property, or one that ends outside, follows another");
}

static void probe_short(struct conformance *t)
{
	const struct virtio_iommu_req_probe request = {
		.head.type = VIRTIO_IOMMU_T_PROBE,
		.endpoint = first_endpoint(t),
	};
	struct properties p;
	u32 room;
	int len;

	if (!read_properties(t, 0, &p))
		return;
	/* Too small even for the first property, or by one byte. */
	for (unsigned i = 0; i < 2; i++) {
		room = i ? t->probe_size - 1 : 8;
		begin(t, ~0UL);
		len = exchange(t, &request, sizeof(request), room + 4);
		expect(t, len != BROKEN && len != SILENT, "the device gives up");
		expect(t,
		       all_bytes(t->memory->reply, 0xee, room) ||
			       all_bytes(t->memory->reply, 0, room),
		       "something was written before the status");
		expect_status(t, t->memory->reply[room], INVAL, "in the last four bytes");
	}
}

static void probe_zeros(struct conformance *t)
{
	struct properties p;

	if (read_properties(t, 0, &p))
		expect(t,
		       p.end <= t->probe_size &&
			       all_bytes(t->memory->reply + p.end, 0, t->probe_size - p.end),
		       "something follows the last property");
}

static void region_reserved(struct conformance *t)
{
	struct properties p;

	if (!read_regions(t, &p))
		return;
	for (unsigned i = 0; i < p.count; i++)
		expect(t, all_bytes(p.regions[i].reserved, 0, 3), "bytes that are not 0");
}

static void one_msi(struct conformance *t)
{
	struct properties p;
	unsigned doorbells = 0;

	if (!read_regions(t, &p))
		return;
	for (unsigned i = 0; i < p.count; i++)
		doorbells += p.regions[i].subtype == VIRTIO_IOMMU_RESV_MEM_T_MSI;
	expect(t, doorbells <= 1, "there is more than one");
}

static void regions_apart(struct conformance *t)
{
	struct properties p;

	if (!read_regions(t, &p))
		return;
	for (unsigned i = 0; i < p.count; i++) {
		expect(t, p.regions[i].start <= p.regions[i].end, "one ends before it starts");
		for (unsigned j = 0; j < i; j++)
			expect(t,
			       p.regions[i].start > p.regions[j].end ||
				       p.regions[j].start > p.regions[i].end,
			       "two overlap");
	}
}

static void map_reserved_region(struct conformance *t)
{
	const u64 page = (u64)t->memory->page[0];
	struct properties p;

	if (!read_regions(t, &p))
		return;
	begin_attached(t, ~0UL);
	expect_status(t, attach(t, t->domain, t->endpoints[p.owner]->endpoint, 0), OK, "ATTACH");
	for (unsigned i = 0; i < p.count; i++) {
		const u64 start = p.regions[i].start & -t->granule;
		const int status = map(t, t->domain, start, start + t->granule - 1, page,
				       READ_WRITE);

		expect(t, status > OK, "a MAP of its first page is OK");
		expect(t,
		       map(t, t->domain, start - t->granule, start + t->granule - 1, page,
			   READ_WRITE) > OK,
		       "a MAP over its start is OK");
	}
}

/* A write there may do what it likes to its endpoint; memory and the IOMMU are not touched. */
static void region_accessed(struct conformance *t)
{
	struct properties p;
	u64 at;

	if (!read_regions(t, &p) || !drivable(t, 2))
		return;
	if (t->endpoints[1]->type != VIRTIO_ID_BLOCK) {
		skip(t, "no disk of zeros to write with: a random MSI could be anything");
		return;
	}
	begin(t, ~0UL);
	expect_status(t, attach(t, t->domain, t->endpoints[1]->endpoint, 0), OK, "ATTACH");
	expect_status(t, map_control(t, t->domain, 1), OK, "MAP");
	at = p.regions[0].start;
	expect(t, !reaches(t, 1, at, 0), "it changed memory");
	expect_status(t, detach(t, t->domain, t->endpoints[1]->endpoint), OK, "DETACH, after it");
}

const struct rule probe_rules[] = {
	{ "PROBE: reserved bytes are ignored", probe_reserved },
	{ "PROBE: an endpoint that does not exist is NOENT", probe_nobody },
	{ "PROBE without its feature comes back unwritten", probe_without_feature },
	{ "PROBE: reserved bits of properties are 0", property_reserved },
	{ "PROBE: a property's length excludes its header", property_length },
	{ "PROBE: the next property starts at length + 4", property_next },
	{ "PROBE: a buffer that is too small gets no property, and INVAL", probe_short },
	{ "PROBE: the rest is filled with zeros", probe_zeros },
	{ "RESV_MEM: reserved bytes are 0", region_reserved },
	{ "RESV_MEM: at most one MSI region", one_msi },
	{ "RESV_MEM: regions do not overlap", regions_apart },
	{ "RESV_MEM: a MAP over it is rejected", map_reserved_region },
	{ "RESV_MEM: an access to it affects nobody else", region_accessed },
};
const unsigned probe_rule_count = COUNT(probe_rules);
