/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a rule's check has to work with: an IOMMU that was reset for it, the
 * endpoints whose DMA we can drive, requests, and words to say what was seen.
 *
 * A check says expect() for all that the rule wants; the first disappointment is the
 * verdict.
 */
#ifndef TESTS_GUEST_VIOMMU_CONFORMANCE_H
#define TESTS_GUEST_VIOMMU_CONFORMANCE_H

#include <linux/virtio_iommu.h>

#include "virtio.h"

/* Other answers than a status. */
enum { UNWRITTEN = -1, BROKEN = -2, SILENT = -3, ODD_LENGTH = -4 };

#define OK     VIRTIO_IOMMU_S_OK
#define INVAL  VIRTIO_IOMMU_S_INVAL
#define RANGE  VIRTIO_IOMMU_S_RANGE
#define NOENT  VIRTIO_IOMMU_S_NOENT
#define UNSUPP VIRTIO_IOMMU_S_UNSUPP

#define READ_ONLY  VIRTIO_IOMMU_MAP_F_READ
#define READ_WRITE (VIRTIO_IOMMU_MAP_F_READ | VIRTIO_IOMMU_MAP_F_WRITE)

#define HAS(name) FEATURE(VIRTIO_IOMMU_F_##name)
/* Rings are split and kicks plain unless use_rings() says otherwise: bits 34, 35, 38 and 39. */
#define NEW_RINGS                                                                                  \
	(FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_IN_ORDER) | FEATURE(38) | FEATURE(39))
#define ALL_FEATURES (~HAS(BYPASS) & ~FEATURE(VIRTIO_RING_F_EVENT_IDX) & ~NEW_RINGS)

#define LARGEST_GRANULE 0x10000UL
#define MAX_ENDPOINTS	2
#define MAX_PROPERTIES	4096
#define EVENTS		4
/* Where nothing is by itself: above the RAM that such a guest has, below PCI's windows. */
#define IOVA 0x40000000UL

struct memory {
	u8 control[MAX_ENDPOINTS][LARGEST_GRANULE]; /* endpoints' rings, mapped where they are */
	u8 page[2][LARGEST_GRANULE];		    /* what DMA is aimed at */
	u8 request_ring[8192], event_ring[8192];
	u8 request[256], reply[MAX_PROPERTIES + 32];
	struct virtio_iommu_fault events[EVENTS];
};

struct conformance {
	struct virtio *iommu;
	struct virtio *endpoints[MAX_ENDPOINTS];
	unsigned endpoint_count;
	struct queue requests, events;
	struct memory *memory;
	u64 features; /* offered */
	u64 granule;
	u32 domain; /* the first of some that may be used */
	u32 probe_size;
	bool packed;	 /* all rings are, and used in order where that is offered */
	u8 first_bypass; /* what the configuration said before anybody wrote it */
	const char *command_line;
	unsigned number; /* of the check that runs */
	/* The verdict on it. */
	const char *failed, *skipped;
	int got, wanted;
	bool has_status;
};

struct rule {
	const char *what; /* that it wants */
	void (*check)(struct conformance *t);
};

/* In the order of the specification. */
extern const struct rule device_rules[], attach_rules[], map_rules[], probe_rules[], fault_rules[];
extern const struct rule unmap_examples[], prose_rules[];
extern const unsigned device_rule_count, attach_rule_count, map_rule_count, probe_rule_count;
extern const unsigned fault_rule_count, unmap_example_count, prose_rule_count;

/* ---- verdicts ---- */

void expect(struct conformance *t, bool true_so, const char *otherwise);
void expect_status(struct conformance *t, int got, int wanted, const char *of);
void skip(struct conformance *t, const char *why);
/* Skips unless all of @features are offered, or @count endpoints can be driven. */
bool offered(struct conformance *t, u64 features, const char *otherwise);
bool drivable(struct conformance *t, unsigned count);
/* Behind a verdict: ": " and what the first disappointment, or the reason to skip, was. */
void put_why(const struct conformance *t);

/* ---- the IOMMU ---- */

/* Reset, accept @features as far as they are offered; no bypass if that can be said. */
void begin(struct conformance *t, u64 features);
/* And endpoint 0 is in the first domain, with its rings mapped. */
void begin_attached(struct conformance *t, u64 features);
u32 first_endpoint(const struct conformance *t);
u8 read_bypass(const struct conformance *t);
void write_bypass(struct conformance *t, u8 value);

/* ---- requests: the status, or one of the answers above ---- */

/* @reply_size bytes of room; the reply is in memory->reply; returns the used length or < 0. */
int exchange(struct conformance *t, const void *request, u32 size, u32 reply_size);
/* A request whose answer is a status alone. */
int ask(struct conformance *t, const void *request, u32 size);
int attach(struct conformance *t, u32 domain, u32 endpoint, u32 flags);
int detach(struct conformance *t, u32 domain, u32 endpoint);
int map(struct conformance *t, u32 domain, u64 start, u64 last, u64 gpa, u32 flags);
int unmap(struct conformance *t, u32 domain, u64 start, u64 last);
/* The properties are in memory->reply. */
int probe(struct conformance *t, u32 endpoint);
/* The rings of endpoint @n in @domain. */
int map_control(struct conformance *t, u32 domain, unsigned n);
/* Whether [@start, @last] of endpoint 0's domain is free, by mapping and unmapping it. */
bool is_free(struct conformance *t, u64 start, u64 last);

/* ---- DMA ---- */

/* Whether endpoint @n, told to write to @iova, changes memory->page[@page]. */
bool reaches(struct conformance *t, unsigned n, u64 iova, unsigned page);
/* Whether @device can be driven at all, here. */
bool dma_can_drive(struct virtio *device);

/* ---- faults ---- */

/* Offer @count event buffers of @size bytes. */
void offer_events(struct conformance *t, unsigned count, u32 size);
/* An access by endpoint 0 that must fault, in its domain, and the report of it. */
bool provoke(struct conformance *t, u64 iova, struct virtio_iommu_fault *fault);

/* ---- timing.c, full.c: instead of the rules ---- */

void run_timing(struct conformance *t);
void run_full(struct conformance *t);

#endif
