/* SPDX-License-Identifier: BSD-2-Clause */
/* The folder server, on a real folder of the host's, with a secret beside it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void open_with(const struct folder_options *options)
{
	struct error err = { 0 };

	folder_close(folder);
	folder = NULL;
	assert_int_equal(folder_open(&folder, path, options, &err), 0);
	assert_int_equal(folder_thread_start(folder), 0);
}

static int setup(void **state)
{
	static const struct folder_options options = { .map = FOLDER_MAP_SQUASH };

	temp_folder_create(&base, "/tmp");
	snprintf(path, sizeof(path), "%s/shared", base.path);
	assert_int_equal(mkdir(path, 0755), 0);
	base_fd = open(path, O_PATH | O_DIRECTORY);
	temp_file(base_fd, "../secret", "secret");
	temp_file(base_fd, "file", "hello");
	open_with(&options);
	return 0;
}

static int teardown(void **state)
{
	folder_close(folder);
	folder = NULL;
	close(base_fd);
	temp_folder_remove(&base);
	return 0;
}

static u64 find(u64 dir, const char *name)
{
	struct folder_entry entry;

	assert_int_equal(folder_lookup(folder, dir, name, &entry), 0);
	return entry.node;
}

static int try(u64 dir, const char *name)
{
	struct folder_entry entry;

	return folder_lookup(folder, dir, name, &entry);
}

static s64 read_text(u64 node, char *text, size_t size)
{
	struct iovec iov = { text, size };
	u64 file;
	s64 len;

	assert_int_equal(folder_open_file(folder, node, O_RDONLY, &file), 0);
	len = folder_read(folder, file, &iov, 1, 0);
	assert_int_equal(folder_close_file(folder, file), 0);
	return len;
}

TEST_WITH(a_file_is_found_and_read, setup, teardown)
{
	char text[16];
	u64 node = find(FOLDER_ROOT, "file");

	assert_int_equal(read_text(node, text, sizeof(text)), 5);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(try(FOLDER_ROOT, "none"), -ENOENT);
	assert_int_equal(try(node, "x"), -ENOTDIR);
}

TEST_WITH(no_name_leads_out_of_the_folder, setup, teardown)
{
	static const char *const names[] = { "../secret", "/etc/passwd", "..//", "a/b", "" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(try(FOLDER_ROOT, names[i]), -EINVAL);
	assert_int_equal(find(FOLDER_ROOT, ".."), FOLDER_ROOT);
	assert_int_equal(find(FOLDER_ROOT, "."), FOLDER_ROOT);
}

TEST_WITH(links_are_read_and_never_followed, setup, teardown)
{
	char target[PATH_MAX];
	u64 file, link;

	assert_int_equal(symlinkat("../secret", base_fd, "link"), 0);
	assert_int_equal(symlinkat("..", base_fd, "up"), 0);
	link = find(FOLDER_ROOT, "link");
	assert_int_equal(folder_readlink(folder, link, target, sizeof(target)), 9);
	assert_memory_equal(target, "../secret", 9);
	assert_int_equal(folder_open_file(folder, link, O_RDONLY, &file), -ELOOP);
	assert_int_equal(try(find(FOLDER_ROOT, "up"), "secret"), -ENOTDIR);
	assert_int_equal(folder_readlink(folder, find(FOLDER_ROOT, "file"), target, 10), -EINVAL);
}

TEST_WITH(a_folder_swapped_for_a_link_is_not_entered, setup, teardown)
{
	static const struct folder_options few = { .map = FOLDER_MAP_SQUASH, .max_fds = 2 };
	u64 dir, inner;

	open_with(&few);
	assert_int_equal(mkdirat(base_fd, "dir", 0755), 0);
	temp_file(base_fd, "dir/secret", "not this one");
	dir = find(FOLDER_ROOT, "dir");
	inner = find(dir, "secret");
	/* Close the descriptors of both, then put a link in the folder's place. */
	find(FOLDER_ROOT, "file");
	temp_file(base_fd, "other", "");
	find(FOLDER_ROOT, "other");
	assert_int_equal(renameat(base_fd, "dir", base_fd, "moved"), 0);
	assert_int_equal(symlinkat("..", base_fd, "dir"), 0);
	assert_int_equal(try(dir, "secret"), -ESTALE);
	assert_int_equal(folder_getattr(folder, inner, 0, &(struct folder_attr){ 0 }), -ESTALE);
}

