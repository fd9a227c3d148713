/* SPDX-License-Identifier: BSD-2-Clause */
/* What the folder server does to the host: whose powers it has, what it leaves, what it tells. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "folder/folder.h"
#include "temp_folder.h"
#include "test.h"

static const struct folder_cred root_cred;
static struct temp_folder base;
static char path[64]; /* the folder: base/shared */
static struct folder *folder;
static int base_fd = -1; /* base/shared */

static void open_with(struct folder_options options)
{
	struct error err = { 0 };

	folder_close(folder);
	folder = NULL;
	assert_int_equal(folder_open(&folder, path, &options, &err), 0);
	assert_int_equal(folder_thread_start(folder), 0);
}

static void open_base(void)
{
	close(base_fd);
	base_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(base_fd >= 0);
}

static int setup(void **state)
{
	temp_folder_create(&base, "/var/tmp");
	snprintf(path, sizeof(path), "%s/shared", base.path);
	assert_int_equal(mkdir(path, 0755), 0);
	open_base();
	return 0;
}

static int teardown(void **state)
{
	folder_close(folder);
	folder = NULL;
	close(base_fd);
	base_fd = -1;
	temp_folder_remove(&base);
	return 0;
}

static void put_file(const char *name, const char *text, mode_t mode)
{
	int fd = openat(base_fd, name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static struct folder_entry find(const char *name)
{
	struct folder_entry entry;

	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, name, &entry), 0);
	return entry;
}

