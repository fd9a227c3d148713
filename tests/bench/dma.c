/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an access of an emulated device costs behind the IOMMU: 8 bytes, each time in another
 * of N pages that are mapped one by one, at random; and in a ring's worth of them (16), as a device
 * returns to its rings. With the endpoint's TLB, and without: forgotten before each access.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../wire/iommu_driver.h"

#define DOMAIN	 1
#define PAGE	 4096ull
#define IOVA	 0x1000000000ull
#define SPREAD	 (1ull << 23) /* pages among which the mapped ones lie */
#define STRIDE	 7368787ull
#define ACCESSES 2000000u
#define RUNS	 5

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "bench: dma: %s\n", what);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

static iova_t page_at(u64 n)
{
	return IOVA + n * STRIDE % SPREAD * PAGE;
}

/* Nanoseconds an access, over @pages of those that are mapped; the best of some runs. */
static double measure(struct dma_space *space, u64 pages, bool remember)
{
	double best = 1e9;

	for (unsigned run = 0; run < RUNS; run++) {
		u64 random = 1, value;
		double begin = now();

		for (unsigned i = 0; i < ACCESSES; i++) {
			iova_t iova;

			random = random * 6364136223846793005ull + 1442695040888963407ull;
			iova = page_at((random >> 33) % pages);
			if (!remember)
				dma_space_forget(space, iova, iova + PAGE - 1);
			must(!dma_read(space, iova, &value, sizeof(value)), "an access is refused");
		}
		best = MIN(best, (now() - begin) / ACCESSES * 1e9);
	}
	return best;
}

static void print_cost(u64 mappings)
{
	struct rig rig;

	rig_create(&rig, NULL);
	rig_start(&rig, ALL_FEATURES);
	must(!rig_attach(&rig, DOMAIN, ENDPOINT_A, 0), "ATTACH");
	for (u64 n = 0; n < mappings; n++)
		must(!rig_map(&rig, DOMAIN, page_at(n), page_at(n) + PAGE - 1,
			      0x100000 + n % 64 * PAGE, READ_WRITE),
		     "MAP");
	printf("%10llu %12.1f %12.1f %14.1f %14.1f\n", (unsigned long long)mappings,
	       measure(rig.a, mappings, true), measure(rig.a, mappings, false),
	       measure(rig.a, MIN(mappings, 16), true), measure(rig.a, MIN(mappings, 16), false));
	rig_destroy(&rig);
}

int main(void)
{
	puts("ns an access of a device behind the IOMMU, with its TLB and without");
	puts("  mappings    any page   without it   of 16 pages     without it");
	print_cost(100);
	print_cost(1000);
	print_cost(100000);
	return 0;
}
