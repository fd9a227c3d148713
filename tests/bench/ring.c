/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "ring.h"

#define JOBS 0x60000
/* Where mappings are that stay: their n-th is page n * STRIDE % SPAN, in no order. */
#define BACKGROUND 0x1000000000ull
#define STRIDE	   7368787ull
#define SPAN	   (1ull << 23)

/* What a driver lays out for one request. */
struct job {
	struct vring_desc table[2];
	union {
		struct virtio_iommu_req_map map;
		struct virtio_iommu_req_unmap unmap;
	} request;
	struct virtio_iommu_req_tail tail;
} __attribute__((aligned(128)));

void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

/* Job @n maps a page, job @n + 1 takes it away again. Returns the readable part's size. */
static u32 fill_request(struct job *job, unsigned n)
{
	const u64 start = PAIRS_AT + n / 2 * PAGE, last = start + PAGE - 1;

	if (n % 2) {
		job->request.unmap = (struct virtio_iommu_req_unmap){
			.head.type = VIRTIO_IOMMU_T_UNMAP,
			.domain = htole32(DOMAIN),
			.virt_start = htole64(start),
			.virt_end = htole64(last),
		};
		return offsetof(struct virtio_iommu_req_unmap, tail);
	}
	job->request.map = (struct virtio_iommu_req_map){
		.head.type = VIRTIO_IOMMU_T_MAP,
		.domain = htole32(DOMAIN),
		.virt_start = htole64(start),
		.virt_end = htole64(last),
		.phys_start = htole64(TARGET),
		.flags = htole32(READ_WRITE),
	};
	return offsetof(struct virtio_iommu_req_map, tail);
}

static struct vring_desc desc(u64 addr, u32 len, u16 flags, u16 next)
{
	return (struct vring_desc){ htole64(addr), htole32(len), htole16(flags), htole16(next) };
}

/* A table of the packed ring's: two descriptors without ID or next. */
static void lay_out_packed(struct job *job, gpa_t at, unsigned n)
{
	struct vring_packed_desc *table = (struct vring_packed_desc *)job->table;

	table[0] = (struct vring_packed_desc){
		.addr = htole64(at + offsetof(struct job, request)),
		.len = htole32(fill_request(job, n)),
	};
	table[1] = (struct vring_packed_desc){
		.addr = htole64(at + offsetof(struct job, tail)),
		.len = htole32(sizeof(job->tail)),
		.flags = htole16(VRING_DESC_F_WRITE),
	};
}

/* Request @n: its entry in the ring, and its descriptors in the ring's table or one of its own. */
static void lay_out(struct bench *bench, unsigned n)
{
	struct vring_desc *ring = memory_host(bench->rig.vm->memory, bench->rig.requests.desc,
					      sizeof(*ring) * RING);
	const gpa_t at = JOBS + n * sizeof(bench->jobs[n]);
	const u16 first = bench->indirect ? 0 : 2 * n;
	struct job *job = &bench->jobs[n];
	struct vring_desc *table = bench->indirect ? job->table : ring + first;

	if (wire_is_packed(&bench->rig.requests)) {
		lay_out_packed(job, at, n);
		return;
	}
	table[0] = desc(at + offsetof(struct job, request), fill_request(job, n), VRING_DESC_F_NEXT,
			first + 1);
	table[1] = desc(at + offsetof(struct job, tail), sizeof(job->tail), VRING_DESC_F_WRITE, 0);
	if (bench->indirect && !wire_is_packed(&bench->rig.requests))
		ring[n] = desc(at, sizeof(job->table), VRING_DESC_F_INDIRECT, 0);
}

/* The ring's entries stay put: entry n is of request n, however often it comes round. */
void bench_lay_out(struct bench *bench)
{
	const u16 at = bench->rig.requests.avail_idx;

	for (unsigned n = 0; n < bench->count; n++)
		lay_out(bench, n);
	if (wire_is_packed(&bench->rig.requests)) {
		*(u32 *)bench->avail = htole32(VRING_PACKED_EVENT_FLAG_DISABLE << 16);
		return;
	}
	for (unsigned n = 0; n < RING; n++)
		bench->avail[2 + (at + n) % RING] = htole16(
			bench->indirect ? n : 2 * (n % bench->count));
	bench->avail[0] = htole16(VRING_AVAIL_F_NO_INTERRUPT);
}

static void begin(struct bench *bench, u32 endpoint, unsigned requests, bool indirect,
		  u64 ring_features)
{
	struct rig *rig = &bench->rig;
	struct vm *vm = rig->vm;

	must(wire_negotiate(vm, 0, ring_features | FEATURE(MAP_UNMAP)), "no such features");
	wire_queue_init(&rig->requests, vm, 0, 0, RING, 0x10000);
	wire_driver_ok(vm, 0);
	must(!rig_attach(rig, DOMAIN, endpoint, 0), "ATTACH is refused");
	bench->indirect = indirect;
	bench->requests = requests;
	bench->count = requests > 1 ? requests : RING;
	bench->jobs = memory_host(vm->memory, JOBS, sizeof(struct job) * RING);
	bench->avail = memory_host(vm->memory, rig->requests.avail, 2 * RING + 6);
	bench->used = memory_host(vm->memory, rig->requests.used, 8 * RING + 6);
}

