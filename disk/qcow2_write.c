/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing: in place where a cluster is this disk's alone, else to a new one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2.h"
#include "request_memory.h"
#include "util/range.h"

/* ---- claims: all with @table held ---- */

static bool is_claimed(const struct qcow2 *q, u64 cluster)
{
	for (const struct qcow2_claim *claim = q->claims; claim; claim = claim->next) {
		if (cluster >= claim->first && cluster <= claim->last)
			return true;
	}
	return false;
}

/* The thread that has it waits for nobody while it does. */
static void wait_for(struct qcow2 *q, u64 cluster)
{
	while (is_claimed(q, cluster))
		pthread_cond_wait(&q->claims_changed, &q->table);
}

static void claim_add(struct qcow2 *q, struct qcow2_claim *claim)
{
	claim->next = q->claims;
	q->claims = claim;
}

static void claim_remove(struct qcow2 *q, struct qcow2_claim *claim)
{
	struct qcow2_claim **at = &q->claims;

	while (*at != claim)
		at = &(*at)->next;
	*at = claim->next;
	pthread_cond_broadcast(&q->claims_changed);
}

/* Before a change: there is room in the cache for what it changes. */
static int prepare(struct qcow2 *q)
{
	unsigned dirty = 0;

	for (unsigned kind = 0; kind < QCOW2_KINDS; kind++)
		dirty += q->cache.dirty[kind];
	if (q->failed)
		return q->failed;
	return dirty >= q->cache.max / 2 ? qcow2_commit(q) : 0;
}

/* ---- L2 tables ---- */

/* A cluster of the file that is @from's copy, or zeroes (@from 0). */
static int fill_table(struct qcow2 *q, u64 to, u64 from, bool fresh)
{
	void *data;
	int ret;

	qcow2_cache_forget(q, to, q->cluster_size);
	if (!from)
		return fresh ? 0 : disk_file_zero(q->file, to, q->cluster_size, false);
	if (posix_memalign(&data, 4096, MAX(q->cluster_size, 4096u)))
		return -ENOMEM;
	ret = disk_file_read(q->file, data, q->cluster_size, from);
	if (!ret)
		ret = disk_file_write(q->file, data, q->cluster_size, to);
	free(data);
	return ret;
}

/* @old: the one that it replaces, which a snapshot has as well; 0: none. */
static int new_table(struct qcow2 *q, u64 l1_index, u64 old, u64 *table)
{
	u64 cluster, got;
	bool fresh;
	int ret = qcow2_alloc(q, 1, &cluster, &got, &fresh);

	if (ret)
		return ret;
	*table = cluster * q->cluster_size;
	ret = fill_table(q, *table, old, fresh);
	if (!ret)
		ret = qcow2_entry_set(q, QCOW2_L1, q->header.l1_offset, l1_index,
				      *table | QCOW2_COPIED);
	if (ret)
		qcow2_unalloc(q, cluster, 1);
	else if (old)
		qcow2_free_later(q, old / q->cluster_size);
	return ret;
}

/* The L2 table of @guest_cluster, to be changed. */
static int own_table(struct qcow2 *q, u64 guest_cluster, u64 *table)
{
	u64 index = guest_cluster / q->l2_entries, entry;
	int ret = qcow2_entry_get(q, QCOW2_L1, q->header.l1_offset, index, &entry);

	if (ret)
		return ret;
	if (!qcow2_decode_l1(q, entry, table))
		return qcow2_complain(q, "an L1 entry is", entry);
	if (*table && entry & QCOW2_COPIED)
		return 0;
	return new_table(q, index, *table, table);
}

static int set_entry(struct qcow2 *q, u64 table, u64 guest_cluster, u64 entry)
{
	return qcow2_entry_set(q, QCOW2_L2, table, guest_cluster % q->l2_entries, entry);
}

/* ---- clusters that get a place ---- */

/* Clusters of one L2 table that are given a place together. */
struct placing {
	u64 first, count; /* guest clusters */
	u64 host;	  /* the first one's in the file */
	u64 at, end;	  /* bytes of the request that go there */
	bool fresh;	  /* the file reads as zeroes there */
};

static bool is_in_place(const struct qcow2_place *place)
{
	return place->type == QCOW2_IS_DATA && place->copied;
}

