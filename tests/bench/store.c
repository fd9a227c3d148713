/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IOMMU's store beside GLib's GTree, which QEMU's virtio-iommu keeps its
 * mappings in, and the C library's red-black tree (tsearch): mappings of 4 KiB,
 * inserted, found and removed each in an order of its own that is random. Ours
 * checks for overlaps and for splits, as MAP and UNMAP need it; the others only
 * insert and remove, and are given key and value in one allocation.
 *
 * The floor is a chain of dependent random loads from 64 bytes a mapping: no
 * search that misses the cache can do with less. Hence a column "chained": finds of
 * which each waits for the one before.
 */
#include <glib.h>
/* util/types.h has its own. */
#undef MIN
#undef MAX
#include <malloc.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../../iommu/store.h"

#define PAGE 4096ULL

struct subject {
	const char *name;
	void *(*create)(void);
	void (*insert)(void *tree, iova_t start);
	/* The flags, which are 0: what to add to the next address for a chain. */
	u64 (*find)(void *tree, iova_t iova);
	void (*remove)(void *tree, iova_t start);
	void (*clear)(void *tree); /* all that is in it, at once */
	void (*destroy)(void *tree);
};

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "bench: store: %s\n", what);
	exit(1);
}

/* ---- ours ---- */

struct ours {
	struct store_pool pool;
	struct store store;
};

static void *ours_create(void)
{
	struct ours *ours = calloc(1, sizeof(*ours));

	store_init(&ours->store, &ours->pool);
	return ours;
}

static void ours_insert(void *tree, iova_t start)
{
	struct ours *ours = tree;
	const struct mapping mapping = { .start = start, .last = start + PAGE - 1, .gpa = start };

	must(!store_insert(&ours->store, &mapping), "insert");
}

static u64 ours_find(void *tree, iova_t iova)
{
	struct ours *ours = tree;
	struct mapping mapping;

	must(store_find(&ours->store, iova, &mapping), "find");
	return mapping.flags;
}

static void ours_remove(void *tree, iova_t start)
{
	struct ours *ours = tree;
	struct store_range range;

	must(!store_select(&ours->store, start, start + PAGE - 1, &range), "select");
	must(store_remove(&ours->store, &range) == 1, "remove");
}

static void ours_clear(void *tree)
{
	struct ours *ours = tree;

	store_clear(&ours->store);
}

static void ours_destroy(void *tree)
{
	struct ours *ours = tree;

	store_pool_release(&ours->pool);
	free(ours);
}

/* ---- the others: an interval equals what it overlaps ---- */

static int compare(const void *a, const void *b)
{
	const struct mapping *x = a, *y = b;

	return x->last < y->start ? -1 : x->start > y->last;
}

static struct mapping *mapping_create(iova_t start)
{
	struct mapping *mapping = malloc(sizeof(*mapping));

	must(mapping, "malloc");
	*mapping = (struct mapping){ .start = start, .last = start + PAGE - 1, .gpa = start };
	return mapping;
}

static int gtree_compare(const void *a, const void *b, void *data)
{
	return compare(a, b);
}

static void *gtree_create(void)
{
	return g_tree_new_full(gtree_compare, NULL, NULL, free);
}

static void gtree_insert(void *tree, iova_t start)
{
	struct mapping *mapping = mapping_create(start);

	g_tree_insert(tree, mapping, mapping);
}

static u64 gtree_find(void *tree, iova_t iova)
{
	const struct mapping key = { .start = iova, .last = iova };
	const struct mapping *mapping = g_tree_lookup(tree, &key);

	must(mapping, "g_tree_lookup");
	return mapping->flags;
}

static void gtree_remove(void *tree, iova_t start)
{
	const struct mapping key = { .start = start, .last = start + PAGE - 1 };

	must(g_tree_remove(tree, &key), "g_tree_remove");
}

static void gtree_clear(void *tree)
{
	g_tree_ref(tree);
	g_tree_destroy(tree);
}

static void gtree_destroy(void *tree)
{
	g_tree_unref(tree);
}

struct redblack {
	void *root;
};

static void *redblack_create(void)
{
	return calloc(1, sizeof(struct redblack));
}

