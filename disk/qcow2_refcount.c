/* SPDX-License-Identifier: BSD-2-Clause */
/* Which clusters of the file are used, and how often: the refcount table and its blocks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2.h"
#include "util/range.h"

/* Names that are gone, remembered until they may be given away. More of them are leaked. */
#define FREES_MAX (1u << 20)

static u64 per_block(const struct qcow2 *q)
{
	return q->cluster_size * 8ULL >> q->header.refcount_order;
}

u64 qcow2_refcount_max(const struct qcow2 *q)
{
	return q->header.refcount_order == 6 ? UINT64_MAX
					     : (1ULL << (1u << q->header.refcount_order)) - 1;
}

static u64 refcount_load(const u8 *block, unsigned order, u64 n)
{
	u64 value = 0;

	if (order < 3)
		return block[n << order >> 3] >> ((n << order) & 7) & ((1u << (1u << order)) - 1);
	for (unsigned i = 0; i < 1u << (order - 3); i++)
		value = value << 8 | block[(n << (order - 3)) + i];
	return value;
}

void qcow2_refcount_store(u8 *block, unsigned order, u64 n, u64 count)
{
	u8 mask, shift;

	if (order < 3) {
		shift = (n << order) & 7;
		mask = ((1u << (1u << order)) - 1) << shift;
		block[n << order >> 3] = (block[n << order >> 3] & ~mask) | (count << shift & mask);
		return;
	}
	for (unsigned i = 1u << (order - 3); i-- > 0; count >>= 8)
		block[(n << (order - 3)) + i] = count;
}

/* The slice of @cluster's refcount, and its number there. *slice NULL: there is no block. */
static int find_refcount(struct qcow2 *q, u64 cluster, struct qcow2_slice **slice, u64 *n)
{
	u64 index = cluster / per_block(q), block;
	u64 bit = cluster % per_block(q) << q->header.refcount_order;
	int ret;

	*slice = NULL;
	if (index >= q->reftable_entries)
		return 0;
	ret = qcow2_entry_get(q, QCOW2_REFTABLE, q->reftable_offset, index, &block);
	if (ret || !block)
		return ret;
	if (block & 0x1ff || !is_aligned(block, q->cluster_size) ||
	    block / q->cluster_size >= q->end)
		return qcow2_complain(q, "the qcow2 image is corrupt: a refcount table entry is",
				      block);
	ret = qcow2_cache_get(q, QCOW2_REFBLOCK, block + bit / 8, slice);
	*n = (bit % (q->cache.slice_size * 8ULL)) >> q->header.refcount_order;
	return ret;
}

int qcow2_refcount_get(struct qcow2 *q, u64 cluster, u64 *count)
{
	struct qcow2_slice *slice;
	u64 n;
	int ret = find_refcount(q, cluster, &slice, &n);

	*count = 0;
	if (!ret && slice)
		*count = refcount_load(slice->data, q->header.refcount_order, n);
	return ret;
}

/* Into a slice, by way of the bytes around it: others look at them meanwhile. */
static void store(struct qcow2 *q, struct qcow2_slice *slice, u64 n, u64 count)
{
	unsigned order = q->header.refcount_order;
	unsigned at = n << order >> 3, len = MAX(1u << order >> 3, 1u);
	u8 bytes[8];

	memcpy(bytes, slice->data + at, len);
	qcow2_refcount_store(bytes, order, order < 3 ? n & ((8 >> order) - 1) : 0, count);
	qcow2_slice_store(q, slice, at, bytes, len);
}

static void set_end(struct qcow2 *q, u64 end)
{
	pthread_mutex_lock(&q->lock);
	q->end = end;
	pthread_mutex_unlock(&q->lock);
}

/* @count clusters behind all others. They are zero in a file; elsewhere that is made so. */
static int take_end(struct qcow2 *q, u64 count, bool zero, u64 *cluster)
{
	u64 bytes = count * q->cluster_size;
	int ret = 0;

	if (count > q->limit || q->end > q->limit - count)
		return -ENOSPC;
	if (zero && q->file->block_device)
		ret = disk_file_zero(q->file, q->end * q->cluster_size, bytes, false);
	if (ret)
		return ret;
	*cluster = q->end;
	qcow2_cache_forget(q, *cluster * q->cluster_size, bytes);
	set_end(q, q->end + count);
	return 0;
}

/* Blocks for all clusters from @first on, in @table: more of them may be needed for these. */
static int cover(struct qcow2 *q, u64 first, u64 *table, u64 entries)
{
	for (u64 cluster = first; cluster < q->end; cluster++) {
		u64 index = cluster / per_block(q), block;
		int ret;

		if (index >= entries)
			return -EFBIG;
		if (table[index])
			continue;
		ret = take_end(q, 1, true, &block);
		if (ret)
			return ret;
		table[index] = htobe64(block * q->cluster_size);
	}
	return 0;
}

