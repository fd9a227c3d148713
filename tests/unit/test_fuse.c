/* SPDX-License-Identifier: BSD-2-Clause */
/* The FUSE protocol on a real folder: what a guest's kernel asks for. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuse_rig.h"
#include "temp_folder.h"
#include "test.h"

/* ---- the session ---- */

TEST_WITH(init_agrees_on_what_both_know, fuse_rig_setup, fuse_rig_teardown)
{
	struct fuse_init_out out;

	assert_int_equal(fuse_rig_init(7, 45), 0);
	memcpy(&out, fuse_rig_body(), sizeof(out));
	assert_int_equal(out.major, 7);
	assert_int_equal(out.minor, 38);
	assert_int_equal(out.max_write, FUSE_LARGEST);
	assert_int_equal(out.max_pages, FUSE_LARGEST / 4096);
	assert_true(out.flags & FUSE_DO_READDIRPLUS);
	assert_false(out.flags & FUSE_WRITEBACK_CACHE);
	assert_int_equal(out.flags2, 0);
	assert_int_equal(fuse_rig_init(8, 0), 0);
	memcpy(&out, fuse_rig_body(), sizeof(out));
	assert_int_equal(out.major, 7);
	assert_int_equal(fuse_rig_init(6, 9), -EPROTO);
	assert_int_equal(fuse_rig_init(7, 30), -EPROTO);
}

TEST_WITH(nothing_is_served_before_init_and_after_destroy, fuse_rig_setup, fuse_rig_teardown)
{
	struct fuse_entry_out entry;

	fuse_rig_begin(FUSE_DESTROY, 0);
	assert_int_equal(fuse_rig_ask(0), 0);
	assert_int_equal(fuse_rig_lookup(1, "x", &entry), -EIO);
	assert_int_equal(fuse_rig_init(7, 38), 0);
	assert_int_equal(fuse_rig_lookup(1, "x", &entry), -ENOENT);
}

TEST_WITH(unknown_operations_do_not_exist, fuse_rig_setup, fuse_rig_teardown)
{
	static const u32 unknown[] = { 0, 7, 19, 39, 200, 4096, ~0u };

	for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++) {
		fuse_rig_begin(unknown[i], 1);
		fuse_rig_put("whatever", 8);
		assert_int_equal(fuse_rig_ask(100), -ENOSYS);
	}
}

TEST_WITH(writeback_is_for_caches_alone, fuse_rig_setup, fuse_rig_teardown)
{
	struct fuse_init_out out;

	fuse_rig_open((struct folder_options){ .map = FOLDER_MAP_SQUASH },
		      (struct fuse_options){ .cache = FUSE_CACHE_ALWAYS, .writeback = true });
	assert_int_equal(fuse_rig_init(7, 38), 0);
	memcpy(&out, fuse_rig_body(), sizeof(out));
	assert_true(out.flags & FUSE_WRITEBACK_CACHE);
	fuse_rig_open((struct folder_options){ .map = FOLDER_MAP_SQUASH },
		      (struct fuse_options){ .cache = FUSE_CACHE_NONE, .writeback = true });
	assert_int_equal(fuse_rig_init(7, 38), 0);
	memcpy(&out, fuse_rig_body(), sizeof(out));
	assert_false(out.flags & FUSE_WRITEBACK_CACHE);
}

/* ---- files ---- */

