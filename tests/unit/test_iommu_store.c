/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "test.h"
#include "util/range.h"
#include "util/types.h"

#include "../../iommu/store_tree.h"

#define PAGE 4096ULL

struct fixture {
	struct store_pool pool;
	struct store store;
};

static int start(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	store_init(&f->store, &f->pool);
	*state = f;
	return 0;
}

static int stop(void **state)
{
	struct fixture *f = *state;

	store_clear(&f->store);
	assert_int_equal(f->pool.used, 0);
	store_pool_release(&f->pool);
	free(f);
	return 0;
}

/* ---- the rules of the tree ---- */

/* What is below a node has this for its first and its last start. */
struct bounds {
	iova_t first, last;
};

struct census {
	u64 nodes;
	u64 mappings;
	const struct store_leaf *previous; /* leaf that was seen before */
};

static struct bounds check_leaf(const struct store_leaf *leaf, struct census *census, bool root)
{
	assert_in_range(leaf->count, root ? 1 : LEAF_MIN, LEAF_MAX);
	for (unsigned i = 0; i < leaf->count; i++) {
		assert_true(leaf->start[i] <= leaf->extent[i].last);
		assert_true(!i || leaf->extent[i - 1].last < leaf->start[i]);
	}
	if (census->previous) {
		const struct store_leaf *before = census->previous;

		assert_ptr_equal(before->next, leaf);
		assert_true(before->extent[before->count - 1].last < leaf->start[0]);
	}
	census->previous = leaf;
	census->nodes++;
	census->mappings += leaf->count;
	return (struct bounds){ leaf->start[0], leaf->start[leaf->count - 1] };
}

static struct bounds check_node(const void *node, unsigned height, struct census *census, bool root)
{
	const struct store_inner *inner = node;
	struct bounds all = { 0 };

	if (!height)
		return check_leaf(node, census, root);
	assert_in_range(inner->count, root ? 2 : INNER_MIN, INNER_MAX);
	census->nodes++;
	for (unsigned i = 0; i < inner->count; i++) {
		struct bounds below = check_node(inner->child[i], height - 1, census, false);

		if (!i)
			all.first = below.first;
		else
			assert_int_equal(inner->key[i], below.first);
		all.last = below.last;
	}
	return all;
}

static void check_tree(const struct store *store)
{
	struct census census = { 0 };

	if (store->root)
		check_node(store->root, store->height, &census, true);
	else
		assert_int_equal(store->height, 0);
	assert_int_equal(census.mappings, store->count);
	assert_int_equal(census.nodes, store->pool->used);
	if (census.previous)
		assert_null(census.previous->next);
}

/* ---- small stores ---- */

static int insert(struct store *store, iova_t first, iova_t last, u32 flags)
{
	const struct mapping mapping = {
		.start = first, .last = last, .gpa = first ^ 0xabc000, .flags = flags
	};

	return store_insert(store, &mapping);
}

static void put(struct store *store, iova_t first, iova_t last)
{
	assert_int_equal(insert(store, first, last, 3), 0);
}

static bool splits(const struct store *store, iova_t first, iova_t last)
{
	struct store_range range;
	int ret = store_select(store, first, last, &range);

	assert_true(!ret || ret == -ERANGE);
	return ret;
}

static u64 cut(struct store *store, iova_t first, iova_t last)
{
	struct store_range range;

	assert_int_equal(store_select(store, first, last, &range), 0);
	return store_remove(store, &range);
}

static bool has(const struct store *store, iova_t iova)
{
	struct mapping m;

	return store_find(store, iova, &m);
}

static void put_pages(struct store *store, u64 count)
{
	for (u64 i = 0; i < count; i++)
		put(store, i * PAGE, i * PAGE + PAGE - 1);
}

TEST_WITH(a_mapping_is_found_from_its_first_to_its_last_byte, start, stop)
{
	struct store *store = &((struct fixture *)*state)->store;
	struct mapping m, same;

	assert_false(has(store, 0));
	put(store, 0x2000, 0x3fff);
	assert_false(has(store, 0x1fff));
	assert_false(has(store, 0x4000));
	assert_true(store_find(store, 0x2000, &m));
	assert_true(store_find(store, 0x3fff, &same));
	assert_int_equal(m.start, 0x2000);
	assert_int_equal(m.last, 0x3fff);
	assert_int_equal(m.gpa, 0x2000 ^ 0xabc000);
	assert_int_equal(m.flags, 3);
	assert_int_equal(same.start, m.start);
}

