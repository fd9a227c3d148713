/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine of disks with a format that is not raw: its first MiB is nowhere in the file until
 * it is written, and the rest follows a header of 4 KiB.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "test.h"

#include "../../disk/disk.c"

#define HOLE   MIB
#define SIZE   (4 * MIB)
#define HEADER 4096
/* Where in the file the first MiB goes to when it is written. */
#define HOLE_PLACE (HEADER + SIZE - HOLE)

struct toy {
	atomic_bool filled; /* the first MiB is in the file */
	unsigned mapped;    /* map() without its unmap() */
	unsigned ways[3];   /* what map() said, how often */
	atomic_uint works;
	pthread_t loop_thread;
};

static struct toy toy;

static int toy_open(struct disk_image *image, const struct disk_options *options, struct error *err)
{
	if (image->file.size < HEADER + SIZE)
		return error_set(err, -EINVAL, "disk %s: is no toy", image->file.path);
	image->state = &toy;
	image->info = (struct disk_info){ .size = SIZE, .block_size = 512, .can_discard = true };
	return 0;
}

static void toy_close(struct disk_image *image)
{
	assert_int_equal(toy.mapped, 0);
}

static enum disk_way toy_way(const struct disk_request *request, u64 *place)
{
	u64 end = request->offset + request->len;
	bool hole = request->offset < HOLE;

	*place = hole ? HOLE_PLACE + request->offset : HEADER + request->offset - HOLE;
	if (request->op == DISK_FLUSH)
		return DISK_WAY_FILE;
	if (request->op > DISK_WRITE || (hole && end > HOLE))
		return DISK_WAY_WORK;
	if (!hole || toy.filled)
		return DISK_WAY_FILE;
	return request->op == DISK_READ ? DISK_WAY_ZERO : DISK_WAY_WORK;
}

static enum disk_way toy_map(struct disk_image *image, struct disk_request *request)
{
	enum disk_way way = toy_way(request, &request->place);

	assert_true(pthread_equal(pthread_self(), toy.loop_thread));
	toy.ways[way]++;
	if (way == DISK_WAY_FILE)
		toy.mapped++;
	return way;
}

static void toy_unmap(struct disk_image *image, struct disk_request *request)
{
	assert_true(toy.mapped);
	toy.mapped--;
}

/* The part of @request that is in the hole, or behind it. */
static int toy_part(struct disk_image *image, struct disk_request *request, u64 at, u64 len)
{
	u64 offset = request->offset + at;

	if (offset >= HOLE)
		return disk_file_move(&image->file, request, at, len, HEADER + offset - HOLE);
	if (request->op == DISK_WRITE)
		toy.filled = true;
	/* What it was before is zero, for the file is new. */
	return disk_file_move(&image->file, request, at, len, HOLE_PLACE + offset);
}

static int toy_work(struct disk_image *image, struct disk_request *request)
{
	u64 at = request->moved, split = 0;
	int ret = 0;

	toy.works++;
	if (request->op > DISK_WRITE)
		return request->op == DISK_FLUSH ? disk_file_flush(&image->file) : -EOPNOTSUPP;
	if (request->offset + at < HOLE)
		split = MIN(HOLE - request->offset, request->len);
	if (split)
		ret = toy_part(image, request, at, split - at);
	at = MAX(split, at);
	return ret || at == request->len ? ret : toy_part(image, request, at, request->len - at);
}

static const struct disk_driver toy_driver = {
	.name = "toy",
	.open = toy_open,
	.close = toy_close,
	.map = toy_map,
	.unmap = toy_unmap,
	.work = toy_work,
};

/* ---- the rig ---- */

struct fixture {
	char path[64];
	pthread_mutex_t lock;
	struct loop *loop;
	struct disk *disk;
	u8 *data; /* SIZE bytes, aligned */
	unsigned settled;
};

struct op {
	struct disk_request request;
	struct iovec iov;
	bool done;
	int result;
};

static void settled(void *context)
{
	((struct fixture *)context)->settled++;
}

static char buffered[] = "buffered";

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct disk_options options = { .buffered = *state == buffered };
	int fd;

	memset(&toy, 0, sizeof(toy));
	toy.loop_thread = pthread_self();
	*state = f;
	strcpy(f->path, "/var/tmp/lkvm-test-toy.XXXXXX");
	fd = mkstemp(f->path);
	assert_int_equal(ftruncate(fd, HEADER + SIZE), 0);
	close(fd);
	pthread_mutex_init(&f->lock, NULL);
	assert_int_equal(posix_memalign((void **)&f->data, 4096, SIZE), 0);
	assert_int_equal(loop_create(&f->loop, &f->lock), 0);
	assert_int_equal(disk_open_as(&f->disk, &toy_driver, f->path, &options, NULL), 0);
	return disk_start(f->disk, f->loop, settled, f);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	disk_close(f->disk);
	loop_destroy(f->loop);
	unlink(f->path);
	free(f->data);
	free(f);
	return 0;
}

