/* SPDX-License-Identifier: BSD-2-Clause */
/* Slices of an image's tables, found by where in the file they are, and let go clock-wise. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2.h"
#include "util/range.h"

int qcow2_complain(struct qcow2 *q, const char *what, u64 value)
{
	disk_trouble_set(&q->image->trouble, what, value);
	return -EIO;
}

int qcow2_cache_create(struct qcow2 *q, u64 bytes)
{
	struct qcow2_cache *cache = &q->cache;

	cache->slice_size = MIN(q->cluster_size, 4096u);
	cache->max = MAX(bytes / cache->slice_size, 16);
	if (posix_memalign((void **)&cache->copy, 4096, MAX(cache->slice_size, 4096u)))
		return -ENOMEM;
	cache->slices = calloc(cache->max, sizeof(*cache->slices));
	return cache->slices ? 0 : -ENOMEM;
}

void qcow2_cache_destroy(struct qcow2 *q)
{
	struct qcow2_cache *cache = &q->cache;

	for (unsigned i = 0; i < cache->count; i++)
		free(cache->slices[i].data);
	free(cache->slices);
	free(cache->copy);
}

static struct qcow2_slice **bucket_of(struct qcow2_cache *cache, u64 offset)
{
	return &cache->buckets[offset / cache->slice_size % QCOW2_BUCKETS];
}

static struct qcow2_slice *find(struct qcow2_cache *cache, u64 offset)
{
	struct qcow2_slice *slice = *bucket_of(cache, offset);

	while (slice && slice->offset != offset)
		slice = slice->next;
	if (slice)
		slice->used = true;
	return slice;
}

const u8 *qcow2_cache_peek(struct qcow2 *q, u64 offset)
{
	struct qcow2_slice *slice = find(&q->cache, align_down(offset, q->cache.slice_size));

	return slice ? slice->data + offset % q->cache.slice_size : NULL;
}

static void unlink_slice(struct qcow2_cache *cache, struct qcow2_slice *slice)
{
	struct qcow2_slice **at = bucket_of(cache, slice->offset);

	while (*at != slice)
		at = &(*at)->next;
	*at = slice->next;
	cache->dirty[slice->kind] -= slice->dirty;
	slice->dirty = false;
	slice->offset = 0;
}

/* One with nothing in it and in no bucket. NULL: all have changed. */
static struct qcow2_slice *take_slice(struct qcow2 *q)
{
	struct qcow2_cache *cache = &q->cache;
	struct qcow2_slice *slice = NULL;
	void *data;

	if (cache->count < cache->max && !posix_memalign(&data, 4096, cache->slice_size)) {
		slice = &cache->slices[cache->count++];
		slice->data = data;
		return slice;
	}
	pthread_mutex_lock(&q->lock);
	for (unsigned i = 0; i < 2 * cache->count; i++) {
		slice = &cache->slices[cache->hand++ % cache->count];
		if (!slice->dirty && !slice->used)
			break;
		slice->used &= slice->dirty;
		slice = NULL;
	}
	if (slice && slice->offset)
		unlink_slice(cache, slice);
	pthread_mutex_unlock(&q->lock);
	return slice;
}

static void insert(struct qcow2 *q, struct qcow2_slice *slice, enum qcow2_kind kind, u64 offset)
{
	struct qcow2_slice **bucket = bucket_of(&q->cache, offset);

	pthread_mutex_lock(&q->lock);
	slice->offset = offset;
	slice->kind = kind;
	slice->used = true;
	slice->next = *bucket;
	*bucket = slice;
	pthread_mutex_unlock(&q->lock);
}

int qcow2_cache_get(struct qcow2 *q, enum qcow2_kind kind, u64 offset, struct qcow2_slice **out)
{
	struct qcow2_slice *slice;
	int ret;

	offset = align_down(offset, q->cache.slice_size);
	pthread_mutex_lock(&q->lock);
	*out = find(&q->cache, offset);
	pthread_mutex_unlock(&q->lock);
	if (*out)
		/* Two kinds at one place: the tables overlap. */
		return (*out)->kind == kind
			       ? 0
			       : qcow2_complain(q, "the qcow2 image is corrupt: tables overlap at",
						offset);
	slice = take_slice(q);
	/* Refcounts may be written at any time: those that fell belong to what no name leads to. */
	if (!slice && !qcow2_cache_write(q, QCOW2_REFBLOCK))
		slice = take_slice(q);
	/* Writes hold no more than a part of the cache: qcow2_make_room() sees to it. */
	if (!slice)
		return -EAGAIN;
	ret = disk_file_read(q->file, slice->data, q->cache.slice_size, offset);
	if (ret)
		return ret;
	insert(q, slice, kind, offset);
	*out = slice;
	return 0;
}

