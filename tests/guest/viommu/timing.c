/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long MAP and UNMAP take. All requests are laid out before the clock starts, in
 * indirect descriptors, and their ring entries never change: what is measured is the
 * device and the way to it. The floor is a loop around one plain register read.
 */
#include "conformance.h"

#define SECONDS_PER_RUN 2
#define RUNS		3
#define MAX_REQUESTS	QUEUE_SIZE
/* Iterations between two looks at the clock. */
#define FEW 64

struct job {
	struct vring_desc table[2];
	union {
		struct virtio_iommu_req_map map;
		struct virtio_iommu_req_unmap unmap;
	} request;
	struct virtio_iommu_req_tail tail;
} __attribute__((aligned(128)));

struct meter {
	struct conformance *t;
	struct job *jobs;
	u64 ticks_per_second;
	bool broken;
};

/* Job @n maps a page, job @n + 1 takes it away again. */
static void prepare(struct meter *m, unsigned n)
{
	const struct conformance *t = m->t;
	const u64 start = IOVA + n / 2 * t->granule, last = start + t->granule - 1;
	struct job *job = &m->jobs[n];
	u32 size = offsetof(struct virtio_iommu_req_map, tail);

	if (n % 2) {
		size = offsetof(struct virtio_iommu_req_unmap, tail);
		job->request.unmap = (struct virtio_iommu_req_unmap){
			.head.type = VIRTIO_IOMMU_T_UNMAP,
			.domain = t->domain,
			.virt_start = start,
			.virt_end = last,
		};
	} else {
		job->request.map = (struct virtio_iommu_req_map){
			.head.type = VIRTIO_IOMMU_T_MAP,
			.domain = t->domain,
			.virt_start = start,
			.virt_end = last,
			.phys_start = (u64)t->memory->page[0],
			.flags = READ_WRITE,
		};
	}
	job->table[0] = (struct vring_desc){ (u64)&job->request, size, VRING_DESC_F_NEXT, 1 };
	job->table[1] = (struct vring_desc){ (u64)&job->tail, 4, VRING_DESC_F_WRITE, 0 };
	t->requests.desc[n] = (struct vring_desc){ (u64)job->table, sizeof(job->table),
						   VRING_DESC_F_INDIRECT, 0 };
	t->requests.avail[2 + n] = n;
}

static bool start_device(struct meter *m)
{
	struct conformance *t = m->t;

	if (!virtio_begin(t->iommu, ALL_FEATURES) ||
	    !queue_start(&t->requests, t->iommu, 0, MAX_REQUESTS, t->memory->request_ring))
		return false;
	virtio_ready(t->iommu);
	t->requests.avail[0] = VRING_AVAIL_F_NO_INTERRUPT;
	return t->requests.size == MAX_REQUESTS;
}

/* Offer the next @count jobs, and wait until they are done. */
static void round_trip(struct meter *m, unsigned count)
{
	struct queue *queue = &m->t->requests;
	u64 begin;

	queue->avail[1] += count;
	queue_kick(queue);
	if (queue->used[1] == queue->avail[1])
		return;
	begin = time_stamp();
	while (queue->used[1] != queue->avail[1]) {
		relax();
		if (time_stamp() - begin > m->ticks_per_second) {
			m->broken = true;
			return;
		}
	}
}

static bool all_ok(const struct meter *m)
{
	barrier();
	for (unsigned n = 0; n < MAX_REQUESTS; n++) {
		if (m->jobs[n].tail.status != OK)
			return false;
	}
	return true;
}

/* With a ringful of ATTACHes: then the ring is at its start again, and its entries stay put. */
static bool attach_in_ring(struct meter *m)
{
	const struct virtio_iommu_req_attach request = {
		.head.type = VIRTIO_IOMMU_T_ATTACH,
		.domain = m->t->domain,
		.endpoint = first_endpoint(m->t),
	};

	for (unsigned n = 0; n < MAX_REQUESTS; n++) {
		prepare(m, n);
		memcpy(&m->jobs[n].request, &request, sizeof(request));
		m->jobs[n].table[0].len = offsetof(struct virtio_iommu_req_attach, tail);
	}
	round_trip(m, MAX_REQUESTS);
	return !m->broken && all_ok(m);
}

static void read_register(struct meter *m, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		m->t->iommu->ops->status(m->t->iommu);
}

/* A kick is a write: what one costs that asks for nothing. */
static void write_and_read_register(struct meter *m, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		m->t->iommu->ops->features(m->t->iommu, 0);
}

static void one_by_one(struct meter *m, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		round_trip(m, 1);
}

static void ringful(struct meter *m, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		round_trip(m, MAX_REQUESTS);
}

/* Nanoseconds that one iteration of @loop takes, the best of some runs. */
static u64 measure(struct meter *m, void (*loop)(struct meter *m, unsigned count), unsigned few)
{
	u64 best = ~0UL;

	for (unsigned run = 0; run < RUNS && !m->broken; run++) {
		const u64 begin = time_stamp(),
			  length = m->ticks_per_second * SECONDS_PER_RUN / RUNS;
		u64 count = 0, ticks = 0;

		do {
			loop(m, few);
			count += few;
			ticks = time_stamp() - begin;
		} while (ticks < length && !m->broken);
		ticks = ticks / count * 1000000 / (m->ticks_per_second / 1000);
		best = ticks < best ? ticks : best;
	}
	return best;
}

static void put_figure(const char *name, u64 value, const char *unit)
{
	put("timing ");
	put(name);
	put(" ");
	put_decimal(value);
	put(unit);
	put("\n");
}

void run_timing(struct conformance *t)
{
	static struct job jobs[MAX_REQUESTS];
	struct meter m = { .t = t, .jobs = jobs, .ticks_per_second = ticks_per_second() };
	u64 floor, both, one, batch;

	if (!(t->features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC)) || !start_device(&m) ||
	    !attach_in_ring(&m)) {
		put("timing: FAIL: no ring of 256 indirect requests\n");
		return;
	}
	for (unsigned n = 0; n < MAX_REQUESTS; n++)
		prepare(&m, n);
	floor = measure(&m, read_register, FEW);
	both = measure(&m, write_and_read_register, FEW);
	one = measure(&m, one_by_one, FEW);
	batch = measure(&m, ringful, 1);
	if (m.broken || !all_ok(&m)) {
		put("timing: FAIL: a request was refused or not answered\n");
		return;
	}
	put_figure("register-read", floor, " ns");
	put_figure("register-write", both > floor ? both - floor : 0, " ns");
	put_figure("one-to-a-kick", one, " ns per request");
	put_figure("one-above-floor", one > floor ? one - floor : 0, " ns per request");
	put_figure("one-pairs", 1000000000 / (2 * one), " pairs/s");
	put_figure("256-to-a-kick", 1000000000UL * (MAX_REQUESTS / 2) / batch, " pairs/s");
}