static int write_new_table(struct qcow2 *q, u64 *table, u64 entries, u64 *first)
{
	u64 clusters = entries * 8 / q->cluster_size;
	int ret = 0;

	for (u64 i = 0; !ret && i < q->reftable_entries; i++) {
		ret = qcow2_entry_get(q, QCOW2_REFTABLE, q->reftable_offset, i, &table[i]);
		table[i] = htobe64(table[i]);
	}
	if (!ret)
		ret = take_end(q, clusters, false, first);
	if (!ret)
		ret = cover(q, *first, table, entries);
	if (ret)
		return ret;
	return disk_file_write(q->file, table, entries * 8, *first * q->cluster_size);
}

/* In the header: where the table is, and how many clusters it has. */
static int name_new_table(struct qcow2 *q)
{
	u8 field[12];
	u64 offset = htobe64(q->reftable_offset);
	u32 clusters = htobe32(q->reftable_entries * 8 / q->cluster_size);

	memcpy(field, &offset, 8);
	memcpy(field + 8, &clusters, 4);
	return qcow2_header_change(q->file, 48, field, sizeof(field));
}

static int switch_table(struct qcow2 *q, u64 first, u64 entries)
{
	u64 old = q->reftable_offset, old_bytes = q->reftable_entries * 8;
	int ret = 0;

	qcow2_cache_forget(q, old, old_bytes);
	pthread_mutex_lock(&q->lock);
	q->reftable_offset = first * q->cluster_size;
	q->reftable_entries = entries;
	pthread_mutex_unlock(&q->lock);
	for (u64 cluster = first; !ret && cluster < q->end; cluster++)
		ret = qcow2_refcount_set(q, cluster, 1);
	if (!ret)
		ret = qcow2_cache_write(q, QCOW2_REFBLOCK);
	if (!ret)
		ret = name_new_table(q);
	/* Half way between two tables: what is in memory is no longer what the file has. */
	if (ret)
		ret = qcow2_fail(q, ret);
	for (u64 at = 0; !ret && at < old_bytes; at += q->cluster_size)
		qcow2_free_later(q, (old + at) / q->cluster_size);
	return ret;
}

/* A larger table, at the end of the file, with an entry for block @index. */
static int grow_table(struct qcow2 *q, u64 index)
{
	u64 entries = align_up(MAX(index + 1, q->reftable_entries) * 3 / 2 + 8,
			       q->cluster_size / 8);
	u64 first;
	void *table;
	int ret;

	if (entries * 8 > QCOW2_REFTABLE_MAX)
		return -EFBIG;
	if (posix_memalign(&table, 4096, align_up(entries * 8, 4096)))
		return -ENOMEM;
	memset(table, 0, entries * 8);
	ret = write_new_table(q, table, entries, &first);
	free(table);
	if (!ret)
		ret = qcow2_cache_write(q, QCOW2_REFBLOCK);
	return ret ? ret : switch_table(q, first, entries);
}

/* A block for the refcount of @cluster. The block's own refcount may be in itself. */
static int add_block(struct qcow2 *q, u64 cluster)
{
	u64 index = cluster / per_block(q), block;
	int ret = take_end(q, 1, true, &block);

	if (!ret)
		ret = qcow2_entry_set(q, QCOW2_REFTABLE, q->reftable_offset, index,
				      block * q->cluster_size);
	return ret ? ret : qcow2_refcount_set(q, block, 1);
}

/* A larger table may have brought the block with it. */
static int add_and_find(struct qcow2 *q, u64 cluster, struct qcow2_slice **slice, u64 *n)
{
	u64 index = cluster / per_block(q);
	int ret = index >= q->reftable_entries ? grow_table(q, index) : 0;

	if (!ret)
		ret = find_refcount(q, cluster, slice, n);
	if (ret || *slice)
		return ret;
	ret = add_block(q, cluster);
	return ret ? ret : find_refcount(q, cluster, slice, n);
}

int qcow2_refcount_set(struct qcow2 *q, u64 cluster, u64 count)
{
	struct qcow2_slice *slice;
	u64 n;
	int ret = find_refcount(q, cluster, &slice, &n);

	if (!ret && !slice)
		ret = add_and_find(q, cluster, &slice, &n);
	if (!ret)
		store(q, slice, n, count);
	return ret;
}

/* ---- allocation ---- */

/*
 * A device does not grow, so all of it is below the end, most of it without blocks. What has none
 * gets its own first free cluster for one, which counts itself.
 */
