/* SPDX-License-Identifier: BSD-2-Clause */
/* What is opened as a disk and what is refused, and what the user is told. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catch.h"
#include "test.h"
#include "disk/disk.h"
#include "vmm/loop.h"

#define SIZE (64 * KIB)

struct fixture {
	char path[64];
	struct error err;
	struct disk *disk;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	strcpy(f->path, "/var/tmp/lkvm-test-open.XXXXXX");
	fd = mkstemp(f->path);
	if (fd < 0 || ftruncate(fd, SIZE))
		return -1;
	close(fd);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	disk_close(f->disk);
	unlink(f->path);
	free(f);
	return 0;
}

static void file_put(struct fixture *f, u64 offset, const void *data, size_t len)
{
	int fd = open(f->path, O_WRONLY);

	assert_int_equal(pwrite(fd, data, len, offset), len);
	close(fd);
}

static int try_open(struct fixture *f, struct disk_options options)
{
	int ret;

	disk_close(f->disk);
	f->disk = NULL;
	f->err.text[0] = 0;
	ret = disk_open(&f->disk, f->path, &options, &f->err);
	assert_int_equal(ret != 0, f->err.text[0] != 0);
	return ret;
}

#define assert_says(f, words) assert_non_null(strstr((f)->err.text, words))

TEST_WITH(an_image_of_another_format_is_refused_unless_it_is_named_raw, setup, teardown)
{
	static const struct {
		u64 offset;
		const char *bytes;
		size_t len;
		const char *name;
	} images[] = {
		{ 0, "QFI\xfb\0\0\0\3", 8, "qcow2" },
		{ 0, "KDMV\1\0\0\0", 8, "VMDK" },
		{ 0, "# Disk DescriptorFile\n", 22, "VMDK" },
		{ 0, "vhdxfile", 8, "VHDX" },
		{ 0, "conectix", 8, "VHD" },
		{ 0, "QED\0", 4, "QED" },
		{ 64, "\x7f\x10\xda\xbe", 4, "VDI" },
		{ 0, "WithoutFreeSpace", 16, "Parallels" },
		{ 0, "\x1f\x8b\x08\0", 4, "gzip; unpack" },
		{ 0, "\xfd\x37zXZ\0", 6, "xz; unpack" },
		{ 0, "\x28\xb5\x2f\xfd", 4, "zstd; unpack" },
		{ 0, "\x04\x22\x4d\x18", 4, "lz4; unpack" },
		{ 0, "BZh9\x31\x41\x59\x26\x53\x59", 10, "bzip2; unpack" },
		{ 0, "PK\3\4", 4, "zip" },
	};
	static const u8 zeroes[128];
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(images); i++) {
		file_put(f, 0, zeroes, sizeof(zeroes));
		assert_int_equal(try_open(f, (struct disk_options){ 0 }), 0);
		file_put(f, images[i].offset, images[i].bytes, images[i].len);
		assert_int_equal(try_open(f, (struct disk_options){ 0 }), -EINVAL);
		assert_says(f, images[i].name);
		assert_says(f, "format=raw");
		assert_int_equal(try_open(f, (struct disk_options){ .read_only = true }), -EINVAL);
		assert_int_equal(try_open(f, (struct disk_options){ .buffered = true }), -EINVAL);
		assert_int_equal(try_open(f, (struct disk_options){ .format = DISK_FORMAT_RAW }),
				 0);
	}
}

TEST_WITH(an_iso_image_is_not_written_unless_it_is_named_raw, setup, teardown)
{
	struct fixture *f = *state;

	file_put(f, 32768, "\1CD001\1", 7);
	assert_int_equal(try_open(f, (struct disk_options){ 0 }), -EINVAL);
	assert_says(f, "ISO 9660");
	assert_says(f, ",ro");
	assert_int_equal(try_open(f, (struct disk_options){ .read_only = true }), 0);
	assert_int_equal(try_open(f, (struct disk_options){ .format = DISK_FORMAT_RAW }), 0);
}

TEST_WITH(an_image_whose_end_is_no_sector_is_refused_and_not_cut, setup, teardown)
{
	static const u64 odd[] = { 513, 1000, SIZE - 1 };
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(odd); i++) {
		assert_int_equal(truncate(f->path, odd[i]), 0);
		assert_int_equal(try_open(f, (struct disk_options){ .read_only = true }), -EINVAL);
		assert_int_equal(try_open(f, (struct disk_options){ 0 }), -EINVAL);
		assert_says(f, "truncate -s %512");
	}
	assert_int_equal(truncate(f->path, 1024), 0);
	assert_int_equal(try_open(f, (struct disk_options){ 0 }), 0);
}

/* A process that holds a lock of @type, of the old kind or on its open file, until its pipe ends.
 */
