/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking mappings out of a store. A range goes leaf by leaf; a leaf that falls
 * under half is filled up from its neighbour or joined with it, and so on up.
 * None of that allocates.
 */
#include "store_tree.h"

/* The first mapping below where @path went at @level now starts at @key. */
static void path_set_key(const struct store_path *path, unsigned level, iova_t key)
{
	while (level--) {
		if (path->index[level]) {
			path->node[level]->key[path->index[level]] = key;
			return;
		}
	}
}

static void inner_delete(struct store_inner *inner, unsigned at)
{
	inner->count--;
	inner_move(inner, at, inner, at + 1, inner->count - at);
}

/* All of @right to the end of @left. */
static void inner_join(struct store_inner *left, const struct store_inner *right)
{
	inner_move(left, left->count, right, 0, right->count);
	left->count += right->count;
}

/* Half of what both have into each. */
static void inner_even(struct store_inner *left, struct store_inner *right)
{
	unsigned keep = (left->count + right->count) / 2;

	if (left->count < keep) {
		unsigned moved = keep - left->count;

		inner_move(left, left->count, right, 0, moved);
		inner_move(right, 0, right, moved, right->count - moved);
		right->count -= moved;
	} else {
		unsigned moved = left->count - keep;

		inner_move(right, moved, right, 0, right->count);
		inner_move(right, 0, left, keep, moved);
		right->count += moved;
	}
	left->count = keep;
}

/* The inner node at @level of @path has lost a child. */
static void inner_repair(struct store *store, const struct store_path *path, unsigned level)
{
	for (; level && path->node[level]->count < INNER_MIN; level--) {
		struct store_inner *parent = path->node[level - 1], *left, *right;
		unsigned at = path->index[level - 1];

		at += !at;
		left = parent->child[at - 1];
		right = parent->child[at];
		/* It becomes an inner key, which counts. */
		right->key[0] = parent->key[at];
		if (left->count + right->count > INNER_MAX) {
			inner_even(left, right);
			parent->key[at] = right->key[0];
			return;
		}
		inner_join(left, right);
		store_pool_put(store->pool, right);
		inner_delete(parent, at);
	}
	if (!level && path->node[0]->count == 1) {
		store->root = path->node[0]->child[0];
		store->height--;
		store_pool_put(store->pool, path->node[0]);
	}
}

static void leaf_delete(struct store_leaf *leaf, unsigned at, unsigned end)
{
	leaf_move(leaf, at, leaf, end, leaf->count - end);
	leaf->count -= end - at;
}

static void leaf_join(struct store_leaf *left, const struct store_leaf *right)
{
	leaf_move(left, left->count, right, 0, right->count);
	left->count += right->count;
	left->next = right->next;
}

static void leaf_even(struct store_leaf *left, struct store_leaf *right)
{
	unsigned keep = (left->count + right->count) / 2;

	if (left->count < keep) {
		unsigned moved = keep - left->count;

		leaf_move(left, left->count, right, 0, moved);
		leaf_delete(right, 0, moved);
	} else {
		unsigned moved = left->count - keep;

		leaf_move(right, moved, right, 0, right->count);
		leaf_move(right, 0, left, keep, moved);
		right->count += moved;
	}
	left->count = keep;
}

/* @leaf, where @path went, has too few: even out with a neighbour, or join it. */
static void leaf_refill(struct store *store, const struct store_path *path, struct store_leaf *leaf)
{
	unsigned level = store->height - 1;
	struct store_inner *parent = path->node[level];
	unsigned at = path->index[level];
	struct store_leaf *left, *right;

	/* The right neighbour by preference: a range that is being removed goes on there. */
	at += at + 1 < parent->count;
	left = parent->child[at - 1];
	right = parent->child[at];
	if (left->count + right->count > LEAF_MAX) {
		leaf_even(left, right);
		parent->key[at] = right->start[0];
	} else {
		leaf_join(left, right);
		store_pool_put(store->pool, right);
		inner_delete(parent, at);
	}
	/* As the left one it may have lost its first. */
	if (left == leaf)
		path_set_key(path, store->height, left->start[0]);
	inner_repair(store, path, level);
}

/* Mappings have gone from @leaf, where @path went. */
static void leaf_repair(struct store *store, const struct store_path *path, struct store_leaf *leaf)
{
	if (store->height && leaf->count < LEAF_MIN) {
		leaf_refill(store, path, leaf);
	} else if (leaf->count) {
		path_set_key(path, store->height, leaf->start[0]);
	} else {
		store->root = NULL;
		store_pool_put(store->pool, leaf);
	}
}

u64 store_remove(struct store *store, const struct store_range *range)
{
	const struct store_path *path = &range->path;
	struct store_leaf *leaf = range->leaf;
	unsigned at = range->at;
	u64 before = store->count;
	struct store_path way;

	while (leaf) {
		unsigned end = at + keys_upto(leaf->start + at, leaf->count - at, range->last);
		bool more = end == leaf->count && leaf->next && leaf->next->start[0] <= range->last;
		iova_t next = more ? leaf->next->start[0] : 0;

		if (at < end) {
			store->count -= end - at;
			leaf_delete(leaf, at, end);
			leaf_repair(store, path, leaf);
		}
		if (!more)
			break;
		/* The tree has changed. */
		leaf = store_descend(store, next, &way);
		at = keys_upto(leaf->start, leaf->count, next) - 1;
		path = &way;
	}
	return before - store->count;
}

void store_clear(struct store *store)
{
	struct store_range all;

	/* Nothing sticks out of the whole space. */
	if (!store_select(store, 0, UINT64_MAX, &all))
		store_remove(store, &all);
}
