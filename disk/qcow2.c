/* SPDX-License-Identifier: BSD-2-Clause */
/* qcow2 as a driver of disks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2.h"
#include "util/range.h"

/* Tables in memory: with clusters of 64 KiB, enough for 128 GiB of a disk. */
#define CACHE_SIZE	   (16 * MIB)
#define BACKING_CACHE_SIZE (4 * MIB)
/* Clusters of one request that the loop looks at. */
#define MAP_MAX 64
/* request->tag of what is in no epoch. */
#define NO_EPOCH 2

static void destroy(struct qcow2 *q)
{
	qcow2_cache_destroy(q);
	free(q->frees[0].clusters);
	free(q->frees[1].clusters);
	free(q->plain);
	free(q->packed);
	pthread_cond_destroy(&q->claims_changed);
	pthread_mutex_destroy(&q->table);
	pthread_mutex_destroy(&q->lock);
	pthread_mutex_destroy(&q->inflate_lock);
	free(q);
}

static u64 limit_of(const struct qcow2 *q)
{
	u64 most = q->file->block_device ? q->file->size : 1ULL << 56;

	return most >> q->header.cluster_bits;
}

int qcow2_attach(struct disk_image *image, const struct qcow2_header *header, bool writable,
		 struct error *err)
{
	struct disk_file *file = &image->file;
	struct qcow2 *q = calloc(1, sizeof(*q));

	if (!q)
		return error_set(err, -ENOMEM, "disk %s: out of memory", file->path);
	q->file = file;
	q->image = image;
	q->header = *header;
	q->cluster_size = 1u << header->cluster_bits;
	q->l2_entries = q->cluster_size / 8;
	q->reftable_offset = header->reftable_offset;
	q->reftable_entries = (u64)header->reftable_clusters * q->cluster_size / 8;
	q->writable = writable;
	q->end = align_up(file->size, q->cluster_size) >> header->cluster_bits;
	q->hint = 1;
	q->limit = limit_of(q);
	q->pool.usable = writable && !file->block_device;
	pthread_mutex_init(&q->table, NULL);
	pthread_mutex_init(&q->lock, NULL);
	pthread_mutex_init(&q->inflate_lock, NULL);
	pthread_cond_init(&q->claims_changed, NULL);
	if (qcow2_cache_create(q, image->over ? BACKING_CACHE_SIZE : CACHE_SIZE)) {
		destroy(q);
		return error_set(err, -ENOMEM, "disk %s: out of memory", file->path);
	}
	image->state = q;
	image->info = (struct disk_info){
		.size = header->size,
		.read_only = !writable,
		.direct = file->direct,
		.can_discard = writable,
		.block_size = DISK_SECTOR,
	};
	return 0;
}

/* What is written must not meet what is wrong: each cluster has one owner, as it says itself. */
static int check_for_writing(struct qcow2 *q, struct error *err)
{
	struct qcow2_report report;
	int ret = qcow2_check(q, false, &report);

	if (ret)
		return error_set(err, ret, "disk %s: cannot check it: %s", q->file->path,
				 strerror(-ret));
	if (report.errors)
		return error_set(err, -EINVAL,
				 "disk %s: is a qcow2 image that is corrupt: %s; it can only be "
				 "read: give it with ro",
				 q->file->path, report.first);
	return 0;
}

/* O_DIRECT wants more than sectors, which is all that the guest and the tables keep to. */
static int check_direct(struct disk_file *file, const struct disk_options *options,
			struct error *err)
{
	int ret;

	if (!file->direct || file->align <= DISK_SECTOR)
		return 0;
	if (options->direct)
		return error_set(err, -EINVAL,
				 "disk %s: O_DIRECT takes no sectors there, which a qcow2 image "
				 "has; leave \"direct\" out",
				 file->path);
	ret = disk_file_leave_direct(file);
	if (ret)
		error_set(err, ret, "disk %s: %s", file->path, strerror(-ret));
	return ret;
}

