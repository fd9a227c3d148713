/* SPDX-License-Identifier: BSD-2-Clause */
/* What the guest has removed, and still knows: without a name it cannot be found again. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder/folder.h"
#include "temp_folder.h"
#include "test.h"

#define FDS    8u
#define OTHERS 40u

static const struct folder_cred root_cred;
static struct temp_folder base;
static struct folder *folder;
static int base_fd = -1;
static u64 others[OTHERS];

static u64 look_up(const char *name)
{
	struct folder_entry entry;

	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, name, &entry), 0);
	return entry.node;
}

static int setup(void **state)
{
	const struct folder_options options = { .map = FOLDER_MAP_SQUASH, .max_fds = FDS };
	struct error err = { 0 };
	char name[16];

	temp_folder_create(&base, "/tmp");
	base_fd = open(base.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(folder_open(&folder, base.path, &options, &err), 0);
	assert_int_equal(folder_thread_start(folder), 0);
	for (unsigned i = 0; i < OTHERS; i++) {
		snprintf(name, sizeof(name), "other%u", i);
		temp_file(base_fd, name, "x");
		others[i] = look_up(name);
	}
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

/* All descriptors that can be spared are needed elsewhere. */
static void use_others(void)
{
	struct folder_attr attr;

	for (unsigned i = 0; i < OTHERS; i++)
		assert_int_equal(folder_getattr(folder, others[i], 0, &attr), 0);
}

static u64 make(const char *name)
{
	temp_file(base_fd, name, "contents");
	return look_up(name);
}

static void expect_contents(u64 node)
{
	struct folder_attr attr;
	struct iovec iov;
	char text[16];
	u64 file;

	assert_int_equal(folder_getattr(folder, node, 0, &attr), 0);
	assert_int_equal(folder_open_file(folder, node, O_RDONLY, &file), 0);
	iov = (struct iovec){ text, sizeof(text) };
	assert_int_equal(folder_read(folder, file, &iov, 1, 0), 8);
	assert_memory_equal(text, "contents", 8);
	assert_int_equal(folder_close_file(folder, file), 0);
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

TEST_WITH(what_the_guest_removes_stays_to_it_while_it_knows_it, setup, teardown)
{
	u64 file = make("file");

	use_others();
	assert_int_equal(folder_unlink(folder, FOLDER_ROOT, "file", 0), 0);
	expect_contents(file);
	use_others();
	expect_contents(file);
	folder_forget(folder, file, 1);
	assert_int_equal(folder_open_file(folder, file, O_RDONLY, &file), -ESTALE);
}

TEST_WITH(so_does_what_it_replaces, setup, teardown)
{
	u64 file = make("file");

	temp_file(base_fd, "new", "another");
	use_others();
	assert_int_equal(folder_rename(folder, FOLDER_ROOT, "new", FOLDER_ROOT, "file", 0), 0);
	use_others();
	expect_contents(file);
}

TEST_WITH(so_does_a_directory, setup, teardown)
{
	struct folder_entry entry;
	struct folder_attr attr;

	assert_int_equal(folder_mkdir(folder, &root_cred, FOLDER_ROOT, "dir", 0755, &entry), 0);
	use_others();
	assert_int_equal(folder_unlink(folder, FOLDER_ROOT, "dir", AT_REMOVEDIR), 0);
	use_others();
	assert_int_equal(folder_getattr(folder, entry.node, 0, &attr), 0);
	assert_int_equal(folder_mkdir(folder, &root_cred, entry.node, "x", 0755, &entry), -ENOENT);
}

TEST_WITH(what_loses_one_of_two_names_is_found_by_the_other, setup, teardown)
{
	u64 file = make("file");

	assert_int_equal(linkat(base_fd, "file", base_fd, "second", 0), 0);
	assert_int_equal(look_up("second"), file);
	use_others();
	assert_int_equal(folder_unlink(folder, FOLDER_ROOT, "second", 0), 0);
	use_others();
	expect_contents(file);
	assert_int_equal(look_up("file"), file);
	for (unsigned i = 0; i < FDS; i++)
		make("more");
	use_others();
	expect_contents(file);
}

TEST_WITH(what_was_not_removed_is_found_as_before, setup, teardown)
{
	struct folder_entry entry;
	u64 dir;

	assert_int_equal(folder_mkdir(folder, &root_cred, FOLDER_ROOT, "dir", 0755, &entry), 0);
	dir = entry.node;
	assert_int_equal(folder_mkdir(folder, &root_cred, dir, "in", 0755, &entry), 0);
	assert_int_equal(folder_unlink(folder, FOLDER_ROOT, "dir", AT_REMOVEDIR), -ENOTEMPTY);
	use_others();
	assert_int_equal(folder_getattr(folder, dir, 0, &entry.attr), 0);
	assert_int_equal(folder_unlink(folder, FOLDER_ROOT, "none", 0), -ENOENT);
}

TEST_WITH(of_many_that_were_removed_the_last_stay, setup, teardown)
{
	unsigned before = count_fds();
	struct folder_attr attr;
	u64 nodes[OTHERS];
	char name[16];

	for (unsigned i = 0; i < OTHERS; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		nodes[i] = make(name);
		assert_int_equal(folder_unlink(folder, FOLDER_ROOT, name, 0), 0);
	}
	assert_true(count_fds() <= before + 2);
	use_others();
	expect_contents(nodes[OTHERS - 1]);
	assert_int_equal(folder_getattr(folder, nodes[0], 0, &attr), -ESTALE);
	for (unsigned i = 0; i < OTHERS; i++)
		folder_forget(folder, nodes[i], 1);
	use_others();
	assert_true(count_fds() <= before + 2);
}