TEST_WITH(special_files_are_never_opened, setup, teardown)
{
	u64 file;

	assert_int_equal(mkfifoat(base_fd, "fifo", 0644), 0);
	assert_int_equal(folder_open_file(folder, find(FOLDER_ROOT, "fifo"), O_RDONLY, &file),
			 -ENXIO);
	assert_int_equal(folder_open_file(folder, find(FOLDER_ROOT, "fifo"), O_RDWR, &file),
			 -ENXIO);
}

TEST_WITH(names_of_one_inode_are_one_node, setup, teardown)
{
	struct folder_entry entry;
	u64 node = find(FOLDER_ROOT, "file");

	assert_int_equal(folder_link(folder, node, FOLDER_ROOT, "second", &entry), 0);
	assert_int_equal(entry.node, node);
	assert_int_equal(entry.attr.nlink, 2);
	assert_int_equal(find(FOLDER_ROOT, "second"), node);
}

TEST_WITH(a_forgotten_node_is_not_found_by_its_old_id, setup, teardown)
{
	struct folder_attr attr;
	u64 node = find(FOLDER_ROOT, "file"), again;

	folder_forget(folder, node, 1);
	assert_int_equal(folder_getattr(folder, node, 0, &attr), -ESTALE);
	again = find(FOLDER_ROOT, "file");
	assert_int_not_equal(again, node);
	assert_int_equal(folder_getattr(folder, node, 0, &attr), -ESTALE);
	folder_forget(folder, again, UINT64_MAX);
	folder_forget(folder, FOLDER_ROOT, UINT64_MAX);
	folder_forget(folder, 12345, 1);
	assert_int_equal(folder_getattr(folder, FOLDER_ROOT, 0, &attr), 0);
}

TEST_WITH(descriptors_are_a_bounded_cache, setup, teardown)
{
	static const struct folder_options few = { .map = FOLDER_MAP_SQUASH, .max_fds = 4 };
	static u64 nodes[300];
	struct folder_attr attr;
	char name[16];
	int before, after;

	open_with(&few);
	before = dup(0);
	close(before);
	assert_int_equal(mkdirat(base_fd, "d", 0755), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(nodes); i++) {
		snprintf(name, sizeof(name), "d/%u", i);
		temp_file(base_fd, name, "x");
		nodes[i] = find(find(FOLDER_ROOT, "d"), name + 2);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(nodes); i++)
		assert_int_equal(folder_getattr(folder, nodes[i], 0, &attr), 0);
	after = dup(0);
	close(after);
	assert_in_range(after, before, before + 4);
}

TEST_WITH(nodes_and_files_have_a_bound, setup, teardown)
{
	static const struct folder_options few = { .map = FOLDER_MAP_SQUASH,
						   .max_nodes = 3,
						   .max_files = 2 };
	u64 node, file[3];

	open_with(&few);
	temp_file(base_fd, "a", "");
	temp_file(base_fd, "b", "");
	node = find(FOLDER_ROOT, "a");
	find(FOLDER_ROOT, "b");
	assert_int_equal(try(FOLDER_ROOT, "file"), -ENFILE);
	folder_forget(folder, node, 1);
	node = find(FOLDER_ROOT, "file");
	assert_int_equal(folder_open_file(folder, node, O_RDONLY, &file[0]), 0);
	assert_int_equal(folder_open_file(folder, node, O_RDONLY, &file[1]), 0);
	assert_int_equal(folder_open_file(folder, node, O_RDONLY, &file[2]), -ENFILE);
	assert_int_equal(folder_close_file(folder, file[0]), 0);
	assert_int_equal(folder_close_file(folder, file[0]), -EBADF);
	assert_int_equal(folder_open_file(folder, node, O_RDONLY, &file[2]), 0);
	assert_int_not_equal(file[2], file[0]);
}

