/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long MAP and UNMAP take. All requests are laid out before the clock starts, in
 * indirect descriptors, and their ring entries never change. The loop is a handful of
 * instructions: a KVM that emulates its guest takes 0.7 us for each, and what is to be measured
 * is the device and the way to it. The floor is the same loop around one plain register read.
 */
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>

#include "conformance.h"

/* The loops take turns, that all of them see the same weather. */
#define RUNS		16
#define RUNS_PER_SECOND 8
#define MAX_REQUESTS	QUEUE_SIZE
/* Iterations between two looks at the clock; and looks at the used ring, for all of them. */
#define FEW	 256
#define PATIENCE 10000000UL

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
	u64 offers, kicks; /* where a kick was a matter of the device's wish */
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

enum access { KICK, KICK_IF_ASKED, READ_REGISTER, WRITE_REGISTER, NOTHING };

static inline __attribute__((always_inline)) u64 access_at(const struct queue *queue,
							   enum access access, bool wide)
{
	const struct virtio *device = queue->device;

	switch (access) {
	case KICK:
	case KICK_IF_ASKED:
		return device->doorbells[queue->index];
	case READ_REGISTER:
		return device->base + (wide ? VIRTIO_MMIO_STATUS : VIRTIO_PCI_COMMON_STATUS);
	case WRITE_REGISTER:
		return device->base +
		       (wide ? VIRTIO_MMIO_DEVICE_FEATURES_SEL : VIRTIO_PCI_COMMON_DFSELECT);
	case NOTHING:
		return 0;
	}
	return 0;
}

/* Kick, or read or write a register that asks for nothing. */
static inline __attribute__((always_inline)) void do_access(u64 at, enum access access, bool wide)
{
	switch (access) {
	case KICK:
	case KICK_IF_ASKED:
		if (wide)
			write32(at, 0);
		else
			*(volatile u16 *)at = 0;
		break;
	case READ_REGISTER:
		if (wide)
			read32(at);
		else
			(void)*(volatile u8 *)at;
		break;
	case WRITE_REGISTER:
		write32(at, 0);
		break;
	case NOTHING:
		break;
	}
}

/* As a driver does that obeys: "Available Buffer Notification Suppression". */
static inline __attribute__((always_inline)) bool kick_is_asked_for(struct meter *m)
{
	bool asked;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	asked = !(m->t->requests.used[0] & VRING_USED_F_NO_NOTIFY);
	m->kicks += asked;
	m->offers++;
	return asked;
}

/* What is left of @patience: 0 if it was not enough. */
static __attribute__((noinline)) u64 wait(const volatile u16 *used, u16 idx, u64 patience)
{
	while (*used != idx && patience)
		patience--;
	return patience;
}

/*
 * Offer @step jobs, access the device, look until they are done; again, @count times. All
 * arguments are constants but @count: one loop comes out for each set of them.
 */
static inline __attribute__((always_inline)) void loop(struct meter *m, unsigned count, u32 step,
						       enum access access, bool wide)
{
	struct queue *queue = &m->t->requests;
	const u64 at = access_at(queue, access, wide);
	volatile u16 *const avail = &queue->avail[1];
	const volatile u16 *const used = &queue->used[1];
	u64 patience = PATIENCE;
	u16 idx = *avail;

	/* Not for the compiler to know: to add 0 takes an instruction, too. */
	asm("" : "+r"(step));
	for (; count; count--) {
		idx += step;
		barrier();
		*avail = idx;
		barrier();
		if (access != KICK_IF_ASKED || kick_is_asked_for(m))
			do_access(at, access, wide);
		/* One that used up the patience leaves none for the next. */
		if (__builtin_expect(*used != idx, 0))
			patience = wait(used, idx, patience);
	}
	m->broken |= *used != idx;
}

static inline __attribute__((always_inline)) void round_trips(struct meter *m, unsigned count,
							      u32 step, enum access access)
{
	if (m->t->iommu->wide_doorbell)
		loop(m, count, step, access, true);
	else
		loop(m, count, step, access, false);
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
	round_trips(m, 1, MAX_REQUESTS, KICK);
	return !m->broken && all_ok(m);
}