static int add_block_inside(struct qcow2 *q, u64 cluster)
{
	u64 index = cluster / per_block(q), offset = cluster * q->cluster_size;
	int ret;

	if (index >= q->reftable_entries)
		return -ENOSPC;
	qcow2_cache_forget(q, offset, q->cluster_size);
	q->unordered = true;
	ret = disk_file_zero(q->file, offset, q->cluster_size, false);
	if (!ret)
		ret = qcow2_entry_set(q, QCOW2_REFTABLE, q->reftable_offset, index, offset);
	return ret ? ret : qcow2_refcount_set(q, cluster, 1);
}

/* Of a cluster that is to be given away if it is 0. */
static int look_at(struct qcow2 *q, u64 cluster, u64 *count)
{
	struct qcow2_slice *slice;
	u64 n;
	int ret = find_refcount(q, cluster, &slice, &n);

	*count = 0;
	if (!ret && slice)
		*count = refcount_load(slice->data, q->header.refcount_order, n);
	if (ret || slice || !q->file->block_device)
		return ret;
	*count = 1;
	return add_block_inside(q, cluster);
}

/* A row of free clusters below the end, from q->hint on; *got 0: there is none. */
static int find_free(struct qcow2 *q, u64 wanted, u64 *cluster, u64 *got)
{
	u64 at = q->hint, count;

	*got = 0;
	for (; at < q->end && *got < wanted; at++) {
		int ret = look_at(q, at, &count);

		if (ret == -ENOSPC && *got)
			break;
		if (ret)
			return ret;
		if (count && *got)
			break;
		if (count)
			continue;
		if (!*got)
			*cluster = at;
		++*got;
	}
	q->hint = *got ? *cluster : q->end;
	return 0;
}

int qcow2_alloc(struct qcow2 *q, u64 wanted, u64 *cluster, u64 *got, bool *fresh)
{
	int ret = find_free(q, wanted, cluster, got);

	if (ret)
		return ret;
	*fresh = !*got && !q->file->block_device;
	if (!*got) {
		/* What is left of a device is less than a row. */
		*got = q->end < q->limit ? MIN(wanted, q->limit - q->end) : 1;
		ret = take_end(q, *got, false, cluster);
	}
	for (u64 i = 0; !ret && i < *got; i++) {
		ret = qcow2_refcount_set(q, *cluster + i, 1);
		if (ret)
			qcow2_unalloc(q, *cluster, i);
	}
	if (!ret)
		q->hint = *cluster + *got;
	return ret;
}

void qcow2_unalloc(struct qcow2 *q, u64 cluster, u64 count)
{
	for (u64 i = 0; i < count; i++)
		qcow2_refcount_set(q, cluster + i, 0);
	q->hint = MIN(q->hint, cluster);
}

void qcow2_free_later(struct qcow2 *q, u64 cluster)
{
	struct qcow2_frees *frees = &q->frees[q->epoch];
	size_t room = frees->room ? frees->room * 2 : 64;
	u64 *more;

	if (frees->count == frees->room) {
		more = room > FREES_MAX ? NULL : realloc(frees->clusters, room * sizeof(*more));
		/* It stays used by nobody: a leak, which a check finds. */
		if (!more)
			return;
		frees->clusters = more;
		frees->room = room;
	}
	frees->clusters[frees->count++] = cluster;
}

void qcow2_free_place(struct qcow2 *q, const struct qcow2_place *place)
{
	u64 last = place->host + MAX(place->packed, 1) - 1;

	if (!place->host)
		return;
	for (u64 cluster = place->host / q->cluster_size; cluster <= last / q->cluster_size;
	     cluster++)
		qcow2_free_later(q, cluster);
}

static int release_one(struct qcow2 *q, u64 cluster, bool *unused)
{
	u64 count;
	int ret = qcow2_refcount_get(q, cluster, &count);

	if (ret)
		return ret;
	/* The check at open has seen them right. */
	if (!count)
		return qcow2_complain(
			q, "the qcow2 image is corrupt: a cluster is used, but free:", cluster);
	*unused = count == 1;
	ret = qcow2_refcount_set(q, cluster, count - 1);
	if (!ret && *unused)
		q->hint = MIN(q->hint, cluster);
	return ret;
}

int qcow2_release(struct qcow2 *q, const u64 *clusters, size_t count)
{
	u64 start = 0, len = 0, size = q->cluster_size;
	int ret = 0;

	for (size_t i = 0; !ret && i < count; i++) {
		bool unused = false;

		ret = release_one(q, clusters[i], &unused);
		if (!unused)
			continue;
		if (len && start + len == clusters[i]) {
			len++;
			continue;
		}
		disk_file_discard(q->file, start * size, len * size);
		start = clusters[i];
		len = 1;
	}
	disk_file_discard(q->file, start * size, len * size);
	return ret;
}