TEST_WITH(a_renamed_folder_keeps_its_children, setup, teardown)
{
	static const struct folder_options few = { .map = FOLDER_MAP_SQUASH, .max_fds = 2 };
	struct folder_entry a, b;
	struct folder_attr attr;
	u64 child;

	open_with(&few);
	assert_int_equal(folder_mkdir(folder, &root_cred, FOLDER_ROOT, "a", 0755, &a), 0);
	assert_int_equal(folder_mkdir(folder, &root_cred, FOLDER_ROOT, "b", 0755, &b), 0);
	temp_file(base_fd, "a/child", "x");
	child = find(a.node, "child");
	assert_int_equal(folder_rename(folder, FOLDER_ROOT, "a", b.node, "new", 0), 0);
	find(FOLDER_ROOT, "file");
	assert_int_equal(folder_getattr(folder, child, 0, &attr), 0);
	assert_int_equal(faccessat(base_fd, "b/new/child", F_OK, 0), 0);
	/* A folder cannot become its own child. */
	assert_int_equal(folder_rename(folder, FOLDER_ROOT, "b", a.node, "x", 0), -EINVAL);
}

TEST_WITH(a_new_file_is_written_and_read_back, setup, teardown)
{
	struct iovec iov = { "abcdef", 6 };
	struct folder_entry entry;
	char text[16];
	u64 file;

	assert_int_equal(folder_create(folder, &root_cred, FOLDER_ROOT, "new", O_RDWR | O_EXCL,
				       0600, &entry, &file),
			 0);
	assert_int_equal(folder_write(folder, file, &iov, 1, 2), 6);
	assert_int_equal(folder_fsync(folder, file, false), 0);
	assert_int_equal(folder_getattr(folder, entry.node, file, &entry.attr), 0);
	assert_int_equal(entry.attr.size, 8);
	assert_int_equal(folder_write(folder, file, &iov, 1, UINT64_MAX), -EINVAL);
	assert_int_equal(folder_close_file(folder, file), 0);
	assert_int_equal(read_text(entry.node, text, sizeof(text)), 8);
	assert_memory_equal(text, "\0\0abcdef", 8);
	assert_int_equal(folder_create(folder, &root_cred, FOLDER_ROOT, "new", O_RDWR | O_EXCL,
				       0600, &entry, &file),
			 -EEXIST);
	assert_int_equal(
		folder_create(folder, &root_cred, FOLDER_ROOT, "new", O_RDWR, 0600, &entry, &file),
		0);
}

TEST_WITH(a_file_that_cannot_be_opened_for_want_of_a_handle_is_not_truncated, setup, teardown)
{
	static const struct folder_options one = { .map = FOLDER_MAP_SQUASH, .max_files = 1 };
	struct folder_entry entry;
	char text[16];
	u64 file, other, node;

	open_with(&one);
	node = find(FOLDER_ROOT, "file");
	assert_int_equal(folder_open_file(folder, node, O_RDONLY, &file), 0);
	assert_int_equal(folder_open_file(folder, node, O_RDWR | O_TRUNC, &other), -ENFILE);
	assert_int_equal(folder_create(folder, &root_cred, FOLDER_ROOT, "file", O_RDWR | O_TRUNC,
				       0600, &entry, &other),
			 -ENFILE);
	assert_int_equal(folder_close_file(folder, file), 0);
	assert_int_equal(read_text(node, text, sizeof(text)), 5);
	assert_memory_equal(text, "hello", 5);
}

