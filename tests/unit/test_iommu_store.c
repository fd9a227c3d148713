/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>

#include "cmocka_all.h"
#include "util/types.h"

#include "../../iommu/store.h"

static int start(void **state)
{
	struct store *store = malloc(sizeof(*store));

	store_init(store, 42);
	*state = store;
	return 0;
}

static int stop(void **state)
{
	store_clear(*state);
	free(*state);
	return 0;
}

static void put(struct store *store, iova_t first, iova_t last)
{
	assert_int_equal(store_insert(store, first, last, first ^ 0xabc000, 3), 0);
}

static void a_mapping_is_found_from_its_first_to_its_last_byte(void **state)
{
	struct store *store = *state;
	const struct mapping *m;

	put(store, 0x2000, 0x3fff);
	assert_null(store_find(store, 0x1fff));
	assert_null(store_find(store, 0x4000));
	m = store_find(store, 0x2000);
	assert_non_null(m);
	assert_ptr_equal(m, store_find(store, 0x3fff));
	assert_int_equal(m->gpa, 0x2000 ^ 0xabc000);
	assert_int_equal(m->flags, 3);
}

static void an_overlap_of_one_byte_is_refused(void **state)
{
	struct store *store = *state;

	put(store, 0x2000, 0x3fff);
	assert_int_equal(store_insert(store, 0x1000, 0x2000, 0, 0), -EEXIST);
	assert_int_equal(store_insert(store, 0x3fff, 0x4fff, 0, 0), -EEXIST);
	assert_int_equal(store_insert(store, 0x2800, 0x2fff, 0, 0), -EEXIST);
	assert_int_equal(store_insert(store, 0, UINT64_MAX, 0, 0), -EEXIST);
	assert_int_equal(store->count, 1);
	put(store, 0x1000, 0x1fff);
	put(store, 0x4000, 0x4fff);
}

static void the_whole_space_is_one_mapping(void **state)
{
	struct store *store = *state;
	struct store cut;

	put(store, 0, UINT64_MAX);
	assert_non_null(store_find(store, UINT64_MAX));
	assert_non_null(store_find(store, 0));
	assert_int_equal(store_cut(store, 0, UINT64_MAX - 1, &cut), -ERANGE);
	assert_int_equal(store_cut(store, 1, UINT64_MAX, &cut), -ERANGE);
	assert_int_equal(store_cut(store, 0, UINT64_MAX, &cut), 0);
	assert_int_equal(cut.count, 1);
	store_clear(&cut);
	assert_null(store->root);
}

static void a_cut_that_splits_takes_nothing(void **state)
{
	struct store *store = *state;
	struct store cut;

	put(store, 0, 0xfff);
	put(store, 0x1000, 0x4fff);
	put(store, 0x5000, 0x5fff);
	assert_int_equal(store_cut(store, 0, 0x1fff, &cut), -ERANGE);
	assert_int_equal(store_cut(store, 0x2000, 0x5fff, &cut), -ERANGE);
	assert_int_equal(store_cut(store, 0x2000, 0x2fff, &cut), -ERANGE);
	assert_int_equal(store->count, 3);
	assert_non_null(store_find(store, 0));
	assert_non_null(store_find(store, 0x5fff));
}

static void what_was_cut_can_be_put_back(void **state)
{
	struct store *store = *state;
	struct mapping *m;
	struct store cut;
	iova_t expected = 0;

	for (iova_t iova = 0; iova < 64; iova++)
		put(store, iova << 12, (iova << 12) | 0xfff);
	assert_int_equal(store_cut(store, 10 << 12, (30 << 12) - 1, &cut), 0);
	assert_int_equal(cut.count, 20);
	assert_int_equal(store->count, 44);
	assert_null(store_find(store, 10 << 12));
	store_put_back(store, &cut);
	assert_int_equal(store->count, 64);
	assert_int_equal(cut.count, 0);
	store_for_each(m, store)
	{
		assert_int_equal(m->start, expected);
		expected += 0x1000;
	}
	assert_int_equal(expected, 64 << 12);
	store_put_back(store, &cut);
	assert_int_equal(store->count, 64);
}

/* The naive model: which mapping, by number, each of PAGES pages belongs to. */
#define PAGES 256

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

static bool model_cut(struct model *model, unsigned first, unsigned last)
{
	const unsigned *owner = model->owner;

	if (first && owner[first] && owner[first] == owner[first - 1])
		return false;
	if (last + 1 < PAGES && owner[last] && owner[last] == owner[last + 1])
		return false;
	for (unsigned i = first; i <= last; i++)
		model->owner[i] = 0;
	return true;
}

static void compare(const struct store *store, const struct model *model)
{
	for (u64 i = 0; i < PAGES; i++) {
		const struct mapping *m = store_find(store, i << 12);

		assert_int_equal(!!m, !!model->owner[i]);
		if (m)
			assert_int_equal(m->flags, model->owner[i]);
	}
}

static void a_naive_model_agrees_after_each_of_many_random_steps(void **state)
{
	struct store *store = *state;
	struct model model = { .next = 0 };
	unsigned seed = 1;

	for (unsigned step = 0; step < 20000; step++) {
		unsigned first = rand_r(&seed) % PAGES;
		unsigned last = first + rand_r(&seed) % 12;
		iova_t from = (u64)first << 12, to;
		struct store cut;

		last = MIN(last, PAGES - 1);
		to = ((u64)last << 12) | 0xfff;
		if (rand_r(&seed) % 2) {
			bool done = model_insert(&model, first, last);

			assert_int_equal(store_insert(store, from, to, 0, model.next),
					 done ? 0 : -EEXIST);
		} else {
			bool done = model_cut(&model, first, last);

			assert_int_equal(store_cut(store, from, to, &cut), done ? 0 : -ERANGE);
			store_clear(&cut);
		}
		if (step % 50 == 0)
			compare(store, &model);
	}
	compare(store, &model);
}

static unsigned depth(const struct mapping *m)
{
	unsigned left, right;

	if (!m)
		return 0;
	left = depth(m->left);
	right = depth(m->right);
	return 1 + MAX(left, right);
}

static void descending_insertion_keeps_the_tree_low(void **state)
{
	struct store *store = *state;

	for (iova_t i = 100000; i--;)
		put(store, i << 12, (i << 12) | 0xfff);
	assert_int_equal(store->count, 100000);
	assert_true(depth(store->root) < 64);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_mapping_is_found_from_its_first_to_its_last_byte),
		TEST(an_overlap_of_one_byte_is_refused),
		TEST(the_whole_space_is_one_mapping),
		TEST(a_cut_that_splits_takes_nothing),
		TEST(what_was_cut_can_be_put_back),
		TEST(a_naive_model_agrees_after_each_of_many_random_steps),
		TEST(descending_insertion_keeps_the_tree_low),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
