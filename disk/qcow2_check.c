/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a qcow2 image's refcounts are those of what names its clusters, and whether each
 * cluster is of one kind. The clusters of the file are taken in windows, so memory is bounded; for
 * each window all tables are read. Tables of two kinds at one place, or one that the disk has
 * twice, end the check: so do more entries than a real image has.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2.h"
#include "util/range.h"

/* Clusters at a time: 16 MiB of counts. */
#define WINDOW (4u << 20)
/* A file that takes more windows than this is refused: it would take hours. */
#define WINDOWS_MAX 64
#define CHUNK	    (64 * KIB)
/* Entries of tables that one check reads: those of 64 TiB of data, with clusters of 64 KiB. */
#define ENTRIES_MAX (1ULL << 30)

/* In a count's top bits: what has named the cluster. */
enum kind { KIND_DATA = 1u << 29, KIND_L2 = 1u << 30, KIND_META = 1u << 31 };
#define COUNT_MASK (KIND_DATA - 1)

struct check {
	struct qcow2 *q;
	struct qcow2_report *report;
	u64 first, count; /* the window */
	u32 *counts;
	bool first_window;
	bool active; /* the L1 table at hand is the disk's own */
	bool stop;   /* what is wrong leads nowhere */
	u64 entries; /* read so far */
	u64 hint;    /* no cluster below is free */
};

static void __attribute__((format(printf, 2, 3)))
found(struct check *check, const char *format, ...)
{
	va_list args;

	if (!check->report->errors++) {
		va_start(args, format);
		vsnprintf(check->report->first, sizeof(check->report->first), format, args);
		va_end(args);
	}
}

/* Entries of 8 bytes at @offset of the file, one after the other. */
static int walk(struct check *check, u64 offset, u64 entries,
		int (*entry)(struct check *check, u64 value, void *context), void *context)
{
	u64 *data;
	int ret = 0;

	check->entries += entries;
	if (check->entries > ENTRIES_MAX)
		return -EFBIG;
	if (!entries)
		return 0;
	if (posix_memalign((void **)&data, 4096, CHUNK))
		return -ENOMEM;
	for (u64 at = 0; !ret && at < entries && !check->stop; at += CHUNK / 8) {
		u64 count = MIN(CHUNK / 8, entries - at);

		ret = disk_file_read(check->q->file, data, align_up(count * 8, DISK_SECTOR),
				     offset + at * 8);
		for (u64 i = 0; !ret && i < count && !check->stop; i++)
			ret = entry(check, be64toh(data[i]), context);
	}
	free(data);
	return ret;
}

/* @bytes at @offset, which are in the file, are of @kind. */
static void name_clusters(struct check *check, u64 offset, u64 bytes, u32 kind)
{
	u64 size = check->q->cluster_size;

	for (u64 at = offset / size; bytes && at <= (offset + bytes - 1) / size; at++) {
		u32 *count;

		if (at < check->first || at - check->first >= check->count)
			continue;
		count = &check->counts[at - check->first];
		if (*count & ~COUNT_MASK & ~kind || (*count & kind & KIND_META)) {
			found(check, "cluster %#llx is used for two things",
			      (unsigned long long)(at * size));
			check->stop |= kind != KIND_DATA;
		}
		if ((*count & COUNT_MASK) < COUNT_MASK)
			++*count;
		*count |= kind;
	}
}

static bool is_inside(const struct check *check, u64 offset, u64 bytes)
{
	u64 size = check->q->cluster_size, end = check->q->end * size;

	return offset >= size && is_aligned(offset, size) && offset < end && bytes <= end - offset;
}

/* ---- data ---- */

/* That "copied" is said where the refcount is 1, and only there. */
static int check_copied(struct check *check, u64 offset, bool copied, const char *what)
{
	u64 count;
	int ret;

	/* Each cluster once, and in the active tables alone. */
	if (!check->first_window || !check->active)
		return 0;
	ret = qcow2_refcount_get(check->q, offset / check->q->cluster_size, &count);
	if (!ret && copied != (count == 1))
		found(check, "%s %#llx has refcount %llu, and its entry says %s", what,
		      (unsigned long long)offset, (unsigned long long)count, copied ? "1" : "more");
	return ret == -EIO ? 0 : ret;
}

