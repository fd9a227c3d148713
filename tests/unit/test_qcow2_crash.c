/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qcow2 on a file in memory: random operations against a flat disk, and the host stopped at
 * every single write, with any of the writes since the last flush lost. LKVM_MODEL_OPS sets
 * how many operations the first makes in all.
 *
 * One file, though long: what a crash may leave is judged by what the model's operations did, so
 * both are of the same disk, operations and history of each sector.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "fake_file.h"

#include "../../disk/qcow2.h"
#include "../../disk/qcow2_create.h"
#include "util/range.h"

#define SECTORS_MAX 18000

/* Writes that are under way at once. */
#define HELD 4

struct op {
	struct disk_request request;
	struct iovec iov;
	enum disk_way way;
	u64 sector, count;
	void *data;
};

struct past;

struct rig {
	struct disk_image image, below;
	struct op held[HELD]; /* writes without @data are over */
	struct past *past;    /* NULL: nobody asks */
	u64 sectors;
	u32 random;
	/* The disk as it should be: one number in each sector, 0 for zeroes. */
	u64 model[SECTORS_MAX];
	u64 next;
};

/* What a rig's images are like. */
struct kind {
	unsigned bits, version;
	bool backed;
	u64 sectors;
	unsigned cache; /* bytes; 0: as it is */
	bool snapshot;	/* there is one */
	u64 end;	/* so many clusters seem to have been used before; 0: as it is */
};

static u32 draw(struct rig *rig, u32 below)
{
	rig->random = rig->random * 1664525 + 1013904223;
	return (rig->random >> 8) % below;
}

static void sector_fill(u8 *sector, u64 value)
{
	for (unsigned i = 0; i < DISK_SECTOR / 8; i++)
		memcpy(sector + i * 8, &value, 8);
}

static u64 sector_value(const u8 *sector)
{
	u64 value;

	memcpy(&value, sector, 8);
	for (unsigned i = 1; i < DISK_SECTOR / 8; i++)
		assert_memory_equal(sector + i * 8, &value, 8);
	return value;
}

/* ---- opening ---- */

static void attach(struct disk_image *image, unsigned fd, bool writable)
{
	struct qcow2_header header;
	struct error err = { "" };

	image->driver = &qcow2_driver;
	image->file = (struct disk_file){
		.fd = fd, .path = (char *)"fake", .size = fakes[fd].size, .block_size = 512
	};
	if (qcow2_header_read(&image->file, writable, &header, &err) ||
	    qcow2_attach(image, &header, writable, &err))
		fail_msg("%s", err.text);
}

static void use_backing(struct rig *rig)
{
	struct disk_file *file = &rig->below.file;
	u8 sector[DISK_SECTOR];

	fake_reset(1);
	*file = (struct disk_file){ .fd = 1, .path = (char *)"below", .block_size = 512 };
	/* It ends in the middle. */
	rig->below.info.size = rig->sectors / 2 * DISK_SECTOR;
	rig->below.driver = &raw_driver;
	for (u64 i = 0; i < rig->sectors / 2; i++) {
		rig->model[i] = 1000000000 + i;
		sector_fill(sector, rig->model[i]);
		disk_file_write(file, sector, sizeof(sector), i * DISK_SECTOR);
	}
}

static void reopen(struct rig *rig)
{
	qcow2_driver.close(&rig->image);
	attach(&rig->image, 0, true);
}

static struct rig *rig_create(const struct kind *kind)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct qcow2_creation creation = { .size = kind->sectors * DISK_SECTOR,
					   .cluster_bits = kind->bits };
	struct qcow2 *q;

	rig->random = 1;
	rig->sectors = kind->sectors;
	rig->next = 1;
	fake_reset(0);
	rig->image.file = (struct disk_file){ .fd = 0, .path = (char *)"fake" };
	assert_int_equal(qcow2_create(&rig->image.file, &creation, NULL), 0);
	/* What differs otherwise is behind version 2's header. */
	fakes[0].bytes[7] = kind->version;
	attach(&rig->image, 0, true);
	q = rig->image.state;
	if (kind->backed) {
		use_backing(rig);
		rig->image.backing = &rig->below;
	}
	if (kind->cache)
		q->cache.max = kind->cache / q->cache.slice_size;
	if (kind->end)
		q->hint = q->end = kind->end;
	return rig;
}

static void rig_destroy(struct rig *rig)
{
	for (unsigned i = 0; i < HELD; i++)
		free(rig->held[i].data);
	qcow2_driver.close(&rig->image);
	free(rig);
	fake_reset(0);
	fake_reset(1);
}