void bench_begin(struct bench *bench, u32 endpoint, unsigned requests, bool indirect)
{
	begin(bench, endpoint, requests, indirect,
	      indirect ? 1ull << VIRTIO_RING_F_INDIRECT_DESC : 0);
}

void bench_begin_written(struct bench *bench, u32 endpoint, unsigned requests, u64 features)
{
	begin(bench, endpoint, requests, true, features | 1ull << VIRTIO_RING_F_INDIRECT_DESC);
	bench->written = true;
}

/* The bits of what is available in a round, or used. */
static u16 packed_bits(bool wrap, bool used)
{
	return (wrap ? 1 << VRING_PACKED_DESC_F_AVAIL : 0) |
	       (wrap == used ? 1 << VRING_PACKED_DESC_F_USED : 0);
}

static void step(struct wire_queue *queue)
{
	if (++queue->avail_at < RING)
		return;
	queue->avail_at = 0;
	queue->avail_wrap = !queue->avail_wrap;
}

/* Entry n is of request n, however often it comes round. */
static void kick_packed(struct bench *bench)
{
	struct wire_queue *queue = &bench->rig.requests;
	struct vring_packed_desc *ring = memory_host(queue->vm->memory, queue->desc,
						     sizeof(*ring) * RING);
	u16 at = queue->avail_at, id;
	bool wrap = queue->avail_wrap;

	for (unsigned i = 0; i < bench->requests; i++) {
		const u16 n = queue->avail_at;

		ring[n].addr = htole64(JOBS + n * sizeof(bench->jobs[n]));
		ring[n].len = htole32(sizeof(bench->jobs[n].table));
		ring[n].id = htole16(n);
		__atomic_store_n(
			&ring[n].flags,
			htole16(VRING_DESC_F_INDIRECT | packed_bits(queue->avail_wrap, false)),
			__ATOMIC_RELEASE);
		step(queue);
	}
	wire_kick(queue);
	/* In order one used descriptor may give all of them back. */
	for (unsigned left = bench->requests; left;) {
		must((le16toh(ring[at].flags) & packed_bits(true, true)) == packed_bits(wrap, true),
		     "the ring was not served within the kick");
		id = (u16)(le16toh(ring[at].id) - at) % RING + 1;
		must(id <= left, "more came back than was there");
		left -= id;
		at += id;
		wrap ^= at >= RING;
		at %= RING;
	}
}

/* As a driver writes them: descriptors, and entries of the available ring. */
static void write_split(struct bench *bench)
{
	struct wire_queue *queue = &bench->rig.requests;
	struct vring_desc *ring = memory_host(queue->vm->memory, queue->desc, sizeof(*ring) * RING);
	const u16 from = le16toh(bench->avail[1]);

	for (unsigned i = 0; i < bench->requests; i++) {
		const u16 n = (u16)(from + i) % RING;

		ring[n] = desc(JOBS + n * sizeof(bench->jobs[n]), sizeof(bench->jobs[n].table),
			       VRING_DESC_F_INDIRECT, 0);
		bench->avail[2 + n] = htole16(n);
	}
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

void bench_kick(struct bench *bench)
{
	if (wire_is_packed(&bench->rig.requests)) {
		kick_packed(bench);
		return;
	}
	if (bench->written)
		write_split(bench);
	bench->avail[1] = htole16(le16toh(bench->avail[1]) + bench->requests);
	wire_kick(&bench->rig.requests);
	must(bench->used[1] == bench->avail[1], "the ring was not served within the kick");
}

void bench_check(const struct bench *bench)
{
	for (unsigned n = 0; n < bench->count; n++)
		must(bench->jobs[n].tail.status == VIRTIO_IOMMU_S_OK, "a request was refused");
}

void bench_map_background(struct bench *bench, unsigned long count)
{
	for (unsigned long n = 0; n < count; n++) {
		const u64 start = BACKGROUND + n * STRIDE % SPAN * PAGE;
		const gpa_t gpa = TARGET + n % TARGET_PAGES * PAGE;

		must(!rig_map(&bench->rig, DOMAIN, start, start + PAGE - 1, gpa, READ_WRITE),
		     "MAP of what is there already");
	}
}

double bench_attach(struct bench *bench, u32 endpoint, unsigned runs)
{
	double best = 1e9;

	for (unsigned run = 0; run < runs; run++) {
		double begin = now();

		must(!rig_attach(&bench->rig, DOMAIN, endpoint, 0), "ATTACH is refused");
		best = MIN(best, now() - begin);
		must(!rig_detach(&bench->rig, DOMAIN, endpoint), "DETACH is refused");
	}
	return best;
}