static void redblack_insert(void *tree, iova_t start)
{
	struct redblack *redblack = tree;

	must(tsearch(mapping_create(start), &redblack->root, compare), "tsearch");
}

static u64 redblack_find(void *tree, iova_t iova)
{
	const struct mapping key = { .start = iova, .last = iova };
	struct redblack *redblack = tree;
	struct mapping **found = tfind(&key, &redblack->root, compare);

	must(found, "tfind");
	return (*found)->flags;
}

static void redblack_remove(void *tree, iova_t start)
{
	const struct mapping key = { .start = start, .last = start + PAGE - 1 };
	struct redblack *redblack = tree;
	struct mapping **found = tfind(&key, &redblack->root, compare);
	struct mapping *mapping;

	must(found, "tfind");
	mapping = *found;
	must(tdelete(mapping, &redblack->root, compare), "tdelete");
	free(mapping);
}

static void redblack_clear(void *tree)
{
	struct redblack *redblack = tree;

	tdestroy(redblack->root, free);
	redblack->root = NULL;
}

static const struct subject subjects[] = {
	{ "lkvm", ours_create, ours_insert, ours_find, ours_remove, ours_clear, ours_destroy },
	{ "GTree", gtree_create, gtree_insert, gtree_find, gtree_remove, gtree_clear,
	  gtree_destroy },
	{ "tsearch", redblack_create, redblack_insert, redblack_find, redblack_remove,
	  redblack_clear, free },
};

enum { OP_INSERT, OP_FIND, OP_CHAINED, OP_REMOVE, OP_CLEAR, OPS };

/* ---- measuring ---- */

