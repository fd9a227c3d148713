/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "vmm/dma.h"
#include "vmm/memory.h"
#include "vmm/msi.h"

/* ---- the TLB ---- */

static_assert(sizeof(struct dma_tlb_entry) == 32, "two entries are a line of the cache");

static unsigned tlb_index(iova_t iova)
{
	return iova / DMA_TLB_PAGE % DMA_TLB_ENTRIES;
}

static void tlb_clear(struct dma_space *space, unsigned index)
{
	space->tlb[index] = (struct dma_tlb_entry){ .start = UINT64_MAX };
}

void dma_space_forget(struct dma_space *space, iova_t start, iova_t last)
{
	const u64 pages = last / DMA_TLB_PAGE - start / DMA_TLB_PAGE;

	space->generation++;
	if (!space->tlb_used)
		return;
	if (pages >= DMA_TLB_ENTRIES - 1) {
		for (unsigned i = 0; i < DMA_TLB_ENTRIES; i++) {
			if (range_overlaps(space->tlb[i].start, space->tlb[i].last, start, last))
				tlb_clear(space, i);
		}
		space->tlb_used = start || last != UINT64_MAX;
		return;
	}
	/* Mappings are removed as a whole, so all pages through which they were found are here. */
	for (u64 i = 0; i <= pages; i++) {
		unsigned index = tlb_index(start + i * DMA_TLB_PAGE);

		if (range_overlaps(space->tlb[index].start, space->tlb[index].last, start, last))
			tlb_clear(space, index);
	}
}

/* The part of @run around @iova that is one piece of RAM; false: there is none. */
static bool run_in_ram(const struct guest_memory *memory, const struct dma_run *run, iova_t iova,
		       struct dma_tlb_entry *entry)
{
	const gpa_t gpa = run->gpa + (iova - run->start);

	for (unsigned i = 0; i < memory_count(memory); i++) {
		struct range ram;
		char *host = memory_range(memory, i, &ram);

		if (gpa < ram.start || gpa > ram.last)
			continue;
		entry->start = iova - MIN(iova - run->start, gpa - ram.start);
		entry->last = iova + MIN(run->last - iova, ram.last - gpa);
		entry->host = host + (gpa - ram.start) - (iova - entry->start);
		entry->access = run->access;
		return true;
	}
	return false;
}

/* Ask the space, and remember the answer. NULL: refused, or no RAM; reported. */
static const struct dma_tlb_entry *tlb_fill(struct dma_space *space, iova_t iova,
					    enum dma_access access)
{
	struct dma_tlb_entry *entry = &space->tlb[tlb_index(iova)];
	struct dma_run run;

	if (space->ops->translate(space, iova, access, &run))
		return NULL;
	space->misses++;
	if (run_in_ram(space->memory, &run, iova, entry)) {
		space->tlb_used = true;
		return entry;
	}
	space->translations++;
	space->faults++;
	if (space->ops->bad_access)
		space->ops->bad_access(space, iova, access);
	return NULL;
}

void dma_space_init(struct dma_space *space, const struct dma_space_ops *ops,
		    const struct guest_memory *memory, struct irq *irq)
{
	memset(space, 0, sizeof(*space));
	space->ops = ops;
	space->memory = memory;
	space->irq = irq;
	space->generation = 1;
	list_init(&space->holds);
	list_init(&space->vectors);
	for (unsigned i = 0; i < DMA_TLB_ENTRIES; i++)
		tlb_clear(space, i);
}

/* ---- accesses ---- */

/* Host address of the beginning of [iova, last], and in *len how much of it follows there. */
static inline void *dma_run_host(struct dma_space *space, iova_t iova, iova_t last,
				 enum dma_access access, u64 *len)
{
	const struct dma_tlb_entry *entry = dma_tlb_find(space, iova, access);

	if (!entry) {
		entry = tlb_fill(space, iova, access);
		if (!entry)
			return NULL;
	}
	space->translations++;
	*len = MIN(last, entry->last) - iova + 1;
	return entry->host + (iova - entry->start);
}

