/* SPDX-License-Identifier: BSD-2-Clause */
/* qcow2 images in real files, through the engine of disks. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "catch.h"
#include "test.h"
#include "disk_rig.h"
#include "disk/image.h"
#include "util/log.h"

#define SIZE (24 * MIB)

static int setup(void **state)
{
	static struct disk_rig rig;

	disk_rig_create(&rig, SIZE);
	rig.may_unmap = true;
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	disk_rig_destroy(*state);
	return 0;
}

static void refused(struct disk_rig *f, const char *path, struct disk_options options,
		    const char *why)
{
	struct error err = { "" };

	assert_int_not_equal(disk_rig_try_open(f, path, options, &err), 0);
	if (!strstr(err.text, why))
		fail_msg("%s", err.text);
}

static void create(const char *path, const char *backing, u32 cluster_size)
{
	struct image_creation creation = { .format = DISK_FORMAT_QCOW2,
					   .size = SIZE,
					   .cluster_size = cluster_size,
					   .backing = backing,
					   .backing_format = DISK_FORMAT_QCOW2 };
	struct error err = { "" };

	if (image_create(path, &creation, &err))
		fail_msg("%s", err.text);
}

/* ---- at full speed ---- */

#define AT_ONCE 48

/* What is in flight at a time touches no sector twice: slots of the disk, each with a place. */
static void submit_some(struct disk_rig *f, struct disk_rig_op *op, unsigned n, u32 random)
{
	u64 slot = SIZE / AT_ONCE / 4096 * 4096;
	u64 at = n * slot + random % 64 * 4096, len = (1 + random / 64 % 40) * 4096;
	u32 what = random >> 24 & 7;

	if (what < 5) {
		memset(f->data + at, random | 1, len);
		memset(f->model + at, random | 1, len);
		disk_rig_submit(f, op, DISK_WRITE, at, len);
	} else if (what < 6) {
		memset(f->model + at, 0, len);
		disk_rig_submit(f, op, DISK_WRITE_ZEROES, at, len);
	} else if (what < 7) {
		disk_rig_submit(f, op, DISK_READ, at, len);
	} else {
		disk_rig_submit(f, op, DISK_FLUSH, 0, 0);
	}
}

static void assert_model(struct disk_rig *f)
{
	memset(f->data, 0xee, SIZE);
	assert_int_equal(disk_rig_run(f, DISK_READ, 0, SIZE), 0);
	assert_memory_equal(f->data, f->model, SIZE);
}

static void write_at_random(struct disk_rig *f, unsigned rounds)
{
	struct disk_rig_op *ops = calloc(AT_ONCE, sizeof(*ops));
	u32 random = 7;

	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < AT_ONCE; i++) {
			random = random * 1664525 + 1013904223;
			submit_some(f, &ops[i], i, random);
		}
		for (unsigned i = 0; i < AT_ONCE; i++)
			assert_int_equal(disk_rig_wait(f, &ops[i]), 0);
	}
	free(ops);
}

TEST_WITH(many_requests_at_once_are_each_carried_out, setup, teardown)
{
	static const u32 sizes[] = { 512, 4096, 65536, 2097152 };
	struct disk_rig *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		unlink("a.qcow2");
		create("a.qcow2", NULL, sizes[i]);
		memset(f->model, 0, SIZE);
		disk_rig_open(f, "a.qcow2", (struct disk_options){ 0 });
		write_at_random(f, 12);
		assert_model(f);
		disk_rig_close(f);
		disk_rig_assert_sound("a.qcow2");
		disk_rig_open(f, "a.qcow2", (struct disk_options){ .read_only = true });
		assert_model(f);
		disk_rig_close(f);
	}
}

TEST_WITH(what_was_never_flushed_is_there_after_an_ordinary_end, setup, teardown)
{
	struct disk_rig *f = *state;

	create("a.qcow2", NULL, 0);
	disk_rig_open(f, "a.qcow2", (struct disk_options){ 0 });
	memset(f->data, 0x5a, MIB);
	assert_int_equal(disk_rig_run(f, DISK_WRITE, 0, MIB), 0);
	memset(f->model, 0x5a, MIB);
	disk_rig_close(f);
	disk_rig_open(f, "a.qcow2", (struct disk_options){ 0 });
	assert_model(f);
}