TEST_WITH(an_unlinked_file_that_is_open_stays, setup, teardown)
{
	struct folder_attr attr;
	char text[8];
	struct iovec iov = { text, sizeof(text) };
	u64 file, node = find(FOLDER_ROOT, "file");

	assert_int_equal(folder_open_file(folder, node, O_RDONLY, &file), 0);
	assert_int_equal(folder_unlink(folder, FOLDER_ROOT, "file", 0), 0);
	assert_int_equal(folder_getattr(folder, node, 0, &attr), 0);
	assert_int_equal(attr.nlink, 0);
	assert_int_equal(folder_read(folder, file, &iov, 1, 0), 5);
	assert_int_equal(try(FOLDER_ROOT, "file"), -ENOENT);
}

TEST_WITH(read_only_means_every_change, setup, teardown)
{
	static const struct folder_options options = { .map = FOLDER_MAP_SQUASH,
						       .read_only = true };
	struct folder_entry entry;
	struct folder_attr attr = { 0 };
	u64 node, file;

	open_with(&options);
	node = find(FOLDER_ROOT, "file");
	assert_int_equal(folder_open_file(folder, node, O_RDWR, &file), -EROFS);
	assert_int_equal(folder_open_file(folder, node, O_RDONLY | O_TRUNC, &file), -EROFS);
	assert_int_equal(
		folder_create(folder, &root_cred, FOLDER_ROOT, "n", O_RDONLY, 0600, &entry, &file),
		-EROFS);
	assert_int_equal(folder_mkdir(folder, &root_cred, FOLDER_ROOT, "n", 0755, &entry), -EROFS);
	assert_int_equal(folder_symlink(folder, &root_cred, FOLDER_ROOT, "n", "x", &entry), -EROFS);
	assert_int_equal(
		folder_mknod(folder, &root_cred, FOLDER_ROOT, "n", S_IFIFO | 0644, 0, 0, &entry),
		-EROFS);
	assert_int_equal(folder_link(folder, node, FOLDER_ROOT, "n", &entry), -EROFS);
	assert_int_equal(folder_unlink(folder, FOLDER_ROOT, "file", 0), -EROFS);
	assert_int_equal(folder_rename(folder, FOLDER_ROOT, "file", FOLDER_ROOT, "n", 0), -EROFS);
	assert_int_equal(folder_setattr(folder, node, 0, FOLDER_SET_SIZE, &attr, &attr), -EROFS);
	assert_int_equal(folder_setxattr(folder, node, "user.x", "y", 1, 0), -EROFS);
	assert_int_equal(folder_removexattr(folder, node, "user.x"), -EROFS);
}