static pid_t lock_elsewhere(struct fixture *f, int command, short type, int *hold)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
	int ready[2], end[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(end), 0);
	pid = fork();
	if (!pid) {
		int fd = open(f->path, O_RDWR);

		close(end[1]);
		if (fcntl(fd, command, &lock) || write(ready[1], "", 1) != 1)
			_exit(1);
		_exit(read(end[0], &byte, 1) ? 2 : 0);
	}
	close(end[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*hold = end[1];
	return pid;
}

static void let_go(pid_t pid, int hold)
{
	int status;

	close(hold);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

TEST_WITH(a_locked_disk_is_refused_with_the_name_of_the_program, setup, teardown)
{
	static const int kinds[] = { F_SETLK, F_OFD_SETLK };
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		char who[64];
		int hold;
		pid_t pid = lock_elsewhere(f, kinds[i], F_WRLCK, &hold);

		/* The child did not exec, and so has our name. */
		snprintf(who, sizeof(who), "in use by test_disk_open (process %d)", pid);
		assert_int_equal(try_open(f, (struct disk_options){ 0 }), -EBUSY);
		assert_says(f, who);
		assert_int_equal(try_open(f, (struct disk_options){ .read_only = true }), -EBUSY);
		assert_says(f, who);
		/* Sharing takes two, but for one who only reads. */
		assert_int_equal(try_open(f, (struct disk_options){ .share = true }), -EBUSY);
		assert_int_equal(
			try_open(f, (struct disk_options){ .share = true, .read_only = true }), 0);
		let_go(pid, hold);
		assert_int_equal(try_open(f, (struct disk_options){ 0 }), 0);
		disk_close(f->disk);
		f->disk = NULL;
	}
}

static void *let_go_soon(void *hold)
{
	usleep(20000);
	close(*(int *)hold);
	return NULL;
}

TEST_WITH(a_disk_whose_holder_is_about_to_end_is_waited_for, setup, teardown)
{
	struct fixture *f = *state;
	pthread_t thread;
	int hold;
	pid_t pid = lock_elsewhere(f, F_OFD_SETLK, F_WRLCK, &hold);

	assert_int_equal(pthread_create(&thread, NULL, let_go_soon, &hold), 0);
	assert_int_equal(try_open(f, (struct disk_options){ 0 }), 0);
	pthread_join(thread, NULL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

TEST_WITH(two_that_share_a_disk_may_both_write_it_and_keep_others_out, setup, teardown)
{
	struct fixture *f = *state;
	struct disk *other;

	assert_int_equal(try_open(f, (struct disk_options){ .share = true }), 0);
	assert_int_equal(
		disk_open(&other, f->path, &(struct disk_options){ .share = true }, &f->err), 0);
	disk_close(other);
	assert_int_equal(disk_open(&other, f->path, &(struct disk_options){ 0 }, &f->err), -EBUSY);
	assert_says(f, "is given twice");
}

/* ---- the host's errors ---- */

static void op_done(struct disk_request *request, int result)
{
	assert_int_equal(result, request->result);
}

/* One write on a loop of its own, with what is logged in @said. */
static int write_and_listen(struct fixture *f, u64 offset, char *said, size_t size)
{
	static u8 data[4096] __attribute__((aligned(4096)));
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct iovec iov = { data, sizeof(data) };
	struct disk_request request = { .op = DISK_WRITE,
					.offset = offset,
					.len = sizeof(data),
					.iov = &iov,
					.iov_count = 1,
					.done = op_done };
	struct loop *loop;

	assert_int_equal(loop_create(&loop, &lock), 0);
	assert_int_equal(disk_start(f->disk, loop, NULL, NULL), 0);
	catch_stderr();
	disk_submit(f->disk, &request);
	disk_drain(f->disk);
	caught_stderr(said, size);
	disk_close(f->disk);
	f->disk = NULL;
	loop_destroy(loop);
	return request.result;
}

TEST_WITH(the_hosts_error_is_said_with_file_place_and_reason, setup, teardown)
{
	struct fixture *f = *state;
	struct rlimit old, small;
	char said[512], expected[512];

	getrlimit(RLIMIT_FSIZE, &old);
	small = (struct rlimit){ SIZE / 2, old.rlim_max };
	for (int buffered = 0; buffered < 2; buffered++) {
		assert_int_equal(try_open(f, (struct disk_options){ .buffered = buffered }), 0);
		setrlimit(RLIMIT_FSIZE, &small);
		assert_int_equal(write_and_listen(f, SIZE / 2, said, sizeof(said)), -EFBIG);
		setrlimit(RLIMIT_FSIZE, &old);
		snprintf(expected, sizeof(expected),
			 "lkvm: warning: disk %s: cannot write 4096 bytes at %llu: %s\n", f->path,
			 SIZE / 2, strerror(EFBIG));
		assert_string_equal(said, expected);
	}
}

TEST_WITH(what_the_guest_does_wrong_is_not_called_the_hosts_error, setup, teardown)
{
	struct fixture *f = *state;
	char said[512];

	assert_int_equal(try_open(f, (struct disk_options){ 0 }), 0);
	assert_int_equal(write_and_listen(f, SIZE, said, sizeof(said)), -EINVAL);
	assert_string_equal(said, "");
	assert_int_equal(try_open(f, (struct disk_options){ .read_only = true }), 0);
	assert_int_equal(write_and_listen(f, 0, said, sizeof(said)), -EROFS);
	assert_string_equal(said, "");
}
