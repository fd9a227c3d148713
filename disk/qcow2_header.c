/* SPDX-License-Identifier: BSD-2-Clause */
/* The header of a qcow2 image: each field is checked before anything else looks at the file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2.h"
#include "util/range.h"

/* The smallest cluster that the format knows, and more than any header's fields take. */
#define HEADER_READ 512u
#define V2_LENGTH   72
#define V3_LENGTH   104

enum extension {
	EXTENSION_END = 0,
	EXTENSION_BACKING_FORMAT = 0xe2792aca,
	EXTENSION_BITMAPS = 0x23852875,
};

static u32 get32(const u8 *data, unsigned at)
{
	u32 value;

	memcpy(&value, data + at, sizeof(value));
	return be32toh(value);
}

static u64 get64(const u8 *data, unsigned at)
{
	u64 value;

	memcpy(&value, data + at, sizeof(value));
	return be64toh(value);
}

static int refuse(const struct disk_file *file, struct error *err, const char *why)
{
	return error_set(err, -EINVAL, "disk %s: is a qcow2 image %s", file->path, why);
}

static int refuse_number(const struct disk_file *file, struct error *err, const char *what,
			 u64 value)
{
	return error_set(err, -EINVAL,
			 "disk %s: is a qcow2 image, but %s: %#llx; if it is none, format=raw "
			 "shows the guest its bytes",
			 file->path, what, (unsigned long long)value);
}

static int parse(const struct disk_file *file, const u8 *data, struct qcow2_header *h,
		 struct error *err)
{
	h->version = get32(data, 4);
	if (memcmp(data, "QFI\xfb", 4))
		return error_set(err, -EINVAL, "disk %s: is no qcow2 image", file->path);
	if (h->version != 2 && h->version != 3)
		return refuse_number(file, err, "of a version that is neither 2 nor 3", h->version);
	h->cluster_bits = get32(data, 20);
	h->size = get64(data, 24);
	h->l1_entries = get32(data, 36);
	h->l1_offset = get64(data, 40);
	h->reftable_offset = get64(data, 48);
	h->reftable_clusters = get32(data, 56);
	h->snapshot_count = get32(data, 60);
	h->snapshots_offset = get64(data, 64);
	h->length = V2_LENGTH;
	h->refcount_order = 4;
	if (h->version == 2)
		return 0;
	h->incompatible = get64(data, 72);
	h->compatible = get64(data, 80);
	h->autoclear = get64(data, 88);
	h->refcount_order = get32(data, 96);
	h->length = get32(data, 100);
	return 0;
}

static int check_features(const struct disk_file *file, const u8 *data, struct qcow2_header *h,
			  bool writable, struct error *err)
{
	u64 known = QCOW2_DIRTY | QCOW2_CORRUPT | QCOW2_COMPRESSION_TYPE;
	u8 type = h->length > V3_LENGTH ? data[V3_LENGTH] : 0;

	if (get32(data, 32))
		return refuse(file, err, "that is encrypted, which lkvm does not support");
	if (h->incompatible & QCOW2_EXTERNAL_DATA)
		return refuse(file, err, "with an external data file, which lkvm does not support");
	if (h->incompatible & QCOW2_EXTENDED_L2)
		return refuse(file, err, "with extended L2 entries, which lkvm does not support");
	if (h->incompatible & ~(known | QCOW2_EXTERNAL_DATA | QCOW2_EXTENDED_L2))
		return refuse_number(file, err,
				     "it has incompatible features that lkvm does not know",
				     h->incompatible & ~known);
	if (h->incompatible & QCOW2_CORRUPT && writable)
		return refuse(file, err,
			      "that is marked corrupt, so it can only be read: give it with ro");
	if (h->incompatible & QCOW2_DIRTY && writable)
		return refuse(file, err,
			      "that was not closed and whose refcounts may be wrong: "
			      "'lkvm image check --repair' puts them right");
	if (!!(h->incompatible & QCOW2_COMPRESSION_TYPE) != !!type || type > 1)
		return refuse_number(file, err, "its clusters are compressed in an unknown way",
				     type);
	h->zstd = type == 1;
	return 0;
}