/* Each writer keeps tables in memory, and would give away clusters that another has given away. */
static int check_share(const struct disk_file *file, const struct disk_options *options,
		       struct error *err)
{
	if (options->read_only || !options->share)
		return 0;
	return error_set(err, -EINVAL,
			 "disk %s: is a qcow2 image, which two writers at once would destroy: "
			 "leave share=on out, or give it with ro",
			 file->path);
}

static void qcow2_close(struct disk_image *image)
{
	destroy(image->state);
}

static int qcow2_open(struct disk_image *image, const struct disk_options *options,
		      struct error *err)
{
	bool writable = !options->read_only;
	struct qcow2_header header;
	struct qcow2 *q;
	int ret = check_share(&image->file, options, err);

	if (!ret)
		ret = check_direct(&image->file, options, err);
	if (!ret)
		ret = qcow2_header_read(&image->file, writable, &header, err);
	if (!ret)
		ret = qcow2_attach(image, &header, writable, err);
	if (ret)
		return ret;
	q = image->state;
	if (*header.backing) {
		image->backing_name = q->header.backing;
		image->backing_format = q->header.backing_format;
	}
	if (writable)
		ret = check_for_writing(q, err);
	if (ret)
		destroy(q);
	return ret;
}

/* ---- in the loop ---- */

static bool goes_on(const struct qcow2 *q, u64 cluster, const struct qcow2_place *first,
		    const struct qcow2_place *place, u64 n)
{
	if (first->type != QCOW2_IS_DATA)
		return qcow2_reads_zero(q, cluster, place);
	return place->type == QCOW2_IS_DATA && place->copied >= first->copied &&
	       place->host == first->host + n * q->cluster_size;
}

/* @lock held. */
static enum disk_way find_way(struct qcow2 *q, struct disk_request *request)
{
	u64 first = request->offset / q->cluster_size;
	u64 last = (request->offset + request->len - 1) / q->cluster_size;
	struct qcow2_place place, next;

	if (!request->len || last - first >= MAP_MAX || !qcow2_peek(q, first, &place))
		return DISK_WAY_WORK;
	if (place.type != QCOW2_IS_DATA && !qcow2_reads_zero(q, first, &place))
		return DISK_WAY_WORK;
	if (request->op == DISK_WRITE && !qcow2_is_in_place(&place))
		return DISK_WAY_WORK;
	if (request->op == DISK_READ)
		place.copied = false;
	for (u64 n = 1; n <= last - first; n++) {
		if (!qcow2_peek(q, first + n, &next) || !goes_on(q, first + n, &place, &next, n))
			return DISK_WAY_WORK;
	}
	request->place = place.host + request->offset % q->cluster_size;
	return place.type == QCOW2_IS_DATA ? DISK_WAY_FILE : DISK_WAY_ZERO;
}

/* @lock held. */
static enum disk_way find_way_of_write(struct qcow2 *q, struct disk_request *request)
{
	enum disk_way way;

	/* The header is to be changed first, or nothing at all. */
	if (q->header.autoclear || q->failed)
		return DISK_WAY_WORK;
	way = find_way(q, request);
	if (way == DISK_WAY_WORK && qcow2_pool_place(q, request))
		way = DISK_WAY_FILE;
	return way;
}

/* What a commit is writing is no longer dirty, and not yet in the file. */
static bool has_changes(const struct qcow2 *q)
{
	return q->failed || q->committing || q->cache.dirty[QCOW2_L2] || q->cache.dirty[QCOW2_L1];
}

static enum disk_way qcow2_map(struct disk_image *image, struct disk_request *request)
{
	struct qcow2 *q = image->state;
	enum disk_way way = DISK_WAY_WORK;