TEST_WITH(squashed_files_are_roots_and_never_setuid, setup, teardown)
{
	struct folder_attr set = { .mode = 06755, .uid = 1000, .gid = 1000 }, now;
	struct stat st;
	u64 node = find(FOLDER_ROOT, "file");

	assert_int_equal(folder_setattr(folder, node, 0,
					FOLDER_SET_MODE | FOLDER_SET_UID | FOLDER_SET_GID, &set,
					&now),
			 0);
	assert_int_equal(now.uid, 0);
	assert_int_equal(now.gid, 0);
	assert_int_equal(fstatat(base_fd, "file", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(folder_mknod(folder, &root_cred, FOLDER_ROOT, "dev", S_IFCHR | 0666, 1, 3,
				      &(struct folder_entry){ 0 }),
			 -EPERM);
}

static bool has_user_xattrs(void)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s/file", path);
	return !setxattr(name, "user.probe", "1", 1, 0);
}

TEST_WITH(what_the_guest_believes_is_kept_in_xattrs, setup, teardown)
{
	static const struct folder_options options = { .map = FOLDER_MAP_XATTR };
	const struct folder_cred cred = { 1000, 100 };
	struct folder_attr set = { .mode = 04511, .uid = 7 }, now;
	struct folder_entry entry;
	struct stat st;
	char list[256];
	u64 file;

	if (!has_user_xattrs())
		skip();
	open_with(&options);
	assert_int_equal(
		folder_create(folder, &cred, FOLDER_ROOT, "mine", O_RDWR, 0640, &entry, &file), 0);
	assert_int_equal(folder_getattr(folder, entry.node, 0, &now), 0);
	assert_int_equal(now.uid, 1000);
	assert_int_equal(now.gid, 100);
	assert_int_equal(now.mode, S_IFREG | 0640);
	assert_int_equal(
		folder_setattr(folder, entry.node, 0, FOLDER_SET_MODE | FOLDER_SET_UID, &set, &now),
		0);
	assert_int_equal(now.uid, 7);
	assert_int_equal(now.gid, 100);
	assert_int_equal(now.mode, S_IFREG | 04511);
	assert_int_equal(fstatat(base_fd, "mine", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	/* A device is a file to the host. */
	assert_int_equal(
		folder_mknod(folder, &cred, FOLDER_ROOT, "null", S_IFCHR | 0666, 1, 3, &entry), 0);
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, "null", &entry), 0);
	assert_true(S_ISCHR(entry.attr.mode));
	assert_int_equal(entry.attr.rdev_minor, 3);
	assert_int_equal(fstatat(base_fd, "null", &st, 0), 0);
	assert_true(S_ISREG(st.st_mode));
	/* The guest cannot see or forge it. */
	assert_int_equal(folder_listxattr(folder, entry.node, list, sizeof(list)), 0);
	assert_int_equal(folder_setxattr(folder, entry.node, "user.lkvm.stat", "0", 1, 0), -EPERM);
	assert_int_equal(folder_getxattr(folder, entry.node, "user.lkvm.stat", list, 9), -ENODATA);
}

struct listing {
	unsigned count, stop_after;
	u64 next;
	char names[64][16];
};

static bool take_name(void *arg, const struct folder_dirent *entry)
{
	struct listing *listing = arg;

	if (listing->stop_after && listing->count == listing->stop_after)
		return false;
	snprintf(listing->names[listing->count++], 16, "%.15s", entry->name);
	listing->next = entry->next;
	return true;
}

TEST_WITH(a_listing_goes_on_where_it_stopped, setup, teardown)
{
	struct listing whole = { 0 }, pieces = { .stop_after = 0 };
	char name[16];
	u64 file;

	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		temp_file(base_fd, name, "");
	}
	assert_int_equal(folder_open_file(folder, FOLDER_ROOT, O_DIRECTORY, &file), 0);
	assert_int_equal(folder_readdir(folder, file, 0, take_name, &whole), 0);
	assert_int_equal(whole.count, 43); /* with file, "." and ".." */
	while (pieces.count < whole.count) {
		pieces.stop_after = pieces.count + 1;
		assert_int_equal(folder_readdir(folder, file, pieces.next, take_name, &pieces), 0);
		assert_int_equal(pieces.count, pieces.stop_after);
		assert_string_equal(pieces.names[pieces.count - 1], whole.names[pieces.count - 1]);
	}
	assert_int_equal(folder_readdir(folder, file, UINT64_MAX, take_name, &whole), -ENOTDIR);
}

TEST_WITH(a_lock_of_one_file_stops_another, setup, teardown)
{
	u64 a, b, start = 0, len = 0, node = find(FOLDER_ROOT, "file");
	short type = F_WRLCK;

	assert_int_equal(folder_open_file(folder, node, O_RDWR, &a), 0);
	assert_int_equal(folder_open_file(folder, node, O_RDWR, &b), 0);
	assert_int_equal(folder_lock(folder, a, 1, F_WRLCK, 10, 20), 0);
	assert_int_equal(folder_lock(folder, b, 2, F_WRLCK, 15, 1), -EAGAIN);
	assert_int_equal(folder_lock(folder, b, 2, F_WRLCK, 30, 0), 0);
	assert_int_equal(folder_test_lock(folder, b, 2, &type, &start, &len), 0);
	assert_int_equal(type, F_WRLCK);
	assert_int_equal(start, 10);
	assert_int_equal(folder_close_file(folder, a), 0);
	assert_int_equal(folder_lock(folder, b, 2, F_WRLCK, 0, 0), 0);
}