TEST_WITH(a_snapshot_disk_leaves_its_file_alone, setup, teardown)
{
	struct disk_rig *f = *state;
	struct disk_options snapshot = { .snapshot = true };

	create("a.qcow2", NULL, 0);
	disk_rig_open(f, "a.qcow2", (struct disk_options){ 0 });
	write_at_random(f, 2);
	disk_rig_close(f);
	assert_int_equal(system("truncate -s 24M raw; cksum a.qcow2 raw >before"), 0);
	disk_rig_open(f, "a.qcow2", snapshot);
	assert_model(f);
	write_at_random(f, 4);
	assert_model(f);
	disk_rig_close(f);
	memset(f->model, 0, SIZE);
	disk_rig_open(f, "raw", snapshot);
	write_at_random(f, 4);
	assert_model(f);
	disk_rig_close(f);
	assert_int_equal(system("cksum a.qcow2 raw | cmp - before"), 0);
}

TEST_WITH(a_file_at_its_limit_fails_the_writes_that_do_not_fit_and_no_flush, setup, teardown)
{
	struct disk_rig *f = *state;
	struct rlimit old, small;
	char said[4000];
	unsigned failed = 0;

	create("a", NULL, 0);
	disk_rig_open(f, "a", (struct disk_options){ 0 });
	getrlimit(RLIMIT_FSIZE, &old);
	small = (struct rlimit){ 3 * MIB, old.rlim_max };
	setrlimit(RLIMIT_FSIZE, &small);
	catch_stderr();
	for (u64 at = 0; at < SIZE; at += 256 * KIB) {
		int ret;

		memset(f->data + at, at / KIB, 256 * KIB);
		ret = disk_rig_run(f, DISK_WRITE, at, 256 * KIB);
		assert_true(!ret || ret == -EFBIG);
		failed += ret != 0;
		if (!ret)
			memset(f->model + at, at / KIB, 256 * KIB);
		assert_int_equal(disk_rig_run(f, DISK_FLUSH, 0, 0), 0);
	}
	caught_stderr(said, sizeof(said));
	assert_in_range(failed, 80, 95);
	setrlimit(RLIMIT_FSIZE, &old);
	disk_rig_close(f);
	disk_rig_assert_sound("a");
	/* Threads that were there have the limit that was. */
	disk_rig_open(f, "a", (struct disk_options){ 0 });
	assert_int_equal(disk_rig_run(f, DISK_READ, 0, MIB), 0);
	assert_memory_equal(f->data, f->model, MIB);
	assert_int_equal(disk_rig_run(f, DISK_WRITE, 8 * MIB, 16 * MIB), 0);
}

/* ---- chains ---- */

TEST_WITH(a_chain_reads_as_one_disk, setup, teardown)
{
	struct disk_rig *f = *state;
	char name[20] = "0", next[20];

	create("0", NULL, 0);
	for (unsigned i = 0;; i++) {
		disk_rig_open(f, name, (struct disk_options){ 0 });
		memset(f->data + i * MIB, i + 1, 3 * MIB / 2);
		memset(f->model + i * MIB, i + 1, 3 * MIB / 2);
		assert_int_equal(disk_rig_run(f, DISK_WRITE, i * MIB, 3 * MIB / 2), 0);
		assert_int_equal(disk_rig_run(f, DISK_WRITE_ZEROES, 20 * MIB, MIB), 0);
		assert_model(f);
		disk_rig_close(f);
		if (i == 7)
			break;
		snprintf(next, sizeof(next), "%u", i + 1);
		create(next, name, i % 2 ? 4096 : 0);
		strcpy(name, next);
	}
	disk_rig_open(f, "7", (struct disk_options){ .snapshot = true });
	assert_model(f);
	disk_rig_close(f);
	symlink("7", "eighth");
	struct image_creation ninth = { .format = DISK_FORMAT_QCOW2,
					.size = SIZE,
					.backing = "7",
					.backing_format = DISK_FORMAT_QCOW2 };
	struct error err = { "" };
	assert_int_equal(image_create("8", &ninth, &err), -ELOOP);
}

