/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2.h"
#include "qcow2_create.h"
#include "util/range.h"

#define REFCOUNT_ORDER 4 /* 16 bits, as version 2 has them */
#define HEADER_LENGTH  104

/* Cluster by cluster: the header, the refcount table, its blocks, the L1 table. */
struct layout {
	u32 size; /* of a cluster */
	u64 table, blocks, l1_entries, l1, total;
};

static void put32(u8 *data, unsigned at, u32 value)
{
	value = htobe32(value);
	memcpy(data + at, &value, sizeof(value));
}

static void put64(u8 *data, unsigned at, u64 value)
{
	value = htobe64(value);
	memcpy(data + at, &value, sizeof(value));
}

/* The blocks count themselves, too: until it comes out even. */
static void lay_out(struct layout *layout, const struct qcow2_creation *creation)
{
	u64 size = 1u << creation->cluster_bits, per_l1 = size / 8 * size, before;
	u64 per_block = size * 8 >> REFCOUNT_ORDER;

	*layout = (struct layout){ .size = size, .table = 1, .blocks = 1 };
	layout->l1_entries = creation->size / per_l1 + !!(creation->size % per_l1);
	layout->l1 = align_up(layout->l1_entries * 8, size) / size;
	do {
		before = layout->total;
		layout->total = 1 + layout->table + layout->blocks + layout->l1;
		layout->blocks = (layout->total + per_block - 1) / per_block;
		layout->table = align_up(layout->blocks * 8, size) / size;
	} while (layout->total != before);
}

static int fill_header(u8 *data, const struct qcow2_creation *creation, const struct layout *layout)
{
	unsigned at = HEADER_LENGTH;
	size_t name = creation->backing ? strlen(creation->backing) : 0;
	size_t format = creation->backing_format ? strlen(creation->backing_format) : 0;

	memcpy(data, "QFI\xfb", 4);
	put32(data, 4, 3);
	put32(data, 20, creation->cluster_bits);
	put64(data, 24, creation->size);
	put32(data, 36, layout->l1_entries);
	put64(data, 40, (1 + layout->table + layout->blocks) * layout->size);
	put64(data, 48, layout->size);
	put32(data, 56, layout->table);
	put32(data, 96, REFCOUNT_ORDER);
	put32(data, 100, HEADER_LENGTH);
	if (!name)
		return 0;
	if (name > 1023 || at + 8 + align_up(format, 8) + 8 + name > layout->size)
		return -ENAMETOOLONG;
	put32(data, at, 0xe2792aca);
	put32(data, at + 4, format);
	memcpy(data + at + 8, creation->backing_format, format);
	at += 8 + align_up(format, 8) + 8;
	memcpy(data + at, creation->backing, name);
	put64(data, 8, at);
	put32(data, 16, name);
	return 0;
}

static int write_table(const struct disk_file *file, const struct layout *layout, u8 *cluster)
{
	u64 per = layout->size / 8;
	int ret = 0;

	for (u64 i = 0; !ret && i < layout->table; i++) {
		memset(cluster, 0, layout->size);
		for (u64 n = i * per; n < layout->blocks && n < (i + 1) * per; n++)
			put64(cluster, (n - i * per) * 8, (1 + layout->table + n) * layout->size);
		ret = disk_file_write(file, cluster, layout->size, (1 + i) * layout->size);
	}
	return ret;
}

static int write_blocks(const struct disk_file *file, const struct layout *layout, u8 *cluster)
{
	u64 per = layout->size * 8ULL >> REFCOUNT_ORDER;
	int ret = 0;

	for (u64 i = 0; !ret && i < layout->blocks; i++) {
		memset(cluster, 0, layout->size);
		for (u64 n = i * per; n < layout->total && n < (i + 1) * per; n++)
			qcow2_refcount_store(cluster, REFCOUNT_ORDER, n - i * per, 1);
		ret = disk_file_write(file, cluster, layout->size,
				      (1 + layout->table + i) * layout->size);
	}
	return ret;
}

static int write_l1(const struct disk_file *file, const struct layout *layout, u8 *cluster)
{
	int ret = 0;

	memset(cluster, 0, layout->size);
	for (u64 i = 1; !ret && i <= layout->l1; i++)
		ret = disk_file_write(file, cluster, layout->size,
				      (layout->total - i) * layout->size);
	return ret;
}

/* The header is last: before that it is no image. */
static int write_all(const struct disk_file *file, const struct qcow2_creation *creation,
		     const struct layout *layout, u8 *cluster)
{
	int ret = write_table(file, layout, cluster);

	if (!ret)
		ret = write_blocks(file, layout, cluster);
	if (!ret)
		ret = write_l1(file, layout, cluster);
	memset(cluster, 0, layout->size);
	if (!ret)
		ret = fill_header(cluster, creation, layout);
	return ret ? ret : disk_file_write(file, cluster, layout->size, 0);
}

int qcow2_create(struct disk_file *file, const struct qcow2_creation *creation, struct error *err)
{
	struct layout layout;
	void *cluster;
	int ret;

	if (!creation->size || creation->size % DISK_SECTOR || creation->size > INT64_MAX)
		return error_set(err, -EINVAL, "disk %s: its size must be whole sectors of %u",
				 file->path, DISK_SECTOR);
	lay_out(&layout, creation);
	if (layout.l1_entries * 8 > QCOW2_L1_MAX)
		return error_set(err, -EINVAL,
				 "disk %s: is too large for clusters of %u bytes; take larger ones",
				 file->path, layout.size);
	if (posix_memalign(&cluster, 4096, MAX(layout.size, 4096u)))
		return error_set(err, -ENOMEM, "disk %s: out of memory", file->path);
	ret = write_all(file, creation, &layout, cluster);
	free(cluster);
	if (ret)
		return error_set(err, ret, "disk %s: cannot write it: %s", file->path,
				 strerror(-ret));
	file->size = layout.total * layout.size;
	return 0;
}
