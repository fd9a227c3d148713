/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mappings of one domain, by IOVA: disjoint intervals in a treap. A treap
 * because both things that UNMAP needs, cutting a whole range out and putting it
 * back where a listener refused, are one split or two and a merge, whatever the
 * number of mappings in it. The priorities come from a seed that the guest does
 * not know, so it cannot choose addresses that unbalance the tree.
 *
 * A mapping costs 48 bytes, 64 with malloc()'s share: that, times the quota, is
 * what a guest can make us hold.
 */
#ifndef IOMMU_STORE_H
#define IOMMU_STORE_H

#include "util/types.h"

struct mapping {
	iova_t start;
	iova_t last; /* inclusive */
	gpa_t gpa;   /* of start */
	u32 flags;   /* VIRTIO_IOMMU_MAP_F_* */
	u32 priority;
	struct mapping *left, *right;
};

struct store {
	struct mapping *root;
	u64 count;
	u64 random; /* state of the priorities' generator; never 0 */
};

void store_init(struct store *store, u64 seed);
/* Free all mappings. The store can be used again. */
void store_clear(struct store *store);

/* The mapping that contains @iova, or NULL. */
struct mapping *store_find(const struct store *store, iova_t iova);
/* The first mapping that has a byte at or after @iova, or NULL. */
struct mapping *store_next(const struct store *store, iova_t iova);

static inline bool store_overlaps(const struct store *store, iova_t start, iova_t last)
{
	const struct mapping *m = store_next(store, start);

	return m && m->start <= last;
}

/* -EEXIST: overlaps a mapping. -ENOMEM. @start <= @last. */
int store_insert(struct store *store, iova_t start, iova_t last, gpa_t gpa, u32 flags);

/*
 * Take all mappings that lie in [start, last] out into *cut, a tree of its own (may be
 * empty). -ERANGE, with nothing taken out, if one of them sticks out of the range.
 */
int store_cut(struct store *store, iova_t start, iova_t last, struct store *cut);
/* Put back what store_cut() took out, nothing having been inserted there since. */
void store_put_back(struct store *store, struct store *cut);

/* In ascending order; the store must not change in the body. */
#define store_for_each(m, store)                                                                   \
	for ((m) = store_next(store, 0); (m);                                                      \
	     (m) = (m)->last == UINT64_MAX ? NULL : store_next(store, (m)->last + 1))

#endif
