/* SPDX-License-Identifier: BSD-2-Clause */
/* The order in which changed tables reach the file, and when a cluster may be used anew. */
#include <errno.h>

#include "qcow2.h"

/*
 * After a flush that failed the host may have dropped what it could not write, and the next one
 * would succeed without it: nothing is certain any more.
 */
static int barrier(struct qcow2 *q)
{
	int ret = q->scratch ? 0 : disk_file_flush(q->file);

	if (ret)
		return qcow2_fail(q, ret);
	q->unordered = false;
	return 0;
}

static bool is_dirty(struct qcow2 *q, enum qcow2_kind kind)
{
	bool dirty;

	pthread_mutex_lock(&q->lock);
	dirty = q->cache.dirty[kind];
	pthread_mutex_unlock(&q->lock);
	return dirty;
}

static int write_refcounts(struct qcow2 *q)
{
	int ret = qcow2_cache_write(q, QCOW2_REFBLOCK);

	if (ret || !is_dirty(q, QCOW2_REFTABLE))
		return ret;
	ret = barrier(q);
	return ret ? ret : qcow2_cache_write(q, QCOW2_REFTABLE);
}

/*
 * In any order: a table that is new was in the file, empty or as a copy, before it had a name. Then
 * it lacks no more than what was never flushed.
 */
static int write_tables(struct qcow2 *q)
{
	int ret = qcow2_cache_write(q, QCOW2_L2);

	return ret ? ret : qcow2_cache_write(q, QCOW2_L1);
}

/*
 * All names that were dropped before are out of the file now. Those of the older epoch are
 * in nobody's hands either, if its last request has ended; then the epochs change places.
 */
static int release_older(struct qcow2 *q)
{
	struct qcow2_frees *older = &q->frees[!q->epoch];
	bool quiet;
	int ret;

	pthread_mutex_lock(&q->lock);
	quiet = !q->users[!q->epoch];
	pthread_mutex_unlock(&q->lock);
	if (!quiet)
		return 0;
	ret = qcow2_release(q, older->clusters, older->count);
	older->count = 0;
	pthread_mutex_lock(&q->lock);
	q->epoch = !q->epoch;
	pthread_mutex_unlock(&q->lock);
	return ret;
}

/*
 * The tables are written if they have changed before the refcounts are: what the loop names later
 * may rely on a flush that was left out. What it names while they are written is
 * from the pool as it was at the beginning, whose refcounts are in the file by then.
 */
static int write_all(struct qcow2 *q)
{
	bool tables = is_dirty(q, QCOW2_L2) || is_dirty(q, QCOW2_L1);
	int ret = write_refcounts(q);

	if (!ret && tables && q->unordered)
		ret = barrier(q);
	if (!ret && tables)
		ret = write_tables(q);
	if (!ret)
		ret = barrier(q);
	/* Twice: what is dropped now is the older epoch's after the first. */
	if (!ret)
		ret = release_older(q);
	return ret ? ret : release_older(q);
}

static void set_committing(struct qcow2 *q, bool committing)
{
	pthread_mutex_lock(&q->lock);
	q->committing = committing;
	pthread_mutex_unlock(&q->lock);
}

int qcow2_commit(struct qcow2 *q)
{
	int ret = q->failed;

	if (ret)
		return ret;
	set_committing(q, true);
	ret = write_all(q);
	set_committing(q, false);
	return ret;
}

unsigned qcow2_enter(struct qcow2 *q)
{
	unsigned epoch;

	pthread_mutex_lock(&q->lock);
	epoch = q->epoch;
	q->users[epoch]++;
	pthread_mutex_unlock(&q->lock);
	return epoch;
}

void qcow2_leave(struct qcow2 *q, unsigned epoch)
{
	pthread_mutex_lock(&q->lock);
	q->users[epoch]--;
	pthread_mutex_unlock(&q->lock);
}