static bool reads_zero(const struct qcow2 *q, u64 cluster, const struct qcow2_place *place)
{
	return place->type == QCOW2_IS_ZERO ||
	       (place->type == QCOW2_IS_NOTHING && !qcow2_is_backed(q, cluster * q->cluster_size));
}

/* How many clusters from @first on, at most @max, need a place. */
static int count_placeless(struct qcow2 *q, u64 first, u64 max, u64 *count)
{
	max = MIN(max, q->l2_entries - first % q->l2_entries);
	for (*count = 1; *count < max; ++*count) {
		struct qcow2_place place;
		int ret = qcow2_find(q, first + *count, &place);

		if (ret)
			return ret;
		if (is_in_place(&place) || is_claimed(q, first + *count))
			break;
	}
	return 0;
}

/* A whole cluster: what it was, and the request's bytes from @at to @end over it. */
static int write_merged(struct qcow2 *q, const struct disk_request *request, u64 at, u64 end,
			u64 host)
{
	u64 start = align_down(request->offset + at, q->cluster_size);
	u64 len = MIN(q->cluster_size, q->header.size - start);
	struct iovec iov = { NULL, len };
	struct disk_request old = {
		.op = DISK_READ, .offset = start, .len = len, .iov = &iov, .iov_count = 1
	};
	int ret;

	if (posix_memalign(&iov.iov_base, 4096, MAX(q->cluster_size, 4096u)))
		return -ENOMEM;
	memset(iov.iov_base, 0, q->cluster_size);
	ret = qcow2_read(q, &old, 0, len);
	if (!ret) {
		request_copy(request, at, (char *)iov.iov_base + (request->offset + at - start),
			     end - at, false);
		ret = disk_file_write(q->file, iov.iov_base, q->cluster_size, host);
	}
	free(iov.iov_base);
	return ret;
}

/* Whether cluster @n of the placing is written whole, for the sake of the bytes around. */
static bool needs_merge(struct qcow2 *q, const struct disk_request *request,
			const struct placing *placing, u64 n, const struct qcow2_place *place)
{
	u64 start = (placing->first + n) * q->cluster_size;
	bool whole = request->offset + placing->at <= start &&
		     request->offset + placing->end >= start + q->cluster_size;

	return !whole && !(placing->fresh && reads_zero(q, placing->first + n, place));
}

/* No lock held: the data of clusters that are claimed. */
static int fill_places(struct qcow2 *q, const struct disk_request *request,
		       const struct placing *placing, bool merge_first, bool merge_last)
{
	u64 size = q->cluster_size, at = placing->at, end = placing->end;
	u64 skip = (request->offset + at) % size;
	u64 last_start = at - skip + (placing->count - 1) * size;
	int ret = 0;

	if (merge_first) {
		u64 to = MIN(end, at + size - skip);

		ret = write_merged(q, request, at, to, placing->host);
		at = to;
	}
	if (!ret && merge_last && at < end) {
		/* One cluster alone is the first. */
		ret = write_merged(q, request, MAX(at, last_start), end,
				   placing->host + (placing->count - 1) * size);
		end = MAX(at, last_start);
	}
	if (ret || at >= end)
		return ret;
	return disk_file_move(q->file, request, at, end - at,
			      placing->host + skip + (at - placing->at));
}

/* @table held: the clusters are there, and from now on so are their names. */
static int name_places(struct qcow2 *q, const struct placing *placing)
{
	u64 table;
	int ret = own_table(q, placing->first, &table);

	for (u64 i = 0; i < placing->count; i++) {
		struct qcow2_place old;
		u64 host = placing->host + i * q->cluster_size;

		if (!ret)
			ret = qcow2_find(q, placing->first + i, &old);
		if (!ret)
			ret = set_entry(q, table, placing->first + i, host | QCOW2_COPIED);
		if (ret) {
			qcow2_unalloc(q, host / q->cluster_size, placing->count - i);
			return ret;
		}
		qcow2_free_place(q, &old);
	}
	return 0;
}

/* @table held, and given up meanwhile. */
static int place_and_write(struct qcow2 *q, const struct disk_request *request,
			   struct placing *placing)
{
	struct qcow2_claim claim = { placing->first, placing->first + placing->count - 1, NULL };
	struct qcow2_place first, last;
	int ret = qcow2_find(q, claim.first, &first), named;

