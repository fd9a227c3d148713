/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks on real temporary files, each test with O_DIRECT and without. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk_rig.h"
#include "test.h"
#include "disk/disk.h"
#include "vmm/loop.h"

#define SIZE (8 * MIB)

struct fixture {
	char path[64];
	pthread_mutex_t lock;
	struct loop *loop;
	struct disk *disk;
	bool buffered;
};

struct op {
	struct disk_request request;
	struct iovec iov[4];
	struct fixture *fixture;
	unsigned done;
	int result;
};

static void op_done(struct disk_request *request, int result)
{
	struct op *op = container_of(request, struct op, request);

	op->done++;
	op->result = result;
}

static void op_init(struct op *op, enum disk_op what, u64 offset, void *data, u64 len)
{
	memset(op, 0, sizeof(*op));
	op->iov[0] = (struct iovec){ data, len };
	op->request = (struct disk_request){ .op = what,
					     .offset = offset,
					     .len = len,
					     .iov = op->iov,
					     .iov_count = data ? 1 : 0,
					     .done = op_done };
}

/* One turn of the loop; one that finds nothing may follow the removal of a source. */
static void turn(struct fixture *f)
{
	if (!loop_poll(f->loop, 5000))
		assert_int_not_equal(loop_poll(f->loop, 5000), 0);
}

/* Through the loop, as in a VM. */
static int op_run(struct fixture *f, struct op *op)
{
	disk_submit(f->disk, &op->request);
	assert_int_equal(op->done, 0);
	disk_flush_queue(f->disk);
	while (!op->done)
		turn(f);
	assert_int_equal(op->done, 1);
	return op->result;
}

static int disk_do(struct fixture *f, enum disk_op what, u64 offset, void *data, u64 len)
{
	struct op op;

	op_init(&op, what, offset, data, len);
	return op_run(f, &op);
}

static void *aligned(u64 size)
{
	void *data = NULL;

	assert_int_equal(posix_memalign(&data, 4096, size), 0);
	return data;
}

static u8 pattern(u64 offset)
{
	return offset ^ offset >> 9 ^ offset >> 17;
}

static void file_fill(const char *path)
{
	u8 *data = malloc(SIZE);
	FILE *file = fopen(path, "w");

	for (u64 i = 0; i < SIZE; i++)
		data[i] = pattern(i);
	assert_int_equal(fwrite(data, 1, SIZE, file), SIZE);
	fflush(file);
	/* On the disk and not in the page cache: what is there is not to be had without waiting. */
	assert_int_equal(fsync(fileno(file)), 0);
	posix_fadvise(fileno(file), 0, 0, POSIX_FADV_DONTNEED);
	fclose(file);
	free(data);
}

static void file_read(const char *path, u64 offset, void *data, u64 len)
{
	int fd = open(path, O_RDONLY);

	assert_int_equal(pread(fd, data, len, offset), len);
	close(fd);
}

static int open_disk(struct fixture *f, bool read_only)
{
	struct disk_options options = { .read_only = read_only, .buffered = f->buffered };
	struct error err = { 0 };
	int ret = disk_open(&f->disk, f->path, &options, &err);

	if (ret)
		assert_string_not_equal(err.text, "");
	else
		assert_int_equal(disk_start(f->disk, f->loop, NULL, NULL), 0);
	return ret;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	f->buffered = *state;
	/* More likely than /tmp on a file system with O_DIRECT. */
	strcpy(f->path, "/var/tmp/lkvm-test-disk.XXXXXX");
	fd = mkstemp(f->path);
	if (fd < 0)
		return -1;
	close(fd);
	file_fill(f->path);
	pthread_mutex_init(&f->lock, NULL);
	if (loop_create(&f->loop, &f->lock) || open_disk(f, false))
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	disk_close(f->disk);
	loop_destroy(f->loop);
	unlink(f->path);
	free(f);
	return 0;
}

static char buffered[] = "buffered";