static unsigned count_entries(void)
{
	int fd = openat(base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

/* ---- powers ---- */

/* Root could set all of these: the process that serves may be root's. */
TEST_WITH(attributes_that_the_hosts_kernel_acts_on_are_not_the_guests, setup, teardown)
{
	static const char *const names[] = { "security.capability", "security.selinux",
					     "trusted.overlay.opaque", "system.posix_acl_access",
					     "no-class" };
	/* struct vfs_cap_data: all of them, effective */
	static const u8 powers[20] = { 1, 0, 0, 2, 0xff, 0xff, 0xff, 0xff };
	static const enum folder_map maps[] = { FOLDER_MAP_SQUASH, FOLDER_MAP_XATTR };
	char list[1000], file[80];
	struct folder_entry entry;

	put_file("file", "", 0755);
	snprintf(file, sizeof(file), "%s/file", path);
	for (unsigned i = 0; i < ARRAY_SIZE(maps) * ARRAY_SIZE(names); i++) {
		const char *name = names[i % ARRAY_SIZE(names)];

		open_with((struct folder_options){ .map = maps[i / ARRAY_SIZE(names)] });
		entry = find("file");
		assert_int_equal(folder_setxattr(folder, entry.node, name, powers, 20, 0),
				 -EOPNOTSUPP);
		assert_int_equal(folder_removexattr(folder, entry.node, name), -EOPNOTSUPP);
		assert_int_equal(folder_getxattr(folder, entry.node, name, list, 100), -EOPNOTSUPP);
		assert_true(getxattr(file, name, NULL, 0) < 0);
	}
	/* Nor does it see those of the host's. */
	if (setxattr(file, "trusted.hosts", "x", 1, 0))
		skip();
	assert_int_equal(setxattr(file, "user.hers", "x", 1, 0), 0);
	assert_int_equal(folder_listxattr(folder, entry.node, list, sizeof(list)), 10);
	assert_string_equal(list, "user.hers");
}

/* The guest's kernel has judged by groups of the process that are not told. */
TEST_WITH(with_ids_of_the_hosts_a_supplementary_group_is_enough, setup, teardown)
{
	const struct folder_cred cred = { 1000, 100 };
	struct folder_attr set = { .size = 1 }, now;
	struct folder_entry entry;
	struct stat st;
	u64 file;

	if (geteuid())
		skip();
	assert_int_equal(fchmod(base_fd, 0770), 0);
	assert_int_equal(fchown(base_fd, 0, 4242), 0);
	put_file("roots", "text", 0660);
	open_with((struct folder_options){ .map = FOLDER_MAP_HOST });
	assert_int_equal(
		folder_create(folder, &cred, FOLDER_ROOT, "new", O_RDWR, 06755, &entry, &file), 0);
	assert_int_equal(folder_mkdir(folder, &cred, FOLDER_ROOT, "dir", 0700, &entry), 0);
	assert_int_equal(fstatat(base_fd, "new", &st, 0), 0);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_gid, 100);
	assert_int_equal(fstatat(base_fd, "dir", &st, 0), 0);
	assert_int_equal(st.st_uid, 1000);
	entry = find("roots");
	assert_int_equal(folder_setattr(folder, entry.node, 0, FOLDER_SET_SIZE, &set, &now), 0);
	/* Afterwards the thread is its own again. */
	assert_int_equal(folder_mkdir(folder, &root_cred, FOLDER_ROOT, "roots-dir", 0700, &entry),
			 0);
	assert_int_equal(fstatat(base_fd, "roots-dir", &st, 0), 0);
	assert_int_equal(st.st_uid, 0);
}

TEST_WITH(a_file_that_is_cut_loses_its_set_id_bits_if_the_guest_says_so, setup, teardown)
{
	struct folder_attr set = { .size = 1 }, now;

	if (geteuid())
		skip();
	put_file("program", "text", 06777);
	open_with((struct folder_options){ .map = FOLDER_MAP_HOST });
	assert_int_equal(folder_setattr(folder, find("program").node, 0,
					FOLDER_SET_SIZE | FOLDER_SET_KILL_PRIV, &set, &now),
			 0);
	assert_int_equal(now.mode & 07777, 0777);
}

TEST_WITH(a_mode_that_is_set_together_with_an_owner_stays_whole, setup, teardown)
{
	struct folder_attr set = { .mode = 04755, .uid = 1000, .gid = 100 }, now;

	if (geteuid())
		skip();
	put_file("program", "text", 0755);
	open_with((struct folder_options){ .map = FOLDER_MAP_HOST });
	assert_int_equal(folder_setattr(folder, find("program").node, 0,
					FOLDER_SET_MODE | FOLDER_SET_UID | FOLDER_SET_GID, &set,
					&now),
			 0);
	assert_int_equal(now.mode & 07777, 04755);
	assert_int_equal(now.uid, 1000);
}

TEST_WITH(a_directory_that_the_guest_closes_stays_open_to_the_server, setup, teardown)
{
	struct folder_entry dir, entry;
	struct folder_attr set = { .mode = 01000 }, now;
	struct stat st;

	if (fsetxattr(base_fd, "user.test", "x", 1, 0))
		skip();
	open_with((struct folder_options){ .map = FOLDER_MAP_XATTR });
	assert_int_equal(folder_mkdir(folder, &root_cred, FOLDER_ROOT, "dir", 0, &dir), 0);
	assert_int_equal(dir.attr.mode, S_IFDIR);
	assert_int_equal(fstatat(base_fd, "dir", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(folder_setattr(folder, dir.node, 0, FOLDER_SET_MODE, &set, &now), 0);
	assert_int_equal(now.mode, S_IFDIR | 01000);
	assert_int_equal(folder_mkdir(folder, &root_cred, dir.node, "sub", 0, &entry), 0);
	assert_int_equal(fstatat(base_fd, "dir", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 01700);
}

static bool take_type(void *arg, const struct folder_dirent *entry)
{
	if (!strcmp(entry->name, "null"))
		*(u32 *)arg = entry->type;
	return true;
}

TEST_WITH(a_listing_does_not_call_a_device_of_the_guests_a_file, setup, teardown)
{
	struct folder_entry entry;
	u32 type = DT_REG;
	u64 file;

	if (fsetxattr(base_fd, "user.test", "x", 1, 0))
		skip();
	open_with((struct folder_options){ .map = FOLDER_MAP_XATTR });
	assert_int_equal(
		folder_mknod(folder, &root_cred, FOLDER_ROOT, "null", S_IFCHR | 0666, 1, 3, &entry),
		0);
	assert_int_equal(folder_open_file(folder, FOLDER_ROOT, O_RDONLY | O_DIRECTORY, &file), 0);
	assert_int_equal(folder_readdir(folder, file, 0, take_type, &type), 0);
	assert_int_equal(type, DT_UNKNOWN);
}

/* ---- what is left ---- */

TEST_WITH(reading_what_is_read_only_does_not_change_when_it_was_read, setup, teardown)
{
	static const struct timespec long_ago[2] = { { 1000, 0 }, { 2000, 0 } };
	char text[8];
	struct iovec iov = { text, sizeof(text) };
	struct stat st;
	u64 file;
	u32 type;

	put_file("file", "hello", 0644);
	assert_int_equal(utimensat(base_fd, "file", long_ago, 0), 0);
	assert_int_equal(futimens(base_fd, long_ago), 0);
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH, .read_only = true });
	assert_int_equal(folder_open_file(folder, find("file").node, O_RDONLY, &file), 0);
	assert_int_equal(folder_read(folder, file, &iov, 1, 0), 5);
	assert_int_equal(folder_open_file(folder, FOLDER_ROOT, O_RDONLY | O_DIRECTORY, &file), 0);
	assert_int_equal(folder_readdir(folder, file, 0, take_type, &type), 0);
	assert_int_equal(fstatat(base_fd, "file", &st, 0), 0);
	assert_int_equal(st.st_atim.tv_sec, 1000);
	assert_int_equal(fstat(base_fd, &st), 0);
	assert_int_equal(st.st_atim.tv_sec, 1000);
}

/* Linux's 9p sends a change of the size with whatever fid of the file is open. */
TEST_WITH(a_file_can_be_cut_by_a_handle_that_only_reads, setup, teardown)
{
	struct folder_attr set = { .size = 2 }, now;
	struct folder_entry entry;
	u64 file;

	put_file("file", "hello", 0644);
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH });
	entry = find("file");
	assert_int_equal(folder_open_file(folder, entry.node, O_RDONLY, &file), 0);
	assert_int_equal(folder_setattr(folder, entry.node, file, FOLDER_SET_SIZE, &set, &now), 0);
	assert_int_equal(now.size, 2);
}