/* ---- what was ---- */

#define FLUSHES_MAX 64
#define STEPS	    70

/* What a sector has had, in order. */
struct history {
	u64 values[4 * STEPS];
	unsigned count;
};

struct past {
	struct history *sectors;
	/* Each flush: when it was over, and what it promised: how much of each history is past. */
	unsigned flushes;
	unsigned when[FLUSHES_MAX];
	u16 *kept[FLUSHES_MAX];
};

static void past_note(struct past *past, const struct rig *rig)
{
	for (u64 i = 0; i < rig->sectors; i++) {
		struct history *history = &past->sectors[i];

		if (!history->count || history->values[history->count - 1] != rig->model[i])
			history->values[history->count++] = rig->model[i];
	}
}

/* ---- operations ---- */

static void op_begin(struct rig *rig, struct op *op)
{
	struct disk_request prepare = { .op = DISK_PREPARE };

	op->iov = (struct iovec){ op->data, op->count * DISK_SECTOR };
	op->request.offset = op->sector * DISK_SECTOR;
	op->request.len = op->count * DISK_SECTOR;
	op->request.iov = &op->iov;
	op->request.iov_count = op->data ? 1 : 0;
	op->way = qcow2_driver.map(&rig->image, &op->request);
	/* It comes when it comes. */
	if (op->request.op == DISK_WRITE && qcow2_driver.wants(&rig->image) && draw(rig, 3))
		assert_int_equal(qcow2_driver.work(&rig->image, &prepare), 0);
}

static int op_move(struct rig *rig, struct op *op)
{
	struct disk_request *request = &op->request;

	if (request->op == DISK_FLUSH)
		return disk_file_flush(&rig->image.file);
	if (request->op == DISK_READ)
		return disk_file_read(&rig->image.file, op->data, request->len, request->place);
	return disk_file_move(&rig->image.file, request, 0, request->len, request->place);
}

static int op_end(struct rig *rig, struct op *op)
{
	int ret = 0;

	if (op->way == DISK_WAY_WORK)
		return qcow2_driver.work(&rig->image, &op->request);
	if (op->way == DISK_WAY_ZERO)
		memset(op->data, 0, op->request.len);
	else
		ret = op_move(rig, op);
	if (op->way == DISK_WAY_FILE)
		qcow2_driver.unmap(&rig->image, &op->request);
	return ret;
}

static int perform(struct rig *rig, enum disk_op what, u64 sector, u64 count, void *data,
		   bool unmap)
{
	struct op op = { .request = { .op = what, .may_unmap = unmap },
			 .sector = sector,
			 .count = count,
			 .data = data };

	op_begin(rig, &op);
	return op_end(rig, &op);
}

/* A write has reached the file. */
static void write_end(struct rig *rig, struct op *op)
{
	assert_int_equal(op_end(rig, op), 0);
	for (u64 i = 0; i < op->count; i++)
		rig->model[op->sector + i] = sector_value((u8 *)op->data + i * DISK_SECTOR);
	free(op->data);
	op->data = NULL;
	/* The same step may do more to them. */
	if (rig->past)
		past_note(rig->past, rig);
}

/* Writes that are on their way to these sectors get there first. */
static void wait_for_writes(struct rig *rig, u64 sector, u64 count)
{
	for (unsigned i = 0; i < HELD; i++) {
		struct op *op = &rig->held[i];

		if (op->data && sector < op->sector + op->count && op->sector < sector + count)
			write_end(rig, op);
	}
}

static void check_reads(struct rig *rig, u64 sector, u64 count)
{
	u8 *data = malloc(count * DISK_SECTOR);

	assert_int_equal(perform(rig, DISK_READ, sector, count, data, false), 0);
	for (u64 i = 0; i < count; i++)
		assert_int_equal(sector_value(data + i * DISK_SECTOR), rig->model[sector + i]);
	free(data);
}

/* It may be on its way for long, if the loop has found its place: others overtake it. */
static void write_some(struct rig *rig, u64 sector, u64 count)
{
	struct op *op = &rig->held[draw(rig, HELD)];

	wait_for_writes(rig, sector, count);
	if (op->data)
		write_end(rig, op);
	*op = (struct op){ .request = { .op = DISK_WRITE }, .sector = sector, .count = count };
	op->data = malloc(count * DISK_SECTOR);
	for (u64 i = 0; i < count; i++)
		sector_fill((u8 *)op->data + i * DISK_SECTOR, rig->next++);
	op_begin(rig, op);
	if (op->way != DISK_WAY_FILE || draw(rig, 2))
		write_end(rig, op);
}