TEST_WITH(a_file_is_made_written_read_and_closed, fuse_rig_setup, fuse_rig_teardown)
{
	static const size_t pieces[] = { 1 << 20, 4096, 100, 7, 1000 };
	struct fuse_attr_out attr;
	u64 node, file;

	for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++) {
		char name[8];

		fuse_rig.piece = pieces[i];
		snprintf(name, sizeof(name), "f%u", i);
		file = fuse_rig_create(name, &node);
		assert_int_equal(fuse_rig_write(file, 3, "hello", 5), 5);
		assert_int_equal(fuse_rig_read(file, 0, 100), 8);
		assert_memory_equal(fuse_rig_body(), "\0\0\0hello", 8);
		fuse_rig_begin(FUSE_GETATTR, node);
		FUSE_RIG_PUT((struct fuse_getattr_in){ 0 });
		assert_int_equal(fuse_rig_ask(sizeof(attr)), 0);
		memcpy(&attr, fuse_rig_body(), sizeof(attr));
		assert_int_equal(attr.attr.size, 8);
		assert_int_equal(attr.attr.mode, S_IFREG | 0640);
		fuse_rig_begin(FUSE_FSYNC, node);
		FUSE_RIG_PUT((struct fuse_fsync_in){ .fh = file });
		assert_int_equal(fuse_rig_ask(0), 0);
		fuse_rig_begin(FUSE_FLUSH, node);
		FUSE_RIG_PUT((struct fuse_flush_in){ .fh = file });
		assert_int_equal(fuse_rig_ask(0), 0);
		fuse_rig_begin(FUSE_RELEASE, node);
		FUSE_RIG_PUT((struct fuse_release_in){ .fh = file });
		assert_int_equal(fuse_rig_ask(0), 0);
		assert_int_equal(fuse_rig_read(file, 0, 100), -EBADF);
	}
}

static u64 open_log(u32 flags)
{
	fuse_rig_begin(FUSE_OPEN, fuse_rig_find(1, "log"));
	FUSE_RIG_PUT((struct fuse_open_in){ .flags = flags });
	assert_int_equal(fuse_rig_ask(sizeof(struct fuse_open_out)), 0);
	return ((const struct fuse_open_out *)fuse_rig_body())->fh;
}

/* At offset 4, where the guest believes that the file ends. */
static void write_log(u64 file, u32 flags, u32 write_flags, const char *text)
{
	fuse_rig_begin(FUSE_WRITE, fuse_rig_find(1, "log"));
	FUSE_RIG_PUT((struct fuse_write_in){ .fh = file,
					     .offset = 4,
					     .size = strlen(text),
					     .flags = flags,
					     .write_flags = write_flags });
	fuse_rig_put(text, strlen(text));
	assert_int_equal(fuse_rig_ask(sizeof(struct fuse_write_out)), 0);
}

static void expect_log(u64 file, const char *text)
{
	assert_int_equal(fuse_rig_read(file, 0, 100), strlen(text));
	assert_memory_equal(fuse_rig_body(), text, strlen(text));
}

TEST_WITH(what_is_appended_overwrites_nothing_that_others_appended, fuse_rig_setup,
	  fuse_rig_teardown)
{
	u64 file;

	temp_file(fuse_rig.base_fd, "log", "one\n");
	file = open_log(O_RDWR | O_APPEND);
	temp_file(fuse_rig.base_fd, "log", "one\ntwo\n");
	write_log(file, O_RDWR | O_APPEND, 0, "333\n");
	expect_log(file, "one\ntwo\n333\n");
	/* The guest's program may change its mind, and pages that are mapped have their places. */
	write_log(file, O_RDWR, 0, "TWO\n");
	expect_log(file, "one\nTWO\n333\n");
	write_log(file, O_RDWR | O_APPEND, FUSE_WRITE_CACHE, "page");
	expect_log(file, "one\npage333\n");
}

TEST_WITH(only_the_guest_knows_the_end_of_what_it_collects, fuse_rig_setup, fuse_rig_teardown)
{
	u64 file;

	fuse_rig_open((struct folder_options){ .map = FOLDER_MAP_SQUASH },
		      (struct fuse_options){ .cache = FUSE_CACHE_ALWAYS, .writeback = true });
	assert_int_equal(fuse_rig_init(7, 38), 0);
	temp_file(fuse_rig.base_fd, "log", "one\ntwo\n");
	file = open_log(O_RDWR | O_APPEND);
	write_log(file, O_RDWR | O_APPEND, 0, "333\n");
	expect_log(file, "one\n333\n");
}