static u64 next_random(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* The numbers below @count in a random order. */
static u32 *shuffled(u32 count, u64 seed)
{
	u32 *order = malloc(count * sizeof(*order));

	must(order, "malloc");
	for (u32 i = 0; i < count; i++)
		order[i] = i;
	for (u32 i = count; i-- > 1;) {
		u32 j = next_random(&seed) % (i + 1), swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	return order;
}

static double nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

/* Small stores are measured again and again, up to so many operations. */
static unsigned rounds_for(u32 count)
{
	return count < 400000 ? 400000 / count : 1;
}

/* A random cycle through @count pieces of 64 bytes, once round: nanoseconds a step. */
static double measure_load(u32 count)
{
	u64(*line)[8] = aligned_alloc(64, count * sizeof(*line));
	u32 *order = shuffled(count, 7);
	u64 steps = (u64)rounds_for(count) * count, at = 0;
	double begin;

	must(line, "aligned_alloc");
	for (u32 i = 0; i < count; i++)
		line[order[i]][0] = order[(i + 1) % count];
	begin = nanoseconds();
	for (u64 i = 0; i < steps; i++)
		at = line[at][0];
	begin = nanoseconds() - begin;
	must(at < count, "the cycle");
	free(order);
	free(line);
	return begin / steps;
}

struct orders {
	u32 count;
	u32 *insert, *find, *remove;
};

static void fill(const struct subject *subject, void *tree, const struct orders *orders)
{
	for (u32 i = 0; i < orders->count; i++)
		subject->insert(tree, orders->insert[i] * PAGE);
}

/* Adds nanoseconds of @orders->count operations to each column. */
static void measure_round(const struct subject *subject, void *tree, const struct orders *orders,
			  double sum[OPS])
{
	double times[OPS + 1];
	u64 zero = 0;

	times[OP_INSERT] = nanoseconds();
	fill(subject, tree, orders);
	times[OP_FIND] = nanoseconds();
	for (u32 i = 0; i < orders->count; i++)
		subject->find(tree, orders->find[i] * PAGE);
	times[OP_CHAINED] = nanoseconds();
	for (u32 i = 0; i < orders->count; i++)
		zero = subject->find(tree, orders->find[i] * PAGE + zero);
	times[OP_REMOVE] = nanoseconds();
	for (u32 i = 0; i < orders->count; i++)
		subject->remove(tree, orders->remove[i] * PAGE);
	times[OP_CLEAR] = nanoseconds();
	for (unsigned i = 0; i < OP_CLEAR; i++)
		sum[i] += times[i + 1] - times[i];
	fill(subject, tree, orders);
	times[OP_CLEAR] = nanoseconds();
	subject->clear(tree);
	sum[OP_CLEAR] += nanoseconds() - times[OP_CLEAR];
}

static void measure(const struct subject *subject, const struct orders *orders, double result[OPS])
{
	unsigned rounds = rounds_for(orders->count);
	double sum[OPS] = { 0 };

	for (unsigned i = 0; i < rounds; i++) {
		void *tree = subject->create();

		measure_round(subject, tree, orders, sum);
		subject->destroy(tree);
	}
	for (unsigned i = 0; i < OPS; i++)
		result[i] = sum[i] / rounds / orders->count;
}

/* The least of some runs: what the neighbours on this machine did is no part of it. */
#define RUNS 2

static void measure_best(const struct orders *orders, double best[][OPS], double *load)
{
	for (unsigned run = 0; run < RUNS; run++) {
		double once = measure_load(orders->count);

		*load = run ? MIN(*load, once) : once;
		for (unsigned s = 0; s < ARRAY_SIZE(subjects); s++) {
			double times[OPS];

			malloc_trim(0);
			measure(&subjects[s], orders, times);
			for (unsigned i = 0; i < OPS; i++)
				best[s][i] = run ? MIN(best[s][i], times[i]) : times[i];
		}
	}
}

/* Bytes a mapping. Slabs of small pages, below 16 MiB: what they never used is not there. */
static double memory(const struct ours *ours)
{
	u64 unused = ours->pool.end - ours->pool.fresh;

	return (double)(ours->pool.bytes - (ours->pool.bytes < 16 * MIB ? unused : 0)) /
	       ours->store.count;
}

static void print_memory(const struct orders *orders)
{
	struct ours *ours = ours_create();
	double filled, churned;
	u64 seed = 1;

	fill(&subjects[0], ours, orders);
	filled = memory(ours);
	/* In place of each, one somewhere else. */
	for (u32 i = 0; i < orders->count; i++) {
		iova_t other = (orders->count + next_random(&seed) % (1ULL << 36)) * PAGE;
		struct mapping mapping;

		if (store_find(&ours->store, other, &mapping))
			continue;
		ours_remove(ours, orders->remove[i] * PAGE);
		ours_insert(ours, other);
	}
	churned = memory(ours);
	ours_clear(ours);
	ours_destroy(ours);
	printf("%9s %-8s %.1f bytes a mapping, %.1f after each was replaced by another\n", "",
	       "memory", filled, churned);
}

static void print_table(const struct orders *orders)
{
	double best[ARRAY_SIZE(subjects)][OPS], load = 0;

	measure_best(orders, best, &load);
	for (unsigned s = 0; s < ARRAY_SIZE(subjects); s++) {
		printf("%9u %-8s", orders->count, subjects[s].name);
		for (unsigned i = 0; i < OPS; i++) {
			printf(" %8.1f", best[s][i]);
			if (s)
				printf(" (%4.1fx)", best[s][i] / best[0][i]);
			else
				printf("        ");
		}
		printf("\n");
	}
	printf("%9s %-8s %.1f ns: find is %.1f of it, chained %.1f; all at once: %.2f ms\n", "",
	       "load", load, best[0][OP_FIND] / load, best[0][OP_CHAINED] / load,
	       best[0][OP_CLEAR] * orders->count / 1e6);
	print_memory(orders);
}

int main(void)
{
	static const u32 counts[] = { 1000, 100000, 1000000 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ns per operation, the best of %u; in brackets: the ratio to lkvm's\n", RUNS);
	printf("%9s %-8s %8s %16s %16s %16s %16s\n", "mappings", "", "insert", "find", "chained",
	       "remove", "all at once");
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
		struct orders orders = { .count = counts[i],
					 .insert = shuffled(counts[i], 1),
					 .find = shuffled(counts[i], 2),
					 .remove = shuffled(counts[i], 3) };

		print_table(&orders);
		free(orders.insert);
		free(orders.find);
		free(orders.remove);
	}
	return 0;
}
