/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing: in place where a cluster is this disk's alone, else to a new one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2.h"
#include "request_memory.h"
#include "util/range.h"

/* Clusters that have lost their names are made free, flush or not, when there are so many. */
#define FREES_BYTES (64 * MIB) /* or an eighth of the disk */
#define FREES_MIN   64

/* ---- claims: all with @table held ---- */

/* The thread that has it waits for nobody while it does. */
static void wait_for(struct qcow2 *q, u64 cluster)
{
	while (qcow2_is_claimed(q, cluster))
		pthread_cond_wait(&q->claims_changed, &q->table);
}

static void claim_add(struct qcow2 *q, struct qcow2_claim *claim)
{
	pthread_mutex_lock(&q->lock);
	claim->next = q->claims;
	q->claims = claim;
	pthread_mutex_unlock(&q->lock);
}

/* From now on it ends before guest cluster @last + 1. */
static void claim_cut(struct qcow2 *q, struct qcow2_claim *claim, u64 last)
{
	pthread_mutex_lock(&q->lock);
	claim->last = last;
	pthread_mutex_unlock(&q->lock);
}

static void claim_remove(struct qcow2 *q, struct qcow2_claim *claim)
{
	struct qcow2_claim **at = &q->claims;

	pthread_mutex_lock(&q->lock);
	while (*at != claim)
		at = &(*at)->next;
	*at = claim->next;
	pthread_mutex_unlock(&q->lock);
	pthread_cond_broadcast(&q->claims_changed);
}

/* A guest that never flushes must not make the file grow: what is no longer named is used anew. */
static bool has_many_frees(const struct qcow2 *q)
{
	u64 bytes = MIN(FREES_BYTES, q->header.size / 8);

	return q->frees[q->epoch].count >= MAX(bytes / q->cluster_size, FREES_MIN);
}

int qcow2_make_room(struct qcow2 *q)
{
	bool full;

	if (q->failed)
		return q->failed;
	pthread_mutex_lock(&q->lock);
	full = qcow2_cache_is_full(q) || has_many_frees(q);
	pthread_mutex_unlock(&q->lock);
	return full ? qcow2_commit(q) : 0;
}

/* ---- L2 tables ---- */