	if (!ret)
		ret = qcow2_find(q, claim.last, &last);
	if (!ret) {
		bool merge_first = needs_merge(q, request, placing, 0, &first);
		bool merge_last = needs_merge(q, request, placing, placing->count - 1, &last);

		claim_add(q, &claim);
		pthread_mutex_unlock(&q->table);
		ret = fill_places(q, request, placing, merge_first, merge_last);
		pthread_mutex_lock(&q->table);
		claim_remove(q, &claim);
	}
	if (!ret)
		return name_places(q, placing);
	named = placing->host / q->cluster_size;
	qcow2_unalloc(q, named, placing->count);
	return ret;
}

/* @table held: from byte @at on to new clusters; how far it came in *@done. */
static int write_anew(struct qcow2 *q, const struct disk_request *request, u64 at, u64 *done)
{
	u64 size = q->cluster_size, offset = request->offset + at, table, cluster;
	u64 clusters = (request->offset + request->len - 1) / size - offset / size + 1;
	struct placing placing = { .first = offset / size, .at = at };
	int ret = own_table(q, placing.first, &table);

	if (!ret)
		ret = count_placeless(q, placing.first, clusters, &placing.count);
	if (!ret)
		ret = qcow2_alloc(q, placing.count, &cluster, &placing.count, &placing.fresh);
	if (ret)
		return ret;
	placing.host = cluster * size;
	placing.end = MIN(request->len, at + placing.count * size - offset % size);
	*done = placing.end;
	return place_and_write(q, request, &placing);
}

/* @table held: how many bytes from @at on are in place and in a row. */
static int count_in_place(struct qcow2 *q, const struct disk_request *request, u64 at,
			  const struct qcow2_place *first, u64 *end)
{
	u64 size = q->cluster_size, cluster = (request->offset + at) / size;

	*end = at + size - (request->offset + at) % size;
	for (u64 n = 1; *end < request->len; n++, *end += size) {
		struct qcow2_place next;
		int ret = qcow2_find(q, cluster + n, &next);

		if (ret)
			return ret;
		if (!is_in_place(&next) || next.host != first->host + n * size)
			break;
	}
	*end = MIN(*end, request->len);
	return 0;
}

/* From byte @at on, as far as one place or one row of new ones goes. */
static int write_some(struct qcow2 *q, const struct disk_request *request, u64 at, u64 *done)
{
	u64 offset = request->offset + at, size = q->cluster_size;
	struct qcow2_place place;
	bool in_place = false;
	int ret;

	pthread_mutex_lock(&q->table);
	wait_for(q, offset / size);
	ret = prepare(q);
	if (!ret)
		ret = qcow2_find(q, offset / size, &place);
	if (!ret) {
		in_place = is_in_place(&place);
		ret = in_place ? count_in_place(q, request, at, &place, done)
			       : write_anew(q, request, at, done);
	}
	pthread_mutex_unlock(&q->table);
	if (ret || !in_place)
		return ret;
	return disk_file_move(q->file, request, at, *done - at, place.host + offset % size);
}

int qcow2_write(struct qcow2 *q, const struct disk_request *request, u64 at)
{
	int ret = 0;

	while (!ret && at < request->len)
		ret = write_some(q, request, at, &at);
	return ret;
}

/* ---- zeroes ---- */

/* The part of a cluster, as a write. */
static int write_zeroes(struct qcow2 *q, u64 offset, u64 len)
{
	struct iovec iov = { NULL, len };
	struct disk_request request = {
		.op = DISK_WRITE, .offset = offset, .len = len, .iov = &iov, .iov_count = 1
	};
	struct qcow2_place place;
	int ret;

	pthread_mutex_lock(&q->table);
	ret = qcow2_find(q, offset / q->cluster_size, &place);
	pthread_mutex_unlock(&q->table);
	if (ret || reads_zero(q, offset / q->cluster_size, &place))
		return ret;
	if (posix_memalign(&iov.iov_base, 4096, align_up(len, 4096)))
		return -ENOMEM;
	memset(iov.iov_base, 0, len);
	ret = qcow2_write(q, &request, 0);
	free(iov.iov_base);
	return ret;
}