TEST_WITH(an_overlap_of_one_byte_is_refused, start, stop)
{
	struct store *store = &((struct fixture *)*state)->store;

	put(store, 0x2000, 0x3fff);
	assert_int_equal(insert(store, 0x1000, 0x2000, 0), -EEXIST);
	assert_int_equal(insert(store, 0x3fff, 0x4fff, 0), -EEXIST);
	assert_int_equal(insert(store, 0x2800, 0x2fff, 0), -EEXIST);
	assert_int_equal(insert(store, 0, UINT64_MAX, 0), -EEXIST);
	assert_int_equal(store->count, 1);
	put(store, 0x1000, 0x1fff);
	put(store, 0x4000, 0x4fff);
}

TEST_WITH(an_overlap_with_the_next_leaf_is_refused, start, stop)
{
	struct store *store = &((struct fixture *)*state)->store;

	for (u64 i = 0; i < 1000; i++)
		put(store, i * 2 * PAGE, i * 2 * PAGE + PAGE - 1);
	for (u64 i = 0; i < 999; i++) {
		iova_t gap = (i * 2 + 1) * PAGE;

		assert_int_equal(insert(store, gap, gap + PAGE, 0), -EEXIST);
		assert_int_equal(insert(store, gap - 1, gap, 0), -EEXIST);
		assert_false(store_overlaps(store, gap, gap + PAGE - 1));
		assert_true(store_overlaps(store, gap, gap + PAGE));
	}
	assert_int_equal(store->count, 1000);
}

TEST_WITH(the_whole_space_is_one_mapping, start, stop)
{
	struct store *store = &((struct fixture *)*state)->store;

	put(store, 0, UINT64_MAX);
	assert_true(has(store, UINT64_MAX));
	assert_true(has(store, 0));
	assert_true(splits(store, 0, UINT64_MAX - 1));
	assert_true(splits(store, 1, UINT64_MAX));
	assert_false(splits(store, 0, UINT64_MAX));
	assert_int_equal(cut(store, 0, UINT64_MAX), 1);
	assert_null(store->root);
}

TEST_WITH(the_last_byte_of_the_space_can_be_a_mapping, start, stop)
{
	struct store *store = &((struct fixture *)*state)->store;
	struct store_walk walk;
	struct mapping m;

	put(store, UINT64_MAX, UINT64_MAX);
	assert_int_equal(insert(store, UINT64_MAX - 1, UINT64_MAX, 0), -EEXIST);
	walk = store_from(store, UINT64_MAX);
	assert_true(store_step(&walk, &m));
	assert_false(store_step(&walk, &m));
	assert_false(store_step(&walk, &m));
	assert_int_equal(cut(store, 0, UINT64_MAX - 1), 0);
	assert_int_equal(cut(store, UINT64_MAX, UINT64_MAX), 1);
}

TEST_WITH(a_range_that_cuts_a_mapping_cannot_be_selected, start, stop)
{
	struct store *store = &((struct fixture *)*state)->store;

	put(store, 0, 0xfff);
	put(store, 0x1000, 0x4fff);
	put(store, 0x5000, 0x5fff);
	assert_true(splits(store, 0, 0x1fff));
	assert_true(splits(store, 0x2000, 0x5fff));
	assert_true(splits(store, 0x2000, 0x2fff));
	assert_true(splits(store, 0x1000, 0x4ffe));
	assert_false(splits(store, 0x1000, 0x4fff));
	assert_false(splits(store, 0, 0x5fff));
	assert_false(splits(store, 0x6000, UINT64_MAX));
	assert_int_equal(store->count, 3);
}

TEST_WITH(a_selected_range_is_walked_from_its_first_mapping, start, stop)
{
	struct store *store = &((struct fixture *)*state)->store;
	struct store_range range;
	struct store_walk walk;
	struct mapping m;

	for (u64 i = 0; i < 1000; i++)
		put(store, i * 2 * PAGE, i * 2 * PAGE + PAGE - 1);
	for (u64 i = 0; i < 999; i++) {
		/* From a hole or from a mapping, wherever in a leaf it is. */
		for (u64 hole = 0; hole < 2; hole++) {
			iova_t first = (i * 2 + hole) * PAGE;

			assert_int_equal(store_select(store, first, first + 4 * PAGE - 1, &range),
					 0);
			walk = store_from_range(&range);
			assert_true(store_step(&walk, &m));
			assert_int_equal(m.start, (i + hole) * 2 * PAGE);
		}
	}
	assert_int_equal(store->count, 1000);
}

