/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "store_tree.h"

void store_init(struct store *store, struct store_pool *pool)
{
	*store = (struct store){ .pool = pool };
}

static void leaf_get(const struct store_leaf *leaf, unsigned at, struct mapping *mapping)
{
	mapping->start = leaf->start[at];
	mapping->last = leaf->extent[at].last;
	mapping->gpa = leaf->extent[at].gpa;
	mapping->flags = leaf->flags[at];
}

bool store_find(const struct store *store, iova_t iova, struct mapping *mapping)
{
	const struct store_leaf *leaf;
	struct store_path path;
	unsigned at;

	if (!store->root)
		return false;
	leaf = store_descend(store, iova, &path);
	at = keys_upto(leaf->start, leaf->count, iova);
	if (!at || leaf->extent[at - 1].last < iova)
		return false;
	leaf_get(leaf, at - 1, mapping);
	return true;
}

struct store_walk store_from(const struct store *store, iova_t iova)
{
	const struct store_leaf *leaf;
	struct store_path path;
	unsigned at;

	if (!store->root)
		return (struct store_walk){ .leaf = NULL };
	leaf = store_descend(store, iova, &path);
	at = keys_upto(leaf->start, leaf->count, iova);
	if (at && leaf->extent[at - 1].last >= iova)
		at--;
	return (struct store_walk){ .leaf = leaf, .at = at };
}

bool store_step(struct store_walk *walk, struct mapping *mapping)
{
	if (walk->leaf && walk->at == walk->leaf->count)
		*walk = (struct store_walk){ .leaf = walk->leaf->next };
	if (!walk->leaf)
		return false;
	leaf_get(walk->leaf, walk->at++, mapping);
	return true;
}

bool store_overlaps(const struct store *store, iova_t start, iova_t last)
{
	struct store_walk walk = store_from(store, start);
	struct mapping mapping;

	return store_step(&walk, &mapping) && mapping.start <= last;
}

int store_select(const struct store *store, iova_t start, iova_t last, struct store_range *range)
{
	struct store_leaf *leaf;
	struct mapping mapping;
	unsigned at;

	range->last = last;
	range->leaf = NULL;
	range->at = 0;
	if (!store->root)
		return 0;
	leaf = store_descend(store, start, &range->path);
	at = keys_upto(leaf->start, leaf->count, start);
	if (at && leaf->extent[at - 1].last >= start && leaf->start[--at] < start)
		return -ERANGE;
	range->leaf = leaf;
	range->at = at;
	/* Most UNMAPs are of what one MAP made. */
	if (at < leaf->count && leaf->start[at] == start && leaf->extent[at].last >= last)
		return leaf->extent[at].last > last ? -ERANGE : 0;
	return store_find(store, last, &mapping) && mapping.last > last ? -ERANGE : 0;
}

/* A place for @child at @at, in an inner node that has room. */
static void inner_add(struct store_inner *inner, unsigned at, iova_t key, void *child)
{
	inner_move(inner, at + 1, inner, at, inner->count - at);
	inner->key[at] = key;
	inner->child[at] = child;
	inner->count++;
}

/* The upper half of @inner into a new node. */
static struct store_inner *inner_split(struct store *store, struct store_inner *inner)
{
	struct store_inner *right = store_pool_get(store->pool);

	right->count = inner->count / 2;
	inner->count -= right->count;
	inner_move(right, 0, inner, inner->count, right->count);
	return right;
}

static void root_grow(struct store *store, iova_t key, void *child)
{
	struct store_inner *root = store_pool_get(store->pool);

	assert(store->height < STORE_HEIGHT_MAX);
	root->count = 0;
	inner_add(root, 0, 0, store->root);
	inner_add(root, 1, key, child);
	store->root = root;
	store->height++;
}

/* @child, whose first mapping starts at @key, to the right of where @path went. */
static void path_add(struct store *store, struct store_path *path, iova_t key, void *child)
{
	for (unsigned level = store->height; level--;) {
		struct store_inner *inner = path->node[level], *right;
		unsigned at = path->index[level] + 1;

		if (inner->count < INNER_MAX) {
			inner_add(inner, at, key, child);
			return;
		}
		right = inner_split(store, inner);
		/* Not for right's first place: its key goes to the parent. */
		if (at <= inner->count)
			inner_add(inner, at, key, child);
		else
			inner_add(right, at - inner->count, key, child);
		key = right->key[0];
		child = right;
	}
	root_grow(store, key, child);
}

/* The upper half of @leaf into a new one. */
static struct store_leaf *leaf_split(struct store *store, struct store_path *path,
				     struct store_leaf *leaf)
{
	struct store_leaf *right = store_pool_get(store->pool);

	right->count = LEAF_MAX / 2;
	leaf->count -= right->count;
	leaf_move(right, 0, leaf, leaf->count, right->count);
	right->next = leaf->next;
	leaf->next = right;
	path_add(store, path, right->start[0], right);
	return right;
}

static void leaf_add(struct store_leaf *leaf, unsigned at, const struct mapping *mapping)
{
	leaf_move(leaf, at + 1, leaf, at, leaf->count - at);
	leaf->flags[at] = mapping->flags;
	leaf->start[at] = mapping->start;
	leaf->extent[at] = (struct store_extent){ .last = mapping->last, .gpa = mapping->gpa };
	leaf->count++;
}

static int store_insert_first(struct store *store, const struct mapping *mapping)
{
	struct store_leaf *leaf;

	if (store_pool_reserve(store->pool, 1))
		return -ENOMEM;
	leaf = store_pool_get(store->pool);
	leaf->next = NULL;
	leaf->count = 0;
	leaf_add(leaf, 0, mapping);
	store->root = leaf;
	store->count++;
	return 0;
}

/* Whether @mapping, to be inserted at @at of @leaf, overlaps a neighbour. */
static bool leaf_refuses(const struct store_leaf *leaf, unsigned at, const struct mapping *mapping)
{
	if (at && leaf->extent[at - 1].last >= mapping->start)
		return true;
	if (at < leaf->count)
		return leaf->start[at] <= mapping->last;
	return leaf->next && leaf->next->start[0] <= mapping->last;
}

int store_insert(struct store *store, const struct mapping *mapping)
{
	struct store_leaf *leaf, *right;
	struct store_path path;
	unsigned at;

	assert(mapping->flags <= UINT8_MAX);
	if (!store->root)
		return store_insert_first(store, mapping);
	leaf = store_descend(store, mapping->start, &path);
	at = keys_upto(leaf->start, leaf->count, mapping->start);
	if (leaf_refuses(leaf, at, mapping))
		return -EEXIST;
	if (leaf->count == LEAF_MAX) {
		/* The most nodes that an insertion makes: the leaf and all above it split, and the
		 * root gets a parent. */
		if (store_pool_reserve(store->pool, store->height + 2))
			return -ENOMEM;
		right = leaf_split(store, &path, leaf);
		/* Not for right's first place: the tree has that key. */
		if (at > leaf->count) {
			at -= leaf->count;
			leaf = right;
		}
	}
	leaf_add(leaf, at, mapping);
	store->count++;
	return 0;
}
