/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The nodes of all stores of one IOMMU. They come from slabs that are cut into
 * nodes once; a node given back waits for its next use, so that a guest that maps
 * and unmaps allocates nothing. Slabs grow with what there is, so that the last one,
 * of which a part may lie idle, is never more than an eighth of the whole; from 2 MiB
 * on they are huge pages, which halve the time of a search among a million mappings.
 *
 * One pool for all domains, because its size then follows the most mappings that
 * there ever were at once, however the guest spread them. When the last node comes
 * back, all slabs but the first go back to the host.
 *
 * All zeroes is an empty pool.
 */
#ifndef IOMMU_STORE_POOL_H
#define IOMMU_STORE_POOL_H

#include "util/types.h"

/* Bytes of a node, and its alignment at least 64: a cache line's. */
#define STORE_NODE_SIZE 1024

struct store_slab;
struct store_spare;

struct store_pool {
	struct store_slab *slabs;  /* owned; the newest first */
	struct store_spare *spare; /* nodes that were given back */
	char *fresh;		   /* in the newest slab: nodes never used yet, up to */
	char *end;
	u64 used;  /* nodes in use */
	u64 total; /* and nodes in all slabs */
	u64 bytes; /* of all slabs */
};

/* Make sure that @count calls of store_pool_get() succeed. -ENOMEM. */
int store_pool_reserve(struct store_pool *pool, unsigned count);
/* A node, not cleared, of those that were reserved. */
void *store_pool_get(struct store_pool *pool);
void store_pool_put(struct store_pool *pool, void *node);
/* Give all slabs back. No node is in use. */
void store_pool_release(struct store_pool *pool);

#endif