TEST_WITH(a_chain_stays_in_its_folder, setup, teardown)
{
	struct disk_rig *f = *state;

	mkdir("in", 0700);
	create("out.qcow2", NULL, 0);
	create("in/a.qcow2", "../out.qcow2", 0);
	refused(f, "in/a.qcow2", (struct disk_options){ 0 }, "is not in its folder");
	disk_rig_open(f, "in/a.qcow2", (struct disk_options){ .backing_anywhere = true });
	disk_rig_close(f);
	/* A link leads where it leads. */
	assert_int_equal(symlink("../out.qcow2", "in/link"), 0);
	create("in/b.qcow2", "link", 0);
	refused(f, "in/b.qcow2", (struct disk_options){ .snapshot = true }, "is not in its folder");
}

TEST_WITH(an_image_below_itself_is_refused, setup, teardown)
{
	struct disk_rig *f = *state;

	create("a", NULL, 0);
	create("b", "a", 0);
	unlink("a");
	assert_int_equal(link("b", "a"), 0);
	refused(f, "b", (struct disk_options){ .read_only = true }, "its own backing file");
}

/* ---- what an image is ---- */

TEST_WITH(a_guest_cannot_make_its_raw_disk_an_image, setup, teardown)
{
	struct disk_rig *f = *state;
	char said[500];

	assert_int_equal(system("truncate -s 24M raw"), 0);
	memcpy(f->data, "QFI\xfb\0\0\0\3", 8);
	disk_rig_open(f, "raw", (struct disk_options){ 0 });
	catch_stderr();
	assert_int_equal(disk_rig_run(f, DISK_WRITE, 0, 64 * KIB), -EPERM);
	caught_stderr(said, sizeof(said));
	assert_non_null(strstr(said, "another format's header"));
	memcpy(f->data, "other", 5);
	assert_int_equal(disk_rig_run(f, DISK_WRITE, 0, 64 * KIB), 0);
	disk_rig_close(f);
	/* Where the user says that it is raw, that stays with the file. */
	create("raw2", NULL, 0);
	disk_rig_open(f, "raw2", (struct disk_options){ .format = DISK_FORMAT_RAW });
	disk_rig_close(f);
	if (getxattr("raw2", "user.lkvm.format", NULL, 0) < 0)
		return;
	refused(f, "raw2", (struct disk_options){ 0 }, "a guest has written it as a raw disk");
	disk_rig_open(f, "raw2", (struct disk_options){ .format = DISK_FORMAT_QCOW2 });
	disk_rig_close(f);
	disk_rig_open(f, "raw2", (struct disk_options){ 0 });
}

struct wrong {
	off_t at;
	u8 value;
	const char *why;
};

TEST_WITH(a_header_that_is_wrong_is_refused_by_name, setup, teardown)
{
	static const struct wrong wrongs[] = {
		{ 7, 4, "a version that is neither 2 nor 3" },
		{ 23, 8, "clusters are not of 512 bytes to 2 MiB" },
		{ 23, 22, "clusters are not of 512 bytes to 2 MiB" },
		{ 31, 1, "not whole sectors" },
		{ 35, 1, "encrypted" },
		{ 36, 1, "L1 table has too many entries" },
		{ 25, 1, "L1 table is too small" },
		{ 47, 1, "L1 table is not at a cluster" },
		{ 41, 1, "L1 table is not at a cluster" },
		{ 55, 1, "refcount table is not at a cluster" },
		{ 59, 0, "refcount table is too large or empty" },
		{ 56, 1, "refcount table is too large or empty" },
		{ 45, 1, "overlap" },
		{ 79, 1, "not closed" },
		{ 79, 2, "marked corrupt" },
		{ 79, 4, "external data file" },
		{ 79, 8, "compressed in an unknown way" },
		{ 79, 16, "extended L2" },
		{ 79, 32, "features that lkvm does not know: 0x20" },
		{ 99, 7, "refcounts are too wide" },
		{ 103, 96, "impossible length" },
		{ 63, 1, "snapshot table" },
	};
	struct disk_rig *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(wrongs); i++) {
		unlink("a");
		create("a", NULL, 0);
		disk_rig_patch("a", wrongs[i].at, &wrongs[i].value, 1);
		assert_int_equal(system("cksum a >before"), 0);
		refused(f, "a", (struct disk_options){ 0 }, wrongs[i].why);
		assert_int_equal(system("cksum a | cmp - before"), 0);
	}
}

