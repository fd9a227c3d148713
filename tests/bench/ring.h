/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MAP+UNMAP pairs of 4 KiB through a real ring: the virtio-iommu on a fake machine, driven
 * through its registers and the rings in its RAM, without KVM. All requests are laid out
 * before the clock starts; what is timed is the kick alone, on one thread.
 *
 * What goes wrong ends the program.
 */
#ifndef TESTS_BENCH_RING_H
#define TESTS_BENCH_RING_H

#include "../wire/iommu_driver.h"

#define RING	 256
#define DOMAIN	 1
#define PAGE	 4096ull
#define PAIRS_AT 0x7000000000ull /* IOVAs of the pairs */
/* What all mappings lead to: so many pages from here on, in turn. */
#define TARGET	     0x100000
#define TARGET_PAGES 256

struct bench {
	struct rig rig;
	struct job *jobs;
	u16 *avail; /* flags, idx, ring */
	const volatile u16 *used;
	unsigned requests; /* that go to a kick */
	unsigned count;	   /* jobs that come round: as many, or all if one goes to a kick */
	bool indirect;
	/*
	 * Each request's descriptor in the ring is written anew for each kick, as a driver does and
	 * as a packed ring must have it: only if @indirect.
	 */
	bool written;
};

void must(bool held, const char *what);
/* Seconds of this thread: what others do on the machine is not ours. */
double now(void);

/*
 * The driver is there, and @endpoint in DOMAIN. @requests go to a kick: 1, RING, or
 * RING / 2 if they are not @indirect and take two of the ring's descriptors.
 */
void bench_begin(struct bench *bench, u32 endpoint, unsigned requests, bool indirect);
/* The same in a ring as @features lay it out, whose descriptors are written for each kick. */
void bench_begin_written(struct bench *bench, u32 endpoint, unsigned requests, u64 features);
/* Lay the pairs out; after other requests too. Then kick, as often as is wanted. */
void bench_lay_out(struct bench *bench);
void bench_kick(struct bench *bench);
/* That all pairs were answered with OK. */
void bench_check(const struct bench *bench);
/* @count pages in DOMAIN, by the way, in no order, with holes between. */
void bench_map_background(struct bench *bench, unsigned long count);
/* @endpoint comes to DOMAIN and goes, again and again: seconds of an ATTACH, the best of @runs. */
double bench_attach(struct bench *bench, u32 endpoint, unsigned runs);

#endif