	request->tag = NO_EPOCH;
	pthread_mutex_lock(&q->lock);
	if (request->op == DISK_FLUSH && !q->scratch)
		way = has_changes(q) ? DISK_WAY_WORK : DISK_WAY_FILE;
	else if (request->op == DISK_READ)
		way = find_way(q, request);
	else if (request->op == DISK_WRITE)
		way = find_way_of_write(q, request);
	if (way == DISK_WAY_FILE && request->op != DISK_FLUSH) {
		request->tag = q->epoch;
		q->users[q->epoch]++;
	}
	pthread_mutex_unlock(&q->lock);
	return way;
}

static void qcow2_unmap(struct disk_image *image, struct disk_request *request)
{
	if (request->tag != NO_EPOCH)
		qcow2_leave(image->state, request->tag);
}

/* ---- on a thread ---- */

/* Bitmaps and the like are no longer true once something is written. */
static int clear_features(struct qcow2 *q)
{
	const u64 none = 0;
	int ret = 0;

	pthread_mutex_lock(&q->table);
	if (q->header.autoclear)
		ret = qcow2_header_change(q->file, 88, &none, sizeof(none));
	pthread_mutex_lock(&q->lock);
	if (!ret)
		q->header.autoclear = 0;
	pthread_mutex_unlock(&q->lock);
	pthread_mutex_unlock(&q->table);
	return ret;
}

static int change(struct qcow2 *q, struct disk_request *request)
{
	int ret = clear_features(q);

	if (ret)
		return ret;
	return request->op == DISK_WRITE ? qcow2_write(q, request, request->moved)
					 : qcow2_clear(q, request);
}

static bool qcow2_wants(struct disk_image *image)
{
	struct qcow2 *q = image->state;
	bool wanted;

	pthread_mutex_lock(&q->lock);
	wanted = q->pool.wanted;
	pthread_mutex_unlock(&q->lock);
	return wanted;
}

/* @last: nobody will need what is left in the pool. */
static int flush(struct qcow2 *q, bool last)
{
	int ret;

	/* A file without a name has nobody to be safe for. */
	if (q->scratch)
		return 0;
	pthread_mutex_lock(&q->table);
	if (last && !q->failed)
		qcow2_pool_drain(q);
	ret = q->writable ? qcow2_commit(q) : 0;
	pthread_mutex_unlock(&q->table);
	return ret;
}

static int qcow2_prepare(struct qcow2 *q)
{
	int ret;

	pthread_mutex_lock(&q->table);
	ret = q->failed ? q->failed : qcow2_pool_fill(q);
	pthread_mutex_unlock(&q->table);
	return ret;
}

static int qcow2_work(struct disk_image *image, struct disk_request *request)
{
	struct qcow2 *q = image->state;
	unsigned epoch;
	int ret;

	/* Uses no cluster, and waits for those who do. */
	if (request->op == DISK_FLUSH)
		return flush(q, request->last);
	if (request->op == DISK_PREPARE)
		return qcow2_prepare(q);
	epoch = qcow2_enter(q);
	if (request->op == DISK_READ)
		ret = qcow2_read(q, request, request->moved, request->len);
	else
		ret = change(q, request);
	qcow2_leave(q, epoch);
	return ret;
}

static bool qcow2_is_dirty(struct disk_image *image)
{
	struct qcow2 *q = image->state;
	bool dirty = false;

	pthread_mutex_lock(&q->lock);
	for (unsigned kind = 0; kind < QCOW2_KINDS; kind++)
		dirty |= q->cache.dirty[kind] != 0;
	dirty |= q->frees[0].count || q->frees[1].count || q->pool.total;
	pthread_mutex_unlock(&q->lock);
	return dirty && !q->scratch && !q->failed;
}

const struct disk_driver qcow2_driver = {
	.name = "qcow2",
	.open = qcow2_open,
	.close = qcow2_close,
	.is_dirty = qcow2_is_dirty,
	.map = qcow2_map,
	.unmap = qcow2_unmap,
	.work = qcow2_work,
	.wants = qcow2_wants,
};
