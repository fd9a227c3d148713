/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qcow2, versions 2 and 3, from within. The format: QEMU's docs/interop/qcow2.
 *
 * Tables (L1, L2, the refcount table and its blocks) are read and changed through a bounded cache
 * of slices (qcow2_cache.c). Changes stay there until a commit (qcow2_commit.c) writes them
 * in an order that leaves no more than unused clusters behind, wherever it is cut:
 *
 *	refcount blocks | refcount table || L2 tables, L1 table ||
 *
 * where "||" is a flush of the file, and "|" one if what follows is to be written. A cluster that
 * an L2 entry names is in the refcounts, and its data are in the file, before the entry is.
 * A cluster that is no longer named is free after that commit, and after the last
 * request that may still use it.
 *
 * The exception is a cluster of the pool (qcow2_pool.c): it reads as zeroes and so does the part of
 * the disk that gets it, so an entry may name it before its data are in the file. Its refcount is
 * set when it joins the pool, by a thread; the loop then names it without waiting for anything.
 *
 * Locks: @table is held by one thread at a time that reads tables from the file or changes
 * them, and over its I/O. @lock protects what map() looks at, in the loop, and is never held
 * over I/O. @table is taken first. The loop changes L2 entries under @lock alone: of clusters
 * without a place that no thread has claimed, in tables that are in memory and the disk's own.
 */
#ifndef DISK_QCOW2_H
#define DISK_QCOW2_H

#include <pthread.h>

#include "driver.h"

#define QCOW2_MIN_CLUSTER_BITS 9
#define QCOW2_MAX_CLUSTER_BITS 21
#define QCOW2_L1_MAX	       (32 * MIB) /* bytes, as others limit it */
#define QCOW2_REFTABLE_MAX     (8 * MIB)
/* Offsets of clusters have 56 bits. */
#define QCOW2_OFFSET_MASK 0x00fffffffffffe00ULL
#define QCOW2_COPIED	  (1ULL << 63)
#define QCOW2_COMPRESSED  (1ULL << 62)
#define QCOW2_ZERO	  1ULL

enum qcow2_incompatible {
	QCOW2_DIRTY = 1 << 0,
	QCOW2_CORRUPT = 1 << 1,
	QCOW2_EXTERNAL_DATA = 1 << 2,
	QCOW2_COMPRESSION_TYPE = 1 << 3,
	QCOW2_EXTENDED_L2 = 1 << 4,
};

/* The header's fields as host numbers, checked. */
struct qcow2_header {
	u32 version, cluster_bits, refcount_order, length;
	u64 size; /* of the disk, bytes */
	u64 l1_offset, reftable_offset, snapshots_offset;
	u32 l1_entries, reftable_clusters, snapshot_count;
	u64 incompatible, compatible, autoclear;
	bool zstd;
	bool has_bitmaps;
	u64 bitmaps_offset, bitmaps_size; /* of the directory */
	u32 bitmap_count;
	char backing[1024];	 /* "": none */
	char backing_format[16]; /* "": not said */
};

/* ---- qcow2_header.c ---- */

/*
 * Read and check. @writable: refuse what may be read, but not written. -EINVAL with a line that
 * begins "disk PATH: is a qcow2 image" for what is not as the format says, or not supported.
 */
int qcow2_header_read(const struct disk_file *file, bool writable, struct qcow2_header *header,
		      struct error *err);
/* Change @len bytes of the header, in its first sector. Flushes before and after. */
int qcow2_header_change(const struct disk_file *file, unsigned offset, const void *data,
			unsigned len);

/* ---- qcow2_cache.c ---- */

enum qcow2_kind { QCOW2_REFBLOCK, QCOW2_REFTABLE, QCOW2_L2, QCOW2_L1, QCOW2_KINDS };

struct qcow2_slice {
	u64 offset; /* in the file; 0: nothing is in it */
	enum qcow2_kind kind;
	bool dirty, used; /* used: since the hand of the clock came by */
	u8 *data;
	struct qcow2_slice *next; /* in its bucket */
};

#define QCOW2_BUCKETS 4096

struct qcow2_cache {
	u32 slice_size; /* bytes, at most a cluster */
	unsigned count, max, hand;
	unsigned dirty[QCOW2_KINDS];
	u8 *copy; /* of a slice that is being written; @table */
	struct qcow2_slice *slices;
	struct qcow2_slice *buckets[QCOW2_BUCKETS];
};

struct qcow2;

/* Say that the image is corrupt: -EIO. @what: a constant. */
int qcow2_complain(struct qcow2 *q, const char *what, u64 value);

