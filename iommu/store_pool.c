/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

#include "store_pool.h"

#define SLAB_MIN  (256 * KIB)
#define SLAB_HUGE (2 * MIB) /* a huge page of x86-64, and of arm64 with 4 KiB pages */

/* In the first node of each slab. */
struct store_slab {
	struct store_slab *next;
	u64 size;
};

struct store_spare {
	struct store_spare *next;
};

static_assert(sizeof(struct store_slab) <= STORE_NODE_SIZE, "it takes one node's place");

/* Pages from the host, untouched: what is never used takes no memory. */
static void *pages_get(u64 size)
{
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

/* SLAB_HUGE bytes at a multiple of that. */
static void *pages_get_huge(void)
{
	char *pages = pages_get(2 * SLAB_HUGE);
	u64 head;

	if (!pages)
		return NULL;
	head = -(uintptr_t)pages & (SLAB_HUGE - 1);
	if (head)
		munmap(pages, head);
	munmap(pages + head + SLAB_HUGE, SLAB_HUGE - head);
	/* Where the host has none, small pages do. */
	madvise(pages + head, SLAB_HUGE, MADV_HUGEPAGE);
	return pages + head;
}

/* An eighth of what there is, as a power of two within bounds. */
static u64 slab_size(const struct store_pool *pool)
{
	u64 size = SLAB_MIN;

	while (size < SLAB_HUGE && size * 16 <= pool->bytes)
		size *= 2;
	return size;
}

static void pool_use_slab(struct store_pool *pool, struct store_slab *slab)
{
	pool->fresh = (char *)slab + STORE_NODE_SIZE;
	pool->end = (char *)slab + slab->size;
}

static int pool_grow(struct store_pool *pool)
{
	u64 size = slab_size(pool);
	struct store_slab *slab = size == SLAB_HUGE ? pages_get_huge() : pages_get(size);

	if (!slab)
		return -ENOMEM;
	/* What the newest slab still has is not lost. */
	for (; pool->fresh < pool->end; pool->fresh += STORE_NODE_SIZE) {
		struct store_spare *spare = (struct store_spare *)pool->fresh;

		spare->next = pool->spare;
		pool->spare = spare;
	}
	slab->size = size;
	slab->next = pool->slabs;
	pool->slabs = slab;
	pool->bytes += size;
	pool->total += size / STORE_NODE_SIZE - 1;
	pool_use_slab(pool, slab);
	return 0;
}

int store_pool_reserve(struct store_pool *pool, unsigned count)
{
	while (pool->total - pool->used < count) {
		if (pool_grow(pool))
			return -ENOMEM;
	}
	return 0;
}

void *store_pool_get(struct store_pool *pool)
{
	void *node = pool->spare;

	assert(pool->used < pool->total);
	pool->used++;
	if (node) {
		pool->spare = pool->spare->next;
		return node;
	}
	node = pool->fresh;
	pool->fresh += STORE_NODE_SIZE;
	return node;
}

/* Nothing is in use: keep the first slab, for what the guest maps next. */
static void pool_shrink(struct store_pool *pool)
{
	while (pool->slabs->next) {
		struct store_slab *slab = pool->slabs;

		pool->slabs = slab->next;
		munmap(slab, slab->size);
	}
	pool->spare = NULL;
	pool->bytes = pool->slabs->size;
	pool->total = pool->bytes / STORE_NODE_SIZE - 1;
	pool_use_slab(pool, pool->slabs);
}

void store_pool_put(struct store_pool *pool, void *node)
{
	struct store_spare *spare = node;

	spare->next = pool->spare;
	pool->spare = spare;
	if (!--pool->used && pool->slabs->next)
		pool_shrink(pool);
}

void store_pool_release(struct store_pool *pool)
{
	assert(!pool->used);
	if (!pool->slabs)
		return;
	pool_shrink(pool);
	munmap(pool->slabs, pool->slabs->size);
	*pool = (struct store_pool){ 0 };
}
