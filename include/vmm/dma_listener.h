/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A listener keeps a copy of an endpoint's address space outside this process: VFIO's container
 * mirrors it into the host's IOMMU. The IOMMU model calls it *before* it answers the guest, and
 * refuses the guest what the listener refuses, so the two tables never differ.
 *
 * All calls come with the VM lock held, on any thread.
 */
#ifndef VMM_DMA_LISTENER_H
#define VMM_DMA_LISTENER_H

#include "util/types.h"
#include "vmm/dma.h"

struct dma_listener;

struct dma_mapping {
	iova_t start;
	iova_t last; /* inclusive */
	gpa_t gpa;   /* of start */
	u32 access;  /* DMA_READ | DMA_WRITE; never 0 */
	/*
	 * Registers, not memory: a doorbell, which a listener need not map, or another
	 * device's BAR, which it maps where the host can. It may leave either out.
	 */
	bool mmio;
};

struct dma_listener_ops {
	/*
	 * All of it or, with -errno, none of it, and why in the log. -ENOSPC and
	 * -ENOMEM: the host's table is full (the guest is told NOMEM); anything else is
	 * DEVERR.
	 */
	int (*map)(struct dma_listener *listener, const struct dma_mapping *mapping);
	/*
	 * Exactly one range that map() was given. Once it returns 0 the device
	 * reaches none of it. -errno leaves it mapped.
	 */
	int (*unmap)(struct dma_listener *listener, const struct dma_mapping *mapping);
	/*
	 * A move is checked before it begins: whether @count mappings more than it has would
	 * fit, and whether the host still is what the guest was told. -ENOSPC or -ENOMEM:
	 * no room; another -errno: it is not, as the listener has logged.
	 */
	int (*check)(struct dma_listener *listener, u64 count);
	/* Remove everything, bypass too. Cannot fail. */
	void (*clear)(struct dma_listener *listener);
	/* Map all RAM, IOVA = GPA: the endpoint bypasses. All or nothing. */
	int (*bypass)(struct dma_listener *listener);
	/* Whether a device behind it may begin DMA now: its bus mastering is on. */
	bool (*masters)(const struct dma_listener *listener);
};

/*
 * Lives inside its owner. Endpoints that the host cannot tell apart, the members of one group, have
 * one listener. It holds the domain that all attached members are in.
 */
struct dma_listener {
	const struct dma_listener_ops *ops;
};

#endif