/* Of root, to read and write what its mode forbids; root's threads have it again afterwards. */
static void set_powers(bool powers)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	const u32 bits = 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH;

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	data[0].effective &= ~bits;
	if (powers)
		data[0].effective |= data[0].permitted & bits;
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

/* How the guest is to open it: FOPEN_*. */
static u32 open_secret(u32 opcode, const char *name, u64 *file)
{
	const struct fuse_open_out *out;
	size_t before = opcode == FUSE_CREATE ? sizeof(struct fuse_entry_out) : 0;
	int ret;

	fuse_rig_begin(opcode, opcode == FUSE_CREATE ? 1 : fuse_rig_find(1, name));
	if (opcode == FUSE_CREATE) {
		FUSE_RIG_PUT((struct fuse_create_in){ .flags = O_WRONLY | O_CREAT,
						      .mode = S_IFREG | 0200 });
		fuse_rig_put_name(name);
	} else {
		FUSE_RIG_PUT((struct fuse_open_in){ .flags = O_WRONLY });
	}
	set_powers(false);
	ret = fuse_rig_ask(before + sizeof(*out));
	set_powers(true);
	assert_int_equal(ret, 0);
	out = (const void *)((const char *)fuse_rig_body() + before);
	*file = out->fh;
	return out->open_flags;
}

TEST_WITH(who_may_only_write_a_file_does_so_where_writes_are_collected, fuse_rig_setup,
	  fuse_rig_teardown)
{
	u64 file;

	fuse_rig_open((struct folder_options){ .map = FOLDER_MAP_SQUASH },
		      (struct fuse_options){ .cache = FUSE_CACHE_ALWAYS, .writeback = true });
	assert_int_equal(fuse_rig_init(7, 38), 0);
	temp_file(fuse_rig.base_fd, "secret", "old");
	assert_int_equal(fchmodat(fuse_rig.base_fd, "secret", 0200, 0), 0);
	/* No page of it can be read to be written in part: the guest must not collect. */
	assert_int_equal(open_secret(FUSE_CREATE, "secret", &file), FOPEN_DIRECT_IO);
	assert_int_equal(fuse_rig_write(file, 1, "N", 1), 1);
	assert_int_equal(fuse_rig_read(file, 0, 10), -EBADF);
	assert_int_equal(open_secret(FUSE_OPEN, "secret", &file), FOPEN_DIRECT_IO);
	assert_int_equal(fuse_rig_write(file, 2, "W", 1), 1);
	/* One that is new is read by who makes it, whatever its mode. */
	assert_int_equal(open_secret(FUSE_CREATE, "new", &file), FOPEN_KEEP_CACHE);
	assert_int_equal(fuse_rig_write(file, 0, "new", 3), 3);
	assert_int_equal(fuse_rig_read(file, 0, 10), 3);
}

TEST_WITH(ranges_are_allocated_copied_and_sought, fuse_rig_setup, fuse_rig_teardown)
{
	u64 node, file, other, other_node;

	file = fuse_rig_create("a", &node);
	other = fuse_rig_create("b", &other_node);
	assert_int_equal(fuse_rig_write(file, 0, "0123456789", 10), 10);
	fuse_rig_begin(FUSE_COPY_FILE_RANGE, node);
	FUSE_RIG_PUT((struct fuse_copy_file_range_in){
		.fh_in = file, .off_in = 2, .nodeid_out = other_node, .fh_out = other, .len = 4 });
	assert_int_equal(fuse_rig_ask(sizeof(struct fuse_write_out)), 0);
	assert_int_equal(fuse_rig_read(other, 0, 100), 4);
	assert_memory_equal(fuse_rig_body(), "2345", 4);
	fuse_rig_begin(FUSE_FALLOCATE, node);
	FUSE_RIG_PUT((struct fuse_fallocate_in){ .fh = file, .length = 50 });
	assert_int_equal(fuse_rig_ask(0), 0);
	assert_int_equal(fuse_rig_read(file, 0, 100), 50);
	fuse_rig_begin(FUSE_LSEEK, node);
	FUSE_RIG_PUT((struct fuse_lseek_in){ .fh = file, .whence = SEEK_HOLE });
	assert_int_equal(fuse_rig_ask(sizeof(struct fuse_lseek_out)), 0);
	fuse_rig_begin(FUSE_LSEEK, node);
	FUSE_RIG_PUT((struct fuse_lseek_in){ .fh = file, .whence = SEEK_SET });
	assert_int_equal(fuse_rig_ask(sizeof(struct fuse_lseek_out)), -EINVAL);
}

