/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading: data clusters, compressed ones, nothing, and what the backing file has. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "qcow2.h"
#include "request_memory.h"
#include "util/range.h"

/* What a hostile frame may make zstd allocate: 2^23 bytes. A cluster has no more than 2 MiB. */
#define ZSTD_WINDOW_BITS 23

static int read_backing(struct qcow2 *q, const struct disk_request *request, u64 at, u64 len)
{
	u64 offset = request->offset + at;
	u64 there = qcow2_is_backed(q, offset) ? MIN(len, q->image->backing->info.size - offset)
					       : 0;
	struct disk_request part = {
		.op = DISK_READ,
		.offset = request->offset,
		.len = at + there,
		.iov = request->iov,
		.iov_count = request->iov_count,
		.moved = at,
	};

	request_zero(request, at + there, len - there);
	return there ? q->image->backing->driver->work(q->image->backing, &part) : 0;
}

/* Some of it is behind the end of the file, and reads as zeroes. */
static int read_around_end(struct qcow2 *q, const struct disk_request *request, u64 at, u64 len,
			   u64 place)
{
	u64 size = MIN(len, 256 * KIB);
	void *data;
	int ret = 0;

	if (posix_memalign(&data, 4096, align_up(size, 4096)))
		return -ENOMEM;
	for (u64 done = 0; !ret && done < len; done += size) {
		u64 part = MIN(size, len - done);

		ret = disk_file_read(q->file, data, part, place + done);
		if (!ret)
			request_copy(request, at + done, data, part, true);
	}
	free(data);
	return ret;
}

static int read_data(struct qcow2 *q, const struct disk_request *request, u64 at, u64 len,
		     u64 place)
{
	u64 end;
	int ret = disk_file_end(q->file, &end);

	if (ret)
		return ret;
	if (place > end || len > end - place)
		return read_around_end(q, request, at, len, place);
	return disk_file_move(q->file, request, at, len, place);
}

/* ---- compressed clusters ---- */

/* Raw deflate, whatever its window; it stops when the cluster is full. */
static int inflate_zlib(const u8 *packed, u32 packed_len, u8 *plain, u32 len)
{
	z_stream stream = {
		.next_in = (u8 *)packed, .avail_in = packed_len, .next_out = plain, .avail_out = len
	};
	int ret;

	if (inflateInit2(&stream, -15) != Z_OK)
		return -ENOMEM;
	ret = inflate(&stream, Z_FINISH);
	inflateEnd(&stream);
	/* Z_BUF_ERROR: what follows in the last sector is not ours. */
	return (ret == Z_STREAM_END || ret == Z_BUF_ERROR) && !stream.avail_out ? 0 : -EIO;
}

static int inflate_zstd(const u8 *packed, u32 packed_len, u8 *plain, u32 len)
{
	ZSTD_inBuffer in = { packed, packed_len, 0 };
	ZSTD_outBuffer out = { plain, len, 0 };
	ZSTD_DStream *stream = ZSTD_createDStream();
	size_t left = 1;

	if (!stream)
		return -ENOMEM;
	ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, ZSTD_WINDOW_BITS);
	while (out.pos < len) {
		size_t before = in.pos + out.pos;

		left = ZSTD_decompressStream(stream, &out, &in);
		if (ZSTD_isError(left) || in.pos + out.pos == before)
			break;
	}
	ZSTD_freeDStream(stream);
	return !ZSTD_isError(left) && out.pos == len ? 0 : -EIO;
}

/* @inflate_lock held: the cluster of @place into q->plain. */
static int inflate_cluster(struct qcow2 *q, const struct qcow2_place *place)
{
	u64 start = align_down(place->host, DISK_SECTOR);
	u32 skip = place->host - start;
	int ret;

	if (q->inflated == place->entry)
		return 0;
	if (!q->plain && posix_memalign((void **)&q->plain, 4096, MAX(q->cluster_size, 4096u)))
		return -ENOMEM;
	if (!q->packed &&
	    posix_memalign((void **)&q->packed, 4096, align_up(2ULL * q->cluster_size, 4096)))
		return -ENOMEM;
	q->inflated = 0;
	ret = disk_file_read(q->file, q->packed, skip + place->packed, start);
	if (ret)
		return ret;
	ret = (q->header.zstd ? inflate_zstd : inflate_zlib)(q->packed + skip, place->packed,
							     q->plain, q->cluster_size);
	if (!ret)
		q->inflated = place->entry;
	return ret == -EIO
		       ? qcow2_complain(
				 q, "the qcow2 image is corrupt: a compressed cluster is broken at",
				 place->host)
		       : ret;
}

static int read_packed(struct qcow2 *q, const struct disk_request *request, u64 at, u64 len,
		       const struct qcow2_place *place)
{
	u32 skip = (request->offset + at) % q->cluster_size;
	int ret;

	pthread_mutex_lock(&q->inflate_lock);
	ret = inflate_cluster(q, place);
	if (!ret)
		request_copy(request, at, (char *)q->plain + skip, len, true);
	pthread_mutex_unlock(&q->inflate_lock);
	return ret;
}

/* ---- all together ---- */

/* The bytes from @at on that one place has; as many as are in one call's reach. */
struct stretch {
	struct qcow2_place place;
	u64 len;
};

static bool goes_on(const struct qcow2 *q, const struct stretch *stretch,
		    const struct qcow2_place *next, u64 clusters)
{
	if (next->type != stretch->place.type || next->type == QCOW2_IS_PACKED)
		return false;
	return next->type != QCOW2_IS_DATA ||
	       next->host == stretch->place.host + clusters * q->cluster_size;
}

static int find_stretch(struct qcow2 *q, u64 offset, u64 max, struct stretch *stretch)
{
	u64 cluster = offset / q->cluster_size, clusters = 1;
	int ret;

	pthread_mutex_lock(&q->table);
	ret = qcow2_find(q, cluster, &stretch->place);
	stretch->len = q->cluster_size - offset % q->cluster_size;
	while (!ret && stretch->len < max) {
		struct qcow2_place next;

		ret = qcow2_find(q, cluster + clusters, &next);
		if (ret || !goes_on(q, stretch, &next, clusters))
			break;
		clusters++;
		stretch->len += q->cluster_size;
	}
	pthread_mutex_unlock(&q->table);
	stretch->len = MIN(stretch->len, max);
	return ret;
}

static int read_stretch(struct qcow2 *q, const struct disk_request *request, u64 at,
			const struct stretch *stretch)
{
	switch (stretch->place.type) {
	case QCOW2_IS_NOTHING:
		return read_backing(q, request, at, stretch->len);
	case QCOW2_IS_ZERO:
		request_zero(request, at, stretch->len);
		return 0;
	case QCOW2_IS_DATA:
		return read_data(q, request, at, stretch->len,
				 stretch->place.host + (request->offset + at) % q->cluster_size);
	case QCOW2_IS_PACKED:
		return read_packed(q, request, at, stretch->len, &stretch->place);
	}
	return -EIO;
}

int qcow2_read(struct qcow2 *q, const struct disk_request *request, u64 at, u64 end)
{
	int ret = 0;

	while (!ret && at < end) {
		struct stretch stretch;

		ret = find_stretch(q, request->offset + at, end - at, &stretch);
		if (!ret)
			ret = read_stretch(q, request, at, &stretch);
		at += stretch.len;
	}
	return ret;
}