/* The test @f, and the same with buffered I/O. */
#define BOTH_WAYS(f)                                                                               \
	static void f(void **state);                                                               \
	TEST_NAMED(#f "_buffered", f, setup, teardown, buffered)                                   \
	TEST_WITH(f, setup, teardown)

static void op_done(struct disk_request *request, int result)
{
	struct op *op = container_of(request, struct op, request);

	op->done = true;
	op->result = result;
}

static void op_submit(struct fixture *f, struct op *op, enum disk_op what, u64 offset, u64 len)
{
	*op = (struct op){ .request = { .op = what,
					.offset = offset,
					.len = len,
					.iov_count = 1,
					.done = op_done },
			   .iov = { f->data + offset, len } };
	op->request.iov = &op->iov;
	disk_submit(f->disk, &op->request);
}

static int op_run(struct fixture *f, enum disk_op what, u64 offset, u64 len)
{
	struct op op;

	op_submit(f, &op, what, offset, len);
	disk_flush_queue(f->disk);
	while (!op.done)
		loop_poll(f->loop, 1000);
	assert_int_equal(toy.mapped, 0);
	return op.result;
}

static bool all_are(const struct fixture *f, u64 offset, u64 len, u8 value)
{
	for (u64 i = 0; i < len; i++) {
		if (f->data[offset + i] != value)
			return false;
	}
	return true;
}

/* ---- tests ---- */

BOTH_WAYS(what_is_in_the_file_is_moved_from_and_to_its_place)
{
	struct fixture *f = *state;
	u8 back[8192];
	int fd;

	memset(f->data, 0x5a, SIZE);
	assert_int_equal(op_run(f, DISK_WRITE, HOLE + 4096, 8192), 0);
	assert_int_equal(op_run(f, DISK_FLUSH, 0, 0), 0);
	fd = open(f->path, O_RDONLY);
	assert_int_equal(pread(fd, back, sizeof(back), HEADER + 4096), sizeof(back));
	assert_memory_equal(back, f->data, sizeof(back));
	close(fd);
	memset(f->data, 0, SIZE);
	assert_int_equal(op_run(f, DISK_READ, HOLE + 4096, 8192), 0);
	assert_true(all_are(f, HOLE + 4096, 8192, 0x5a));
	assert_int_equal(toy.ways[DISK_WAY_FILE], 3);
}

BOTH_WAYS(what_is_nowhere_reads_as_zeroes)
{
	struct fixture *f = *state;

	memset(f->data, 0xee, SIZE);
	assert_int_equal(op_run(f, DISK_READ, 0, 4096), 0);
	assert_true(all_are(f, 0, 4096, 0));
	assert_true(all_are(f, 4096, 4096, 0xee));
	assert_int_equal(toy.works, 0);
	/* So much of it that the loop would be held up is the driver's, on a thread. */
	assert_int_equal(op_run(f, DISK_READ, 0, MIB), 0);
	assert_true(all_are(f, 0, MIB, 0));
	assert_int_equal(toy.works, 1);
}

BOTH_WAYS(what_takes_more_than_a_look_is_done_on_a_thread)
{
	struct fixture *f = *state;

	memset(f->data, 0x11, HOLE);
	memset(f->data + HOLE, 0x22, SIZE - HOLE);
	assert_int_equal(op_run(f, DISK_WRITE, HOLE - 8192, 16384), 0);
	assert_int_equal(toy.works, 1);
	memset(f->data, 0, SIZE);
	/* By then it has a place. */
	assert_int_equal(op_run(f, DISK_READ, HOLE - 8192, 8192), 0);
	assert_int_equal(op_run(f, DISK_READ, HOLE, 8192), 0);
	assert_true(all_are(f, HOLE - 8192, 8192, 0x11));
	assert_true(all_are(f, HOLE, 8192, 0x22));
	assert_int_equal(op_run(f, DISK_DISCARD, 0, 4096), -EOPNOTSUPP);
}

BOTH_WAYS(each_that_was_mapped_is_unmapped_however_it_ends)
{
	enum { COUNT = 300 };
	struct fixture *f = *state;
	struct op *ops = calloc(COUNT, sizeof(*ops));
	unsigned done;

	/* More than the kernel takes at once, and the last ones are behind the end of the file. */
	assert_int_equal(truncate(f->path, HEADER + 2 * MIB), 0);
	for (unsigned i = 0; i < COUNT; i++)
		op_submit(f, &ops[i], DISK_READ, HOLE + i * 8192, 4096);
	disk_flush_queue(f->disk);
	do {
		loop_poll(f->loop, 1000);
		done = 0;
		for (unsigned i = 0; i < COUNT; i++)
			done += ops[i].done;
	} while (done < COUNT);
	assert_int_equal(toy.mapped, 0);
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(ops[i].result, i * 8192 < 2 * MIB ? 0 : -EIO);
	free(ops);
}

TEST_WITH(requests_that_end_together_are_settled_once, setup, teardown)
{
	struct fixture *f = *state;
	struct op ops[16];

	for (unsigned i = 0; i < 16; i++)
		op_submit(f, &ops[i], DISK_READ, i * 4096, 4096);
	disk_flush_queue(f->disk);
	while (!ops[15].done)
		loop_poll(f->loop, 1000);
	assert_int_equal(f->settled, 1);
}

TEST_WITH(a_file_that_the_driver_refuses_is_let_go, setup, teardown)
{
	struct fixture *f = *state;
	struct disk_options options = { 0 };
	struct error err = { "" };
	struct disk *disk;

	disk_close(f->disk);
	f->disk = NULL;
	assert_int_equal(truncate(f->path, 4096), 0);
	assert_int_equal(disk_open_as(&disk, &toy_driver, f->path, &options, &err), -EINVAL);
	assert_non_null(strstr(err.text, "is no toy"));
	assert_int_equal(disk_open(&disk, f->path, &options, &err), 0);
	disk_close(disk);
}
