/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mappings of one domain, by IOVA: disjoint intervals in a B+-tree. The
 * leaves are wide and keep their keys apart from the rest, so that a search misses
 * the cache about twice, whatever the number of mappings; the tree is balanced
 * whatever addresses the guest chooses, some six levels at the most.
 *
 * UNMAP is three steps, so that it can be refused with nothing changed:
 *
 *   1. store_select() looks the range up, and says whether it cuts a mapping in two.
 *   2. The mappings in it are walked, for the listeners' sake. If one of them
 *      refuses, the walk is also the list of what to undo.
 *   3. store_remove(), which cannot fail: it allocates nothing.
 *
 * A mapping costs about 38 bytes where the guest maps at random, 42 after long use, and
 * never more than STORE_MAPPING_BYTES for each of the most that there were at once:
 * that, times the quota, is what a guest can make us hold.
 */
#ifndef IOMMU_STORE_H
#define IOMMU_STORE_H

#include "store_pool.h"
#include "util/types.h"

/* The most that a mapping takes, slack included, where there are a thousand or more. */
#define STORE_MAPPING_BYTES 64

struct mapping {
	iova_t start;
	iova_t last; /* inclusive */
	gpa_t gpa;   /* of start */
	u32 flags;   /* VIRTIO_IOMMU_MAP_F_*; they fit in eight bits */
};

struct store_leaf;

struct store {
	void *root;	 /* NULL: empty; else a leaf if height is 0 */
	unsigned height; /* levels above the leaves */
	u64 count;
	struct store_pool *pool; /* borrowed */
};

void store_init(struct store *store, struct store_pool *pool);
/* Remove all mappings. The store can be used again. */
void store_clear(struct store *store);

/* Whether a mapping contains @iova: it goes to *mapping. */
bool store_find(const struct store *store, iova_t iova, struct mapping *mapping);

/* -EEXIST: overlaps a mapping. -ENOMEM. Either changes nothing. @start <= @last. */
int store_insert(struct store *store, const struct mapping *mapping);

/* A walk in ascending order, each step in O(1). The store must not change meanwhile. */
struct store_walk {
	const struct store_leaf *leaf;
	unsigned at; /* the next one's place in it */
};

/* Begin with the first mapping that has a byte at or after @iova. */
struct store_walk store_from(const struct store *store, iova_t iova);
/* The next one, in *mapping; false: that was all. */
bool store_step(struct store_walk *walk, struct mapping *mapping);

/* 2 * 31^(8 - 1) leaves at the least: more than memory has room for. */
#define STORE_HEIGHT_MAX 8

/* The way from the root to a leaf; for the store alone. */
struct store_path {
	struct store_inner *node[STORE_HEIGHT_MAX];
	unsigned index[STORE_HEIGHT_MAX]; /* of the child that was taken */
};

/* The mappings in [start, last]; good until the store changes. */
struct store_range {
	iova_t last;
	struct store_leaf *leaf; /* where path leads; NULL: the store is empty */
	unsigned at;		 /* the first one's place in leaf, or one past the leaf's last */
	struct store_path path;
};

/* Begin with the first of @range; it goes on past its last. */
static inline struct store_walk store_from_range(const struct store_range *range)
{
	return (struct store_walk){ .leaf = range->leaf, .at = range->at };
}

/* -ERANGE: a mapping lies partly in [start, last] and partly outside. */
int store_select(const struct store *store, iova_t start, iova_t last, struct store_range *range);
/* Remove what was selected. Returns the number of mappings. */
u64 store_remove(struct store *store, const struct store_range *range);

/* Whether a mapping has a byte in [start, last]. */
bool store_overlaps(const struct store *store, iova_t start, iova_t last);

#endif