int dma_map_iov(struct dma_space *space, iova_t iova, u64 len, enum dma_access access,
		struct iovec *iov, unsigned max)
{
	unsigned count = 0;
	struct range range;

	if (!len)
		return 0;
	if (!range_make(iova, len, &range))
		return -EFAULT;
	while (len) {
		u64 run;
		void *host = dma_run_host(space, iova, range.last, access, &run);

		if (!host)
			return -EFAULT;
		if (count == max)
			return -ENOSPC;
		iov[count++] = (struct iovec){ .iov_base = host, .iov_len = run };
		iova += run;
		len -= run;
	}
	return count;
}

void *dma_object_slow(struct dma_space *space, iova_t iova, u64 len, enum dma_access access)
{
	struct range range;
	u64 run;
	void *host;

	if (!range_make(iova, len, &range))
		return NULL;
	host = dma_run_host(space, iova, range.last, access, &run);
	return host && run == len ? host : NULL;
}

/* Copy between memory and @data, in the direction that @access says. */
static int dma_copy(struct dma_space *space, iova_t iova, char *data, u64 len,
		    enum dma_access access)
{
	struct range range;

	if (!len)
		return 0;
	if (!range_make(iova, len, &range))
		return -EFAULT;
	while (len) {
		u64 run;
		void *host = dma_run_host(space, iova, range.last, access, &run);

		if (!host)
			return -EFAULT;
		if (access == DMA_READ)
			memcpy(data, host, run);
		else
			memcpy(host, data, run);
		data += run;
		iova += run;
		len -= run;
	}
	return 0;
}

int dma_read_slow(struct dma_space *space, iova_t iova, void *data, u64 len)
{
	return dma_copy(space, iova, data, len, DMA_READ);
}

int dma_write_slow(struct dma_space *space, iova_t iova, const void *data, u64 len)
{
	return dma_copy(space, iova, (char *)data, len, DMA_WRITE);
}

void dma_space_changed(struct dma_space *space)
{
	struct list_node *node;

	dma_space_forget(space, 0, UINT64_MAX);
	list_for_each(node, &space->vectors)
		msi_vector_resolve(list_entry(node, struct msi_vector, node));
}

void dma_hold(struct dma_space *space, struct dma_hold *hold)
{
	hold->number = space->holds_put++;
	list_add_tail(&space->holds, &hold->node);
}

void dma_drop(struct dma_space *space, struct dma_hold *hold)
{
	list_del(&hold->node);
	if (space->dropped)
		space->dropped(space);
}

static bool hold_covers(const struct dma_hold *hold, iova_t start, iova_t last)
{
	for (unsigned i = 0; i < hold->count; i++) {
		struct range range;

		if (range_make(hold->segments[i].iova, hold->segments[i].len, &range) &&
		    range_overlaps(range.start, range.last, start, last))
			return true;
	}
	return false;
}

bool dma_space_held(const struct dma_space *space, iova_t start, iova_t last)
{
	const struct list_node *node;

	list_for_each(node, &space->holds) {
		if (hold_covers(list_entry(node, struct dma_hold, node), start, last))
			return true;
	}
	return false;
}

bool dma_space_held_before(const struct dma_space *space, u64 put)
{
	return !list_empty(&space->holds) &&
	       list_entry(space->holds.next, struct dma_hold, node)->number < put;
}

static int identity_translate(struct dma_space *space, iova_t iova, enum dma_access access,
			      struct dma_run *run)
{
	*run = (struct dma_run){ 0, UINT64_MAX, 0, DMA_READ | DMA_WRITE };
	return 0;
}

static int identity_resolve_msi(struct dma_space *space, iova_t address, bool send, gpa_t *doorbell)
{
	*doorbell = address;
	return 0;
}

static const struct dma_space_ops identity_ops = {
	.translate = identity_translate,
	.resolve_msi = identity_resolve_msi,
};

void dma_identity_init(struct dma_identity *identity, const struct guest_memory *memory,
		       struct irq *irq)
{
	dma_space_init(&identity->space, &identity_ops, memory, irq);
}
