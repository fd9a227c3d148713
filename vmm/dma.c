/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "vmm/dma.h"
#include "vmm/memory.h"
#include "vmm/msi.h"

void dma_space_init(struct dma_space *space, const struct dma_space_ops *ops,
		    const struct guest_memory *memory, struct irq *irq)
{
	memset(space, 0, sizeof(*space));
	space->ops = ops;
	space->memory = memory;
	space->irq = irq;
	list_init(&space->holds);
	list_init(&space->vectors);
}

/* Host address of the beginning of [iova, last], and in *len how much of it follows there. */
static void *dma_run_host(struct dma_space *space, iova_t iova, iova_t last, enum dma_access access,
			  u64 *len)
{
	struct dma_run run;
	void *host;

	if (space->ops->translate(space, iova, last, access, &run))
		return NULL;
	space->translations++;
	host = memory_run(space->memory, run.gpa, run.len, len);
	if (!host) {
		space->faults++;
		if (space->ops->bad_access)
			space->ops->bad_access(space, iova, access);
	}
	return host;
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

void *dma_object(struct dma_space *space, iova_t iova, u64 len, enum dma_access access)
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

int dma_read(struct dma_space *space, iova_t iova, void *data, u64 len)
{
	return dma_copy(space, iova, data, len, DMA_READ);
}

int dma_write(struct dma_space *space, iova_t iova, const void *data, u64 len)
{
	return dma_copy(space, iova, (char *)data, len, DMA_WRITE);
}

int dma_signal_msi(struct dma_space *space, iova_t address, u32 data, u32 device_id)
{
	struct msi_message msi = { .data = data, .device_id = device_id };
	int ret = space->ops->resolve_msi(space, address, true, &msi.address);

	return ret ? ret : irq_send_msi(space->irq, &msi);
}

void dma_space_changed(struct dma_space *space)
{
	struct list_node *node;

	list_for_each(node, &space->vectors)
		msi_vector_resolve(list_entry(node, struct msi_vector, node));
}

void dma_hold(struct dma_space *space, struct dma_hold *hold)
{
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

static int identity_translate(struct dma_space *space, iova_t iova, iova_t last,
			      enum dma_access access, struct dma_run *run)
{
	/* The caller meets RAM or its end; len saturates at 2^64 - 1. */
	run->gpa = iova;
	run->len = last - iova == UINT64_MAX ? UINT64_MAX : last - iova + 1;
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