TEST_WITH(what_the_guest_cannot_be_told_of_is_not_made, setup, teardown)
{
	struct folder_entry entry;
	u64 file;

	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH, .max_nodes = 1 });
	assert_int_equal(folder_mkdir(folder, &root_cred, FOLDER_ROOT, "dir", 0755, &entry),
			 -ENFILE);
	assert_int_equal(folder_symlink(folder, &root_cred, FOLDER_ROOT, "link", "x", &entry),
			 -ENFILE);
	assert_int_equal(
		folder_mknod(folder, &root_cred, FOLDER_ROOT, "file", S_IFREG | 0600, 0, 0, &entry),
		-ENFILE);
	assert_int_equal(
		folder_create(folder, &root_cred, FOLDER_ROOT, "file", O_RDWR, 0600, &entry, &file),
		-ENFILE);
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH, .max_files = 1 });
	assert_int_equal(folder_open_file(folder, FOLDER_ROOT, O_RDONLY | O_DIRECTORY, &file), 0);
	assert_int_equal(
		folder_create(folder, &root_cred, FOLDER_ROOT, "file", O_RDWR, 0600, &entry, &file),
		-ENFILE);
	assert_int_equal(count_entries(), 0);
}

/* ---- what is known ---- */

/* A name that is known is not opened again, if it still stands for the same. */
TEST_WITH(a_known_name_is_what_stands_there_now, setup, teardown)
{
	struct folder_entry first, again;

	put_file("one", "1", 0644);
	put_file("two", "22", 0644);
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH });
	first = find("one");
	for (unsigned i = 0; i < 3; i++) {
		again = find("one");
		assert_int_equal(again.node, first.node);
		assert_int_equal(again.attr.size, 1);
	}
	put_file("one", "longer", 0644);
	again = find("one");
	assert_int_equal(again.attr.size, 6);
	assert_int_equal(renameat(base_fd, "two", base_fd, "one"), 0);
	again = find("one");
	assert_int_not_equal(again.node, first.node);
	assert_int_equal(again.attr.size, 2);
	assert_int_equal(unlinkat(base_fd, "one", 0), 0);
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, "one", &again), -ENOENT);
	/* Five references to the first: all but one of them leave it. */
	folder_forget(folder, first.node, 4);
	assert_int_equal(folder_hold(folder, first.node), 0);
	folder_forget(folder, first.node, 2);
	assert_int_equal(folder_hold(folder, first.node), -ESTALE);
}

