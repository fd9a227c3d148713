/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "store.h"

static_assert(sizeof(struct mapping) <= 64, "VIOMMU_DEFAULT_MAPPINGS counts on it");

void store_init(struct store *store, u64 seed)
{
	store->root = NULL;
	store->count = 0;
	store->random = seed ? seed : 1;
}

/* xorshift64*: the upper half is good enough to balance a tree. */
static u32 store_random(struct store *store)
{
	u64 x = store->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	store->random = x;
	return (x * 0x2545f4914f6cdd1dULL) >> 32;
}

/* What starts before @key goes to *low, the rest to *high. */
static void treap_split(struct mapping *tree, iova_t key, struct mapping **low,
			struct mapping **high)
{
	while (tree) {
		if (tree->start < key) {
			*low = tree;
			low = &tree->right;
			tree = tree->right;
		} else {
			*high = tree;
			high = &tree->left;
			tree = tree->left;
		}
	}
	*low = *high = NULL;
}

/* All of @low lies before all of @high. */
static struct mapping *treap_merge(struct mapping *low, struct mapping *high)
{
	struct mapping *root;
	struct mapping **link = &root;

	while (low && high) {
		if (low->priority > high->priority) {
			*link = low;
			link = &low->right;
			low = low->right;
		} else {
			*link = high;
			link = &high->left;
			high = high->left;
		}
	}
	*link = low ? low : high;
	return root;
}

void store_clear(struct store *store)
{
	struct mapping *tree = store->root;

	while (tree) {
		struct mapping *rest = treap_merge(tree->left, tree->right);

		free(tree);
		tree = rest;
	}
	store->root = NULL;
	store->count = 0;
}

struct mapping *store_find(const struct store *store, iova_t iova)
{
	struct mapping *m = store->root;

	while (m && (iova < m->start || iova > m->last))
		m = iova < m->start ? m->left : m->right;
	return m;
}

struct mapping *store_next(const struct store *store, iova_t iova)
{
	struct mapping *m = store->root;
	struct mapping *best = NULL;

	while (m) {
		if (m->last < iova) {
			m = m->right;
		} else {
			best = m;
			m = m->left;
		}
	}
	return best;
}

int store_insert(struct store *store, iova_t start, iova_t last, gpa_t gpa, u32 flags)
{
	struct mapping **link = &store->root;
	struct mapping *m;

	if (store_overlaps(store, start, last))
		return -EEXIST;
	m = malloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->start = start;
	m->last = last;
	m->gpa = gpa;
	m->flags = flags;
	m->priority = store_random(store);
	while (*link && (*link)->priority >= m->priority)
		link = start < (*link)->start ? &(*link)->left : &(*link)->right;
	treap_split(*link, start, &m->left, &m->right);
	*link = m;
	store->count++;
	return 0;
}

/* The recursion is as deep as the tree: some 50 levels for a million mappings. */
static u64 treap_count(const struct mapping *tree)
{
	return tree ? 1 + treap_count(tree->left) + treap_count(tree->right) : 0;
}

int store_cut(struct store *store, iova_t start, iova_t last, struct store *cut)
{
	const struct mapping *first = store_find(store, start);
	const struct mapping *end = store_find(store, last);
	struct mapping *low, *middle, *high = NULL;

	store_init(cut, 0);
	if ((first && first->start < start) || (end && end->last > last))
		return -ERANGE;
	treap_split(store->root, start, &low, &middle);
	if (last < UINT64_MAX) {
		struct mapping *rest = middle;

		treap_split(rest, last + 1, &middle, &high);
	}
	store->root = treap_merge(low, high);
	cut->root = middle;
	cut->count = treap_count(middle);
	store->count -= cut->count;
	return 0;
}

void store_put_back(struct store *store, struct store *cut)
{
	const struct mapping *first = store_next(cut, 0);
	struct mapping *low, *high;

	if (!first)
		return;
	treap_split(store->root, first->start, &low, &high);
	store->root = treap_merge(treap_merge(low, cut->root), high);
	store->count += cut->count;
	store_init(cut, 0);
}