/* A table of @bytes at @offset: whole, in the file and behind the header. */
static int check_table(const struct disk_file *file, const struct qcow2_header *h, u64 offset,
		       u64 bytes, const char *what, struct error *err)
{
	u64 size = 1ULL << h->cluster_bits;
	u64 end = align_up(file->size, size);

	if (!is_aligned(offset, size) || offset < size)
		return refuse_number(file, err, what, offset);
	if (offset > end || bytes > end - offset)
		return refuse_number(file, err, what, offset);
	return 0;
}

static bool tables_overlap(const struct qcow2_header *h)
{
	u64 size = 1ULL << h->cluster_bits;
	u64 l1_bytes = align_up(h->l1_entries * 8ULL, size);

	return h->l1_entries &&
	       range_overlaps(h->l1_offset, h->l1_offset + l1_bytes - 1, h->reftable_offset,
			      h->reftable_offset + h->reftable_clusters * size - 1);
}

static int check_tables(const struct disk_file *file, const struct qcow2_header *h,
			struct error *err)
{
	u64 cluster = 1ULL << h->cluster_bits;
	u64 per_l1 = cluster / 8 * cluster;
	u64 wanted = h->size / per_l1 + !!(h->size % per_l1);
	int ret = 0;

	if (h->l1_entries > QCOW2_L1_MAX / 8)
		return refuse_number(file, err, "its L1 table has too many entries", h->l1_entries);
	if (h->l1_entries < wanted)
		return refuse_number(file, err, "its L1 table is too small for the disk's size",
				     h->l1_entries);
	if (h->l1_entries)
		ret = check_table(file, h, h->l1_offset, h->l1_entries * 8ULL,
				  "its L1 table is not at a cluster of the file", err);
	if (ret)
		return ret;
	if (!h->reftable_clusters || h->reftable_clusters > QCOW2_REFTABLE_MAX / cluster)
		return refuse_number(file, err, "its refcount table is too large or empty",
				     h->reftable_clusters);
	ret = check_table(file, h, h->reftable_offset, h->reftable_clusters * cluster,
			  "its refcount table is not at a cluster of the file", err);
	if (!ret && tables_overlap(h))
		ret = refuse(file, err, "whose L1 and refcount tables overlap");
	if (!ret && h->snapshot_count > 65536)
		ret = refuse_number(file, err, "it has too many snapshots", h->snapshot_count);
	if (!ret && h->snapshot_count)
		ret = check_table(file, h, h->snapshots_offset, h->snapshot_count * 40ULL,
				  "its snapshot table is not at a cluster of the file", err);
	return ret;
}

static int check(const struct disk_file *file, const u8 *data, struct qcow2_header *h,
		 bool writable, struct error *err)
{
	if (h->cluster_bits < QCOW2_MIN_CLUSTER_BITS || h->cluster_bits > QCOW2_MAX_CLUSTER_BITS)
		return refuse_number(file, err,
				     "its clusters are not of 512 bytes to 2 MiB, but 2 to the",
				     h->cluster_bits);
	if (h->version == 3 && (h->length < V3_LENGTH || h->length % 8 || h->length > HEADER_READ))
		return refuse_number(file, err, "its header has an impossible length", h->length);
	if (h->refcount_order > 6)
		return refuse_number(file, err, "its refcounts are too wide", h->refcount_order);
	if (!h->size || h->size % DISK_SECTOR || h->size > INT64_MAX)
		return refuse_number(file, err, "its size is not whole sectors", h->size);
	int ret = check_features(file, data, h, writable, err);

	return ret ? ret : check_tables(file, h, err);
}

/* Words that go to a terminal. */
static bool is_plain(const u8 *text, u32 len)
{
	for (u32 i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] == 0x7f)
			return false;
	}
	return true;
}