/* The guest would take what it has not written back for a hole. */
TEST_WITH(holes_are_not_sought_while_the_guest_collects_writes, fuse_rig_setup, fuse_rig_teardown)
{
	u64 node, file;

	fuse_rig_open((struct folder_options){ .map = FOLDER_MAP_SQUASH },
		      (struct fuse_options){ .cache = FUSE_CACHE_ALWAYS, .writeback = true });
	assert_int_equal(fuse_rig_init(7, 38), 0);
	file = fuse_rig_create("file", &node);
	fuse_rig_begin(FUSE_LSEEK, node);
	FUSE_RIG_PUT((struct fuse_lseek_in){ .fh = file, .whence = SEEK_DATA });
	assert_int_equal(fuse_rig_ask(sizeof(struct fuse_lseek_out)), -ENOSYS);
}

TEST_WITH(the_whole_file_system_is_synced_if_asked_for, fuse_rig_setup, fuse_rig_teardown)
{
	fuse_rig_begin(FUSE_SYNCFS, FUSE_ROOT_ID);
	FUSE_RIG_PUT((struct fuse_syncfs_in){ 0 });
	assert_int_equal(fuse_rig_ask(0), 0);
}

TEST_WITH(handles_that_are_not_open_are_refused, fuse_rig_setup, fuse_rig_teardown)
{
	static const u64 bad[] = { 0, 1, 2, 99, ~0ull, 1ull << 32 | 1, 1ull << 63 };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(fuse_rig_read(bad[i], 0, 10), -EBADF);
		assert_int_equal(fuse_rig_write(bad[i], 0, "x", 1), -EBADF);
		fuse_rig_begin(FUSE_FSYNC, 1);
		FUSE_RIG_PUT((struct fuse_fsync_in){ .fh = bad[i] });
		assert_int_equal(fuse_rig_ask(0), -EBADF);
		fuse_rig_begin(FUSE_RELEASE, 1);
		FUSE_RIG_PUT((struct fuse_release_in){ .fh = bad[i] });
		assert_int_equal(fuse_rig_ask(0), -EBADF);
		fuse_rig_begin(FUSE_READDIR, 1);
		FUSE_RIG_PUT((struct fuse_read_in){ .fh = bad[i], .size = 4096 });
		assert_int_equal(fuse_rig_ask(4096), -EBADF);
	}
}

TEST_WITH(offsets_beyond_all_files_are_refused, fuse_rig_setup, fuse_rig_teardown)
{
	u64 node, file = fuse_rig_create("a", &node);

	assert_int_equal(fuse_rig_read(file, ~0ull, 10), -EINVAL);
	assert_int_equal(fuse_rig_write(file, 1ull << 63, "x", 1), -EINVAL);
	fuse_rig_begin(FUSE_FALLOCATE, node);
	FUSE_RIG_PUT((struct fuse_fallocate_in){ .fh = file, .offset = 1, .length = INT64_MAX });
	assert_int_equal(fuse_rig_ask(0), -EINVAL);
}

/* ---- names ---- */