/*
 * What a cluster's entry is to be for it to read as zeroes. False: version 2 has none, where
 * there is something below.
 */
static bool zero_entry(const struct qcow2 *q, u64 cluster, const struct qcow2_place *place,
		       bool keep, u64 *entry)
{
	bool backed = qcow2_is_backed(q, cluster * q->cluster_size);

	*entry = 0;
	if (q->header.version == 2)
		return !backed;
	if (keep && is_in_place(place))
		*entry = place->host | QCOW2_ZERO | QCOW2_COPIED;
	else if (backed)
		*entry = QCOW2_ZERO;
	return true;
}

static int clear_cluster(struct qcow2 *q, u64 cluster, bool keep, bool *by_hand)
{
	struct qcow2_place place;
	u64 table, entry;
	int ret;

	wait_for(q, cluster);
	ret = prepare(q);
	if (!ret)
		ret = qcow2_find(q, cluster, &place);
	if (ret || (reads_zero(q, cluster, &place) && (keep || !place.host)))
		return ret;
	*by_hand = !zero_entry(q, cluster, &place, keep, &entry);
	if (*by_hand)
		return 0;
	ret = own_table(q, cluster, &table);
	if (!ret)
		ret = set_entry(q, table, cluster, entry);
	if (!ret && !(entry & QCOW2_OFFSET_MASK))
		qcow2_free_place(q, &place);
	return ret;
}

static int clear_some(struct qcow2 *q, const struct disk_request *request, u64 offset, u64 len)
{
	bool discard = request->op == DISK_DISCARD, by_hand = false;
	u64 size = q->cluster_size;
	int ret = 0;

	/* The disk's last cluster may be a part of one. */
	if (offset % size || (len < size && offset + len < q->header.size))
		return discard ? 0 : write_zeroes(q, offset, len);
	pthread_mutex_lock(&q->table);
	ret = clear_cluster(q, offset / size, !discard && !request->may_unmap, &by_hand);
	pthread_mutex_unlock(&q->table);
	return by_hand && !discard ? write_zeroes(q, offset, len) : ret;
}

int qcow2_clear(struct qcow2 *q, const struct disk_request *request)
{
	u64 size = q->cluster_size, len;
	int ret = 0;

	for (u64 at = 0; !ret && at < request->len; at += len) {
		u64 offset = request->offset + at;

		len = MIN(size - offset % size, request->len - at);
		ret = clear_some(q, request, offset, len);
	}
	return ret;
}

/* ---- compressed clusters, which a conversion alone writes ---- */

static u64 refcount_max(const struct qcow2 *q)
{
	return q->header.refcount_order == 6 ? UINT64_MAX
					     : (1ULL << (1u << q->header.refcount_order)) - 1;
}

/* Room for @len bytes behind what was packed before, or in a new cluster. */
static int place_packed(struct qcow2 *q, u32 len, u64 *where)
{
	u64 size = q->cluster_size, at = *where, count = 0, next, got;
	u64 room = at % size ? size - at % size : 0;
	bool fresh;
	int ret = room ? qcow2_refcount_get(q, at / size, &count) : 0;

	if (ret)
		return ret;
	if (count == refcount_max(q))
		room = 0;
	if (len > room) {
		ret = qcow2_alloc(q, 1, &next, &got, &fresh);
		if (ret)
			return ret;
		if (!room || next != at / size + 1) {
			*where = next * size;
			return 0;
		}
	}
	return qcow2_refcount_set(q, at / size, count + 1);
}

int qcow2_write_packed(struct qcow2 *q, u64 guest_cluster, const void *packed, u32 len, u64 *where)
{
	unsigned bits = 62 - (q->header.cluster_bits - 8);
	u64 table, sectors;
	int ret;

	pthread_mutex_lock(&q->table);
	ret = prepare(q);
	if (!ret)
		ret = own_table(q, guest_cluster, &table);
	if (!ret)
		ret = place_packed(q, len, where);
	if (!ret)
		ret = disk_file_write(q->file, packed, len, *where);
	sectors = (*where % DISK_SECTOR + len - 1) / DISK_SECTOR;
	if (!ret)
		ret = set_entry(q, table, guest_cluster,
				QCOW2_COMPRESSED | sectors << bits | *where);
	*where += len;
	pthread_mutex_unlock(&q->table);
	return ret;
}