int qcow2_cache_create(struct qcow2 *q, u64 bytes);
void qcow2_cache_destroy(struct qcow2 *q);
/* @lock held: what is in memory of the table at @offset of the file; NULL: nothing. */
const u8 *qcow2_cache_peek(struct qcow2 *q, u64 offset);
/* @table held: read it if need be. The slice is good until the next get. */
int qcow2_cache_get(struct qcow2 *q, enum qcow2_kind kind, u64 offset, struct qcow2_slice **slice);
/* @table held: entry number @n of 64 bits of the table at @table. */
int qcow2_entry_get(struct qcow2 *q, enum qcow2_kind kind, u64 table, u64 n, u64 *value);
int qcow2_entry_set(struct qcow2 *q, enum qcow2_kind kind, u64 table, u64 n, u64 value);
/* @lock held: entry @n of an L2 table whose slice is in memory. */
void qcow2_entry_poke(struct qcow2 *q, u64 table, u64 n, u64 value);
/* @lock held: slices that have changed are so many that a commit must come first. */
bool qcow2_cache_is_full(const struct qcow2 *q);
/* @table held: change a slice. */
void qcow2_slice_store(struct qcow2 *q, struct qcow2_slice *slice, unsigned at, const void *data,
		       unsigned len);
/* @table held: forget what is in memory of @len bytes at @offset, which are a table no more. */
void qcow2_cache_forget(struct qcow2 *q, u64 offset, u64 len);
/* @table held: write what has changed of @kind. */
int qcow2_cache_write(struct qcow2 *q, enum qcow2_kind kind);

/* ---- the image ---- */

/* Guest clusters whose entries a thread changes: others who want to change them wait. */
struct qcow2_claim {
	u64 first, last;
	struct qcow2_claim *next;
};

struct qcow2_frees {
	u64 *clusters;
	size_t count, room;
};

/* Clusters of the file in a row: [next, end). */
struct qcow2_run {
	u64 next, end;
};

#define QCOW2_RUNS 16

/* Clusters that read as zeroes, have refcount 1 and no name yet. */
struct qcow2_pool {
	struct qcow2_run runs[QCOW2_RUNS];
	u64 total;	   /* clusters in it */
	u64 target;	   /* how many there should be */
	bool usable;	   /* constant */
	bool wanted;	   /* a thread is to look after it */
	u64 ahead;	   /* a guest cluster whose table will soon be changed; 0: none */
	unsigned patience; /* requests that find no place before the next attempt to fill it */
};

struct qcow2 {
	struct disk_file *file; /* the image's */
	struct qcow2_header header;
	u32 cluster_size, l2_entries;
	u64 reftable_offset, reftable_entries;
	struct disk_image *image; /* what has this as its state: its backing, its trouble */
	bool writable;
	bool scratch; /* nobody opens it again: nothing is flushed */

	pthread_mutex_t table;
	pthread_cond_t claims_changed;
	/* Under @table. */
	bool unordered; /* since the last flush something was written that an entry relies on */
	u64 end;	/* in clusters: from here on nothing has ever been in the file */
	u64 hint;	/* no cluster below is known to be free */
	u64 limit;	/* in clusters: what the file cannot grow past */
	int failed;	/* what is in the file is not known: no more writes. qcow2_fail() */
	struct qcow2_frees frees[2];

	pthread_mutex_t lock;
	/* Under @lock. @cache: but for L2 entries changed under @table as well; so are @claims. */
	struct qcow2_cache cache;
	struct qcow2_claim *claims;
	struct qcow2_pool pool; /* filled under @table */
	bool committing;
	unsigned epoch; /* 0 or 1: of requests that begin now */
	u64 users[2];	/* requests that began in an epoch, and have not ended */

	pthread_mutex_t inflate_lock;
	/* Under @inflate_lock: the compressed cluster that was unpacked last. */
	u64 inflated; /* its entry; 0: none */
	u8 *plain, *packed;
};

/* ---- qcow2_map.c ---- */

enum qcow2_type { QCOW2_IS_NOTHING, QCOW2_IS_ZERO, QCOW2_IS_DATA, QCOW2_IS_PACKED };

struct qcow2_place {
	enum qcow2_type type;
	u64 host;    /* where in the file its cluster begins, or its packed bytes; 0: nowhere */
	u32 packed;  /* bytes, up to the end of a sector */
	bool copied; /* it is this entry's alone, and so is its L2 table */
	u64 entry;
	u64 own_table; /* the L2 table it is in, if that is this disk's alone; 0: it is not */
};