/* A discard may do nothing: what it did is what is read. */
static void discard_some(struct rig *rig, u64 sector, u64 count)
{
	u8 *data = malloc(count * DISK_SECTOR);

	wait_for_writes(rig, sector, count);
	assert_int_equal(perform(rig, DISK_DISCARD, sector, count, NULL, false), 0);
	assert_int_equal(perform(rig, DISK_READ, sector, count, data, false), 0);
	for (u64 i = 0; i < count; i++) {
		u64 value = sector_value(data + i * DISK_SECTOR);

		assert_true(!value || value == rig->model[sector + i]);
		rig->model[sector + i] = value;
	}
	free(data);
}

static void zero_some(struct rig *rig, u64 sector, u64 count)
{
	wait_for_writes(rig, sector, count);
	assert_int_equal(perform(rig, DISK_WRITE_ZEROES, sector, count, NULL, draw(rig, 2)), 0);
	memset(&rig->model[sector], 0, count * sizeof(rig->model[0]));
}

/* Returns whether it was a flush. */
static bool step(struct rig *rig)
{
	u32 what = draw(rig, 16);
	u64 longest = draw(rig, 4) ? 24 : 300;
	u64 count = 1 + draw(rig, MIN(longest, rig->sectors));
	u64 sector = draw(rig, rig->sectors - count + 1);

	if (what < 7)
		write_some(rig, sector, count);
	else if (what < 11)
		check_reads(rig, sector, count);
	else if (what < 13)
		zero_some(rig, sector, count);
	else if (what < 15)
		discard_some(rig, sector, count);
	else
		assert_int_equal(perform(rig, DISK_FLUSH, 0, 0, NULL, false), 0);
	return what == 15;
}

static void assert_sound(struct disk_image *image, u64 leaks)
{
	struct qcow2_report report;

	assert_int_equal(qcow2_check(image->state, false, &report), 0);
	if (report.errors || report.leaks > leaks)
		fail_msg("%llu errors (%s), %llu leaks", (unsigned long long)report.errors,
			 report.first, (unsigned long long)report.leaks);
}

/* As before it is closed. */
static void flush(struct rig *rig)
{
	struct disk_request request = { .op = DISK_FLUSH, .last = true };

	wait_for_writes(rig, 0, rig->sectors);
	assert_int_equal(qcow2_driver.work(&rig->image, &request), 0);
}

/* ---- the model ---- */

static const struct kind kinds[] = {
	{ 9, 3, false, 4096 },
	{ 9, 3, true, 4096 },
	{ 9, 2, true, 2048 },
	{ 12, 3, true, 8192 },
	{ 16, 3, false, 8192 },
	{ 16, 2, false, 8000 },
	{ 16, 3, true, 8000 },
	{ 9, 3, true, 8192, 16384 },
	{ 21, 3, true, 8192 },
	/* Its refcount table grows. */
	{ 9, 3, false, 18000 },
};

static void a_disk_is_what_was_written_to_it(void **state)
{
	const char *count = getenv("LKVM_MODEL_OPS");
	unsigned steps = (count ? atoi(count) : 9000) / ARRAY_SIZE(kinds);

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct rig *rig = rig_create(&kinds[i]);

		for (unsigned n = 1; n <= steps; n++) {
			step(rig);
			if (n % 256)
				continue;
			flush(rig);
			flush(rig);
			assert_sound(&rig->image, 0);
			if (draw(rig, 2))
				reopen(rig);
			check_reads(rig, 0, rig->sectors);
		}
		rig_destroy(rig);
	}
}

/* ---- what must not grow ---- */

static void a_guest_that_never_flushes_does_not_make_its_file_grow(void **state)
{
	static const struct kind small = { 12, 3, false, 8192 };
	struct rig *rig = rig_create(&small);
	const struct qcow2 *q = rig->image.state;

	for (unsigned i = 0; i < 20000; i++) {
		u64 sector = i * 24 % 8192 / 8 * 8;

		write_some(rig, sector, MIN(16, 8192 - sector));
		discard_some(rig, sector, MIN(16, 8192 - sector));
	}
	/* A half more than the disk has, and its pool. */
	assert_true(q->end * q->cluster_size < 6 * MIB + MIB);
	flush(rig);
	flush(rig);
	assert_sound(&rig->image, 0);
	rig_destroy(rig);
}

