/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks with snapshot=on, and images below others, on hosts that are not as usual. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "catch.h"
#include "test.h"
#include "disk/disk.h"
#include "disk/image.h"
#include "util/log.h"
#include "vmm/loop.h"

#define SIZE (8 * MIB)

struct fixture {
	char folder[64], device[64];
	pthread_mutex_t lock;
	struct loop *loop;
	struct disk *disk;
	u8 *data;
};

struct op {
	struct disk_request request;
	struct iovec iov;
	bool done;
	int result;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/var/tmp/lkvm-test-host.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	assert_int_equal(chdir(f->folder), 0);
	pthread_mutex_init(&f->lock, NULL);
	assert_int_equal(loop_create(&f->loop, &f->lock), 0);
	assert_int_equal(posix_memalign((void **)&f->data, 4096, SIZE), 0);
	assert_int_equal(system("head -c 8M /dev/urandom >raw"), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[200];

	if (f->disk)
		assert_true(disk_drain(f->disk));
	disk_close(f->disk);
	loop_destroy(f->loop);
	unsetenv("TMPDIR");
	snprintf(command, sizeof(command), "losetup -d %s", f->device);
	if (*f->device)
		assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "cd / && rm -rf %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f->data);
	free(f);
	return 0;
}

static void open_disk(struct fixture *f, const char *path, struct disk_options options)
{
	struct error err = { "" };

	if (disk_open(&f->disk, path, &options, &err))
		fail_msg("%s", err.text);
	assert_int_equal(disk_start(f->disk, f->loop, NULL, NULL), 0);
}

static void close_disk(struct fixture *f)
{
	assert_true(disk_drain(f->disk));
	disk_close(f->disk);
	f->disk = NULL;
}

static void op_done(struct disk_request *request, int result)
{
	struct op *op = container_of(request, struct op, request);

	op->done = true;
	op->result = result;
}

static int run(struct fixture *f, enum disk_op what, u64 offset, u64 len)
{
	struct op op = { .request = { .op = what,
				      .offset = offset,
				      .len = len,
				      .iov = &op.iov,
				      .iov_count = 1,
				      .done = op_done },
			 .iov = { f->data + offset, len } };

	disk_submit(f->disk, &op.request);
	disk_flush_queue(f->disk);
	while (!op.done)
		loop_poll(f->loop, 1000);
	return op.result;
}

/* A loop device on the file "raw", with blocks of @size. Skips where there is none to be had. */
static void make_device(struct fixture *f, unsigned size)
{
	char command[100];
	FILE *out;

	if (geteuid())
		skip();
	snprintf(command, sizeof(command), "losetup -b %u -f --show raw 2>/dev/null", size);
	out = popen(command, "r");
	assert_non_null(out);
	if (!fgets(f->device, sizeof(f->device), out))
		f->device[0] = 0;
	pclose(out);
	f->device[strcspn(f->device, "\n")] = 0;
	if (!*f->device)
		skip();
}

/* Each write is there to be read, and the file stays as it is. */
static void play_with_snapshot(struct fixture *f, const char *path)
{
	assert_int_equal(system("cksum raw >before"), 0);
	open_disk(f, path, (struct disk_options){ .snapshot = true });
	assert_int_equal(run(f, DISK_READ, 0, SIZE), 0);
	for (u64 at = 512; at < SIZE / 2; at += 300 * 1024) {
		memset(f->data + at, at >> 9, 4096 + 512);
		assert_int_equal(run(f, DISK_WRITE, at, 4096 + 512), 0);
	}
	assert_int_equal(run(f, DISK_WRITE_ZEROES, SIZE / 2, MIB), 0);
	assert_int_equal(run(f, DISK_DISCARD, SIZE / 2 + MIB, MIB), 0);
	assert_int_equal(run(f, DISK_FLUSH, 0, 0), 0);
	memset(f->data, 0, SIZE);
	assert_int_equal(run(f, DISK_READ, 0, SIZE), 0);
	for (u64 at = 512; at < SIZE / 2; at += 300 * 1024)
		assert_int_equal(f->data[at + 4096], (u8)(at >> 9));
	assert_int_equal(f->data[SIZE / 2 + 4711], 0);
	close_disk(f);
	assert_int_equal(system("sync raw; cksum raw | cmp - before"), 0);
}

TEST_WITH(a_snapshot_of_a_block_device_leaves_it_alone, setup, teardown)
{
	struct fixture *f = *state;

	make_device(f, 512);
	play_with_snapshot(f, f->device);
}

TEST_WITH(a_snapshot_of_a_device_with_large_blocks_has_small_ones, setup, teardown)
{
	struct fixture *f = *state;

	make_device(f, 4096);
	play_with_snapshot(f, f->device);
}

TEST_WITH(an_image_above_a_device_with_large_blocks_reads_its_sectors, setup, teardown)
{
	struct fixture *f = *state;
	struct image_creation creation = { .format = DISK_FORMAT_QCOW2,
					   .size = SIZE,
					   .backing = f->device,
					   .backing_format = DISK_FORMAT_RAW };
	struct error err = { "" };
	u8 sector[512];
	FILE *raw;

	make_device(f, 4096);
	if (image_create("top", &creation, &err))
		fail_msg("%s", err.text);
	open_disk(f, "top", (struct disk_options){ .backing_anywhere = true });
	assert_int_equal(run(f, DISK_READ, 5 * 512, 512), 0);
	raw = fopen("raw", "r");
	fseek(raw, 5 * 512, SEEK_SET);
	assert_int_equal(fread(sector, 1, 512, raw), 512);
	fclose(raw);
	assert_memory_equal(f->data + 5 * 512, sector, 512);
}

TEST_WITH(a_snapshot_of_a_file_leaves_it_alone, setup, teardown)
{
	play_with_snapshot(*state, "raw");
}

/* What did not fit is an error of its write; what did is there, and more fits when there is room.
 */
TEST_WITH(a_snapshot_goes_on_when_its_folder_is_full, setup, teardown)
{
	struct fixture *f = *state;
	char said[2000];
	u64 at = 0;

	if (geteuid() || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/mnt", "tmpfs", 0, "size=2M"))
		skip();
	setenv("TMPDIR", "/mnt", 1);
	assert_int_equal(system("cksum raw >before"), 0);
	open_disk(f, "raw", (struct disk_options){ .snapshot = true });
	catch_stderr();
	for (int ret = 0; !ret && at < SIZE; at += 64 * KIB) {
		memset(f->data + at, 0x5a, 64 * KIB);
		ret = run(f, DISK_WRITE, at, 64 * KIB);
		if (ret)
			assert_int_equal(ret, -ENOSPC);
	}
	caught_stderr(said, sizeof(said));
	assert_non_null(strstr(said, "No space left on device"));
	assert_in_range(at, MIB, 2 * MIB);
	memset(f->data, 0, SIZE);
	assert_int_equal(run(f, DISK_READ, 0, at - 64 * KIB), 0);
	for (u64 i = 0; i < at - 64 * KIB; i++)
		assert_int_equal(f->data[i], 0x5a);
	assert_int_equal(mount("tmpfs", "/mnt", "tmpfs", MS_REMOUNT, "size=16M"), 0);
	memset(f->data, 0x77, SIZE);
	assert_int_equal(run(f, DISK_WRITE, 0, SIZE), 0);
	memset(f->data, 0, SIZE);
	assert_int_equal(run(f, DISK_READ, 0, SIZE), 0);
	assert_int_equal(f->data[SIZE - 1], 0x77);
	/* Nobody else sees the scratch file. */
	assert_int_equal(system("[ -z \"$(ls -A /mnt)\" ]"), 0);
	close_disk(f);
	umount("/mnt");
	assert_int_equal(system("cksum raw | cmp - before"), 0);
}