static int take_extension(const struct disk_file *file, struct qcow2_header *h, u32 type,
			  const u8 *data, u32 len, struct error *err)
{
	switch (type) {
	case EXTENSION_BACKING_FORMAT:
		if (len >= sizeof(h->backing_format) || !is_plain(data, len))
			return refuse(file, err, "whose backing file has an unknown format");
		memcpy(h->backing_format, data, len);
		return 0;
	case EXTENSION_BITMAPS:
		if (len < 24)
			return refuse(file, err, "with a bitmaps extension that is cut short");
		h->has_bitmaps = true;
		h->bitmap_count = get32(data, 0);
		h->bitmaps_size = get64(data, 8);
		h->bitmaps_offset = get64(data, 16);
		return 0;
	}
	return 0;
}

/* @data: the whole first cluster, or as much of it as can matter. */
static int read_extensions(const struct disk_file *file, const u8 *data, u32 size, u64 end,
			   struct qcow2_header *h, struct error *err)
{
	u64 at = h->length;

	while (at + 8 <= end) {
		u32 type = get32(data, at), len = get32(data, at + 4);
		int ret;

		if (type == EXTENSION_END)
			return 0;
		if (len > end - at - 8)
			return refuse(file, err,
				      "with a header extension that is longer than the header");
		ret = take_extension(file, h, type, data + at + 8, len, err);
		if (ret)
			return ret;
		at += 8 + align_up(len, 8);
	}
	return 0;
}

static int read_backing(const struct disk_file *file, const u8 *data, u32 size,
			struct qcow2_header *h, u64 *end, struct error *err)
{
	u64 offset = get64(data, 8);
	u32 len = get32(data, 16);

	*end = size;
	if (!offset)
		return 0;
	if (!len || len >= sizeof(h->backing) || offset < h->length || offset > size ||
	    len > size - offset)
		return refuse_number(file, err, "the name of its backing file is not in the header",
				     offset);
	if (!is_plain(data + offset, len))
		return refuse(file, err, "whose backing file's name has control characters in it");
	memcpy(h->backing, data + offset, len);
	*end = offset;
	return 0;
}

static int read_rest(const struct disk_file *file, struct qcow2_header *h, struct error *err)
{
	/* The name and the extensions are in the first cluster, and in these bytes of it. */
	u32 size = MIN(1u << h->cluster_bits, 65536u);
	u64 end;
	void *data;
	int ret;

	if (posix_memalign(&data, 4096, MAX(size, 4096u)))
		return error_set(err, -ENOMEM, "disk %s: out of memory", file->path);
	ret = disk_file_read(file, data, size, 0);
	if (ret)
		error_set(err, ret, "disk %s: cannot read it: %s", file->path, strerror(-ret));
	if (!ret)
		ret = read_backing(file, data, size, h, &end, err);
	if (!ret)
		ret = read_extensions(file, data, size, end, h, err);
	free(data);
	return ret;
}

int qcow2_header_read(const struct disk_file *file, bool writable, struct qcow2_header *header,
		      struct error *err)
{
	void *data;
	int ret;

	memset(header, 0, sizeof(*header));
	if (posix_memalign(&data, 4096, 4096))
		return error_set(err, -ENOMEM, "disk %s: out of memory", file->path);
	ret = disk_file_read(file, data, HEADER_READ, 0);
	if (ret)
		error_set(err, ret, "disk %s: cannot read it: %s", file->path, strerror(-ret));
	if (!ret)
		ret = parse(file, data, header, err);
	if (!ret)
		ret = check(file, data, header, writable, err);
	free(data);
	return ret ? ret : read_rest(file, header, err);
}

int qcow2_header_change(const struct disk_file *file, unsigned offset, const void *data,
			unsigned len)
{
	void *sector;
	int ret;

	if (posix_memalign(&sector, 4096, 4096))
		return -ENOMEM;
	ret = disk_file_flush(file);
	if (!ret)
		ret = disk_file_read(file, sector, HEADER_READ, 0);
	if (!ret) {
		memcpy((u8 *)sector + offset, data, len);
		ret = disk_file_write(file, sector, HEADER_READ, 0);
	}
	free(sector);
	return ret ? ret : disk_file_flush(file);
}