static void a_discard_of_what_is_not_there_takes_nothing(void **state)
{
	static const struct kind backed = { 9, 3, true, 8192 };
	struct rig *rig = rig_create(&backed);
	u64 size = fakes[0].size;

	assert_int_equal(perform(rig, DISK_DISCARD, 0, 8192, NULL, false), 0);
	flush(rig);
	assert_int_equal(fakes[0].size, size);
	check_reads(rig, 0, rig->sectors);
	rig_destroy(rig);
}

/* 32 million clusters, one by one, would take a minute. */
static void a_huge_disk_without_tables_is_discarded_at_once(void **state)
{
	struct disk_image image = { .file = { .fd = 0, .path = (char *)"fake" } };
	struct qcow2_creation creation = { .size = 64ULL << 40, .cluster_bits = 21 };
	struct disk_request request = { .op = DISK_DISCARD, .len = creation.size };

	fake_reset(0);
	assert_int_equal(qcow2_create(&image.file, &creation, NULL), 0);
	attach(&image, 0, true);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(qcow2_driver.work(&image, &request), 0);
		request.op = i % 2 ? DISK_DISCARD : DISK_WRITE_ZEROES;
	}
	qcow2_driver.close(&image);
	fake_reset(0);
}

/* ---- snapshots ---- */

static u64 put_somewhere(struct qcow2 *q, const void *data, u64 len)
{
	u64 count = (len + q->cluster_size - 1) / q->cluster_size, first, got;
	bool fresh;

	/* In a row, at the end. */
	q->hint = q->end;
	assert_int_equal(qcow2_alloc(q, count, &first, &got, &fresh), 0);
	assert_int_equal(got, count);
	assert_int_equal(disk_file_write(q->file, data, len, first * q->cluster_size), 0);
	return first * q->cluster_size;
}

static void share(struct qcow2 *q, u64 host)
{
	u64 count;

	assert_int_equal(qcow2_refcount_get(q, host / q->cluster_size, &count), 0);
	assert_int_equal(qcow2_refcount_set(q, host / q->cluster_size, count + 1), 0);
}

static void share_table(struct qcow2 *q, u64 index, u64 entry)
{
	u64 table = entry & QCOW2_OFFSET_MASK, value;

	share(q, table);
	qcow2_entry_set(q, QCOW2_L1, q->header.l1_offset, index, table);
	for (u64 i = 0; i < q->l2_entries; i++) {
		assert_int_equal(qcow2_entry_get(q, QCOW2_L2, table, i, &value), 0);
		if (!(value & QCOW2_OFFSET_MASK))
			continue;
		share(q, value & QCOW2_OFFSET_MASK);
		qcow2_entry_set(q, QCOW2_L2, table, i, value & ~QCOW2_COPIED);
	}
}

/* As "Snapshots" of the format has it. Returns the offset of its L1 table. */
static u64 take_snapshot(struct rig *rig)
{
	struct qcow2 *q = rig->image.state;
	u32 entries = q->header.l1_entries, one = htobe32(1), extra = htobe32(16);
	u64 *l1 = calloc(align_up(entries, 64), 8), at, offset;
	u8 row[512] = "";
	u32 be = htobe32(entries);

	flush(rig);
	flush(rig);
	for (u32 i = 0; i < entries; i++) {
		assert_int_equal(qcow2_entry_get(q, QCOW2_L1, q->header.l1_offset, i, &at), 0);
		if (at)
			share_table(q, i, at);
		l1[i] = htobe64(at & QCOW2_OFFSET_MASK);
	}
	offset = put_somewhere(q, l1, entries * 8);
	free(l1);
	at = htobe64(offset);
	memcpy(row, &at, 8);
	memcpy(row + 8, &be, 4);
	memcpy(row + 36, &extra, 4);
	at = put_somewhere(q, row, sizeof(row));
	flush(rig);
	q->header.snapshot_count = 1;
	q->header.snapshots_offset = at;
	at = htobe64(at);
	qcow2_header_change(q->file, 60, &one, 4);
	qcow2_header_change(q->file, 64, &at, 8);
	return offset;
}

