/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What requests cost in this process: MAP+UNMAP pairs a second, 256 requests to a kick (128,
 * where one takes two of the ring's descriptors); and what ATTACH costs for each mapping of the
 * domain, where somebody listens who does nothing but count them.
 */
#include <stdio.h>
#include <stdlib.h>

#include <linux/virtio_config.h>

#include "ring.h"
#include "vmm/windows.h"

#define SECONDS	 0.4
#define RUNS	 5
#define LISTENER 0x100u /* an endpoint */

/* Pairs a second, the best of some runs. */
static double measure(struct bench *bench)
{
	double best = 0;

	bench_lay_out(bench);
	for (unsigned run = 0; run < RUNS; run++) {
		const double begin = now();
		double end = begin;
		u64 pairs = 0;

		while (end - begin < SECONDS) {
			for (unsigned i = 0; i < 64; i++)
				bench_kick(bench);
			pairs += 64 * bench->requests / 2;
			end = now();
		}
		best = MAX(best, pairs / (end - begin));
	}
	bench_check(bench);
	return best;
}

static void print_rate(bool indirect, unsigned long background)
{
	struct bench bench = { 0 };

	rig_create(&bench.rig, NULL);
	rig_start(&bench.rig, ALL_FEATURES);
	bench_begin(&bench, ENDPOINT_A, indirect ? RING : RING / 2, indirect);
	bench_map_background(&bench, background);
	printf("%-10s %10lu %10.2f million pairs/s\n", indirect ? "indirect" : "direct", background,
	       measure(&bench) / 1e6);
	rig_destroy(&bench.rig);
}

static const struct {
	const char *name;
	u64 features;
} layouts[] = {
	{ "split", 0 },
	{ "split, in order", 1ull << VIRTIO_F_IN_ORDER },
	{ "packed", 1ull << VIRTIO_F_RING_PACKED },
	{ "packed, in order", 1ull << VIRTIO_F_RING_PACKED | 1ull << VIRTIO_F_IN_ORDER },
};

static void begin_layout(struct bench *bench, unsigned layout, unsigned requests)
{
	rig_create(&bench->rig, NULL);
	rig_start(&bench->rig, ALL_FEATURES);
	bench_begin_written(bench, ENDPOINT_A, requests, layouts[layout].features);
}

static void print_layout(unsigned layout)
{
	struct bench many = { 0 }, one = { 0 };
	double rate;

	begin_layout(&many, layout, RING);
	rate = measure(&many);
	rig_destroy(&many.rig);
	begin_layout(&one, layout, 1);
	printf("%-18s %8.2f %15.2f\n", layouts[layout].name, rate / 1e6, measure(&one) / 1e6);
	rig_destroy(&one.rig);
}

/* For callgrind: @kicks of so many @requests, and nothing else that depends on their number. */
static void only_kick(unsigned layout, unsigned requests, unsigned kicks)
{
	struct bench bench = { 0 };

	begin_layout(&bench, layout, requests);
	bench_lay_out(&bench);
	while (kicks--)
		bench_kick(&bench);
	rig_destroy(&bench.rig);
}

/* ---- a listener that counts ---- */

struct counter {
	struct dma_listener listener;
	u64 mappings;
};

static struct counter *counter_of(struct dma_listener *listener)
{
	return container_of(listener, struct counter, listener);
}

static int counter_map(struct dma_listener *listener, const struct dma_mapping *mapping)
{
	counter_of(listener)->mappings++;
	return 0;
}

static int counter_unmap(struct dma_listener *listener, const struct dma_mapping *mapping)
{
	counter_of(listener)->mappings--;
	return 0;
}

static int counter_check(struct dma_listener *listener, u64 count)
{
	return 0;
}

static void counter_clear(struct dma_listener *listener)
{
	counter_of(listener)->mappings = 0;
}

static int counter_bypass(struct dma_listener *listener)
{
	return 0;
}

static bool counter_masters(const struct dma_listener *listener)
{
	return false;
}

static const struct dma_listener_ops counter_ops = {
	.map = counter_map,
	.unmap = counter_unmap,
	.check = counter_check,
	.clear = counter_clear,
	.bypass = counter_bypass,
	.masters = counter_masters,
};

static void print_attach(unsigned long mappings)
{
	struct counter counter = { .listener.ops = &counter_ops };
	struct bench bench = { 0 };
	struct dma_windows windows = { .iommu = true };
	struct dma_space *space;
	double seconds;

	rig_create(&bench.rig, NULL);
	must(!dma_windows_decide(&windows, NULL, NULL), "no limits");
	must(!viommu_add_endpoint(bench.rig.viommu, LISTENER, "listener", &windows.emulated,
				  &counter.listener, &space, NULL),
	     "there is no room for an endpoint");
	rig_start(&bench.rig, ALL_FEATURES);
	bench_begin(&bench, ENDPOINT_B, RING, true);
	bench_map_background(&bench, mappings);
	seconds = bench_attach(&bench, LISTENER, RUNS);
	must(!rig_attach(&bench.rig, DOMAIN, LISTENER, 0) && counter.mappings == mappings,
	     "ATTACH does not replay all mappings");
	printf("%10lu %11.3f ms %10.1f ns\n", mappings, seconds * 1e3, seconds * 1e9 / mappings);
	rig_destroy(&bench.rig);
}

/* "pairs LAYOUT REQUESTS KICKS": see pairs-count. */
int main(int argc, char **argv)
{
	if (argc == 4) {
		only_kick(atoi(argv[1]) % ARRAY_SIZE(layouts), atoi(argv[2]), atoi(argv[3]));
		return 0;
	}
	puts("descriptors   mappings   MAP+UNMAP of 4 KiB through a ring, one core");
	print_rate(true, 0);
	print_rate(false, 0);
	print_rate(true, 100000);
	print_rate(true, 1000000);
	puts("layout of the ring     256 to a kick    one to a kick    million pairs/s, the "
	     "driver's "
	     "part included");
	for (unsigned layout = 0; layout < ARRAY_SIZE(layouts); layout++)
		print_layout(layout);
	puts("  mappings      ATTACH    for each of them, to a listener that counts");
	print_attach(1000);
	print_attach(32000);
	print_attach(1000000);
	return 0;
}
