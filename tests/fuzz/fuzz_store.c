/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iommu/store.h against a sorted array: every operation answers alike, and the two
 * hold the same mappings. Allocations may fail; then nothing may have changed.
 */
#include <errno.h>
#include <stdlib.h>

#include "../../iommu/store.h"
#include "input.h"
#include "shim.h"

#define MODEL_MAX 6000
#define PAGE	  4096ULL

struct interval {
	iova_t start, last;
	gpa_t gpa;
	u32 flags;
};

/* Sorted, disjoint. */
struct model {
	unsigned count;
	struct interval intervals[MODEL_MAX];
};

/* The first one that has a byte at or after @iova; count if none has. */
static unsigned model_next(const struct model *model, iova_t iova)
{
	unsigned low = 0, high = model->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (model->intervals[middle].last < iova)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool model_overlaps(const struct model *model, iova_t start, iova_t last)
{
	unsigned n = model_next(model, start);

	return n < model->count && model->intervals[n].start <= last;
}

static void model_insert(struct model *model, const struct interval *interval)
{
	unsigned n = model_next(model, interval->start);

	memmove(&model->intervals[n + 1], &model->intervals[n],
		(model->count - n) * sizeof(*interval));
	model->intervals[n] = *interval;
	model->count++;
}

/* The intervals that have a byte in [start, last]: their number, the first one in *from. */
static unsigned model_in(const struct model *model, iova_t start, iova_t last, unsigned *from)
{
	unsigned to = *from = model_next(model, start);

	while (to < model->count && model->intervals[to].start <= last)
		to++;
	return to - *from;
}

static bool model_splits(const struct model *model, iova_t start, iova_t last)
{
	unsigned from, count = model_in(model, start, last, &from);

	if (!count)
		return false;
	return model->intervals[from].start < start ||
	       model->intervals[from + count - 1].last > last;
}

static unsigned model_remove(struct model *model, iova_t start, iova_t last)
{
	unsigned from, count = model_in(model, start, last, &from);

	memmove(&model->intervals[from], &model->intervals[from + count],
		(model->count - from - count) * sizeof(model->intervals[0]));
	model->count -= count;
	return count;
}

/* ---- the two together ---- */

struct pair {
	struct store store;
	struct model model;
};

/* Two stores that share their nodes, as two domains do. */
struct pairs {
	struct store_pool pool;
	struct pair pair[2];
};

static void check_same(const struct mapping *m, const struct interval *interval)
{
	fuzz_check(m->start == interval->start && m->last == interval->last);
	fuzz_check(m->gpa == interval->gpa && m->flags == interval->flags);
}

/* A walk from @iova meets what the model has there, in order, up to @most of it. */
static void check_walk(const struct pair *pair, iova_t iova, unsigned most)
{
	struct store_walk walk = store_from(&pair->store, iova);
	unsigned n = model_next(&pair->model, iova);
	struct mapping m;

	for (; most; most--) {
		bool more = store_step(&walk, &m);

		fuzz_check(more == (n < pair->model.count));
		if (!more)
			return;
		check_same(&m, &pair->model.intervals[n++]);
	}
}

static void check_all(const struct pair *pair)
{
	fuzz_check(pair->store.count == pair->model.count);
	check_walk(pair, 0, UINT32_MAX);
}

static void check_at(const struct pair *pair, iova_t iova)
{
	unsigned n = model_next(&pair->model, iova);
	bool expected = n < pair->model.count && pair->model.intervals[n].start <= iova;
	struct mapping m;

	fuzz_check(store_find(&pair->store, iova, &m) == expected);
	if (expected)
		check_same(&m, &pair->model.intervals[n]);
	check_walk(pair, iova, 2);
}

/* What UNMAP would remove is what the model has there, or it would be refused. */
static void check_selection(const struct pair *pair, iova_t start, iova_t last)
{
	unsigned from, count = model_in(&pair->model, start, last, &from);
	int expected = model_splits(&pair->model, start, last) ? -ERANGE : 0;
	struct store_range range;
	struct store_walk walk;
	struct mapping m;

	fuzz_check(store_select(&pair->store, start, last, &range) == expected);
	if (expected)
		return;
	walk = store_from_range(&range);
	while (store_step(&walk, &m) && m.start <= last) {
		fuzz_check(count--);
		check_same(&m, &pair->model.intervals[from++]);
	}
	fuzz_check(!count);
}

static void check_around(const struct pair *pair, iova_t start, iova_t last)
{
	check_at(pair, start);
	check_at(pair, start - 1);
	check_at(pair, last);
	check_at(pair, last + 1);
	fuzz_check(pair->store.count == pair->model.count);
	if (start <= last) {
		fuzz_check(store_overlaps(&pair->store, start, last) ==
			   model_overlaps(&pair->model, start, last));
		check_selection(pair, start, last);
	}
}

/* Memory follows the mappings, but for some nodes that each tree may have too many. */
static void check_size(const struct pairs *pairs)
{
	u64 count = pairs->pair[0].model.count + pairs->pair[1].model.count;

	fuzz_check(pairs->pool.used <= pairs->pool.total);
	fuzz_check(pairs->pool.used * STORE_NODE_SIZE <=
		   count * STORE_MAPPING_BYTES + 16 * STORE_NODE_SIZE);
}

/* ---- the operations ---- */

/* Near the start, the middle or the end of the space, or anywhere. */
static iova_t take_iova(struct input *in)
{
	u64 page = input_u16(in) % 2048 * PAGE;

	switch (input_below(in, 8)) {
	case 0:
		return -PAGE - page;
	case 1:
		return (1ULL << 63) + page;
	case 2:
		return input_u64(in);
	case 3:
		return page + input_u16(in);
	default:
		return page;
	}
}

/* A page, some pages, some bytes, or all there is from @start on. */
static iova_t take_last(struct input *in, iova_t start)
{
	u64 more;

	switch (input_below(in, 8)) {
	case 0:
		return UINT64_MAX;
	case 1:
		more = input_u64(in);
		break;
	case 2:
		more = input_u8(in);
		break;
	case 3:
	case 4:
		more = (input_u8(in) + 1) * PAGE - 1;
		break;
	default:
		more = PAGE - 1;
	}
	return more > UINT64_MAX - start ? UINT64_MAX : start + more;
}

static void insert(struct pair *pair, const struct interval *wanted)
{
	const struct mapping m = { wanted->start, wanted->last, wanted->gpa, wanted->flags };
	bool overlaps = model_overlaps(&pair->model, wanted->start, wanted->last);
	int ret;

	if (pair->model.count == MODEL_MAX)
		return;
	fuzz_check(store_overlaps(&pair->store, wanted->start, wanted->last) == overlaps);
	ret = store_insert(&pair->store, &m);
	if (ret == -ENOMEM) {
		fuzz_check(alloc_failed());
		return;
	}
	fuzz_check(ret == (overlaps ? -EEXIST : 0));
	if (!ret)
		model_insert(&pair->model, wanted);
}

static void insert_one(struct pair *pair, struct input *in)
{
	struct interval wanted = { .flags = input_u8(in) & 7, .gpa = input_u16(in) * PAGE };

	wanted.start = take_iova(in);
	wanted.last = take_last(in, wanted.start);
	insert(pair, &wanted);
	check_around(pair, wanted.start, wanted.last);
}

/* Many of a size, ascending or descending, close or with gaps. */
static void insert_run(struct pair *pair, struct input *in)
{
	unsigned count = input_u16(in) % 1024;
	u64 stride = (input_below(in, 4) + 1) * PAGE;
	iova_t start = take_iova(in);
	bool down = input_u8(in) & 1;

	for (unsigned i = 0; i < count; i++) {
		iova_t at = down ? start - i * stride : start + i * stride;
		struct interval wanted = { at, at + PAGE - 1, i * PAGE, i & 7 };

		if (wanted.last > wanted.start)
			insert(pair, &wanted);
	}
	check_around(pair, start, start + PAGE - 1);
}

/* As UNMAP does it. */
static void remove_range(struct pair *pair, iova_t start, iova_t last)
{
	struct store_range range;

	check_selection(pair, start, last);
	if (!store_select(&pair->store, start, last, &range))
		fuzz_check(store_remove(&pair->store, &range) ==
			   model_remove(&pair->model, start, last));
	check_around(pair, start, last);
}

static void remove_some(struct pair *pair, struct input *in)
{
	iova_t start = take_iova(in);

	remove_range(pair, start, take_last(in, start));
}

/* From one that is there to another one: what lies between goes at once. */
static void remove_between(struct pair *pair, struct input *in)
{
	unsigned from = input_u16(in), count = input_u16(in);
	const struct model *model = &pair->model;

	if (!model->count)
		return;
	from %= model->count;
	count %= model->count - from;
	remove_range(pair, model->intervals[from].start, model->intervals[from + count].last);
}

/* Exactly one that is there: what guests do most. */
static void remove_one(struct pair *pair, struct input *in)
{
	unsigned n = input_u16(in);
	struct interval it;

	if (!pair->model.count)
		return;
	it = pair->model.intervals[n % pair->model.count];
	remove_range(pair, it.start, it.last);
}

/* All but every n-th: what is left is sparse. */
static void thin_out(struct pair *pair, struct input *in)
{
	unsigned keep = 2 + input_below(in, 30);

	for (unsigned i = pair->model.count; i-- > 0;) {
		struct interval it = pair->model.intervals[i];

		if (i % keep)
			remove_range(pair, it.start, it.last);
	}
	check_all(pair);
}

static void clear(struct pair *pair)
{
	store_clear(&pair->store);
	pair->model.count = 0;
	check_all(pair);
}

static void step(struct pair *pair, struct input *in)
{
	switch (input_below(in, 20)) {
	case 0 ... 4:
		insert_one(pair, in);
		break;
	case 5:
		alloc_fail(1 + input_below(in, 4));
		insert_run(pair, in);
		alloc_failed();
		break;
	case 6 ... 7:
		insert_run(pair, in);
		break;
	case 8 ... 9:
		remove_some(pair, in);
		break;
	case 10 ... 11:
		remove_between(pair, in);
		break;
	case 12 ... 15:
		remove_one(pair, in);
		break;
	case 16:
		check_at(pair, take_iova(in));
		break;
	case 17:
		thin_out(pair, in);
		break;
	case 18:
		check_all(pair);
		break;
	case 19:
		clear(pair);
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	static struct pairs pairs;

	for (unsigned i = 0; i < 2; i++) {
		pairs.pair[i].model.count = 0;
		store_init(&pairs.pair[i].store, &pairs.pool);
	}
	while (in.left) {
		step(&pairs.pair[input_u8(&in) >= 0xc0], &in);
		check_size(&pairs);
	}
	for (unsigned i = 0; i < 2; i++) {
		check_all(&pairs.pair[i]);
		clear(&pairs.pair[i]);
	}
	fuzz_check(!pairs.pool.used);
	store_pool_release(&pairs.pool);
	return 0;
}