TEST_WITH(removal_leaves_the_holes_and_what_is_outside, start, stop)
{
	struct store *store = &((struct fixture *)*state)->store;

	put_pages(store, 64);
	assert_int_equal(cut(store, 10 * PAGE, 30 * PAGE - 1), 20);
	assert_int_equal(cut(store, 10 * PAGE, 30 * PAGE - 1), 0);
	assert_int_equal(cut(store, 5 * PAGE, 31 * PAGE - 1), 6);
	for (u64 i = 0; i < 64; i++)
		assert_int_equal(has(store, i * PAGE), i < 5 || i > 30);
	check_tree(store);
}

TEST_WITH(a_walk_meets_every_mapping_once_in_ascending_order, start, stop)
{
	struct store *store = &((struct fixture *)*state)->store;
	struct store_walk walk;
	struct mapping m;
	u64 n = 0;

	put_pages(store, 5000);
	for (walk = store_from(store, 0); store_step(&walk, &m); n++)
		assert_int_equal(m.start, n * PAGE);
	assert_int_equal(n, 5000);
	for (u64 i = 0; i < 5000; i++) {
		walk = store_from(store, i * PAGE + PAGE - 1);
		assert_true(store_step(&walk, &m));
		assert_int_equal(m.start, i * PAGE);
	}
	walk = store_from(store, 5000 * PAGE);
	assert_false(store_step(&walk, &m));
}

/* ---- against a naive model: which mapping, by number, each of PAGES pages belongs to ---- */

#define PAGES 4096

struct model {
	unsigned owner[PAGES];
	unsigned next;
};

static bool model_insert(struct model *model, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++) {
		if (model->owner[i])
			return false;
	}
	model->next++;
	for (unsigned i = first; i <= last; i++)
		model->owner[i] = model->next;
	return true;
}

static bool model_splits(const struct model *model, unsigned first, unsigned last)
{
	const unsigned *owner = model->owner;

	return (first && owner[first] && owner[first] == owner[first - 1]) ||
	       (last + 1 < PAGES && owner[last] && owner[last] == owner[last + 1]);
}

static u64 model_remove(struct model *model, unsigned first, unsigned last)
{
	unsigned before = 0;
	u64 count = 0;

	for (unsigned i = first; i <= last; i++) {
		count += model->owner[i] && model->owner[i] != before;
		before = model->owner[i];
		model->owner[i] = 0;
	}
	return count;
}

static void compare(const struct store *store, const struct model *model)
{
	for (u64 i = 0; i < PAGES; i++) {
		struct mapping m;
		bool found = store_find(store, i * PAGE, &m);

		assert_int_equal(found, !!model->owner[i]);
		assert_true(!found || m.flags == (u8)model->owner[i]);
	}
}

/* The number of pages that a step takes at most says how full the store gets. */
static void compare_random_steps(struct store *store, unsigned seed, unsigned steps,
				 unsigned insert_max, unsigned remove_max)
{
	struct model *model = calloc(1, sizeof(*model));

	for (unsigned step = 0; step < steps; step++) {
		unsigned first = rand_r(&seed) % PAGES, last;
		bool inserts = rand_r(&seed) % 2;

		last = first + rand_r(&seed) % (inserts ? insert_max : remove_max);
		last = MIN(last, PAGES - 1);
		if (inserts) {
			bool done = model_insert(model, first, last);

			assert_int_equal(insert(store, first * PAGE, last * PAGE + PAGE - 1,
						(u8)model->next),
					 done ? 0 : -EEXIST);
		} else {
			bool refused = model_splits(model, first, last);
			iova_t end = last * PAGE + PAGE - 1;

			assert_int_equal(splits(store, first * PAGE, end), refused);
			if (!refused)
				assert_int_equal(cut(store, first * PAGE, end),
						 model_remove(model, first, last));
		}
		if (step % 256 == 0) {
			check_tree(store);
			compare(store, model);
		}
	}
	compare(store, model);
	check_tree(store);
	store_clear(store);
	free(model);
}

TEST_WITH(a_naive_model_agrees_after_each_of_many_random_steps, start, stop)
{
	struct store *store = &((struct fixture *)*state)->store;

	compare_random_steps(store, 1, 20000, 1, 1);
	compare_random_steps(store, 2, 20000, 1, 8);
	compare_random_steps(store, 3, 20000, 4, 200);
	compare_random_steps(store, 4, 20000, 12, 12);
	compare_random_steps(store, 5, 20000, 1, PAGES);
}

