/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clusters in stock, so that the loop gives a write its place at once and the kernel takes it like
 * a write to a raw file. They read as zeroes, and only what reads as zeroes gets them. So their
 * names may be in the file before their data: after a crash one reads what was there before, or
 * what was written. What is left of the pool then is leaked, no more than a few MiB of holes.
 */
#include <string.h>

#include "qcow2.h"
#include "util/range.h"

/* Clusters of one request that the loop looks at. */
#define PLACE_MAX 64
/* The pool grows by four when it was used, from the smaller to the larger. */
#define POOL_MIN_BYTES (4 * MIB)
#define POOL_MAX_BYTES (16 * MIB)
/* Whatever the clusters' size. */
#define POOL_MIN 4
#define POOL_MAX 1024
/* After a failure, so many requests go another way before it is tried again. */
#define POOL_PATIENCE 256

/* ---- in the loop, @lock held ---- */

/* What a request needs: @missing clusters, behind @host of the file if that is not 0. */
struct need {
	u64 first, last; /* guest clusters */
	u64 host;
	u64 missing;
};

/* Clusters in place come first, in a row, and all others have none. */
static bool find_need(struct qcow2 *q, struct need *need)
{
	for (u64 cluster = need->first; cluster <= need->last; cluster++) {
		struct qcow2_place place;

		if (!qcow2_peek(q, cluster, &place) || qcow2_is_claimed(q, cluster))
			return false;
		if (qcow2_is_in_place(&place)) {
			if (need->missing || (need->host && place.host != need->host))
				return false;
			need->host = place.host + q->cluster_size;
			continue;
		}
		if (place.host || !place.own_table || !qcow2_reads_zero(q, cluster, &place))
			return false;
		need->missing++;
	}
	return true;
}

static u64 clusters_of(const struct qcow2 *q)
{
	return (q->header.size + q->cluster_size - 1) / q->cluster_size;
}

static struct qcow2_run *find_run(struct qcow2 *q, const struct need *need)
{
	for (unsigned i = 0; i < QCOW2_RUNS; i++) {
		struct qcow2_run *run = &q->pool.runs[i];

		if (run->end - run->next >= need->missing &&
		    (!need->host || run->next * q->cluster_size == need->host))
			return run;
	}
	return NULL;
}

static void name(struct qcow2 *q, const struct need *need, u64 host)
{
	u64 cluster = need->last - need->missing + 1;

	for (; cluster <= need->last; cluster++, host += q->cluster_size) {
		struct qcow2_place place;

		/* It was there a moment ago. */
		qcow2_peek(q, cluster, &place);
		qcow2_entry_poke(q, place.own_table, cluster % q->l2_entries, host | QCOW2_COPIED);
	}
}

/* The thread that fills the pool also reads, or makes, the part of a table that comes next. */
static void want(struct qcow2 *q, const struct need *need, bool found)
{
	struct qcow2_pool *pool = &q->pool;
	u64 entries = q->cache.slice_size / 8, ahead = need->last + entries / 4;
	struct qcow2_place place;

	if (!found && pool->patience)
		pool->patience--;
	else if (!found || pool->total < pool->target / 2)
		pool->wanted = true;
	if (need->last % entries < entries - entries / 4 || ahead >= clusters_of(q) ||
	    (qcow2_peek(q, ahead, &place) && place.own_table))
		return;
	pool->ahead = ahead;
	pool->wanted = true;
}

bool qcow2_pool_place(struct qcow2 *q, struct disk_request *request)
{
	u64 size = q->cluster_size, host;
	struct need need = { .first = request->offset / size,
			     .last = (request->offset + request->len - 1) / size };
	struct qcow2_run *run;

	if (!q->pool.usable || !request->len || need.last - need.first >= PLACE_MAX ||
	    qcow2_cache_is_full(q) || !find_need(q, &need) || !need.missing)
		return false;
	run = find_run(q, &need);
	want(q, &need, run);
	if (!run)
		return false;
	host = run->next * size;
	name(q, &need, host);
	run->next += need.missing;
	q->pool.total -= need.missing;
	request->place = host - (need.last - need.first + 1 - need.missing) * size +
			 request->offset % size;
	return true;
}

/* ---- on a thread, @table held ---- */

static u64 least(const struct qcow2 *q)
{
	return MIN(MAX(POOL_MIN_BYTES / q->cluster_size, POOL_MIN), POOL_MAX);
}