TEST_WITH(locks_of_one_process_do_not_stop_each_other, setup, teardown)
{
	u64 a, b, other, start = 0, len = 0, node = find(FOLDER_ROOT, "file");
	short type = F_WRLCK;

	assert_int_equal(folder_open_file(folder, node, O_RDWR, &a), 0);
	assert_int_equal(folder_open_file(folder, node, O_RDWR, &b), 0);
	assert_int_equal(folder_open_file(folder, node, O_RDWR, &other), 0);
	/* As two connections of one program to one database. */
	assert_int_equal(folder_lock(folder, a, 7, F_RDLCK, 10, 20), 0);
	assert_int_equal(folder_lock(folder, b, 7, F_WRLCK, 10, 20), 0);
	assert_int_equal(folder_test_lock(folder, a, 7, &type, &start, &len), 0);
	assert_int_equal(type, F_UNLCK);
	assert_int_equal(folder_lock(folder, other, 8, F_RDLCK, 10, 1), -EAGAIN);
	/* What one has locked the other unlocks, and keeps when the first is closed. */
	assert_int_equal(folder_lock(folder, a, 7, F_UNLCK, 10, 10), 0);
	assert_int_equal(folder_lock(folder, other, 8, F_WRLCK, 10, 10), 0);
	assert_int_equal(folder_close_file(folder, b), 0);
	assert_int_equal(folder_lock(folder, other, 8, F_RDLCK, 20, 1), -EAGAIN);
	assert_int_equal(folder_close_file(folder, a), 0);
	assert_int_equal(folder_lock(folder, other, 8, F_RDLCK, 20, 1), 0);
}

TEST_WITH(locks_by_one_open_file_do_not_stop_each_other, setup, teardown)
{
	u64 shared, other, node = find(FOLDER_ROOT, "file");

	assert_int_equal(folder_open_file(folder, node, O_RDONLY, &shared), 0);
	assert_int_equal(folder_open_file(folder, node, O_RDONLY, &other), 0);
	/* As "flock -s 9", "flock 9" and "flock -u 9" of a shell do, each a process. */
	assert_int_equal(folder_lock(folder, shared, 1, F_RDLCK, 0, 0), 0);
	assert_int_equal(folder_lock(folder, other, 9, F_RDLCK, 0, 0), 0);
	assert_int_equal(folder_lock(folder, other, 9, F_UNLCK, 0, 0), 0);
	assert_int_equal(folder_lock(folder, shared, 2, F_WRLCK, 0, 0), 0);
	assert_int_equal(folder_lock(folder, shared, 3, F_UNLCK, 0, 0), 0);
	/* A file that is only read can be locked against all others, too. */
	assert_int_equal(folder_lock(folder, other, 10, F_WRLCK, 0, 0), 0);
	assert_int_equal(folder_lock(folder, other, 11, F_UNLCK, 0, 0), 0);
}