static int check_l2_entry(struct check *check, u64 value, void *context)
{
	struct qcow2_place place;

	if (!qcow2_decode(check->q, value, &place)) {
		if (check->first_window)
			found(check, "an L2 entry is %#llx", (unsigned long long)value);
		return 0;
	}
	if (!place.host)
		return 0;
	if (check->first_window && check->active) {
		check->report->clusters++;
		check->report->packed += place.type == QCOW2_IS_PACKED;
	}
	name_clusters(check, place.host, place.packed ? place.packed : check->q->cluster_size,
		      KIND_DATA);
	return place.packed ? 0 : check_copied(check, place.host, place.copied, "the data cluster");
}

/* ---- L1 tables ---- */

/* A table that the disk names twice would be changed in two places at once. */
static void check_l2_once(struct check *check, u64 table)
{
	u64 at = table / check->q->cluster_size;

	if (!check->active || at < check->first || at - check->first >= check->count ||
	    (check->counts[at - check->first] & COUNT_MASK) == 1)
		return;
	found(check, "the L2 table %#llx is used twice", (unsigned long long)table);
	check->stop = true;
}

/* First their names alone: nothing is read of tables that are not sound. */
static int name_l2(struct check *check, u64 value, void *context)
{
	u64 table;

	if (!qcow2_decode_l1(check->q, value, &table)) {
		if (check->first_window)
			found(check, "an L1 entry is %#llx", (unsigned long long)value);
		check->stop = true;
		return 0;
	}
	if (!table)
		return 0;
	name_clusters(check, table, check->q->cluster_size, KIND_L2);
	check_l2_once(check, table);
	return check_copied(check, table, value & QCOW2_COPIED, "the L2 table");
}

static int read_l2(struct check *check, u64 value, void *context)
{
	u64 table = value & QCOW2_OFFSET_MASK, *before = context;

	/* The table before once more: it was read. Others that come twice share their data. */
	if (!table || table == *before)
		return 0;
	*before = table;
	return walk(check, table, check->q->l2_entries, check_l2_entry, NULL);
}

static int check_l1(struct check *check, u64 offset, u64 entries)
{
	u64 before = 0;
	int ret = walk(check, offset, entries, name_l2, NULL);

	return ret ? ret : walk(check, offset, entries, read_l2, &before);
}

/* ---- snapshots ---- */

static int check_snapshot(struct check *check, const u8 *entry)
{
	u64 offset;
	u32 entries;

	memcpy(&offset, entry, 8);
	memcpy(&entries, entry + 8, 4);
	offset = be64toh(offset);
	entries = be32toh(entries);
	if (entries > QCOW2_L1_MAX / 8 || (entries && !is_inside(check, offset, entries * 8ULL))) {
		found(check, "the L1 table of a snapshot is at %#llx", (unsigned long long)offset);
		check->stop = true;
		return 0;
	}
	name_clusters(check, offset, entries * 8ULL, KIND_META);
	return check->stop ? 0 : check_l1(check, offset, entries);
}

static u64 snapshot_length(const u8 *entry)
{
	u16 id, name;
	u32 extra;

	memcpy(&id, entry + 12, 2);
	memcpy(&name, entry + 14, 2);
	memcpy(&extra, entry + 36, 4);
	return align_up(40ULL + be32toh(extra) + be16toh(id) + be16toh(name), 8);
}

/* The table's length is known at its end only. */
static int check_snapshots(struct check *check)
{
	const struct qcow2_header *h = &check->q->header;
	u64 at = h->snapshots_offset;
	u8 *data;
	int ret = 0;

	if (!h->snapshot_count)
		return 0;
	if (posix_memalign((void **)&data, 4096, 4096))
		return -ENOMEM;
	for (u32 i = 0; !ret && i < h->snapshot_count && !check->stop; i++) {
		u64 sector = align_down(at, DISK_SECTOR);

		if (at >= check->q->end * check->q->cluster_size) {
			found(check, "the snapshot table is not in the file");
			check->stop = true;
			break;
		}
		ret = disk_file_read(check->q->file, data, 2 * DISK_SECTOR, sector);
		if (!ret)
			ret = check_snapshot(check, data + (at - sector));
		at += snapshot_length(data + (at - sector));
	}
	free(data);
	if (at > check->q->end * check->q->cluster_size)
		found(check, "the snapshot table is not in the file");
	else
		name_clusters(check, h->snapshots_offset, at - h->snapshots_offset, KIND_META);
	return ret;
}