static void read_register(struct meter *m, unsigned count)
{
	round_trips(m, count, 0, READ_REGISTER);
}

static void write_register(struct meter *m, unsigned count)
{
	round_trips(m, count, 0, WRITE_REGISTER);
}

/* What the guest's own instructions cost. */
static void do_nothing(struct meter *m, unsigned count)
{
	round_trips(m, count, 0, NOTHING);
}

static void one_by_one(struct meter *m, unsigned count)
{
	round_trips(m, count, 1, KICK);
}

static void one_if_asked(struct meter *m, unsigned count)
{
	round_trips(m, count, 1, KICK_IF_ASKED);
}

static void ringful(struct meter *m, unsigned count)
{
	round_trips(m, count, MAX_REQUESTS, KICK);
}

/* One loop's figure. */
struct figure {
	void (*loop)(struct meter *m, unsigned count);
	unsigned few; /* iterations at a time */
	u64 best;     /* ps of one */
};

static void measure(struct meter *m, struct figure *figure)
{
	const u64 length = m->ticks_per_second / RUNS_PER_SECOND, begin = time_stamp();
	u64 count = 0, ticks = 0;

	while (ticks < length) {
		figure->loop(m, figure->few);
		count += figure->few;
		ticks = time_stamp() - begin;
	}
	ticks = ticks * 1000 / count * 1000000 / (m->ticks_per_second / 1000);
	figure->best = ticks < figure->best ? ticks : figure->best;
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

enum { FLOOR, WRITE, OWN, ONE, ASKED, RINGFUL, FIGURES };

static void put_figures(const struct figure *figures)
{
	const u64 floor = figures[FLOOR].best, one = figures[ONE].best;

	put_figure("register-read", floor / 1000, " ns");
	put_figure("register-write", figures[WRITE].best / 1000, " ns");
	put_figure("instructions", figures[OWN].best / 1000, " ns, the guest's own of each");
	put_figure("one-to-a-kick", one / 1000, " ns per request");
	put_figure("one-above-floor", one > floor ? (one - floor) / 1000 : 0, " ns per request");
	put_figure("one-if-asked", figures[ASKED].best / 1000,
		   " ns per request, with a kick where the device wants one");
	put_figure("one-pairs", 1000000000000 / (2 * one), " pairs/s");
	put_figure("256-to-a-kick", 1000000000000UL * (MAX_REQUESTS / 2) / figures[RINGFUL].best,
		   " pairs/s");
}

void run_timing(struct conformance *t)
{
	static struct job jobs[MAX_REQUESTS];
	struct meter m = { .t = t, .jobs = jobs, .ticks_per_second = ticks_per_second() };
	struct figure figures[FIGURES] = {
		[FLOOR] = { read_register, FEW, ~0UL }, [WRITE] = { write_register, FEW, ~0UL },
		[OWN] = { do_nothing, FEW, ~0UL },	[ONE] = { one_by_one, FEW, ~0UL },
		[ASKED] = { one_if_asked, FEW, ~0UL },	[RINGFUL] = { ringful, FEW / 8, ~0UL },
	};

	if (!(t->features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC)) || !start_device(&m) ||
	    !attach_in_ring(&m)) {
		put("timing: FAIL: no ring of 256 indirect requests\n");
		return;
	}
	for (unsigned n = 0; n < MAX_REQUESTS; n++)
		prepare(&m, n);
	for (unsigned run = 0; run < RUNS * FIGURES && !m.broken; run++)
		measure(&m, &figures[run % FIGURES]);
	if (m.broken || !all_ok(&m)) {
		put("timing: FAIL: a request was refused or not answered\n");
		return;
	}
	put_figures(figures);
	put_figure("kicks", m.offers ? m.kicks * 1000000 / m.offers : 0,
		   " in a million requests, where the device wants them");
}