TEST_WITH(a_child_that_closes_its_parents_file_takes_no_lock_of_its_parents, setup, teardown)
{
	u64 shared, other, node = find(FOLDER_ROOT, "file");

	assert_int_equal(folder_open_file(folder, node, O_RDWR, &shared), 0);
	assert_int_equal(folder_open_file(folder, node, O_RDWR, &other), 0);
	assert_int_equal(folder_lock(folder, shared, 1, F_WRLCK, 0, 0), 0);
	assert_int_equal(folder_unlock(folder, shared, 2, 0, 0), 0);
	assert_int_equal(folder_lock(folder, other, 9, F_WRLCK, 0, 0), -EAGAIN);
	/* Nor does one that would have locked, and could not. */
	assert_int_equal(folder_lock(folder, other, 9, F_WRLCK, 0, 10), -EAGAIN);
	assert_int_equal(folder_unlock(folder, other, 9, 0, 0), 0);
	assert_int_equal(folder_lock(folder, other, 9, F_WRLCK, 0, 0), -EAGAIN);
	/* A file of the same process takes them: fcntl(2). */
	assert_int_equal(folder_unlock(folder, other, 1, 0, 0), 0);
	assert_int_equal(folder_lock(folder, other, 9, F_WRLCK, 0, 0), 0);
	/* What another has stays. */
	assert_int_equal(folder_unlock(folder, shared, 8, 0, 0), 0);
	assert_int_equal(folder_lock(folder, shared, 1, F_WRLCK, 0, 0), -EAGAIN);
}

TEST_WITH(another_file_that_is_closed_takes_no_flock, setup, teardown)
{
	u64 locked, read, other, node = find(FOLDER_ROOT, "file");

	assert_int_equal(folder_open_file(folder, node, O_RDWR, &locked), 0);
	assert_int_equal(folder_open_file(folder, node, O_RDONLY, &read), 0);
	assert_int_equal(folder_open_file(folder, node, O_RDWR, &other), 0);
	assert_int_equal(folder_lock(folder, locked, 1, F_WRLCK, 0, 0), 0);
	assert_int_equal(folder_lock(folder, read, 1, F_UNLCK, 0, 0), 0);
	assert_int_equal(folder_close_file(folder, read), 0);
	assert_int_equal(folder_lock(folder, other, 9, F_WRLCK, 0, 0), -EAGAIN);
}

TEST_WITH(whoever_locked_through_a_shared_file_does_so_through_another_file, setup, teardown)
{
	u64 shared, own, node = find(FOLDER_ROOT, "file");

	assert_int_equal(folder_open_file(folder, node, O_RDWR, &shared), 0);
	assert_int_equal(folder_open_file(folder, node, O_RDWR, &own), 0);
	assert_int_equal(folder_lock(folder, shared, 1, F_WRLCK, 0, 10), 0);
	assert_int_equal(folder_lock(folder, shared, 2, F_WRLCK, 10, 10), 0);
	assert_int_equal(folder_lock(folder, own, 2, F_RDLCK, 10, 10), 0);
	/* Of more than are known by their numbers none is refused. */
	for (u64 owner = 3; owner < 100; owner++)
		assert_int_equal(folder_lock(folder, shared, owner, F_WRLCK, owner * 10, 10), 0);
	assert_int_equal(folder_unlock(folder, shared, 99, 0, 0), 0);
}

TEST_WITH(a_file_that_is_only_read_is_locked_against_all_others, setup, teardown)
{
	u64 reader, other, node = find(FOLDER_ROOT, "file");

	assert_int_equal(folder_open_file(folder, node, O_RDONLY, &reader), 0);
	assert_int_equal(folder_open_file(folder, node, O_RDONLY, &other), 0);
	assert_int_equal(folder_lock(folder, reader, 1, F_WRLCK, 0, 0), 0);
	assert_int_equal(folder_lock(folder, other, 2, F_RDLCK, 0, 0), -EAGAIN);
	assert_int_equal(folder_close_file(folder, reader), 0);
	assert_int_equal(folder_lock(folder, other, 2, F_RDLCK, 0, 0), 0);
}

TEST_WITH(a_reset_closes_and_forgets_everything, setup, teardown)
{
	struct folder_attr attr;
	u64 file, node = find(FOLDER_ROOT, "file");

	assert_int_equal(folder_open_file(folder, node, O_RDWR, &file), 0);
	folder_reset(folder);
	assert_int_equal(folder_getattr(folder, node, 0, &attr), -ESTALE);
	assert_int_equal(folder_fsync(folder, file, false), -EBADF);
	find(FOLDER_ROOT, "file");
}