/* A test twice: the kernel's asynchronous path where it is to be had, and the worker's. */
#define BOTH_WAYS(f)                                                                               \
	static void f(void **state);                                                               \
	TEST_NAMED(#f "_buffered", f, setup, teardown, buffered)                                   \
	TEST_WITH(f, setup, teardown)

static bool is_direct(struct fixture *f)
{
	struct disk_info info;

	disk_get_info(f->disk, &info);
	return info.direct;
}

BOTH_WAYS(reads_what_the_file_holds)
{
	struct fixture *f = *state;
	u8 *data = aligned(MIB);

	assert_int_equal(disk_do(f, DISK_READ, 3 * MIB + 512, data, MIB), 0);
	for (u64 i = 0; i < MIB; i++)
		assert_int_equal(data[i], pattern(3 * MIB + 512 + i));
	free(data);
}

BOTH_WAYS(writes_reach_the_file_and_nothing_else)
{
	struct fixture *f = *state;
	u8 *data = aligned(8192), back[8192 + 2];

	memset(data, 0xa5, 8192);
	assert_int_equal(disk_do(f, DISK_WRITE, 4096, data, 8192), 0);
	assert_int_equal(disk_do(f, DISK_FLUSH, 0, NULL, 0), 0);
	file_read(f->path, 4095, back, sizeof(back));
	assert_int_equal(back[0], pattern(4095));
	assert_memory_equal(back + 1, data, 8192);
	assert_int_equal(back[8193], pattern(4096 + 8192));
	free(data);
}

BOTH_WAYS(unaligned_memory_is_bounced_both_ways)
{
	struct fixture *f = *state;
	u64 len = 600 * KIB; /* more than the buffer */
	u8 *data = malloc(len + 1), *back = malloc(len + 3);
	struct op op;

	for (u64 i = 0; i < len; i++)
		data[i + 1] = i * 7 + i / 251;
	assert_int_equal(disk_do(f, DISK_WRITE, 512, data + 1, len), 0);
	/* Pieces that are not whole sectors. */
	op_init(&op, DISK_READ, 512, back, len);
	op.iov[0] = (struct iovec){ back + 3, 100 };
	op.iov[1] = (struct iovec){ back + 103, 0 };
	op.iov[2] = (struct iovec){ back + 103, 300 * KIB };
	op.iov[3] = (struct iovec){ back + 103 + 300 * KIB, len - 100 - 300 * KIB };
	op.request.iov_count = 4;
	assert_int_equal(op_run(f, &op), 0);
	assert_memory_equal(back + 3, data + 1, len);
	free(data);
	free(back);
}

BOTH_WAYS(many_pieces_are_one_request)
{
	struct fixture *f = *state;
	enum { PIECES = 1500 };
	u8 *data = aligned(PIECES * 512);
	struct iovec *iov = calloc(PIECES, sizeof(*iov));
	struct op op;

	/* Backwards in memory, more than the kernel takes in one call. */
	for (unsigned i = 0; i < PIECES; i++)
		iov[i] = (struct iovec){ data + (PIECES - 1 - i) * 512, 512 };
	op_init(&op, DISK_READ, 0, data, PIECES * 512);
	op.request.iov = iov;
	op.request.iov_count = PIECES;
	assert_int_equal(op_run(f, &op), 0);
	for (unsigned i = 0; i < PIECES; i++)
		assert_int_equal(data[(PIECES - 1 - i) * 512 + 5], pattern(i * 512 + 5));
	free(iov);
	free(data);
}

BOTH_WAYS(more_requests_than_the_depth_all_complete)
{
	struct fixture *f = *state;
	enum { COUNT = 1000 };
	struct op *ops = calloc(COUNT, sizeof(*ops));
	u8 *data = aligned(COUNT * 512);
	unsigned done;

	for (unsigned i = 0; i < COUNT; i++) {
		op_init(&ops[i], DISK_READ, i * 4096, data + i * 512, 512);
		disk_submit(f->disk, &ops[i].request);
	}
	disk_flush_queue(f->disk);
	do {
		turn(f);
		done = 0;
		for (unsigned i = 0; i < COUNT; i++)
			done += ops[i].done;
	} while (done < COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(ops[i].result, 0);
		assert_int_equal(data[i * 512 + 1], pattern(i * 4096 + 1));
	}
	free(data);
	free(ops);
}

BOTH_WAYS(drain_completes_everything_without_the_loop)
{
	struct fixture *f = *state;
	struct op ops[3];
	u8 *data = aligned(MIB);

	op_init(&ops[0], DISK_READ, 0, data, MIB / 2);
	op_init(&ops[1], DISK_READ, MIB, data + MIB / 2 + 1, 4096);
	op_init(&ops[2], DISK_FLUSH, 0, NULL, 0);
	for (unsigned i = 0; i < 3; i++)
		disk_submit(f->disk, &ops[i].request);
	disk_drain(f->disk);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ops[i].done, 1);
		assert_int_equal(ops[i].result, 0);
	}
	disk_drain(f->disk);
	free(data);
}