TEST_WITH(a_file_system_that_is_mounted_on_a_known_name_is_not_entered, setup, teardown)
{
	struct folder_entry entry;
	char dir[80];

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		skip();
	open_base();
	assert_int_equal(mkdirat(base_fd, "dir", 0755), 0);
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH });
	for (unsigned i = 0; i < 3; i++)
		entry = find("dir");
	snprintf(dir, sizeof(dir), "%s/dir", path);
	assert_int_equal(mount(dir, dir, NULL, MS_BIND, NULL), 0);
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, "dir", &entry), -EXDEV);
	assert_int_equal(umount2(dir, MNT_DETACH), 0);
	entry = find("dir");
}

/* ---- what is told ---- */

static void write_until_full(u64 file, int error)
{
	static char data[65536];
	struct iovec iov = { data, sizeof(data) };
	u64 offset = 0;
	s64 len;

	while ((len = folder_write(folder, file, &iov, 1, offset)) > 0 && offset < 1 << 20)
		offset += len;
	assert_int_equal(len, error);
}

TEST_WITH(a_full_file_system_is_an_error_and_goes_on, setup, teardown)
{
	struct folder_entry entry;
	u64 file, made;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("test", path, "tmpfs", 0, "size=256k,nr_inodes=4"))
		skip();
	open_base();
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH });
	assert_int_equal(
		folder_create(folder, &root_cred, FOLDER_ROOT, "file", O_RDWR, 0600, &entry, &file),
		0);
	made = entry.node;
	write_until_full(file, -ENOSPC);
	assert_int_equal(folder_fallocate(folder, file, 0, 0, 1 << 20), -ENOSPC);
	assert_int_equal(folder_mkdir(folder, &root_cred, FOLDER_ROOT, "dir", 0755, &entry), 0);
	assert_int_equal(folder_mkdir(folder, &root_cred, FOLDER_ROOT, "one", 0755, &entry), 0);
	assert_int_equal(folder_mkdir(folder, &root_cred, FOLDER_ROOT, "more", 0755, &entry),
			 -ENOSPC);
	assert_int_equal(folder_close_file(folder, file), 0);
	assert_int_equal(folder_unlink(folder, FOLDER_ROOT, "file", 0), 0);
	/* Its inode is free when the guest has forgotten it. */
	folder_forget(folder, made, 1);
	assert_int_equal(folder_mkdir(folder, &root_cred, FOLDER_ROOT, "more", 0755, &entry), 0);
	folder_close(folder);
	folder = NULL;
	close(base_fd);
	base_fd = -1;
	assert_int_equal(umount2(path, MNT_DETACH), 0);
}

TEST_WITH(each_trouble_of_the_hosts_is_told_once, setup, teardown)
{
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH });
	assert_int_equal(folder_trouble(folder), 0);
	folder_note_error(folder, -EPERM);
	folder_note_error(folder, -ENOENT);
	assert_int_equal(folder_trouble(folder), 0);
	folder_note_error(folder, -EIO);
	folder_note_error(folder, -ENOSPC);
	folder_note_error(folder, -ENOSPC);
	assert_int_equal(folder_trouble(folder), ENOSPC);
	assert_int_equal(folder_trouble(folder), EIO);
	assert_int_equal(folder_trouble(folder), 0);
	folder_note_error(folder, -EIO);
	assert_int_equal(folder_trouble(folder), 0);
	folder_reset(folder);
	folder_note_error(folder, -EIO);
	assert_int_equal(folder_trouble(folder), EIO);
	/* That a read-only folder is one is no news. */
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH, .read_only = true });
	folder_note_error(folder, -EROFS);
	assert_int_equal(folder_trouble(folder), 0);
}

TEST_WITH(a_folder_that_is_removed_is_told_and_gives_errors, setup, teardown)
{
	struct folder_entry entry;
	struct folder_attr attr;

	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH });
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(folder_mkdir(folder, &root_cred, FOLDER_ROOT, "dir", 0755, &entry),
			 -ENOENT);
	assert_int_equal(folder_getattr(folder, FOLDER_ROOT, 0, &attr), 0);
	assert_int_equal(folder_trouble(folder), ENOENT);
}
