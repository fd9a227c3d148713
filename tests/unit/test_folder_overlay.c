/* SPDX-License-Identifier: BSD-2-Clause */
/* A scratch layer over a folder: what the guest changes is in the layer, and the folder stays. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder/folder.h"
#include "temp_folder.h"
#include "test.h"

static const struct folder_cred root_cred;
static struct temp_folder base;
static char path[64], scratch[64]; /* base/shared, base/scratch */
static struct folder *folder;
static int base_fd = -1;
static bool in_ram;

/* 0, or what refused it. */
static int open_layer(struct error *err)
{
	const struct folder_options options = {
		.map = FOLDER_MAP_SQUASH,
		.overlay = true,
		.scratch = in_ram ? NULL : scratch,
		.scratch_size = 4 * MIB,
	};
	int ret = folder_open(&folder, path, &options, err);

	return ret ? ret : folder_thread_start(folder);
}

static void close_layer(void)
{
	folder_close(folder);
	folder = NULL;
	assert_int_equal(fchdir(base.working), 0);
}

static void make_folder(void)
{
	temp_folder_create(&base, "/tmp");
	snprintf(path, sizeof(path), "%s/shared", base.path);
	snprintf(scratch, sizeof(scratch), "%s/scratch", base.path);
	base_fd = open(base.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(base_fd, "shared", 0751), 0);
	assert_int_equal(mkdirat(base_fd, "shared/dir", 0755), 0);
	assert_int_equal(mkdirat(base_fd, "scratch", 0755), 0);
	temp_file(base_fd, "shared/file", "hello");
	temp_file(base_fd, "shared/dir/inner", "inner");
	temp_file(base_fd, "shared/plain", "plain");
	assert_int_equal(linkat(base_fd, "shared/file", base_fd, "shared/second", 0), 0);
}

static int setup(void **state)
{
	struct error err = { "" };

	make_folder();
	if (!open_layer(&err))
		return 0;
	/* Not every host lets us mount, least of all in a container. */
	print_message("%s\n", err.text);
	folder = NULL;
	return 0;
}

static int setup_in_ram(void **state)
{
	in_ram = true;
	return setup(state);
}

static int teardown(void **state)
{
	folder_close(folder);
	folder = NULL;
	in_ram = false;
	close(base_fd);
	temp_folder_remove(&base);
	return 0;
}

/* Root of the host, and not of a container: overlayfs has an index, and renames directories. */
static bool is_root(void)
{
	char text[64] = "";
	FILE *map = fopen("/proc/self/uid_map", "re");

	assert_non_null(map);
	assert_non_null(fgets(text, sizeof(text), map));
	fclose(map);
	return !geteuid() && strstr(text, "4294967295");
}

static void need_layer(void)
{
	if (!folder)
		skip();
}

static void host_has(const char *name, const char *want)
{
	int fd = openat(base_fd, name, O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	assert_string_equal(text, want);
}

static u64 find(const char *name)
{
	struct folder_entry entry;

	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, name, &entry), 0);
	return entry.node;
}

static void guest_has(u64 node, const char *want)
{
	char text[32] = "";
	struct iovec iov = { text, sizeof(text) - 1 };
	u64 file;

	assert_int_equal(folder_open_file(folder, node, O_RDONLY, &file), 0);
	assert_int_equal(folder_read(folder, file, &iov, 1, 0), strlen(want));
	assert_string_equal(text, want);
	folder_close_file(folder, file);
}

static void guest_writes(u64 node, const char *text)
{
	struct iovec iov = { (char *)text, strlen(text) };
	u64 file;

	assert_int_equal(folder_open_file(folder, node, O_RDWR, &file), 0);
	assert_int_equal(folder_write(folder, file, &iov, 1, 0), iov.iov_len);
	folder_close_file(folder, file);
}

TEST_WITH(what_is_changed_is_in_the_layer_alone, setup, teardown)
{
	struct folder_entry entry;

	need_layer();
	guest_writes(find("file"), "HELLO");
	assert_int_equal(folder_unlink(folder, find("dir"), "inner", 0), 0);
	assert_int_equal(folder_unlink(folder, FOLDER_ROOT, "dir", AT_REMOVEDIR), 0);
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, "dir", &entry), -ENOENT);
	/* What takes a removed directory's place has nothing of it. */
	assert_int_equal(folder_mkdir(folder, &root_cred, FOLDER_ROOT, "dir", 0755, &entry), 0);
	assert_int_equal(folder_lookup(folder, entry.node, "inner", &entry), -ENOENT);
	guest_has(find("file"), "HELLO");
	host_has("shared/file", "hello");
	host_has("shared/dir/inner", "inner");
}
TEST_AGAIN(what_is_changed_is_in_the_layer_alone, setup_in_ram, teardown)