static void drain_from_done(struct disk_request *request, int result)
{
	struct op *op = container_of(request, struct op, request);

	op_done(request, result);
	disk_drain(op->fixture->disk);
}

BOTH_WAYS(drain_may_be_called_from_a_completion)
{
	struct fixture *f = *state;
	struct op ops[40];
	u8 *data = aligned(40 * 4096);

	for (unsigned i = 0; i < 40; i++) {
		op_init(&ops[i], DISK_READ, i * 4096, data + i * 4096, 4096);
		ops[i].fixture = f;
		ops[i].request.done = drain_from_done;
		disk_submit(f->disk, &ops[i].request);
	}
	disk_flush_queue(f->disk);
	while (!ops[0].done)
		turn(f);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(ops[i].done, 1);
	free(data);
}

BOTH_WAYS(a_file_that_shrank_gives_an_error_and_not_old_data)
{
	struct fixture *f = *state;
	u8 *data = aligned(MIB);

	assert_int_equal(truncate(f->path, 2 * MIB + 100 * KIB), 0);
	assert_int_equal(disk_do(f, DISK_READ, 4 * MIB, data, MIB), -EIO);
	assert_int_equal(disk_do(f, DISK_READ, 2 * MIB, data, MIB), -EIO);
	assert_int_equal(disk_do(f, DISK_READ, 2 * MIB, data + 1, 512 * KIB), -EIO);
	assert_int_equal(truncate(f->path, 2 * MIB + 1000), 0);
	assert_int_equal(disk_do(f, DISK_READ, 2 * MIB, data, MIB), -EIO);
	/* And goes on. */
	assert_int_equal(disk_do(f, DISK_READ, 0, data, MIB), 0);
	free(data);
}

BOTH_WAYS(a_file_that_may_not_grow_gives_an_error)
{
	struct fixture *f = *state;
	struct rlimit old, small;
	u8 *data = aligned(MIB);

	memset(data, 1, MIB);
	getrlimit(RLIMIT_FSIZE, &old);
	small = (struct rlimit){ 4 * MIB, old.rlim_max };
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(disk_do(f, DISK_WRITE, 5 * MIB, data, MIB), -EFBIG);
	/* The first half fits: a partial write is a failed one. */
	assert_int_equal(disk_do(f, DISK_WRITE, 4 * MIB - MIB / 2, data, MIB), -EFBIG);
	assert_int_equal(disk_do(f, DISK_WRITE, 5 * MIB, data + 1, 4096), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	/* The disk's threads have the limits that there were when they began. */
	disk_close(f->disk);
	assert_int_equal(open_disk(f, false), 0);
	assert_int_equal(disk_do(f, DISK_WRITE, 5 * MIB, data, MIB), 0);
	free(data);
}

BOTH_WAYS(requests_outside_the_disk_never_reach_the_file)
{
	struct fixture *f = *state;
	u8 *data = aligned(4096);
	struct stat st;

	memset(data, 1, 4096);
	assert_int_equal(disk_do(f, DISK_WRITE, SIZE, data, 4096), -EINVAL);
	assert_int_equal(disk_do(f, DISK_WRITE, SIZE - 512, data, 1024), -EINVAL);
	assert_int_equal(disk_do(f, DISK_WRITE, ~0ULL - 511, data, 1024), -EINVAL);
	assert_int_equal(disk_do(f, DISK_READ, 1, data, 512), -EINVAL);
	assert_int_equal(disk_do(f, DISK_DISCARD, 512, NULL, ~0ULL - 511), -EINVAL);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_size, SIZE);
	free(data);
}