static u64 most(const struct qcow2 *q)
{
	return MIN(MAX(POOL_MAX_BYTES / q->cluster_size, POOL_MIN), POOL_MAX);
}

static int make_run(struct qcow2 *q, u64 wanted, struct qcow2_run *run)
{
	u64 size = q->cluster_size, cluster, got;
	bool fresh;
	int ret = qcow2_alloc(q, wanted, &cluster, &got, &fresh);

	if (ret)
		return ret;
	qcow2_cache_forget(q, cluster * size, got * size);
	if (!fresh)
		ret = disk_file_zero(q->file, cluster * size, got * size, true);
	/* As for a table: fill_table(). */
	if (!ret)
		ret = disk_file_grow(q->file, q->end * size);
	if (ret)
		qcow2_unalloc(q, cluster, got);
	*run = (struct qcow2_run){ cluster, cluster + got };
	return ret;
}

/* An empty one; NULL: there is none. */
static struct qcow2_run *empty_run(struct qcow2_pool *pool)
{
	for (unsigned i = 0; i < QCOW2_RUNS; i++) {
		if (pool->runs[i].next == pool->runs[i].end)
			return &pool->runs[i];
	}
	return NULL;
}

/* Clusters that it still lacks; 0: it has enough, or no room for another run. */
static u64 lacking(struct qcow2 *q, u64 target)
{
	struct qcow2_pool *pool = &q->pool;
	u64 count = 0;

	pthread_mutex_lock(&q->lock);
	if (pool->total < target && empty_run(pool))
		count = target - pool->total;
	pthread_mutex_unlock(&q->lock);
	return count;
}

static void add_run(struct qcow2 *q, const struct qcow2_run *run)
{
	pthread_mutex_lock(&q->lock);
	*empty_run(&q->pool) = *run;
	q->pool.total += run->end - run->next;
	pthread_mutex_unlock(&q->lock);
}

/* In pieces, where the file has holes; the loop takes from them meanwhile. */
static int fill(struct qcow2 *q, u64 target)
{
	u64 wanted = lacking(q, target);
	int ret = 0;

	while (!ret && wanted && lacking(q, target)) {
		struct qcow2_run run;

		ret = make_run(q, wanted, &run);
		if (ret)
			break;
		add_run(q, &run);
		wanted -= run.end - run.next;
	}
	return ret;
}

/* What the loop asked for, which is answered herewith. */
static bool take_wish(struct qcow2 *q, u64 *target, u64 *ahead)
{
	struct qcow2_pool *pool = &q->pool;
	bool more;

	pthread_mutex_lock(&q->lock);
	more = pool->total < pool->target / 2 || !pool->target;
	*target = more ? MIN(MAX(pool->target * 4, least(q)), most(q)) : pool->target;
	*ahead = pool->ahead;
	pool->ahead = 0;
	pool->wanted = false;
	pthread_mutex_unlock(&q->lock);
	return more;
}

/* Where it does not work a thread has each write, and learns why. */
static void set_target(struct qcow2 *q, u64 target, int error)
{
	pthread_mutex_lock(&q->lock);
	q->pool.target = error ? 0 : target;
	q->pool.patience = error ? POOL_PATIENCE : 0;
	pthread_mutex_unlock(&q->lock);
}

int qcow2_pool_fill(struct qcow2 *q)
{
	u64 target, ahead, table;
	bool more = take_wish(q, &target, &ahead);
	int ret = qcow2_make_room(q);

	if (!ret && more)
		ret = fill(q, target);
	set_target(q, target, ret);
	if (!ret && ahead)
		ret = qcow2_own_table(q, ahead, &table);
	if (!ret && ahead)
		ret = qcow2_entry_get(q, QCOW2_L2, table, ahead % q->l2_entries, &table);
	return ret;
}

void qcow2_pool_drain(struct qcow2 *q)
{
	struct qcow2_pool pool;

	pthread_mutex_lock(&q->lock);
	pool = q->pool;
	memset(q->pool.runs, 0, sizeof(q->pool.runs));
	q->pool.total = 0;
	pthread_mutex_unlock(&q->lock);
	for (unsigned i = 0; i < QCOW2_RUNS; i++) {
		struct qcow2_run *run = &pool.runs[i];

		qcow2_unalloc(q, run->next, run->end - run->next);
	}
}