TEST_WITH(names_are_made_linked_moved_and_removed, fuse_rig_setup, fuse_rig_teardown)
{
	struct fuse_entry_out entry;
	u64 node, dir;

	fuse_rig_create("file", &node);
	fuse_rig_begin(FUSE_MKDIR, 1);
	FUSE_RIG_PUT((struct fuse_mkdir_in){ .mode = 0750 });
	fuse_rig_put_name("dir");
	assert_int_equal(fuse_rig_ask(sizeof(entry)), 0);
	dir = fuse_rig_find(1, "dir");
	fuse_rig_begin(FUSE_LINK, dir);
	FUSE_RIG_PUT((struct fuse_link_in){ .oldnodeid = node });
	fuse_rig_put_name("hard");
	assert_int_equal(fuse_rig_ask(sizeof(entry)), 0);
	assert_int_equal(fuse_rig_find(dir, "hard"), node);
	fuse_rig_begin(FUSE_SYMLINK, dir);
	fuse_rig_put_name("soft");
	fuse_rig_put_name("../../secret");
	assert_int_equal(fuse_rig_ask(sizeof(entry)), 0);
	fuse_rig_begin(FUSE_READLINK, fuse_rig_find(dir, "soft"));
	assert_int_equal(fuse_rig_ask(4096), 0);
	assert_int_equal(fuse_rig_body_len(), 12);
	assert_memory_equal(fuse_rig_body(), "../../secret", 12);
	fuse_rig_begin(FUSE_RENAME2, dir);
	FUSE_RIG_PUT((struct fuse_rename2_in){ .newdir = 1, .flags = 1 /* RENAME_NOREPLACE */ });
	fuse_rig_put_name("hard");
	fuse_rig_put_name("file");
	assert_int_equal(fuse_rig_ask(0), -EEXIST);
	fuse_rig_begin(FUSE_RENAME, dir);
	FUSE_RIG_PUT((struct fuse_rename_in){ .newdir = 1 });
	fuse_rig_put_name("soft");
	fuse_rig_put_name("file2");
	assert_int_equal(fuse_rig_ask(0), 0);
	fuse_rig_begin(FUSE_RMDIR, 1);
	fuse_rig_put_name("dir");
	assert_int_equal(fuse_rig_ask(0), -ENOTEMPTY);
	fuse_rig_begin(FUSE_UNLINK, dir);
	fuse_rig_put_name("hard");
	assert_int_equal(fuse_rig_ask(0), 0);
	fuse_rig_begin(FUSE_RMDIR, 1);
	fuse_rig_put_name("dir");
	assert_int_equal(fuse_rig_ask(0), 0);
	assert_int_equal(fuse_rig_lookup(1, "dir", &entry), -ENOENT);
	assert_int_equal(fuse_rig_lookup(1, "file2", &entry), 0);
	assert_true(S_ISLNK(entry.attr.mode));
}

TEST_WITH(special_files_of_the_guest_are_made_as_far_as_they_may_be, fuse_rig_setup,
	  fuse_rig_teardown)
{
	fuse_rig_begin(FUSE_MKNOD, 1);
	FUSE_RIG_PUT((struct fuse_mknod_in){ .mode = S_IFIFO | 0600 });
	fuse_rig_put_name("fifo");
	assert_int_equal(fuse_rig_ask(sizeof(struct fuse_entry_out)), 0);
	fuse_rig_begin(FUSE_OPEN, fuse_rig_find(1, "fifo"));
	FUSE_RIG_PUT((struct fuse_open_in){ .flags = O_RDONLY });
	assert_int_equal(fuse_rig_ask(sizeof(struct fuse_open_out)), -ENXIO);
	fuse_rig_begin(FUSE_MKNOD, 1);
	FUSE_RIG_PUT((struct fuse_mknod_in){ .mode = S_IFBLK | 0600, .rdev = 0x0801 });
	fuse_rig_put_name("sda");
	assert_int_equal(fuse_rig_ask(sizeof(struct fuse_entry_out)), -EPERM);
}