/* A cluster of the file that is @from's copy, or zeroes (@from 0). */
static int fill_table(struct qcow2 *q, u64 to, u64 from, bool fresh)
{
	void *data;
	int ret = 0;

	qcow2_cache_forget(q, to, q->cluster_size);
	if (!from && !fresh)
		ret = disk_file_zero(q->file, to, q->cluster_size, false);
	/* What an entry names is in the file. All that was ever given away is below q->end. */
	if (!from)
		return ret ? ret : disk_file_grow(q->file, q->end * q->cluster_size);
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
	q->unordered = true;
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

int qcow2_own_table(struct qcow2 *q, u64 guest_cluster, u64 *table)
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

/* How many clusters from @first on, at most @max, are in its table and in no claim. */
static u64 count_claimable(const struct qcow2 *q, u64 first, u64 max)
{
	u64 count = 0;

	max = MIN(max, q->l2_entries - first % q->l2_entries);
	while (count < max && !qcow2_is_claimed(q, first + count))
		count++;
	return count;
}

/* How many of the clusters of a claim, from its first on, need a place. */
static int count_placeless(struct qcow2 *q, const struct qcow2_claim *claim, u64 *count)
{
	for (*count = 0; claim->first + *count <= claim->last; ++*count) {
		struct qcow2_place place;
		int ret = qcow2_find(q, claim->first + *count, &place);

		if (ret)
			return ret;
		if (qcow2_is_in_place(&place))
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

	return !whole && !(placing->fresh && qcow2_reads_zero(q, placing->first + n, place));
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
	int ret = qcow2_own_table(q, placing->first, &table);

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

/* @table held, and given up meanwhile; the clusters are claimed. */
static int place_and_write(struct qcow2 *q, const struct disk_request *request,
			   struct placing *placing)
{
	struct qcow2_place first, last;
	int ret = qcow2_find(q, placing->first, &first);

	if (!ret)
		ret = qcow2_find(q, placing->first + placing->count - 1, &last);
	if (!ret) {
		bool merge_first = needs_merge(q, request, placing, 0, &first);
		bool merge_last = needs_merge(q, request, placing, placing->count - 1, &last);

		pthread_mutex_unlock(&q->table);
		ret = fill_places(q, request, placing, merge_first, merge_last);
		pthread_mutex_lock(&q->table);
		q->unordered = true;
	}
	if (!ret)
		return name_places(q, placing);
	qcow2_unalloc(q, placing->host / q->cluster_size, placing->count);
	return ret;
}

/* As below, for clusters that are claimed. None of them needs a place: *@done is @at. */
static int write_claimed(struct qcow2 *q, const struct disk_request *request, u64 at,
			 struct qcow2_claim *claim, u64 *done)
{
	u64 size = q->cluster_size, cluster;
	struct placing placing = { .first = claim->first, .at = at };
	int ret = count_placeless(q, claim, &placing.count);

	*done = at;
	if (ret || !placing.count)
		return ret;
	ret = qcow2_alloc(q, placing.count, &cluster, &placing.count, &placing.fresh);
	if (ret)
		return ret;
	claim_cut(q, claim, claim->first + placing.count - 1);
	placing.host = cluster * size;
	placing.end = MIN(request->len, at + placing.count * size - (request->offset + at) % size);
	*done = placing.end;
	return place_and_write(q, request, &placing);
}

/* @table held: from byte @at on to new clusters; how far it came in *@done. */
static int write_anew(struct qcow2 *q, const struct disk_request *request, u64 at, u64 *done)
{
	u64 first = (request->offset + at) / q->cluster_size, table;
	u64 clusters = (request->offset + request->len - 1) / q->cluster_size - first + 1;
	struct qcow2_claim claim = { first, first + count_claimable(q, first, clusters) - 1, NULL };
	int ret = qcow2_own_table(q, first, &table);

	if (ret)
		return ret;
	claim_add(q, &claim);
	ret = write_claimed(q, request, at, &claim, done);
	claim_remove(q, &claim);
	return ret;
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
		if (!qcow2_is_in_place(&next) || next.host != first->host + n * size)
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
	ret = qcow2_make_room(q);
	if (!ret)
		ret = qcow2_find(q, offset / size, &place);
	if (!ret) {
		in_place = qcow2_is_in_place(&place);
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
	if (ret || qcow2_reads_zero(q, offset / q->cluster_size, &place))
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
	if (keep && qcow2_is_in_place(place))
		*entry = place->host | QCOW2_ZERO | QCOW2_COPIED;
	else if (backed)
		*entry = QCOW2_ZERO;
	return true;
}

/* @table held, the cluster claimed. */
static int clear_claimed(struct qcow2 *q, u64 cluster, const struct disk_request *request,
			 bool *by_hand)
{
	bool discard = request->op == DISK_DISCARD, keep = !discard && !request->may_unmap;
	struct qcow2_place place;
	u64 table, entry;
	int ret = qcow2_find(q, cluster, &place);

	if (ret || (qcow2_reads_zero(q, cluster, &place) && (keep || !place.host)))
		return ret;
	/* A discard gives back what is there, and takes nothing to hide what is below. */
	if (discard && place.type == QCOW2_IS_NOTHING)
		return 0;
	*by_hand = !zero_entry(q, cluster, &place, keep, &entry);
	if (*by_hand)
		return 0;
	ret = qcow2_own_table(q, cluster, &table);
	if (!ret)
		ret = set_entry(q, table, cluster, entry);
	if (!ret && !(entry & QCOW2_OFFSET_MASK))
		qcow2_free_place(q, &place);
	return ret;
}

static int clear_cluster(struct qcow2 *q, u64 cluster, const struct disk_request *request,
			 bool *by_hand)
{
	struct qcow2_claim claim = { cluster, cluster, NULL };
	int ret;

	wait_for(q, cluster);
	ret = qcow2_make_room(q);
	if (ret)
		return ret;
	claim_add(q, &claim);
	ret = clear_claimed(q, cluster, request, by_hand);
	claim_remove(q, &claim);
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
	ret = clear_cluster(q, offset / size, request, &by_hand);
	pthread_mutex_unlock(&q->table);
	return by_hand && !discard ? write_zeroes(q, offset, len) : ret;
}

/* Bytes from @offset on that have no table, and so need nothing; *len 0: there are none. */
static int find_nothing(struct qcow2 *q, const struct disk_request *request, u64 offset, u64 *len)
{
	u64 span = (u64)q->l2_entries * q->cluster_size, entry;
	int ret;

	*len = 0;
	if (request->op != DISK_DISCARD && qcow2_is_backed(q, offset))
		return 0;
	pthread_mutex_lock(&q->table);
	ret = qcow2_entry_get(q, QCOW2_L1, q->header.l1_offset, offset / span, &entry);
	pthread_mutex_unlock(&q->table);
	if (!ret && !entry)
		*len = MIN(span - offset % span, request->offset + request->len - offset);
	return ret;
}

int qcow2_clear(struct qcow2 *q, const struct disk_request *request)
{
	u64 size = q->cluster_size, len;
	int ret = 0;

	for (u64 at = 0; !ret && at < request->len; at += len) {
		u64 offset = request->offset + at;

		ret = find_nothing(q, request, offset, &len);
		if (ret || len)
			continue;
		len = MIN(size - offset % size, request->len - at);
		ret = clear_some(q, request, offset, len);
	}
	return ret;
}

/* ---- compressed clusters, which a conversion alone writes ---- */

/* Room for @len bytes behind what was packed before, or in a new cluster. */
static int place_packed(struct qcow2 *q, u32 len, u64 *where)
{
	u64 size = q->cluster_size, at = *where, count = 0, next, got;
	u64 room = at % size ? size - at % size : 0;
	bool fresh;
	int ret = room ? qcow2_refcount_get(q, at / size, &count) : 0;

	if (ret)
		return ret;
	if (count == qcow2_refcount_max(q))
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
	ret = qcow2_make_room(q);
	if (!ret)
		ret = qcow2_own_table(q, guest_cluster, &table);
	if (!ret)
		ret = place_packed(q, len, where);
	if (!ret)
		ret = disk_file_write(q->file, packed, len, *where);
	q->unordered = true;
	sectors = (*where % DISK_SECTOR + len - 1) / DISK_SECTOR;
	if (!ret)
		ret = set_entry(q, table, guest_cluster,
				QCOW2_COMPRESSED | sectors << bits | *where);
	*where += len;
	pthread_mutex_unlock(&q->table);
	return ret;
}