static bool is_zero(const u8 *data, u64 len)
{
	for (u64 i = 0; i < len; i++) {
		if (data[i])
			return false;
	}
	return true;
}

BOTH_WAYS(zeroes_are_zero_and_their_neighbours_are_not)
{
	struct fixture *f = *state;
	u8 *data = aligned(MIB + 4096);

	for (int may_unmap = 0; may_unmap < 2; may_unmap++) {
		struct op op;
		u64 start = MIB + may_unmap * 3 * MIB + 512;

		op_init(&op, DISK_WRITE_ZEROES, start, NULL, MIB);
		op.request.may_unmap = may_unmap;
		assert_int_equal(op_run(f, &op), 0);
		assert_int_equal(disk_do(f, DISK_READ, start - 512, data, MIB + 1024), 0);
		assert_int_equal(data[511], pattern(start - 1));
		assert_true(is_zero(data + 512, MIB));
		assert_int_equal(data[512 + MIB], pattern(start + MIB));
	}
	free(data);
}

BOTH_WAYS(a_discard_gives_blocks_back_and_keeps_the_size)
{
	struct fixture *f = *state;
	u8 *data = aligned(4096);
	struct stat before, after;

	assert_int_equal(disk_do(f, DISK_FLUSH, 0, NULL, 0), 0);
	stat(f->path, &before);
	assert_int_equal(disk_do(f, DISK_DISCARD, 0, NULL, SIZE - 4096), 0);
	stat(f->path, &after);
	assert_int_equal(after.st_size, SIZE);
	assert_true(after.st_blocks <= before.st_blocks);
	assert_int_equal(disk_do(f, DISK_READ, SIZE - 4096, data, 4096), 0);
	assert_int_equal(data[7], pattern(SIZE - 4096 + 7));
	free(data);
}

TEST_WITH(a_writer_shares_with_nobody, setup, teardown)
{
	struct fixture *f = *state;
	struct disk_options options = { 0 };
	struct error err = { 0 };
	struct disk *other;
	int status;

	assert_int_equal(disk_open(&other, f->path, &options, &err), -EBUSY);
	assert_non_null(strstr(err.text, "is given twice"));
	options.read_only = true;
	assert_int_equal(disk_open(&other, f->path, &options, NULL), -EBUSY);
	/* Nor with another process: one that did not inherit the description. */
	if (fork() == 0)
		_exit(disk_open(&other, f->path, &options, NULL) == -EBUSY ? 0 : 1);
	wait(&status);
	assert_int_equal(status, 0);
}

TEST_WITH(readers_share_and_keep_writers_out, setup, teardown)
{
	struct fixture *f = *state;
	struct disk_options options = { .read_only = true };
	struct disk *other;

	disk_close(f->disk);
	assert_int_equal(open_disk(f, true), 0);
	assert_int_equal(disk_open(&other, f->path, &options, NULL), 0);
	disk_close(other);
	options.read_only = false;
	assert_int_equal(disk_open(&other, f->path, &options, NULL), -EBUSY);
}

BOTH_WAYS(a_read_only_disk_refuses_every_change)
{
	struct fixture *f = *state;
	u8 *data = aligned(512), back[512];

	disk_close(f->disk);
	assert_int_equal(open_disk(f, true), 0);
	memset(data, 1, 512);
	assert_int_equal(disk_do(f, DISK_WRITE, 0, data, 512), -EROFS);
	assert_int_equal(disk_do(f, DISK_DISCARD, 0, NULL, 4096), -EROFS);
	assert_int_equal(disk_do(f, DISK_WRITE_ZEROES, 0, NULL, 4096), -EROFS);
	assert_int_equal(disk_do(f, DISK_FLUSH, 0, NULL, 0), 0);
	file_read(f->path, 0, back, 512);
	assert_int_equal(back[1], pattern(1));
	free(data);
}

static int try_open(const char *path, bool read_only, struct error *err)
{
	struct disk_options options = { .read_only = read_only };
	struct disk *disk;
	int ret;

	err->text[0] = 0;
	ret = disk_open(&disk, path, &options, err);
	if (!ret)
		disk_close(disk);
	return ret;
}

