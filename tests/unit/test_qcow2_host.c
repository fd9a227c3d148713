/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks with snapshot=on, and images below others, on hosts that are not as usual. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "catch.h"
#include "test.h"
#include "disk_rig.h"
#include "disk/image.h"
#include "util/log.h"

#define SIZE (8 * MIB)

struct fixture {
	struct disk_rig rig;
	char device[64];
};

static int setup(void **state)
{
	static struct fixture f;

	f.device[0] = '\0';
	disk_rig_create(&f.rig, SIZE);
	assert_int_equal(system("head -c 8M /dev/urandom >raw"), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[200];

	if (f->rig.disk)
		disk_rig_close(&f->rig);
	unsetenv("TMPDIR");
	snprintf(command, sizeof(command), "losetup -d %s", f->device);
	if (*f->device)
		assert_int_equal(system(command), 0);
	disk_rig_destroy(&f->rig);
	return 0;
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
	disk_rig_open(&f->rig, path, (struct disk_options){ .snapshot = true });
	assert_int_equal(disk_rig_run(&f->rig, DISK_READ, 0, SIZE), 0);
	for (u64 at = 512; at < SIZE / 2; at += 300 * 1024) {
		memset(f->rig.data + at, at >> 9, 4096 + 512);
		assert_int_equal(disk_rig_run(&f->rig, DISK_WRITE, at, 4096 + 512), 0);
	}
	assert_int_equal(disk_rig_run(&f->rig, DISK_WRITE_ZEROES, SIZE / 2, MIB), 0);
	assert_int_equal(disk_rig_run(&f->rig, DISK_DISCARD, SIZE / 2 + MIB, MIB), 0);
	assert_int_equal(disk_rig_run(&f->rig, DISK_FLUSH, 0, 0), 0);
	memset(f->rig.data, 0, SIZE);
	assert_int_equal(disk_rig_run(&f->rig, DISK_READ, 0, SIZE), 0);
	for (u64 at = 512; at < SIZE / 2; at += 300 * 1024)
		assert_int_equal(f->rig.data[at + 4096], (u8)(at >> 9));
	assert_int_equal(f->rig.data[SIZE / 2 + 4711], 0);
	disk_rig_close(&f->rig);
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
	disk_rig_open(&f->rig, "top", (struct disk_options){ .backing_anywhere = true });
	assert_int_equal(disk_rig_run(&f->rig, DISK_READ, 5 * 512, 512), 0);
	raw = fopen("raw", "r");
	fseek(raw, 5 * 512, SEEK_SET);
	assert_int_equal(fread(sector, 1, 512, raw), 512);
	fclose(raw);
	assert_memory_equal(f->rig.data + 5 * 512, sector, 512);
}

/* What the device has behind the image is anything; its refcounts are for the first part alone. */
TEST_WITH(an_image_on_a_device_may_have_all_of_it, setup, teardown)
{
	const struct image_creation creation = { .format = DISK_FORMAT_QCOW2,
						 .size = SIZE / 2,
						 .cluster_size = 512 };
	struct fixture *f = *state;
	struct error err = { "" };

	assert_int_equal(image_create("image", &creation, &err), 0);
	assert_int_equal(system("dd if=image of=raw conv=notrunc status=none"), 0);
	make_device(f, 512);
	disk_rig_open(&f->rig, f->device, (struct disk_options){ .format = DISK_FORMAT_QCOW2 });
	for (u64 at = 0; at < SIZE / 2; at += 65536) {
		memset(f->rig.data + at, 1 + (at >> 16), 65536);
		assert_int_equal(disk_rig_run(&f->rig, DISK_WRITE, at, 65536), 0);
	}
	assert_int_equal(disk_rig_run(&f->rig, DISK_FLUSH, 0, 0), 0);
	disk_rig_close(&f->rig);
	disk_rig_assert_sound(f->device);
	disk_rig_open(&f->rig, f->device, (struct disk_options){ .format = DISK_FORMAT_QCOW2 });
	memset(f->rig.data, 0, SIZE);
	assert_int_equal(disk_rig_run(&f->rig, DISK_READ, 0, SIZE / 2), 0);
	for (u64 at = 0; at < SIZE / 2; at += 4096)
		assert_int_equal(f->rig.data[at + 511], 1 + (at >> 16));
	disk_rig_close(&f->rig);
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
	disk_rig_open(&f->rig, "raw", (struct disk_options){ .snapshot = true });
	catch_stderr();
	for (int ret = 0; !ret && at < SIZE; at += 64 * KIB) {
		memset(f->rig.data + at, 0x5a, 64 * KIB);
		ret = disk_rig_run(&f->rig, DISK_WRITE, at, 64 * KIB);
		if (ret)
			assert_int_equal(ret, -ENOSPC);
	}
	caught_stderr(said, sizeof(said));
	assert_non_null(strstr(said, "No space left on device"));
	assert_in_range(at, MIB, 2 * MIB);
	memset(f->rig.data, 0, SIZE);
	assert_int_equal(disk_rig_run(&f->rig, DISK_READ, 0, at - 64 * KIB), 0);
	for (u64 i = 0; i < at - 64 * KIB; i++)
		assert_int_equal(f->rig.data[i], 0x5a);
	assert_int_equal(mount("tmpfs", "/mnt", "tmpfs", MS_REMOUNT, "size=16M"), 0);
	memset(f->rig.data, 0x77, SIZE);
	assert_int_equal(disk_rig_run(&f->rig, DISK_WRITE, 0, SIZE), 0);
	memset(f->rig.data, 0, SIZE);
	assert_int_equal(disk_rig_run(&f->rig, DISK_READ, 0, SIZE), 0);
	assert_int_equal(f->rig.data[SIZE - 1], 0x77);
	/* Nobody else sees the scratch file. */
	assert_int_equal(system("[ -z \"$(ls -A /mnt)\" ]"), 0);
	disk_rig_close(&f->rig);
	umount("/mnt");
	assert_int_equal(system("cksum raw | cmp - before"), 0);
}
