/* SPDX-License-Identifier: BSD-2-Clause */
/* What is on the disk when a guest has asked for all of it. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "folder/folder.h"
#include "temp_folder.h"
#include "test.h"

/* More than are known one by one. */
#define MANY 40

static struct temp_folder base;
static char path[64];
static struct folder *folder;
static dev_t synced[MANY + 8];
static unsigned synced_count, syncs;
static bool is_read_only, is_never_synced;

/* In place of the C library's. */
int syncfs(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	synced[synced_count++] = st.st_dev;
	return syscall(SYS_syncfs, fd);
}

void sync(void)
{
	syncs++;
}

static int setup(void **state)
{
	temp_folder_create(&base, "/tmp");
	snprintf(path, sizeof(path), "%s/shared", base.path);
	assert_int_equal(mkdir(path, 0755), 0);
	synced_count = syncs = 0;
	is_read_only = is_never_synced = false;
	return 0;
}

static void mount_name(unsigned n, char name[80])
{
	snprintf(name, 80, "%s/%u", path, n);
}

static int teardown(void **state)
{
	char name[80];

	folder_close(folder);
	folder = NULL;
	for (unsigned i = 0; i < MANY; i++) {
		mount_name(i, name);
		umount2(name, MNT_DETACH);
	}
	temp_folder_remove(&base);
	return 0;
}

/* @count file systems in the folder; false: only root can. */
static bool open_with_mounts(unsigned count)
{
	const struct folder_options options = { .map = FOLDER_MAP_SQUASH,
						.read_only = is_read_only,
						.cross_mounts = true,
						.syncs = !is_never_synced };
	struct error err = { 0 };
	char name[80];

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	for (unsigned i = 0; i < count; i++) {
		mount_name(i, name);
		assert_int_equal(mkdir(name, 0755), 0);
		if (mount("test", name, "tmpfs", 0, "size=64k"))
			return false;
	}
	assert_int_equal(folder_open(&folder, path, &options, &err), 0);
	assert_int_equal(folder_thread_start(folder), 0);
	return true;
}

static dev_t dev_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	return st.st_dev;
}

static void enter(unsigned n)
{
	struct folder_entry entry;
	char name[16];

	snprintf(name, sizeof(name), "%u", n);
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, name, &entry), 0);
	folder_forget(folder, entry.node, 1);
}

TEST_WITH(a_sync_reaches_all_file_systems_that_the_guest_has_been_in, setup, teardown)
{
	char name[80];

	if (!open_with_mounts(3))
		skip();
	assert_int_equal(folder_sync(folder), 0);
	assert_int_equal(synced_count, 1);
	assert_int_equal(synced[0], dev_of(path));
	enter(1);
	enter(1);
	enter(2);
	synced_count = 0;
	assert_int_equal(folder_sync(folder), 0);
	assert_int_equal(synced_count, 3);
	mount_name(1, name);
	assert_int_equal(synced[1], dev_of(name));
	mount_name(2, name);
	assert_int_equal(synced[2], dev_of(name));
	assert_int_equal(syncs, 0);
	folder_reset(folder);
	/* Nothing keeps it busy any more. */
	assert_int_equal(umount2(name, 0), 0);
}

TEST_WITH(a_sync_reaches_more_file_systems_than_are_known_one_by_one, setup, teardown)
{
	if (!open_with_mounts(MANY))
		skip();
	for (unsigned i = 0; i < MANY; i++)
		enter(i);
	assert_int_equal(folder_sync(folder), 0);
	assert_int_equal(syncs, 1);
}

/* As long as one of its threads runs: ours are no other user's. */
static void become_nobody(void)
{
	assert_int_equal(syscall(SYS_setresuid, 65534, 65534, 0), 0);
}

static void become_root(void)
{
	assert_int_equal(syscall(SYS_setresuid, 0, 0, 0), 0);
}

TEST_WITH(a_file_system_whose_root_we_may_not_read_is_synced_with_all_others, setup, teardown)
{
	char name[80];
	int ret;

	if (!open_with_mounts(1))
		skip();
	enter(0);
	mount_name(0, name);
	assert_int_equal(chmod(name, 0711), 0);
	synced_count = 0;
	become_nobody();
	ret = folder_sync(folder);
	become_root();
	assert_int_equal(ret, 0);
	assert_int_equal(synced_count, 1);
	assert_int_equal(syncs, 1);
}

TEST_WITH(a_folder_that_is_only_read_keeps_no_file_system_busy, setup, teardown)
{
	char name[80];

	is_read_only = true;
	if (!open_with_mounts(1))
		skip();
	enter(0);
	mount_name(0, name);
	assert_int_equal(umount2(name, 0), 0);
}

/* 9p has no message for it. */
TEST_WITH(what_the_guest_has_forgotten_is_not_busy_where_it_never_syncs_all, setup, teardown)
{
	char name[80];

	is_never_synced = true;
	if (!open_with_mounts(1))
		skip();
	enter(0);
	mount_name(0, name);
	assert_int_equal(umount2(name, 0), 0);
}