int qcow2_entry_get(struct qcow2 *q, enum qcow2_kind kind, u64 table, u64 n, u64 *value)
{
	u64 offset = table + n * 8;
	struct qcow2_slice *slice;
	int ret = qcow2_cache_get(q, kind, offset, &slice);

	if (ret)
		return ret;
	pthread_mutex_lock(&q->lock);
	memcpy(value, slice->data + offset % q->cache.slice_size, sizeof(*value));
	pthread_mutex_unlock(&q->lock);
	*value = be64toh(*value);
	return 0;
}

int qcow2_entry_set(struct qcow2 *q, enum qcow2_kind kind, u64 table, u64 n, u64 value)
{
	u64 offset = table + n * 8, entry = htobe64(value);
	struct qcow2_slice *slice;
	int ret = qcow2_cache_get(q, kind, offset, &slice);

	if (!ret)
		qcow2_slice_store(q, slice, offset % q->cache.slice_size, &entry, sizeof(entry));
	return ret;
}

/* @lock held. */
static void set_dirty(struct qcow2_cache *cache, struct qcow2_slice *slice, bool dirty)
{
	cache->dirty[slice->kind] += dirty - slice->dirty;
	slice->dirty = dirty;
}

void qcow2_slice_store(struct qcow2 *q, struct qcow2_slice *slice, unsigned at, const void *data,
		       unsigned len)
{
	pthread_mutex_lock(&q->lock);
	memcpy(slice->data + at, data, len);
	set_dirty(&q->cache, slice, true);
	pthread_mutex_unlock(&q->lock);
}

void qcow2_entry_poke(struct qcow2 *q, u64 table, u64 n, u64 value)
{
	u64 offset = table + n * 8, entry = htobe64(value);
	struct qcow2_slice *slice = find(&q->cache, align_down(offset, q->cache.slice_size));

	memcpy(slice->data + offset % q->cache.slice_size, &entry, sizeof(entry));
	set_dirty(&q->cache, slice, true);
}

bool qcow2_cache_is_full(const struct qcow2 *q)
{
	unsigned dirty = 0;

	for (unsigned kind = 0; kind < QCOW2_KINDS; kind++)
		dirty += q->cache.dirty[kind];
	return dirty >= q->cache.max / 2;
}

void qcow2_cache_forget(struct qcow2 *q, u64 offset, u64 len)
{
	pthread_mutex_lock(&q->lock);
	for (u64 at = offset; at < offset + len; at += q->cache.slice_size) {
		struct qcow2_slice *slice = find(&q->cache, at);

		if (slice)
			unlink_slice(&q->cache, slice);
	}
	pthread_mutex_unlock(&q->lock);
}

/* A copy: the loop may change entries meanwhile, and then it is dirty again. */
static int write_slice(struct qcow2 *q, struct qcow2_slice *slice)
{
	int ret;

	pthread_mutex_lock(&q->lock);
	memcpy(q->cache.copy, slice->data, q->cache.slice_size);
	set_dirty(&q->cache, slice, false);
	pthread_mutex_unlock(&q->lock);
	ret = disk_file_write(q->file, q->cache.copy, q->cache.slice_size, slice->offset);
	if (!ret)
		return 0;
	pthread_mutex_lock(&q->lock);
	set_dirty(&q->cache, slice, true);
	pthread_mutex_unlock(&q->lock);
	return ret;
}

/* The next slice from number *@at on. */
static bool find_dirty(struct qcow2 *q, enum qcow2_kind kind, unsigned *at)
{
	const struct qcow2_cache *cache = &q->cache;
	bool found = false;

	pthread_mutex_lock(&q->lock);
	for (; cache->dirty[kind] && *at < cache->count; ++*at) {
		const struct qcow2_slice *slice = &cache->slices[*at];

		found = slice->offset && slice->dirty && slice->kind == kind;
		if (found)
			break;
	}
	pthread_mutex_unlock(&q->lock);
	return found;
}

int qcow2_cache_write(struct qcow2 *q, enum qcow2_kind kind)
{
	int ret = 0;

	for (unsigned i = 0; !ret && find_dirty(q, kind, &i); i++) {
		q->unordered |= kind == QCOW2_REFBLOCK || kind == QCOW2_REFTABLE;
		ret = write_slice(q, &q->cache.slices[i]);
	}
	return ret;
}

int qcow2_fail(struct qcow2 *q, int error)
{
	bool room = error == -ENOSPC || error == -EDQUOT;

	disk_trouble_set(
		&q->image->trouble,
		room ? "the host had no room left for the qcow2 image's tables; what is in "
		       "the file is uncertain, and nothing more is written to it"
		     : "the host failed to write the qcow2 image's tables; what is in the "
		       "file is uncertain, and nothing more is written to it",
		0);
	q->failed = -ENOTRECOVERABLE;
	return q->failed;
}