/* ---- the refcounts ---- */

static int name_block(struct check *check, u64 value, void *context)
{
	if (!value)
		return 0;
	if (!is_inside(check, value, check->q->cluster_size)) {
		found(check, "a refcount table entry is %#llx", (unsigned long long)value);
		check->stop = true;
		return 0;
	}
	name_clusters(check, value, check->q->cluster_size, KIND_META);
	return 0;
}

static int name_tables(struct check *check)
{
	struct qcow2 *q = check->q;

	name_clusters(check, 0, q->cluster_size, KIND_META);
	name_clusters(check, q->header.l1_offset, q->header.l1_entries * 8ULL, KIND_META);
	name_clusters(check, q->reftable_offset, q->reftable_entries * 8, KIND_META);
	return walk(check, q->reftable_offset, q->reftable_entries, name_block, NULL);
}

static int compare_one(struct check *check, u64 cluster, u32 named, bool repair)
{
	u64 count;
	int ret = qcow2_refcount_get(check->q, cluster, &count);

	if (ret)
		return ret;
	if (count)
		check->hint += check->hint == cluster;
	if (count == named)
		return 0;
	if (count < named)
		found(check, "cluster %#llx has refcount %llu, but %u names",
		      (unsigned long long)cluster * check->q->cluster_size,
		      (unsigned long long)count, named);
	else
		check->report->leaks++;
	/* More names than its bits can count; cut off, it might say that nobody uses the cluster.
	 */
	if (!repair || named > qcow2_refcount_max(check->q))
		return 0;
	check->report->repaired++;
	return qcow2_refcount_set(check->q, cluster, named);
}

static int compare(struct check *check, bool repair)
{
	int ret = 0;

	for (u64 i = 0; !ret && i < check->count; i++)
		ret = compare_one(check, check->first + i, check->counts[i] & COUNT_MASK, repair);
	return ret;
}

static int check_window(struct check *check, bool repair)
{
	struct qcow2 *q = check->q;
	int ret;

	memset(check->counts, 0, check->count * sizeof(*check->counts));
	ret = name_tables(check);
	check->active = true;
	if (!ret && !check->stop)
		ret = check_l1(check, q->header.l1_offset, q->header.l1_entries);
	check->active = false;
	if (!ret && !check->stop)
		ret = check_snapshots(check);
	if (ret || check->stop)
		return ret;
	/* Repair makes blocks where there are none: no earlier than all is known to be sound. */
	return compare(check, repair);
}

static int check_all(struct check *check, u64 end, bool repair)
{
	int ret = 0;

	for (; !ret && !check->stop && check->first < end; check->first += check->count) {
		check->count = MIN(WINDOW, end - check->first);
		check->first_window = !check->first;
		ret = check_window(check, repair);
	}
	return ret;
}

int qcow2_check(struct qcow2 *q, bool repair, struct qcow2_report *report)
{
	struct check check = { .q = q, .report = report };
	u64 end = q->end;
	int ret;

	memset(report, 0, sizeof(*report));
	if (end > (u64)WINDOW * WINDOWS_MAX)
		return -EFBIG;
	check.counts = malloc(MIN(WINDOW, end) * sizeof(*check.counts));
	if (!check.counts)
		return -ENOMEM;
	pthread_mutex_lock(&q->table);
	ret = check_all(&check, end, repair);
	/* The host's errors are logged as they happen, and tables that overlap are the image's. */
	if (ret == -EIO && !report->errors) {
		found(&check, "its refcounts cannot be read");
		ret = 0;
	}
	if (!ret && repair && !check.stop)
		ret = qcow2_commit(q);
	if (!ret && !repair)
		q->hint = MAX(check.hint, 1);
	pthread_mutex_unlock(&q->table);
	free(check.counts);
	return ret;
}