static u8 byte_at(const char *path, off_t at)
{
	int fd = open(path, O_RDONLY);
	u8 value;

	assert_int_equal(pread(fd, &value, 1, at), 1);
	close(fd);
	return value;
}

TEST_WITH(features_that_a_write_makes_untrue_are_cleared_by_it, setup, teardown)
{
	struct disk_rig *f = *state;
	u8 bits = 4;

	create("a", NULL, 0);
	disk_rig_open(f, "a", (struct disk_options){ 0 });
	assert_int_equal(disk_rig_run(f, DISK_WRITE, 0, 4096), 0);
	disk_rig_close(f);
	disk_rig_patch("a", 95, &bits, 1);
	disk_rig_open(f, "a", (struct disk_options){ 0 });
	assert_int_equal(disk_rig_run(f, DISK_READ, 0, 4096), 0);
	assert_int_equal(byte_at("a", 95), 4);
	assert_int_equal(disk_rig_run(f, DISK_WRITE, 0, 4096), 0);
	assert_int_equal(byte_at("a", 95), 0);
}

TEST_WITH(an_image_with_tables_has_one_writer_whoever_shares_it, setup, teardown)
{
	struct disk_rig *f = *state;

	create("a", NULL, 0);
	refused(f, "a", (struct disk_options){ .share = true }, "share=on");
	disk_rig_open(f, "a", (struct disk_options){ .share = true, .read_only = true });
	disk_rig_close(f);
	disk_rig_open(f, "a", (struct disk_options){ .share = true, .snapshot = true });
	disk_rig_close(f);
}

TEST_WITH(a_cluster_that_is_free_but_used_is_never_written, setup, teardown)
{
	struct disk_rig *f = *state;
	u64 refcount = 0;

	create("a", NULL, 0);
	disk_rig_open(f, "a", (struct disk_options){ 0 });
	memset(f->data, 1, MIB);
	assert_int_equal(disk_rig_run(f, DISK_WRITE, 0, MIB), 0);
	disk_rig_close(f);
	disk_rig_patch("a", 2 * 65536 + 10, &refcount, 2);
	refused(f, "a", (struct disk_options){ 0 }, "corrupt");
	disk_rig_open(f, "a", (struct disk_options){ .read_only = true });
	disk_rig_close(f);
}

TEST_WITH(an_image_that_was_not_closed_is_repaired_when_asked, setup, teardown)
{
	struct disk_rig *f = *state;
	struct image_check check;
	struct error err = { "" };
	u64 refcounts = 0;
	u8 dirty = 1;

	create("a", NULL, 0);
	disk_rig_open(f, "a", (struct disk_options){ 0 });
	memset(f->data, 1, MIB);
	memset(f->model, 1, MIB);
	assert_int_equal(disk_rig_run(f, DISK_WRITE, 0, MIB), 0);
	disk_rig_close(f);
	disk_rig_patch("a", 79, &dirty, 1);
	disk_rig_patch("a", 2 * 65536 + 16, &refcounts, 8);
	refused(f, "a", (struct disk_options){ 0 }, "--repair");
	/* What was wrong, and then that nothing is. */
	assert_int_equal(image_check("a", true, &check, &err), 0);
	assert_int_equal(check.repaired, 4);
	assert_int_equal(image_check("a", true, &check, &err), 0);
	assert_int_equal(check.errors, 0);
	disk_rig_open(f, "a", (struct disk_options){ 0 });
	assert_model(f);
}