TEST_WITH(bad_names_are_refused, fuse_rig_setup, fuse_rig_teardown)
{
	static const char *const bad[] = { "", "a/b", "/", "../secret", "/etc/passwd" };
	char huge[5000];
	struct fuse_entry_out entry;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(fuse_rig_lookup(1, bad[i], &entry), -EINVAL);
	memset(huge, 'a', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_int_equal(fuse_rig_lookup(1, huge, &entry), -ENAMETOOLONG);
	/* Without its end. */
	fuse_rig_begin(FUSE_LOOKUP, 1);
	fuse_rig_put("abc", 3);
	assert_int_equal(fuse_rig_ask(sizeof(entry)), -EINVAL);
	fuse_rig_begin(FUSE_RENAME, 1);
	FUSE_RIG_PUT((struct fuse_rename_in){ .newdir = 1 });
	fuse_rig_put_name("one");
	assert_int_equal(fuse_rig_ask(0), -EINVAL);
}

TEST_WITH(attributes_are_set, fuse_rig_setup, fuse_rig_teardown)
{
	struct fuse_attr_out attr;
	u64 node;

	fuse_rig_create("file", &node);
	fuse_rig_begin(FUSE_SETATTR, node);
	FUSE_RIG_PUT((struct fuse_setattr_in){ .valid = FATTR_MODE | FATTR_SIZE | FATTR_MTIME,
					       .mode = 0604,
					       .size = 1234,
					       .mtime = 1000000000,
					       .mtimensec = 5 });
	assert_int_equal(fuse_rig_ask(sizeof(attr)), 0);
	memcpy(&attr, fuse_rig_body(), sizeof(attr));
	assert_int_equal(attr.attr.mode & 07777, 0604);
	assert_int_equal(attr.attr.size, 1234);
	assert_int_equal(attr.attr.mtime, 1000000000);
	assert_int_equal(attr.attr.mtimensec, 5);
	fuse_rig_begin(FUSE_SETATTR, node);
	FUSE_RIG_PUT((struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = ~0ull });
	assert_int_equal(fuse_rig_ask(sizeof(attr)), -EINVAL);
	fuse_rig_begin(FUSE_STATFS, 1);
	assert_int_equal(fuse_rig_ask(sizeof(struct fuse_statfs_out)), 0);
}

TEST_WITH(nodes_that_are_not_known_are_stale, fuse_rig_setup, fuse_rig_teardown)
{
	static const u64 bad[] = { 0, 2, 3, ~0ull, 1ull << 32 | 1 };
	struct fuse_entry_out entry;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(fuse_rig_lookup(bad[i], "x", &entry), -ESTALE);
}

TEST_WITH(forgetting_has_no_answer_and_counts_no_further_than_zero, fuse_rig_setup,
	  fuse_rig_teardown)
{
	struct fuse_entry_out entry;
	u64 node;

	fuse_rig_create("file", &node);
	fuse_rig_begin(FUSE_FORGET, 1);
	FUSE_RIG_PUT((struct fuse_forget_in){ .nlookup = ~0ull });
	assert_int_equal(fuse_rig_send(fuse_rig.message_len, 0), 0);
	fuse_rig_begin(FUSE_BATCH_FORGET, 0);
	FUSE_RIG_PUT((struct fuse_batch_forget_in){ .count = ~0u });
	FUSE_RIG_PUT((struct fuse_forget_one){ .nodeid = node, .nlookup = 1000 });
	FUSE_RIG_PUT((struct fuse_forget_one){ .nodeid = 999, .nlookup = 1000 });
	assert_int_equal(fuse_rig_send(fuse_rig.message_len, 100), 0);
	fuse_rig_begin(FUSE_FORGET, node);
	fuse_rig_put("x", 1);
	assert_int_equal(fuse_rig_send(fuse_rig.message_len, 0), 0);
	fuse_rig_begin(FUSE_INTERRUPT, 0);
	assert_int_equal(fuse_rig_send(fuse_rig.message_len, 100), 0);
	assert_int_equal(fuse_rig_lookup(1, "file", &entry), 0);
}

/* ---- listing ---- */

static unsigned count_entries(bool plus, u64 *offset)
{
	const char *at = fuse_rig_body();
	unsigned count = 0;

	for (size_t left = fuse_rig_body_len(); left;) {
		const struct fuse_dirent *entry =
			(const void *)(at +
				       (plus ? FUSE_NAME_OFFSET_DIRENTPLUS - FUSE_NAME_OFFSET : 0));
		size_t len = plus ? FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + entry->namelen)
				  : FUSE_DIRENT_SIZE(entry);

		assert_true(len <= left);
		*offset = entry->off;
		at += len;
		left -= len;
		count++;
	}
	return count;
}

