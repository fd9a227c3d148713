/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest RAM: one mapping, anonymous as a rule, shown to the guest as one or more ranges.
 *
 * Devices do not use this header; they reach memory through their DMA space
 * (vmm/dma.h). It is for the loader, the firmware tables and the DMA spaces.
 *
 * Everything here may be called from any thread: the layout never changes
 * after memory_create(). The contents belong to the guest, which may change
 * them at any time: copy once, check the copy, use the copy.
 */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include "util/error.h"
#include "util/range.h"
#include "util/types.h"

struct guest_memory;
struct memory_file;

#define MEMORY_MAX_RANGES 4
/* What a huge page is on a host with pages of 4 KiB. */
#define MEMORY_HUGE_PAGE (2 * MIB)

/*
 * @file: NULL, or what has the pages, of RAM's size (vmm/memory_file.h); it may be closed then.
 * @ranges: disjoint, ascending, page-aligned; at most MEMORY_MAX_RANGES. The
 * pages are not touched: they cost nothing until the guest uses them.
 * -ENOMEM, -EINVAL, or what mmap() said. Owner: the vm.
 */
int memory_create(struct guest_memory **memory, const struct memory_file *file,
		  const struct range *ranges, unsigned count, struct error *err);
void memory_destroy(struct guest_memory *memory);

/*
 * Have RAM in huge pages where the host has them to give. For a guest that will use
 * much of it: a huge page is cleared at its first touch, 0.2 ms that a tiny guest
 * would notice. Before the memory is filled.
 */
void memory_use_huge_pages(struct guest_memory *memory);

/*
 * Undo that while @small, for a guest that gives single pages back: the host would fill the huge
 * pages around them again. No effect where memory_use_huge_pages() was not called.
 */
void memory_use_small_pages(struct guest_memory *memory, bool small);

/*
 * Give the host back what of RAM is in [gpa, gpa + len), as far as whole pages of its own are: the
 * guest reads zeroes there, and what it writes takes memory again. Takes about a millisecond for
 * 32 MiB. Returns the bytes given back: none of a file's, which keeps all of its pages.
 */
u64 memory_give_back(const struct guest_memory *memory, gpa_t gpa, u64 len);

/* How many ranges there are, and the n-th with its host address. */
unsigned memory_count(const struct guest_memory *memory);
void *memory_range(const struct guest_memory *memory, unsigned n, struct range *range);

/* Host address of [gpa, gpa + len), or NULL unless all of it lies in one RAM range. */
void *memory_host(const struct guest_memory *memory, gpa_t gpa, u64 len);

/*
 * As much of [gpa, gpa + len) as follows without a break: the host address,
 * and in *run its length, 1 to len. NULL if gpa is not RAM (or len is 0).
 */
void *memory_run(const struct guest_memory *memory, gpa_t gpa, u64 len, u64 *run);

/* Copy @len bytes; -EFAULT, with nothing copied, unless all of it is RAM in one range. */
int memory_write(const struct guest_memory *memory, gpa_t gpa, const void *data, u64 len);
/* The other way. */
int memory_read(const struct guest_memory *memory, gpa_t gpa, void *data, u64 len);

#endif
