/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one request of the IOMMU takes from where the driver shows it to where it sees the answer,
 * while a thread polls for it: the driver here is a thread that spins on the used ring, as Linux
 * does, and there is no guest and no exit. Beside it the same request served by a call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <linux/virtio_ring.h>

#include "ring.h"
#include "util/relax.h"

#define REQUESTS 200000

static u64 now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const u32 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Of one look at the clock. */
static u64 clock_cost(void)
{
	const u64 begin = now_ns();

	for (unsigned i = 0; i < 1000; i++)
		now_ns();
	return (now_ns() - begin) / 1000;
}

/* True: without a kick. */
static bool send_one(struct bench *bench)
{
	u16 *idx = &bench->avail[1];
	const u16 next = *idx + 1;
	bool kick;

	__atomic_store_n(idx, next, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	kick = !(__atomic_load_n(&bench->used[0], __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY);
	if (kick)
		wire_kick(&bench->rig.requests);
	while (__atomic_load_n(&bench->used[1], __ATOMIC_ACQUIRE) != next)
		cpu_relax();
	return !kick;
}

static void measure(enum virtio_poll_mode mode, const char *name)
{
	const struct viommu_config config = { .address_bits = 40, .poll = mode, .poll_us = 10000 };
	static u32 times[REQUESTS];
	struct bench bench = { 0 };
	unsigned count = 0, kicks = 0;
	const u64 clock = clock_cost();

	rig_create(&bench.rig, &config);
	rig_start(&bench.rig, ALL_FEATURES);
	bench_begin(&bench, ENDPOINT_A, 1, true);
	bench_lay_out(&bench);
	while (count < REQUESTS) {
		const u64 begin = now_ns();
		bool polled = send_one(&bench);
		u64 time = now_ns() - begin;

		kicks += !polled;
		if (polled == (mode == VIRTIO_POLL_ON))
			times[count++] = time > clock ? time - clock : 0;
	}
	bench_check(&bench);
	qsort(times, count, sizeof(times[0]), compare);
	printf("%-10s %8u %8u %8u ns %10u kicks\n", name, times[count / 10], times[count / 2],
	       times[count / 10 * 9], kicks);
	rig_destroy(&bench.rig);
}

int main(void)
{
	puts("one MAP or UNMAP: 10%, 50%, 90% of the requests are answered within");
	measure(VIRTIO_POLL_OFF, "by a call");
	measure(VIRTIO_POLL_ON, "polled");
	return 0;
}