TEST_WITH(all_entries_of_a_large_directory_are_listed_once, fuse_rig_setup, fuse_rig_teardown)
{
	for (unsigned i = 0; i < 2000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "a-file-with-the-number-%u", i);
		close(openat(fuse_rig.base_fd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	for (unsigned plus = 0; plus < 2; plus++) {
		unsigned total = 0, now;
		u64 offset = 0, file;

		fuse_rig_begin(FUSE_OPENDIR, 1);
		FUSE_RIG_PUT((struct fuse_open_in){ 0 });
		assert_int_equal(fuse_rig_ask(sizeof(struct fuse_open_out)), 0);
		memcpy(&file, fuse_rig_body(), sizeof(file));
		do {
			fuse_rig_begin(plus ? FUSE_READDIRPLUS : FUSE_READDIR, 1);
			FUSE_RIG_PUT((struct fuse_read_in){
				.fh = file, .offset = offset, .size = 4096 });
			assert_int_equal(fuse_rig_ask(4096), 0);
			now = count_entries(plus, &offset);
			total += now;
		} while (now);
		assert_int_equal(total, 2002);
		fuse_rig_begin(FUSE_RELEASEDIR, 1);
		FUSE_RIG_PUT((struct fuse_release_in){ .fh = file });
		assert_int_equal(fuse_rig_ask(0), 0);
	}
}

/* ---- extended attributes ---- */

TEST_WITH(extended_attributes_are_kept, fuse_rig_setup, fuse_rig_teardown)
{
	u64 node;
	int ret;

	fuse_rig_create("file", &node);
	fuse_rig_begin(FUSE_SETXATTR, node);
	fuse_rig_put(&(struct fuse_setxattr_in){ .size = 5 }, FUSE_COMPAT_SETXATTR_IN_SIZE);
	fuse_rig_put_name("user.note");
	fuse_rig_put("value", 5);
	ret = fuse_rig_ask(0);
	if (ret == -EOPNOTSUPP)
		skip();
	assert_int_equal(ret, 0);
	fuse_rig_begin(FUSE_GETXATTR, node);
	FUSE_RIG_PUT((struct fuse_getxattr_in){ .size = 100 });
	fuse_rig_put_name("user.note");
	assert_int_equal(fuse_rig_ask(100), 0);
	assert_int_equal(fuse_rig_body_len(), 5);
	assert_memory_equal(fuse_rig_body(), "value", 5);
	fuse_rig_begin(FUSE_LISTXATTR, node);
	FUSE_RIG_PUT((struct fuse_getxattr_in){ .size = 0 });
	assert_int_equal(fuse_rig_ask(sizeof(struct fuse_getxattr_out)), 0);
	assert_int_equal(*(const u32 *)fuse_rig_body(), 10);
	fuse_rig_begin(FUSE_REMOVEXATTR, node);
	fuse_rig_put_name("user.note");
	assert_int_equal(fuse_rig_ask(0), 0);
	fuse_rig_begin(FUSE_GETXATTR, node);
	FUSE_RIG_PUT((struct fuse_getxattr_in){ .size = 100 });
	fuse_rig_put_name("user.note");
	assert_int_equal(fuse_rig_ask(100), -ENODATA);
	/* A size that the value does not have. */
	fuse_rig_begin(FUSE_SETXATTR, node);
	fuse_rig_put(&(struct fuse_setxattr_in){ .size = ~0u }, FUSE_COMPAT_SETXATTR_IN_SIZE);
	fuse_rig_put_name("user.note");
	fuse_rig_put("value", 5);
	assert_int_equal(fuse_rig_ask(0), -EINVAL);
}