static void a_snapshot_stays_as_it_was(void **state)
{
	static const struct kind snapshot_kinds[] = { { 9, 3, true, 1024 },
						      { 12, 2, false, 4096 } };

	for (unsigned i = 0; i < ARRAY_SIZE(snapshot_kinds); i++) {
		struct rig *rig = rig_create(&snapshot_kinds[i]), *old;
		struct qcow2 *q;
		u64 l1;

		for (unsigned n = 0; n < 150; n++)
			step(rig);
		l1 = take_snapshot(rig);
		assert_sound(&rig->image, 0);
		old = calloc(1, sizeof(*old));
		*old = *rig;
		for (unsigned n = 0; n < 300; n++)
			step(rig);
		flush(rig);
		flush(rig);
		assert_sound(&rig->image, 0);
		check_reads(rig, 0, rig->sectors);
		/* Its L1 table in place of the disk's. */
		attach(&old->image, 0, false);
		q = old->image.state;
		q->header.l1_offset = l1;
		check_reads(old, 0, old->sectors);
		qcow2_driver.close(&old->image);
		free(old);
		rig_destroy(rig);
	}
}

/* ---- the crash ---- */

static void past_promise(struct past *past, const struct rig *rig)
{
	u16 *kept = calloc(rig->sectors, sizeof(*kept));

	for (u64 i = 0; i < rig->sectors; i++)
		kept[i] = past->sectors[i].count - 1;
	past->when[past->flushes] = fakes[0].count;
	past->kept[past->flushes++] = kept;
}

/* The file after @count of the log, and what was flushed by then. 2: without some since then. */
static void make_state(struct rig *rig, const u8 *before, u64 before_size, unsigned count,
		       bool lose)
{
	struct fake_file *from = &fakes[0], *to = fake_reset(2);
	unsigned flushed = 0;

	memcpy(to->bytes, before, before_size);
	to->size = before_size;
	for (unsigned i = 0; i < count; i++) {
		if (!from->log[i].data)
			flushed = i;
	}
	for (unsigned i = 0; i < count; i++) {
		const struct fake_write *write = &from->log[i];
		bool whole = !lose || i < flushed || draw(rig, 2);

		for (u64 at = 0; at < write->len; at += DISK_SECTOR) {
			/* A write that is cut leaves whole sectors. */
			if (!whole && (draw(rig, 3) || !lose))
				continue;
			memcpy(to->bytes + write->offset + at, write->data + at, DISK_SECTOR);
			to->size = MAX(to->size, write->offset + at + DISK_SECTOR);
		}
	}
}

static void check_data(struct rig *rig, const struct past *past, struct disk_image *image,
		       unsigned count)
{
	u8 *data = malloc(rig->sectors * DISK_SECTOR);
	struct iovec iov = { data, rig->sectors * DISK_SECTOR };
	struct disk_request request = {
		.op = DISK_READ, .len = iov.iov_len, .iov = &iov, .iov_count = 1
	};
	const u16 *kept = NULL;

	for (unsigned i = 0; i < past->flushes; i++) {
		if (past->when[i] <= count)
			kept = past->kept[i];
	}
	assert_int_equal(qcow2_driver.work(image, &request), 0);
	for (u64 i = 0; i < rig->sectors; i++) {
		const struct history *history = &past->sectors[i];
		u64 value = sector_value(data + i * DISK_SECTOR);
		unsigned n = kept ? kept[i] : 0;

		while (n < history->count && history->values[n] != value)
			n++;
		if (n == history->count)
			fail_msg("sector %llu has %llu after %u writes", (unsigned long long)i,
				 (unsigned long long)value, count);
	}
	free(data);
}

/* Another's opinion, of some: it takes its time. */
static bool has_qemu_img(void)
{
	return !system("command -v qemu-img >/dev/null 2>&1");
}

static void ask_qemu_img(void)
{
	char path[] = "/tmp/lkvm-test-crash.XXXXXX", command[128];
	int fd = mkstemp(path), status;

	assert_int_equal(write(fd, fakes[2].bytes, fakes[2].size), fakes[2].size);
	close(fd);
	snprintf(command, sizeof(command), "qemu-img check -q -f qcow2 %s >/dev/null 2>&1", path);
	status = system(command);
	unlink(path);
	/* 3: leaks alone. */
	if (WEXITSTATUS(status) && WEXITSTATUS(status) != 3)
		fail_msg("qemu-img check: %d", WEXITSTATUS(status));
}

static void check_state(struct rig *rig, const struct past *past, unsigned count)
{
	struct disk_image image = { .backing = rig->image.backing };

	attach(&image, 2, true);
	assert_sound(&image, UINT64_MAX);
	check_data(rig, past, &image, count);
	qcow2_driver.close(&image);
}