/* In a process of its own, which the host kills in the middle of a write. */
static void convert_and_be_killed(const char *from, const char *to)
{
	const struct image_conversion conversion = { .to = DISK_FORMAT_QCOW2 };
	const struct rlimit limit = { MIB, MIB };
	struct error err = { "" };
	int status;
	pid_t pid = fork();

	if (!pid) {
		signal(SIGXFSZ, SIG_DFL);
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		if (!setrlimit(RLIMIT_FSIZE, &limit))
			image_convert(from, to, &conversion, &err);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGXFSZ);
}

TEST_WITH(a_conversion_that_is_killed_leaves_nothing_that_looks_whole, setup, teardown)
{
	const struct image_conversion conversion = { .to = DISK_FORMAT_QCOW2 };
	struct error err = { "" };

	assert_int_equal(system("head -c 4M /dev/urandom >raw; mkdir new"), 0);
	convert_and_be_killed("raw", "new/image");
	assert_int_equal(system("test -z \"$(ls new)\""), 0);
	assert_int_equal(image_convert("raw", "new/image", &conversion, &err), 0);
	disk_rig_assert_sound("new/image");
	assert_int_equal(image_convert("raw", "new/image", &conversion, &err), -EEXIST);
}

static void peek(const char *path, off_t at, void *data, size_t len)
{
	int fd = open(path, O_RDONLY);

	assert_int_equal(pread(fd, data, len, at), len);
	close(fd);
}

TEST_WITH(a_repair_never_says_that_a_cluster_with_too_many_names_is_free, setup, teardown)
{
	static const u8 narrow[4], first_four[8] = { 0x0f };
	struct disk_rig *f = *state;
	struct image_check check;
	struct error err = { "" };
	u64 entry;
	u8 counts;

	create("a", NULL, 0);
	/* Refcounts of one bit; header, their table and block, and the L1 table are used. */
	disk_rig_patch("a", 96, narrow, 4);
	disk_rig_patch("a", 2 * 65536, first_four, 8);
	disk_rig_open(f, "a", (struct disk_options){ 0 });
	memset(f->data, 1, 2 * 65536);
	assert_int_equal(disk_rig_run(f, DISK_WRITE, 0, 2 * 65536), 0);
	disk_rig_close(f);
	disk_rig_assert_sound("a");
	/* Two names for cluster 5. */
	peek("a", 4 * 65536, &entry, 8);
	disk_rig_patch("a", 4 * 65536 + 8, &entry, 8);
	assert_int_equal(image_check("a", true, &check, &err), 0);
	assert_true(check.errors > 0);
	peek("a", 2 * 65536, &counts, 1);
	assert_true(counts & 1 << 5);
}

TEST_WITH(a_repair_leaves_an_image_with_bitmaps_alone, setup, teardown)
{
	struct disk_rig *f = *state;
	struct image_check check;
	struct error err = { "" };
	u8 bitmaps = 1;

	create("a", NULL, 0);
	disk_rig_patch("a", 95, &bitmaps, 1);
	assert_int_equal(image_check("a", true, &check, &err), -EINVAL);
	assert_non_null(strstr(err.text, "bitmaps"));
	assert_int_equal(image_check("a", false, &check, &err), 0);
	disk_rig_open(f, "a", (struct disk_options){ 0 });
}

TEST_WITH(a_backing_file_cannot_speak_to_the_terminal, setup, teardown)
{
	struct disk_rig *f = *state;

	create("base", NULL, 0);
	create("a", "base", 0);
	/* Where the name is, behind the header and its extensions. */
	assert_int_equal(system("at=$(grep -abo base a | head -n 1 | cut -d: -f1) && "
				"printf '\\033' | dd of=a bs=1 seek=$at conv=notrunc status=none"),
			 0);
	refused(f, "a", (struct disk_options){ 0 }, "control characters");
}