/* A guest has one lock and one cache for a node: it must not become another one when it is written.
 */
TEST_WITH(a_node_stays_the_same_when_it_is_first_written, setup, teardown)
{
	static const char *const names[] = { "plain", "file" };

	need_layer();
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		u64 node = find(names[i]);

		guest_writes(node, "HELLO");
		assert_int_equal(find(names[i]), node);
		guest_has(node, "HELLO");
	}
}
TEST_AGAIN(a_node_stays_the_same_when_it_is_first_written, setup_in_ram, teardown)

/* Without an index a name is a file of its own once it is written. */
TEST_WITH(a_hard_link_that_is_written_is_the_one_that_was_named, setup_in_ram, teardown)
{
	bool one_file = is_root();

	need_layer();
	assert_int_equal(find("second") == find("file"), one_file);
	guest_writes(find("file"), "HELLO");
	guest_has(find("file"), "HELLO");
	guest_has(find("second"), one_file ? "HELLO" : "hello");
	host_has("shared/second", "hello");
}

TEST_WITH(directories_of_the_folder_are_renamed, setup_in_ram, teardown)
{
	struct folder_entry entry;
	int ret;

	need_layer();
	ret = folder_rename(folder, FOLDER_ROOT, "dir", FOLDER_ROOT, "moved", 0);
	if (!is_root()) {
		assert_int_equal(ret, -EXDEV); /* at which programs copy */
		return;
	}
	assert_int_equal(ret, 0);
	assert_int_equal(folder_lookup(folder, find("moved"), "inner", &entry), 0);
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, "dir", &entry), -ENOENT);
	host_has("shared/dir/inner", "inner");
}

TEST_WITH(the_root_looks_as_the_folders_does, setup_in_ram, teardown)
{
	struct folder_attr attr;

	need_layer();
	assert_int_equal(folder_getattr(folder, FOLDER_ROOT, 0, &attr), 0);
	assert_int_equal(attr.mode & 07777, 0751);
}

TEST_WITH(a_layer_in_ram_has_a_bound_and_is_forgotten, setup_in_ram, teardown)
{
	static char much[MIB];
	struct iovec iov = { much, sizeof(much) };
	struct folder_entry entry;
	struct error err = { "" };
	u64 file, offset = 0;
	s64 len;

	need_layer();
	assert_int_equal(folder_create(folder, &root_cred, FOLDER_ROOT, "large", O_RDWR, 0600,
				       &entry, &file),
			 0);
	while ((len = folder_write(folder, file, &iov, 1, offset)) > 0 && offset < 64 * MIB)
		offset += len;
	assert_int_equal(len, -ENOSPC);
	assert_true(offset <= 4 * MIB);
	close_layer();
	assert_int_equal(open_layer(&err), 0);
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, "large", &entry), -ENOENT);
}

TEST_WITH(a_layer_in_a_folder_is_there_the_next_time, setup, teardown)
{
	struct error err = { "" };

	need_layer();
	guest_writes(find("file"), "HELLO");
	close_layer();
	assert_int_equal(open_layer(&err), 0);
	guest_has(find("file"), "HELLO");
	host_has("shared/file", "hello");
}

TEST_WITH(a_layer_has_one_user, setup, teardown)
{
	struct folder *first = folder;
	struct error err = { "" };

	need_layer();
	assert_int_equal(open_layer(&err), -EBUSY);
	assert_non_null(strstr(err.text, "another run uses this scratch folder"));
	folder = first;
}

TEST_WITH(a_folder_with_files_of_others_is_no_layer, setup, teardown)
{
	struct error err = { "" };

	need_layer();
	close_layer();
	temp_file(base_fd, "scratch/precious", "mine");
	assert_int_equal(open_layer(&err), -ENOTEMPTY);
	assert_non_null(strstr(err.text, "files of others"));
	host_has("scratch/precious", "mine");
	folder = NULL;
}

TEST_WITH(a_layer_belongs_to_its_folder, setup, teardown)
{
	struct error err = { "" };

	need_layer();
	if (!is_root())
		skip(); /* overlayfs does not look without an index */
	close_layer();
	strcat(path, "/dir");
	assert_int_equal(open_layer(&err), -ESTALE);
	assert_non_null(strstr(err.text, "another folder's"));
	folder = NULL;
}

TEST_WITH(nothing_is_mounted_for_others_to_see, setup_in_ram, teardown)
{
	FILE *mounts = fopen("/proc/self/mounts", "re");
	char line[PATH_MAX];

	need_layer();
	assert_non_null(mounts);
	while (fgets(line, sizeof(line), mounts))
		assert_null(strstr(line, base.path));
	fclose(mounts);
}