/* What an entry of an L2 table says. False: nothing that the format allows. */
bool qcow2_decode(const struct qcow2 *q, u64 entry, struct qcow2_place *place);
/* The L2 table that an L1 entry names, in *@table; 0: none. False: as above. */
bool qcow2_decode_l1(const struct qcow2 *q, u64 entry, u64 *table);
/* Whether the backing file has something at @offset. */
bool qcow2_is_backed(const struct qcow2 *q, u64 offset);
/* Whether the disk reads as zeroes there. */
bool qcow2_reads_zero(const struct qcow2 *q, u64 guest_cluster, const struct qcow2_place *place);
/* What a write may go to. */
bool qcow2_is_in_place(const struct qcow2_place *place);
/* @lock or @table held. */
bool qcow2_is_claimed(const struct qcow2 *q, u64 guest_cluster);
/* @lock held. False: it is not in memory, or corrupt. */
bool qcow2_peek(struct qcow2 *q, u64 guest_cluster, struct qcow2_place *place);
/* @table held. -EIO where the tables are corrupt: that is told. */
int qcow2_find(struct qcow2 *q, u64 guest_cluster, struct qcow2_place *place);

/* ---- qcow2_read.c: READ of bytes [at, end) of the request; any thread, no lock held ---- */

int qcow2_read(struct qcow2 *q, const struct disk_request *request, u64 at, u64 end);

/* ---- qcow2_refcount.c: all with @table held ---- */

/* The largest that the image's refcounts can be. */
u64 qcow2_refcount_max(const struct qcow2 *q);
int qcow2_refcount_get(struct qcow2 *q, u64 cluster, u64 *count);
int qcow2_refcount_set(struct qcow2 *q, u64 cluster, u64 count);
/* In a refcount block's bytes: entry @n of 2^@order bits. */
void qcow2_refcount_store(u8 *block, unsigned order, u64 n, u64 count);
/*
 * Up to @wanted clusters in a row, their refcounts 1. @fresh: they read as zeroes. -ENOSPC.
 */
int qcow2_alloc(struct qcow2 *q, u64 wanted, u64 *cluster, u64 *got, bool *fresh);
/* Not named by any entry, in memory or in the file: free at once. */
void qcow2_unalloc(struct qcow2 *q, u64 cluster, u64 count);
/* No longer named, once what is in memory is in the file. */
void qcow2_free_later(struct qcow2 *q, u64 cluster);
void qcow2_free_place(struct qcow2 *q, const struct qcow2_place *place);
/* The refcounts of @count clusters one lower, and holes where they become 0. */
int qcow2_release(struct qcow2 *q, const u64 *clusters, size_t count);

/* ---- qcow2_commit.c ---- */

/* @table held: make what was changed durable. */
int qcow2_commit(struct qcow2 *q);
/*
 * @table held: the host's @error has left the file in a state that is not known. Always
 * -ENOTRECOVERABLE, as from all that would write later: no room helps, and no other try.
 */
int qcow2_fail(struct qcow2 *q, int error);
/* No lock held: a request begins and ends. */
unsigned qcow2_enter(struct qcow2 *q);
void qcow2_leave(struct qcow2 *q, unsigned epoch);

/* ---- qcow2_pool.c ---- */

/*
 * @lock held, in the loop: find a place for the clusters of a WRITE, or the last of them, that have
 * none and read as zeroes, and name it; into request->place. False: a thread is to do it.
 */
bool qcow2_pool_place(struct qcow2 *q, struct disk_request *request);
/* @table held: take clusters into the pool as it is wanted, and give back those that are left. */
int qcow2_pool_fill(struct qcow2 *q);
void qcow2_pool_drain(struct qcow2 *q);

/* ---- qcow2_write.c ---- */

/*
 * @table held, before a change: there is room in the cache for what it changes, and not too much
 * waits to be free.
 */
int qcow2_make_room(struct qcow2 *q);
/* @table held: the L2 table of @guest_cluster, to be changed. */
int qcow2_own_table(struct qcow2 *q, u64 guest_cluster, u64 *table);
int qcow2_write(struct qcow2 *q, const struct disk_request *request, u64 at);
/* DISCARD and WRITE_ZEROES. */
int qcow2_clear(struct qcow2 *q, const struct disk_request *request);
/* For a cluster that has no place yet: @len packed bytes, less than a cluster. */
int qcow2_write_packed(struct qcow2 *q, u64 guest_cluster, const void *packed, u32 len, u64 *where);

/* ---- qcow2_check.c ---- */

struct qcow2_report {
	u64 errors;   /* what makes writing harmful */
	u64 leaks;    /* clusters that nobody names and nobody may use */
	u64 clusters; /* of the disk, that have a place */
	u64 packed;   /* of these, compressed */
	u64 repaired;
	char first[200]; /* the first error, in words */
};

/*
 * Compare the refcounts with all that names a cluster. Nothing that is in memory has changed;
 * may block. @repair: write the refcounts that are wrong. 0 or -errno of the file.
 */
int qcow2_check(struct qcow2 *q, bool repair, struct qcow2_report *report);

/* ---- qcow2.c ---- */

/* Without its backing file, and without a check. */
int qcow2_attach(struct disk_image *image, const struct qcow2_header *header, bool writable,
		 struct error *err);

#endif