TEST_WITH(bad_paths_get_a_line_that_says_why, setup, teardown)
{
	struct fixture *f = *state;
	struct error err;

	assert_int_equal(try_open("/nonexistent/disk", false, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/disk"));
	assert_int_equal(try_open("/", false, &err), -EISDIR);
	assert_int_equal(try_open("/", true, &err), -EISDIR);
	assert_non_null(strstr(err.text, "directory"));
	assert_int_equal(try_open("/dev/zero", true, &err), -EINVAL);
	assert_non_null(strstr(err.text, "neither"));
	disk_close(f->disk);
	f->disk = NULL;
	assert_int_equal(truncate(f->path, 0), 0);
	assert_int_equal(try_open(f->path, false, &err), -EINVAL);
	assert_non_null(strstr(err.text, "empty"));
	assert_int_equal(truncate(f->path, 100), 0);
	assert_int_equal(try_open(f->path, false, &err), -EINVAL);
	assert_non_null(strstr(err.text, "smaller than one sector"));
}

TEST_WITH(the_id_names_the_file_and_not_the_path, setup, teardown)
{
	struct fixture *f = *state;
	char first[20], second[20], link_path[80], name[64];
	struct stat st;

	disk_get_id(f->disk, first);
	assert_int_equal(stat(f->path, &st), 0);
	disk_close(f->disk);
	snprintf(link_path, sizeof(link_path), "%s.link", f->path);
	assert_int_equal(link(f->path, link_path), 0);
	unlink(f->path);
	strcpy(f->path, link_path);
	assert_int_equal(open_disk(f, false), 0);
	disk_get_id(f->disk, second);
	assert_memory_equal(first, second, 20);
	/* It is the one that kvmtool gives, or a hash where that is too long. */
	snprintf(name, sizeof(name), "%llu%llu%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_rdev, (unsigned long long)st.st_ino);
	assert_memory_equal(first, strlen(name) > 20 ? "lkvm" : name,
			    strlen(name) > 20 ? 4 : strlen(name));
}

static unsigned count_threads(void)
{
	char line[128];
	unsigned count = 0;
	FILE *file = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof(line), file))
		sscanf(line, "Threads: %u", &count);
	fclose(file);
	return count;
}

/* A write to a file needs one: io_submit() would wait for a frozen file system. */
TEST_WITH(aligned_direct_reads_and_flushes_need_no_thread, setup, teardown)
{
	struct fixture *f = *state;
	u8 *data = aligned(4096);

	if (!is_direct(f) || !disk_rig_needs_no_thread(f->path))
		skip();
	/* The sanitizer has threads of its own on some systems: compare. */
	unsigned before = count_threads();

	assert_int_equal(disk_do(f, DISK_READ, 0, data, 4096), 0);
	assert_int_equal(disk_do(f, DISK_FLUSH, 0, NULL, 0), 0);
	assert_int_equal(count_threads(), before);
	assert_int_equal(disk_do(f, DISK_READ, 0, data + 1, 512), 0);
	assert_int_equal(count_threads(), before + 1);
	assert_int_equal(disk_do(f, DISK_WRITE, 0, data, 4096), 0);
	assert_int_equal(count_threads(), before + 1);
	free(data);
}

TEST_WITH(a_write_to_a_file_is_submitted_by_a_thread, setup, teardown)
{
	struct fixture *f = *state;
	u8 *data = aligned(4096);
	unsigned before = count_threads();
	struct op op;

	if (!is_direct(f))
		skip();
	disk_close(f->disk);
	assert_int_equal(truncate(f->path, 0), 0);
	assert_int_equal(truncate(f->path, SIZE), 0);
	assert_int_equal(open_disk(f, false), 0);
	memset(data, 0x3c, 4096);
	op_init(&op, DISK_WRITE, MIB, data, 4096);
	assert_int_equal(op_run(f, &op), 0);
	assert_int_equal(count_threads(), before + 1);
	memset(data, 0, 4096);
	assert_int_equal(disk_do(f, DISK_READ, MIB, data, 4096), 0);
	assert_int_equal(data[4095], 0x3c);
	free(data);
}
