/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of a store, for store.c and store_remove.c only.
 *
 * A node is 1 KiB. All leaves are equally deep. Every node but the root is at least
 * half full, and the root has two children or is a leaf that is not empty. key[i] of an
 * inner node is the start of the first mapping under child[i], exactly; key[0] is not
 * kept and never looked at, which spares going up the tree where a node's
 * first mapping changes.
 *
 * That the keys are exact means that whatever could contain an address lies in the one
 * leaf that the address leads to.
 */
#ifndef IOMMU_STORE_TREE_H
#define IOMMU_STORE_TREE_H

#include <assert.h>
#include <string.h>

#include "store.h"

#define LEAF_MAX  40
#define LEAF_MIN  (LEAF_MAX / 2)
#define INNER_MAX 63
#define INNER_MIN (INNER_MAX / 2)

struct store_extent {
	iova_t last;
	gpa_t gpa;
};

/* In the order of looking: the start's lines are fetched at once, then one of extent's. */
struct store_leaf {
	struct store_leaf *next; /* in ascending order */
	u16 count;
	u8 flags[LEAF_MAX];
	iova_t start[LEAF_MAX];
	struct store_extent extent[LEAF_MAX];
};

struct store_inner {
	u16 count;
	iova_t key[INNER_MAX];
	void *child[INNER_MAX];
};

static_assert(sizeof(struct store_leaf) <= STORE_NODE_SIZE, "a leaf is a node");
static_assert(sizeof(struct store_inner) <= STORE_NODE_SIZE, "an inner node is a node");
/* Half-full leaves, each with its share of half-full parents, and an idle eighth. */
static_assert((STORE_NODE_SIZE + STORE_NODE_SIZE / (INNER_MIN - 1)) * 9 / 8 / LEAF_MIN <
		      STORE_MAPPING_BYTES,
	      "the quota's memory is documented");

/* How many of the @count ascending keys are <= @key. */
static inline unsigned keys_upto(const iova_t *keys, unsigned count, iova_t key)
{
	const iova_t *base = keys;

	if (!count)
		return 0;
	/* Without branches: what a guest looks for cannot be predicted. */
	while (count > 1) {
		unsigned half = count / 2;

		base += half & -(unsigned)(base[half - 1] <= key);
		count -= half;
	}
	return (unsigned)(base - keys) + (*base <= key);
}

/* The processor cannot guess which leaf comes, but all of its keys are wanted. */
static inline void leaf_prefetch(const struct store_leaf *leaf)
{
	for (unsigned i = 0; i < offsetof(struct store_leaf, extent); i += 64)
		__builtin_prefetch((const char *)leaf + i);
}

/* The only leaf where @iova can be. The store is not empty. */
static inline struct store_leaf *store_descend(const struct store *store, iova_t iova,
					       struct store_path *path)
{
	void *node = store->root;

	for (unsigned level = 0; level < store->height; level++) {
		struct store_inner *inner = node;
		unsigned i = keys_upto(inner->key + 1, inner->count - 1, iova);

		path->node[level] = inner;
		path->index[level] = i;
		node = inner->child[i];
	}
	leaf_prefetch(node);
	return node;
}

/* memmove() of entries, within a leaf or from one to another. */
static inline void leaf_move(struct store_leaf *to, unsigned to_at, const struct store_leaf *from,
			     unsigned at, unsigned count)
{
	memmove(to->flags + to_at, from->flags + at, count * sizeof(*to->flags));
	memmove(to->start + to_at, from->start + at, count * sizeof(*to->start));
	memmove(to->extent + to_at, from->extent + at, count * sizeof(*to->extent));
}

static inline void inner_move(struct store_inner *to, unsigned to_at,
			      const struct store_inner *from, unsigned at, unsigned count)
{
	memmove(to->key + to_at, from->key + at, count * sizeof(*to->key));
	memmove(to->child + to_at, from->child + at, count * sizeof(*to->child));
}

#endif
