/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vfio ADDRESS: what the IOMMU adds to a host's. MAP+UNMAP pairs of 4 KiB as two ioctls each, and
 * through a real ring, the virtio-iommu and the container of a passed device that listens: the
 * whole path but for the guest's exit. The two take turns. Then ATTACH to domains of many
 * mappings. The device is bound to vfio-pci and used for nothing else.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ring.h"
#include "vfio/vfio.h"
#include "vfio_bare.h"

#define TURNS	15 /* odd */
#define SECONDS 0.2
#define RUNS	5
#define PASSED	0x100u /* an endpoint */

/* ---- the machine with the device ---- */

struct machine {
	struct bench bench;
	struct vfio *vfio;
};

static void check(int ret, const struct error *err)
{
	must(!ret, err->text);
}

static void machine_open(struct machine *machine, const char *address)
{
	struct vfio_want want = { 0 };
	struct rig *rig = &machine->bench.rig;
	struct error err = { "" };
	struct dma_limits limits;
	struct dma_windows windows = { .iommu = true, .host_count = 1, .passed = &limits };
	const struct vfio_request request = { &vfio_host_paths, &want, 1, true, NULL };
	struct dma_space *space;

	rig_create(rig, NULL);
	check(vfio_address_parse(&want.address, address, &err), &err);
	check(vfio_open(&machine->vfio, &request, &err), &err);
	check(vfio_plug(machine->vfio, rig->vm, &err), &err);
	windows.hosts = vfio_hosts(machine->vfio);
	check(dma_windows_decide(&windows, NULL, &err), &err);
	check(viommu_add_endpoint(rig->viommu, PASSED, address, &limits,
				  vfio_listener(machine->vfio, 0), &space, &err),
	      &err);
	rig_start(rig, ALL_FEATURES);
}

static void machine_close(struct machine *machine)
{
	rig_destroy(&machine->bench.rig);
	vfio_close(machine->vfio);
}

/* ---- pairs ---- */

/* Microseconds a pair. */
static double bare_turn(const char *address)
{
	struct bare bare;
	double begin, end;
	u64 pairs = 0;

	bare_open(&bare, address);
	begin = end = now();
	while (end - begin < SECONDS) {
		for (unsigned n = 0; n < RING / 2; n++)
			bare_pair(&bare, PAIRS_AT + n * PAGE);
		pairs += RING / 2;
		end = now();
	}
	bare_close(&bare);
	return (end - begin) * 1e6 / pairs;
}

/* @endpoint: the device, or one with nothing behind it. */
static double ring_turn(const char *address, u32 endpoint, unsigned requests)
{
	struct machine machine = { 0 };
	struct bench *bench = &machine.bench;
	double begin, end;
	u64 pairs = 0;

	machine_open(&machine, address);
	bench_begin(bench, endpoint, requests, true);
	bench_lay_out(bench);
	begin = end = now();
	while (end - begin < SECONDS) {
		for (unsigned n = 0; n < RING; n += requests)
			bench_kick(bench);
		pairs += RING / 2;
		end = now();
	}
	bench_check(bench);
	machine_close(&machine);
	return (end - begin) * 1e6 / pairs;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The least time, and the median of its ratios to @bare's of the same turn: machines are shared. */
static void print_loop(const char *name, const double *bare, const double *times)
{
	double ratios[TURNS], best = 1e9;

	for (unsigned turn = 0; turn < TURNS; turn++) {
		best = MIN(best, times[turn]);
		ratios[turn] = times[turn] / bare[turn];
	}
	qsort(ratios, TURNS, sizeof(ratios[0]), compare);
	printf("pairs %-32s %9.2f us %6.2f\n", name, best, ratios[TURNS / 2]);
	fflush(stdout);
}

static void print_pairs(const char *address)
{
	double bare[TURNS], alone[TURNS], whole[TURNS], one[TURNS];

	for (unsigned turn = 0; turn < TURNS; turn++) {
		bare[turn] = bare_turn(address);
		alone[turn] = ring_turn(address, ENDPOINT_B, RING);
		whole[turn] = ring_turn(address, PASSED, RING);
		one[turn] = ring_turn(address, PASSED, 1);
	}
	print_loop("bare ioctls", bare, bare);
	print_loop("IOMMU alone, 256 to a kick", bare, alone);
	print_loop("whole path, 256 to a kick", bare, whole);
	print_loop("whole path, one to a kick", bare, one);
}

/* ---- ATTACH ---- */

static void print_attach(const char *address, unsigned long mappings)
{
	struct machine machine = { 0 };
	double seconds;

	machine_open(&machine, address);
	bench_begin(&machine.bench, ENDPOINT_B, RING, true);
	bench_map_background(&machine.bench, mappings);
	seconds = bench_attach(&machine.bench, PASSED, RUNS);
	machine_close(&machine);
	printf("attach %10lu %11.2f ms %9.2f us each\n", mappings, seconds * 1e3,
	       seconds * 1e6 / mappings);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	must(argc == 2, "usage: vfio ADDRESS");
	print_pairs(argv[1]);
	print_attach(argv[1], 1000);
	print_attach(argv[1], 4000);
	print_attach(argv[1], 16000);
	return 0;
}