static void stop_at_each_write(const struct kind *kind, u32 seed)
{
	struct rig *rig = rig_create(kind);
	struct past past = { .sectors = calloc(rig->sectors, sizeof(struct history)) };
	bool qemu = has_qemu_img();
	u64 before_size;
	u8 *before;

	if (kind->snapshot) {
		for (unsigned i = 0; i < 20; i++)
			step(rig);
		take_snapshot(rig);
	}
	before_size = fakes[0].size;
	before = malloc(before_size);
	memcpy(before, fakes[0].bytes, before_size);
	rig->random = seed;
	fakes[0].recording = true;
	rig->past = &past;
	past_note(&past, rig);
	past_promise(&past, rig);
	for (unsigned i = 0; i < STEPS; i++) {
		bool flushed = step(rig);

		past_note(&past, rig);
		if (flushed && past.flushes < FLUSHES_MAX)
			past_promise(&past, rig);
	}
	flush(rig);
	flush(rig);
	past_promise(&past, rig);
	for (unsigned count = 0; count <= fakes[0].count; count++) {
		for (unsigned lose = 0; lose < 3; lose++) {
			make_state(rig, before, before_size, count, lose);
			check_state(rig, &past, count);
		}
		if (qemu && count % 64 == 0)
			ask_qemu_img();
	}
	for (unsigned i = 0; i < past.flushes; i++)
		free(past.kept[i]);
	free(past.sectors);
	free(before);
	fake_reset(2);
	rig_destroy(rig);
}

static void a_host_that_stops_leaves_leaks_at_worst(void **state)
{
	static const struct kind crash_kinds[] = {
		{ 9, 3, false, 1024 },
		{ 9, 3, true, 1024 },
		{ 9, 2, false, 1024 },
		{ 12, 3, true, 1024 },
		{ 12, 3, false, 1024 },
		{ 14, 3, false, 4096 },
		/* So small a cache that it is written at any time. */
		{ 9, 3, true, 1024, 16 * 512 },
		{ 9, 3, true, 1024, 0, true },
		/* The refcount table, of 64 times 256 clusters, grows. */
		{ 9, 3, false, 256, 0, false, 16384 - 100 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(crash_kinds); i++)
		stop_at_each_write(&crash_kinds[i], i + 1);
}

/* There may be room again: that brings nothing back of what the host has dropped. */
static void after_a_flush_that_failed_nothing_is_written_and_no_room_is_waited_for(void **state)
{
	static const struct kind kind = { 12, 3, false, 1024 };
	static const int errors[] = { -ENOSPC, -EDQUOT, -EIO };
	u8 sector[DISK_SECTOR];

	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
		struct rig *rig = rig_create(&kind);
		const char *said;
		u64 value;

		sector_fill(sector, 1);
		assert_int_equal(perform(rig, DISK_WRITE, 0, 1, sector, false), 0);
		fakes[0].fail_flush = errors[i];
		assert_int_equal(perform(rig, DISK_FLUSH, 0, 0, NULL, false), -ENOTRECOVERABLE);
		said = disk_trouble_take(&rig->image.trouble, &value);
		assert_non_null(said);
		assert_int_equal(!!strstr(said, "no room"), errors[i] != -EIO);
		fakes[0].recording = true;
		assert_int_equal(perform(rig, DISK_WRITE, 512, 1, sector, false), -ENOTRECOVERABLE);
		assert_int_equal(perform(rig, DISK_WRITE, 0, 1, sector, false), -ENOTRECOVERABLE);
		assert_int_equal(perform(rig, DISK_FLUSH, 0, 0, NULL, false), -ENOTRECOVERABLE);
		assert_int_equal(fakes[0].count, 0);
		assert_int_equal(perform(rig, DISK_READ, 0, 1, sector, false), 0);
		assert_int_equal(sector_value(sector), 1);
		rig_destroy(rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_is_what_was_written_to_it),
		cmocka_unit_test(a_guest_that_never_flushes_does_not_make_its_file_grow),
		cmocka_unit_test(a_discard_of_what_is_not_there_takes_nothing),
		cmocka_unit_test(a_huge_disk_without_tables_is_discarded_at_once),
		cmocka_unit_test(a_snapshot_stays_as_it_was),
		cmocka_unit_test(a_host_that_stops_leaves_leaks_at_worst),
		cmocka_unit_test(
			after_a_flush_that_failed_nothing_is_written_and_no_room_is_waited_for),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	for (unsigned i = 0; i < FAKE_FILES; i++)
		free(fakes[i].bytes);
	return failed;
}