TEST_WITH(a_bulk_removal_at_every_place_keeps_the_tree_whole, start, stop)
{
	struct store *store = &((struct fixture *)*state)->store;

	for (u64 first = 0; first < 3000; first += 37) {
		for (u64 count = 1; first + count <= 3000; count = count * 3 + 1) {
			put_pages(store, 3000);
			assert_int_equal(cut(store, first * PAGE, (first + count) * PAGE - 1),
					 count);
			check_tree(store);
			store_clear(store);
		}
	}
}

/* ---- what a guest can make of it ---- */

TEST_WITH(no_order_of_insertion_makes_the_tree_high, start, stop)
{
	struct store *store = &((struct fixture *)*state)->store;

	for (iova_t i = 100000; i--;)
		put(store, i * PAGE, i * PAGE + PAGE - 1);
	assert_in_range(store->height, 1, 3);
	check_tree(store);
	store_clear(store);
	put_pages(store, 100000);
	assert_in_range(store->height, 1, 3);
	check_tree(store);
	/* Thinned out, the worst for its fill, it gets lower too. */
	for (iova_t i = 0; i < 100000; i++) {
		if (i % 100)
			assert_int_equal(cut(store, i * PAGE, i * PAGE + PAGE - 1), 1);
	}
	check_tree(store);
	assert_int_equal(store->count, 1000);
	assert_in_range(store->height, 1, 1);
}

TEST_WITH(no_order_of_insertion_takes_more_memory_than_promised, start, stop)
{
	struct fixture *f = *state;
	u64 limit = STORE_MAPPING_BYTES;

	/* Ascending order leaves every leaf half full. */
	put_pages(&f->store, 200000);
	assert_in_range(f->pool.bytes, 0, 200000 * limit);
	/* And so does every removal of what is more than half. */
	for (iova_t i = 0; i < 200000; i += 2)
		assert_int_equal(cut(&f->store, i * PAGE, i * PAGE + PAGE - 1), 1);
	assert_in_range(f->pool.used * STORE_NODE_SIZE, 0, 100000 * limit);
}

TEST_WITH(mapping_and_unmapping_in_a_steady_state_allocates_nothing, start, stop)
{
	struct fixture *f = *state;
	const struct store_slab *slabs;
	unsigned seed = 1;
	u64 bytes;

	put_pages(&f->store, 20000);
	slabs = f->pool.slabs;
	bytes = f->pool.bytes;
	for (unsigned i = 0; i < 100000; i++) {
		iova_t iova = rand_r(&seed) % 20000 * PAGE;

		assert_int_equal(cut(&f->store, iova, iova + PAGE - 1), 1);
		put(&f->store, iova, iova + PAGE - 1);
	}
	assert_ptr_equal(f->pool.slabs, slabs);
	assert_int_equal(f->pool.bytes, bytes);
	/* Nor does a store that gets empty each time. */
	store_clear(&f->store);
	slabs = f->pool.slabs;
	for (unsigned i = 0; i < 1000; i++) {
		put_pages(&f->store, 1000);
		store_clear(&f->store);
		assert_ptr_equal(f->pool.slabs, slabs);
		assert_int_equal(f->pool.used, 0);
	}
}

TEST_WITH(the_memory_of_a_million_goes_back_when_they_are_gone, start, stop)
{
	struct fixture *f = *state;
	struct store other;

	store_init(&other, &f->pool);
	put_pages(&f->store, 1000000);
	put_pages(&other, 1);
	assert_true(f->pool.bytes > 32 * MIB);
	assert_int_equal(cut(&f->store, 0, UINT64_MAX), 1000000);
	assert_int_equal(f->pool.used, 1);
	store_clear(&other);
	assert_in_range(f->pool.bytes, 0, MIB);
}

TEST_WITH(without_memory_an_insertion_changes_nothing, start, stop)
{
	struct fixture *f = *state;
	struct rlimit limit, none;
	unsigned refused = 0;

	assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
	put(&f->store, 0, PAGE - 1);
	/* The pool has room for some thousands; then the host says no. */
	for (u64 i = 1; i < 20000 && !refused; i++) {
		u64 bytes = f->pool.bytes, used = f->pool.used;
		int ret;

		setrlimit(RLIMIT_AS, &none);
		ret = insert(&f->store, i * PAGE, i * PAGE + PAGE - 1, 1);
		setrlimit(RLIMIT_AS, &limit);
		if (!ret)
			continue;
		refused++;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(f->store.count, i);
		assert_int_equal(f->pool.bytes, bytes);
		assert_int_equal(f->pool.used, used);
		assert_false(has(&f->store, i * PAGE));
		check_tree(&f->store);
		put(&f->store, i * PAGE, i * PAGE + PAGE - 1);
	}
	assert_int_equal(refused, 1);
	check_tree(&f->store);
}
