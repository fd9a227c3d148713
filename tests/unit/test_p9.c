/* SPDX-License-Identifier: BSD-2-Clause */
/* The 9P2000.L protocol on a real folder: messages in memory, in pieces of many sizes. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder/p9.h"
#include "../load/p9_types.h"
#include "temp_folder.h"
#include "test.h"

#define TAG   0x1234
#define NOFID (~0u)

static struct temp_folder base;
static int base_fd = -1;
static struct folder *folder;
static struct p9 *p9;
static struct p9_scratch *scratch;

static u8 message[70000], answer[70000];
static size_t message_len;
static size_t piece;
static size_t room; /* for the answer */

/*
 * "b", "w", "d", "q": numbers of 1, 2, 4, 8 bytes; "s": a string.
 */
static void build(u8 type, const char *format, va_list args)
{
	static const u8 widths[128] = { ['b'] = 1, ['w'] = 2, ['d'] = 4, ['q'] = 8 };

	message_len = 7;
	message[4] = type;
	message[5] = TAG & 0xff;
	message[6] = TAG >> 8;
	for (; *format; format++) {
		if (*format == 's') {
			const char *text = va_arg(args, const char *);
			u16 len = strlen(text);

			memcpy(message + message_len, &len, 2);
			memcpy(message + message_len + 2, text, len);
			message_len += 2 + len;
		} else {
			u64 value = *format == 'q' ? va_arg(args, u64) : va_arg(args, u32);

			memcpy(message + message_len, &value, widths[(u8)*format]);
			message_len += widths[(u8)*format];
		}
	}
	memcpy(message, &(u32){ message_len }, 4);
}

static unsigned cut(u8 *data, size_t len, struct iovec *iov)
{
	unsigned count = 0;

	for (size_t at = 0; at < len; at += piece)
		iov[count++] = (struct iovec){ data + at, MIN(piece, len - at) };
	return count;
}

static size_t deliver(void)
{
	static struct iovec in[70000], out[70000];
	struct p9_message raw = { .in = in, .out = out };

	raw.in_count = cut(message, message_len, in);
	raw.out_count = cut(answer, room, out);
	memset(answer, 0xee, sizeof(answer));
	p9_begin(p9, &raw);
	return p9_serve(p9, scratch, &raw);
}

static u32 number(size_t at)
{
	u32 value;

	memcpy(&value, answer + at, 4);
	return value;
}

/* What the answer says: 0, or its error. Size, type and tag are checked. */
static int verdict(size_t len, u8 type)
{
	assert_true(len >= 7 && len <= room);
	assert_int_equal(number(0), len);
	assert_int_equal(answer[len], 0xee);
	assert_int_equal(answer[5] | answer[6] << 8, TAG);
	if (answer[4] == 7) {
		assert_int_equal(len, 11);
		return -(int)number(7);
	}
	assert_int_equal(answer[4], type + 1);
	return 0;
}

static int ask(u8 type, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	build(type, format, args);
	va_end(args);
	return verdict(deliver(), type);
}

static void attach(void)
{
	assert_int_equal(ask(VERSION, "ds", 65536, "9P2000.L"), 0);
	assert_int_equal(ask(ATTACH, "ddssd", 0, NOFID, "root", "", 0), 0);
}

static void open_with(struct folder_options options)
{
	struct error err = { 0 };
	char path[64];

	p9_destroy(p9);
	p9 = NULL;
	folder_close(folder);
	folder = NULL;
	snprintf(path, sizeof(path), "%s/shared", base.path);
	assert_int_equal(folder_open(&folder, path, &options, &err), 0);
	assert_int_equal(folder_thread_start(folder), 0);
	assert_int_equal(p9_create(&p9, folder), 0);
}

static int setup(void **state)
{
	char path[64];

	temp_folder_create(&base, "/tmp");
	snprintf(path, sizeof(path), "%s/shared", base.path);
	assert_int_equal(mkdir(path, 0755), 0);
	base_fd = open(path, O_RDONLY | O_DIRECTORY);
	scratch = p9_scratch_create();
	piece = 1 << 20;
	room = 66000;
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH });
	attach();
	return 0;
}

static int teardown(void **state)
{
	p9_destroy(p9);
	p9 = NULL;
	folder_close(folder);
	folder = NULL;
	p9_scratch_destroy(scratch);
	close(base_fd);
	temp_folder_remove(&base);
	return 0;
}

/* The file @name, new, open as fid @fid. */
static void create(u32 fid, const char *name)
{
	assert_int_equal(ask(WALK, "ddw", 0, fid, 0), 0);
	assert_int_equal(ask(LCREATE, "dsddd", fid, name, O_RDWR, 0640, 0), 0);
}

/* ---- the session ---- */

TEST_WITH(a_version_that_is_not_ours_is_unknown, setup, teardown)
{
	assert_int_equal(ask(VERSION, "ds", 8192, "9P2000"), 0);
	assert_int_equal(number(7), 8192);
	assert_memory_equal(answer + 13, "unknown", 7);
	assert_int_equal(ask(STATFS, "d", 0), -EPROTO);
	assert_int_equal(ask(VERSION, "ds", ~0u, "9P2000.L"), 0);
	assert_int_equal(number(7), P9_MAX_SIZE);
	assert_int_equal(ask(VERSION, "ds", 100, "9P2000.L"), -EINVAL);
}

TEST_WITH(a_new_version_forgets_all_fids, setup, teardown)
{
	create(1, "file");
	assert_int_equal(ask(VERSION, "ds", 65536, "9P2000.L"), 0);
	assert_int_equal(ask(GETATTR, "dq", 1, (u64)~0ull), -EBADF);
	assert_int_equal(ask(GETATTR, "dq", 0, (u64)~0ull), -EBADF);
}

TEST_WITH(nobody_has_to_say_who_they_are, setup, teardown)
{
	assert_int_equal(ask(AUTH, "dssd", 5, "root", "", 0), -EOPNOTSUPP);
	assert_int_equal(ask(ATTACH, "ddssd", 7, 5, "root", "", 0), -EOPNOTSUPP);
	assert_int_equal(ask(ATTACH, "ddssd", 0, NOFID, "root", "", 0), -EBADF);
	assert_int_equal(ask(ATTACH, "ddssd", NOFID, NOFID, "root", "", 0), -EBADF);
}

TEST_WITH(unknown_messages_are_not_supported, setup, teardown)
{
	static const u8 unknown[] = { 0, 1, 6, 7, 9, 28, 106, 111, 112, 255 };

	for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++)
		assert_int_equal(ask(unknown[i], "dd", 0, 0), -EOPNOTSUPP);
}

/* ---- walking ---- */

TEST_WITH(a_walk_goes_as_far_as_there_are_names, setup, teardown)
{
	assert_int_equal(mkdirat(base_fd, "a", 0755), 0);
	assert_int_equal(mkdirat(base_fd, "a/b", 0755), 0);
	assert_int_equal(ask(WALK, "ddwss", 0, 1, 2, "a", "b"), 0);
	assert_int_equal(answer[7], 2);
	assert_int_equal(ask(WALK, "ddwss", 0, 2, 2, "a", "none"), 0);
	assert_int_equal(answer[7], 1);
	assert_int_equal(ask(CLUNK, "d", 2), -EBADF);
	assert_int_equal(ask(WALK, "ddws", 0, 2, 1, "none"), -ENOENT);
	assert_int_equal(ask(WALK, "ddw", 0, 1, 0), -EBADF); /* it is taken */
	assert_int_equal(ask(WALK, "ddw", 0, 1, 17), -EINVAL);
	/* In its place; and up, but never above the folder. */
	assert_int_equal(ask(WALK, "ddwsssss", 1, 1, 5, "..", "..", "..", "..", "a"), 0);
	assert_int_equal(answer[7], 5);
	assert_int_equal(ask(CLUNK, "d", 1), 0);
	assert_int_equal(ask(CLUNK, "d", 1), -EBADF);
}

TEST_WITH(a_fid_that_is_walked_to_itself_stays_as_it_is, setup, teardown)
{
	create(1, "file");
	assert_int_equal(ask(WALK, "ddw", 1, 1, 0), 0);
	assert_int_equal(ask(WRITE, "dqdb", 1, (u64)0, 1, 'x'), 0);
}

TEST_WITH(bad_names_are_refused, setup, teardown)
{
	static const char *const bad[] = { "", "a/b", "/", "../secret", "/etc" };
	char huge[5000];

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(ask(WALK, "ddws", 0, 1, 1, bad[i]), -EINVAL);
		assert_int_equal(ask(UNLINKAT, "dsd", 0, bad[i], 0), -EINVAL);
		assert_int_equal(ask(MKDIR, "dsdd", 0, bad[i], 0755, 0), -EINVAL);
	}
	memset(huge, 'a', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_int_equal(ask(WALK, "ddws", 0, 1, 1, huge), -ENAMETOOLONG);
	/* A zero byte within a name. */
	assert_int_equal(ask(WALK, "ddwww", 0, 1, 1, 2, 0x0061), -EINVAL);
}

/* ---- files ---- */

TEST_WITH(a_file_is_made_written_read_and_closed, setup, teardown)
{
	static const size_t pieces[] = { 1 << 20, 4096, 100, 100, 300 };

	for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++) {
		char name[8];

		piece = pieces[i];
		snprintf(name, sizeof(name), "f%u", i);
		create(1, name);
		assert_int_equal(ask(WRITE, "dqdwww", 1, (u64)3, 6, 0x6568, 0x6c6c, 0x216f), 0);
		assert_int_equal(number(7), 6);
		assert_int_equal(ask(READ, "dqd", 1, (u64)0, 100), 0);
		assert_int_equal(number(7), 9);
		assert_memory_equal(answer + 11, "\0\0\0hello!", 9);
		assert_int_equal(ask(FSYNC, "dd", 1, 0), 0);
		assert_int_equal(ask(FSYNC, "d", 1), 0);
		assert_int_equal(ask(GETATTR, "dq", 1, (u64)~0ull), 0);
		assert_int_equal(number(7 + 8 + 13), S_IFREG | 0640);
		assert_int_equal(ask(SETATTR,
				     "ddddd"
				     "qqqqq",
				     1, 8, 0, 0, 0, (u64)4, (u64)0, (u64)0, (u64)0, (u64)0),
				 0);
		assert_int_equal(ask(READ, "dqd", 1, (u64)0, 100), 0);
		assert_int_equal(number(7), 4);
		assert_int_equal(ask(CLUNK, "d", 1), 0);
		assert_int_equal(ask(READ, "dqd", 1, (u64)0, 100), -EBADF);
	}
}

static void append_on_host(const char *name, const char *text)
{
	int fd = openat(base_fd, name, O_WRONLY | O_APPEND);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

TEST_WITH(what_is_appended_overwrites_nothing_that_others_appended, setup, teardown)
{
	temp_file(base_fd, "log", "one\n");
	assert_int_equal(ask(WALK, "ddws", 0, 1, 1, "log"), 0);
	assert_int_equal(ask(LOPEN, "dd", 1, 02001), 0);
	append_on_host("log", "two\n");
	/* The guest believes that the file ends where it did when it was opened. */
	assert_int_equal(ask(WRITE, "dqdww", 1, (u64)4, 4, 0x3333, 0x0a33), 0);
	assert_int_equal(number(7), 4);
	assert_int_equal(ask(WALK, "ddws", 0, 2, 1, "log"), 0);
	assert_int_equal(ask(LOPEN, "dd", 2, 0), 0);
	assert_int_equal(ask(READ, "dqd", 2, (u64)0, 100), 0);
	assert_int_equal(number(7), 12);
	assert_memory_equal(answer + 11, "one\ntwo\n333\n", 12);
}

TEST_WITH(a_fid_whose_name_is_another_files_by_now_removes_and_moves_nothing, setup, teardown)
{
	create(1, "old");
	assert_int_equal(ask(WALK, "ddws", 0, 2, 1, "old"), 0);
	assert_int_equal(ask(WALK, "ddws", 0, 3, 1, "old"), 0);
	assert_int_equal(renameat(base_fd, "old", base_fd, "moved"), 0);
	temp_file(base_fd, "old", "somebody's");
	assert_int_equal(ask(RENAME, "dds", 2, 0, "mine"), -ESTALE);
	assert_int_equal(ask(REMOVE, "d", 2), -ESTALE);
	assert_int_equal(faccessat(base_fd, "old", F_OK, 0), 0);
	assert_int_equal(unlinkat(base_fd, "old", 0), 0);
	assert_int_equal(ask(REMOVE, "d", 3), -ENOENT);
	assert_int_equal(faccessat(base_fd, "moved", F_OK, 0), 0);
}

/* Of "file", as a guest finds it that has just come to know it. */
static u32 version_of_file(void)
{
	u32 version;

	assert_int_equal(ask(WALK, "ddws", 0, 9, 1, "file"), 0);
	version = number(10);
	assert_int_equal(ask(CLUNK, "d", 9), 0);
	assert_true(version);
	return version;
}

/* Linux caches no file of version 0, and takes one of another version for another file. */
TEST_WITH(a_files_version_follows_its_contents, setup, teardown)
{
	static const struct timespec epoch[2];
	u32 versions[3];

	temp_file(base_fd, "file", "one");
	versions[0] = version_of_file();
	assert_int_equal(version_of_file(), versions[0]);
	temp_file(base_fd, "file", "another");
	versions[1] = version_of_file();
	assert_int_not_equal(versions[1], versions[0]);
	/* What is not of its contents. */
	assert_int_equal(fchmodat(base_fd, "file", 0600, 0), 0);
	assert_int_equal(linkat(base_fd, "file", base_fd, "second", 0), 0);
	assert_int_equal(version_of_file(), versions[1]);
	/* Of the first second that there is, and of the same time. */
	assert_int_equal(utimensat(base_fd, "file", epoch, 0), 0);
	versions[2] = version_of_file();
	assert_int_not_equal(versions[2], versions[1]);
	append_on_host("file", "more");
	assert_int_equal(utimensat(base_fd, "file", epoch, 0), 0);
	assert_int_not_equal(version_of_file(), versions[2]);
	/* Directories are no other ones for what is made in them. */
	assert_int_equal(ask(GETATTR, "dq", 0, (u64)~0ull), 0);
	assert_int_equal(number(16), 0);
}

/* Else it would have a second cache for the second name, without what is not yet written back. */
TEST_WITH(a_file_keeps_its_version_while_the_guest_knows_it, setup, teardown)
{
	u32 version;

	create(1, "file");
	version = number(8);
	assert_true(version);
	assert_int_equal(ask(WRITE, "dqdw", 1, (u64)0, 2, 0x6262), 0);
	assert_int_equal(ask(GETATTR, "dq", 1, (u64)~0ull), 0);
	assert_int_equal(number(16), version);
	assert_int_equal(linkat(base_fd, "file", base_fd, "second", 0), 0);
	assert_int_equal(ask(WALK, "ddws", 0, 2, 1, "second"), 0);
	assert_int_equal(number(10), version);
	assert_int_equal(ask(GETATTR, "dq", 2, (u64)~0ull), 0);
	assert_int_equal(number(16), version);
	assert_int_equal(ask(LOPEN, "dd", 2, 0), 0);
	assert_int_equal(number(8), version);
	assert_int_equal(ask(CLUNK, "d", 1), 0);
	assert_int_equal(version_of_file(), version);
	assert_int_equal(ask(CLUNK, "d", 2), 0);
	assert_int_not_equal(version_of_file(), version);
}

TEST_WITH(a_fid_of_a_file_that_was_removed_is_still_of_use, setup, teardown)
{
	char name[16];

	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH, .max_fds = 4 });
	attach();
	temp_file(base_fd, "file", "hello");
	assert_int_equal(ask(WALK, "ddws", 0, 1, 1, "file"), 0);
	assert_int_equal(ask(WALK, "ddws", 0, 2, 1, "file"), 0);
	/* Others need the descriptors. */
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "other%u", i);
		temp_file(base_fd, name, "x");
		assert_int_equal(ask(WALK, "ddws", 0, 10 + i, 1, name), 0);
	}
	assert_int_equal(ask(UNLINKAT, "dsd", 0, "file", 0), 0);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(ask(GETATTR, "dq", 10 + i, (u64)~0ull), 0);
	assert_int_equal(ask(GETATTR, "dq", 1, (u64)~0ull), 0);
	assert_int_equal(ask(LOPEN, "dd", 1, 0), 0);
	assert_int_equal(ask(READ, "dqd", 1, (u64)0, 100), 0);
	assert_int_equal(number(7), 5);
	/* By a copy of the fid that is open, too. */
	assert_int_equal(ask(CLUNK, "d", 2), 0);
	assert_int_equal(ask(WALK, "ddw", 1, 2, 0), 0);
	assert_int_equal(ask(LOPEN, "dd", 2, 0), 0);
}

TEST_WITH(what_is_not_open_is_not_read, setup, teardown)
{
	assert_int_equal(ask(READ, "dqd", 0, (u64)0, 100), -EBADF);
	assert_int_equal(ask(WRITE, "dqdb", 0, (u64)0, 1, 'x'), -EBADF);
	assert_int_equal(ask(READDIR, "dqd", 0, (u64)0, 100), -EBADF);
	assert_int_equal(ask(FSYNC, "dd", 0, 0), -EBADF);
	create(1, "file");
	assert_int_equal(ask(LOPEN, "dd", 1, 0), -EBADF);
	assert_int_equal(ask(LCREATE, "dsddd", 1, "x", 0, 0600, 0), -EBADF);
	assert_int_equal(ask(READ, "dqd", 1, (u64)~0ull, 100), -EINVAL);
}

TEST_WITH(a_write_that_is_longer_than_its_message_is_refused, setup, teardown)
{
	create(1, "file");
	assert_int_equal(ask(WRITE, "dqdb", 1, (u64)0, 2, 'x'), -EINVAL);
	assert_int_equal(ask(WRITE, "dqdb", 1, (u64)0, ~0u, 'x'), -EINVAL);
}

/* Linux before 4.19 does so with writes of more than 1,024 bytes. */
TEST_WITH(a_write_whose_size_leaves_out_its_data_is_one, setup, teardown)
{
	create(1, "file");
	assert_int_equal(ask(WRITE, "dqdww", 1, (u64)0, 4, 0x6162, 0x6364), 0);
	memcpy(message, &(u32){ 23 }, 4);
	memcpy(message + 11, &(u64){ 4 }, 8);
	assert_int_equal(verdict(deliver(), WRITE), 0);
	assert_int_equal(number(7), 4);
	assert_int_equal(ask(READ, "dqd", 1, (u64)0, 100), 0);
	assert_int_equal(number(7), 8);
	assert_memory_equal(answer + 11, "badcbadc", 8);
}

TEST_WITH(names_are_made_linked_moved_and_removed, setup, teardown)
{
	create(1, "file");
	assert_int_equal(ask(MKDIR, "dsdd", 0, "dir", 0750, 0), 0);
	assert_int_equal(ask(WALK, "ddws", 0, 2, 1, "dir"), 0);
	assert_int_equal(ask(LINK, "dds", 2, 1, "hard"), 0);
	assert_int_equal(ask(SYMLINK, "dssd", 2, "soft", "../../secret", 0), 0);
	assert_int_equal(ask(WALK, "ddws", 2, 3, 1, "soft"), 0);
	assert_int_equal(ask(READLINK, "d", 3), 0);
	assert_memory_equal(answer + 9, "../../secret", 12);
	assert_int_equal(ask(WALK, "ddws", 3, 4, 1, "etc"), -ENOTDIR);
	assert_int_equal(ask(LOPEN, "dd", 3, 0), -ELOOP);
	assert_int_equal(ask(RENAME, "dds", 3, 0, "soft2"), 0);
	assert_int_equal(ask(RENAMEAT, "dsds", 2, "hard", 0, "hard2"), 0);
	assert_int_equal(ask(UNLINKAT, "dsd", 0, "dir", AT_REMOVEDIR), 0);
	assert_int_equal(ask(UNLINKAT, "dsd", 0, "file", 0), 0);
	assert_int_equal(ask(UNLINKAT, "dsd", 0, "file", 0), -ENOENT);
	assert_int_equal(ask(UNLINKAT, "dsd", 0, "file", 0x1000), -EINVAL);
	assert_int_equal(ask(WALK, "ddws", 0, 5, 1, "hard2"), 0);
	assert_int_equal(ask(REMOVE, "d", 5), 0);
	assert_int_equal(ask(CLUNK, "d", 5), -EBADF);
	assert_int_equal(ask(REMOVE, "d", 0), -EINVAL); /* the folder itself */
	assert_int_equal(ask(MKNOD, "dsdddd", 2, "x", S_IFCHR | 0600, 1, 3, 0), -EPERM);
}

TEST_WITH(statfs_counts_in_blocks_of_the_size_that_it_tells, setup, teardown)
{
	struct statvfs st;
	u64 blocks;

	assert_int_equal(ask(STATFS, "d", 0), 0);
	assert_int_equal(fstatvfs(base_fd, &st), 0);
	memcpy(&blocks, answer + 15, 8);
	assert_int_equal(number(11), st.f_frsize);
	assert_int_equal(blocks, st.f_blocks);
}

TEST_WITH(all_entries_of_a_large_directory_are_listed_once, setup, teardown)
{
	unsigned total = 0, used;
	u64 offset = 0;

	for (unsigned i = 0; i < 2000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "a-file-with-the-number-%u", i);
		close(openat(base_fd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	assert_int_equal(ask(WALK, "ddw", 0, 1, 0), 0);
	assert_int_equal(ask(LOPEN, "dd", 1, 0200000), 0);
	do {
		assert_int_equal(ask(READDIR, "dqd", 1, offset, 4000), 0);
		used = number(7);
		for (unsigned at = 11; at < 11 + used; total++) {
			memcpy(&offset, answer + at + 13, 8);
			at += 24 + (answer[at + 22] | answer[at + 23] << 8);
		}
	} while (used);
	assert_int_equal(total, 2002);
}

TEST_WITH(a_lock_of_one_fid_stops_another, setup, teardown)
{
	create(1, "file");
	assert_int_equal(ask(WALK, "ddws", 0, 2, 1, "file"), 0);
	assert_int_equal(ask(LOPEN, "dd", 2, O_RDWR), 0);
	assert_int_equal(ask(LOCK, "dbdqqds", 1, 1, 0, (u64)0, (u64)0, 9, "me"), 0);
	assert_int_equal(answer[7], 0);
	assert_int_equal(ask(LOCK, "dbdqqds", 2, 1, 1, (u64)0, (u64)0, 10, "me"), 0);
	assert_int_equal(answer[7], 1);
	assert_int_equal(ask(GETLOCK, "dbqqds", 2, 1, (u64)0, (u64)0, 10, "me"), 0);
	assert_int_equal(answer[7], 1);
	/* Another client's process of that number. */
	assert_int_equal(ask(LOCK, "dbdqqds", 2, 1, 1, (u64)0, (u64)0, 9, "you"), 0);
	assert_int_equal(answer[7], 1);
	assert_int_equal(ask(LOCK, "dbdqqds", 1, 2, 0, (u64)0, (u64)0, 9, "me"), 0);
	assert_int_equal(ask(GETLOCK, "dbqqds", 2, 1, (u64)0, (u64)0, 9, "me"), 0);
	assert_int_equal(answer[7], 2);
	assert_int_equal(ask(LOCK, "dbdqqds", 1, 3, 0, (u64)0, (u64)0, 9, "me"), -EINVAL);
}

TEST_WITH(a_lock_of_one_fid_does_not_stop_another_of_its_process, setup, teardown)
{
	create(1, "file");
	assert_int_equal(ask(WALK, "ddws", 0, 2, 1, "file"), 0);
	assert_int_equal(ask(LOPEN, "dd", 2, O_RDWR), 0);
	assert_int_equal(ask(LOCK, "dbdqqds", 1, 0, 0, (u64)0, (u64)0, 9, "me"), 0);
	assert_int_equal(answer[7], 0);
	assert_int_equal(ask(LOCK, "dbdqqds", 2, 1, 0, (u64)0, (u64)0, 9, "me"), 0);
	assert_int_equal(answer[7], 0);
	assert_int_equal(ask(GETLOCK, "dbqqds", 1, 1, (u64)0, (u64)0, 9, "me"), 0);
	assert_int_equal(answer[7], 2);
}

TEST_WITH(a_child_that_closes_a_fid_of_its_parent_takes_no_lock, setup, teardown)
{
	create(1, "file");
	assert_int_equal(ask(WALK, "ddws", 0, 2, 1, "file"), 0);
	assert_int_equal(ask(LOPEN, "dd", 2, O_RDWR), 0);
	assert_int_equal(ask(LOCK, "dbdqqds", 1, 1, 0, (u64)0, (u64)0, 9, "me"), 0);
	assert_int_equal(answer[7], 0);
	/* As the guest's kernel does when the child of number 10 is about to end. */
	assert_int_equal(ask(LOCK, "dbdqqds", 1, 2, 0, (u64)0, (u64)0, 10, "me"), 0);
	assert_int_equal(answer[7], 0);
	assert_int_equal(ask(LOCK, "dbdqqds", 2, 1, 0, (u64)0, (u64)0, 11, "me"), 0);
	assert_int_equal(answer[7], 1);
	/* But flock()'s lock it may take: then it might have waited. */
	assert_int_equal(ask(LOCK, "dbdqqds", 1, 2, 1, (u64)0, (u64)0, 10, "me"), 0);
	assert_int_equal(ask(LOCK, "dbdqqds", 2, 1, 0, (u64)0, (u64)0, 11, "me"), 0);
	assert_int_equal(answer[7], 0);
}

/* ---- extended attributes ---- */

TEST_WITH(extended_attributes_are_written_and_read_like_files, setup, teardown)
{
	create(1, "file");
	assert_int_equal(ask(WALK, "ddws", 0, 2, 1, "file"), 0);
	assert_int_equal(ask(XATTRCREATE, "dsqd", 2, "user.note", (u64)4, 0), 0);
	assert_int_equal(ask(WRITE, "dqdd", 2, (u64)0, 4, 0x65757276), 0);
	assert_int_equal(ask(WRITE, "dqdb", 2, (u64)4, 1, 'x'), -EINVAL);
	if (ask(CLUNK, "d", 2) == -EOPNOTSUPP)
		skip();
	assert_int_equal(ask(XATTRWALK, "dds", 1, 3, "user.note"), 0);
	assert_int_equal(number(7), 4);
	assert_int_equal(ask(READ, "dqd", 3, (u64)1, 100), 0);
	assert_int_equal(number(7), 3);
	assert_memory_equal(answer + 11, "rue", 3);
	assert_int_equal(ask(WRITE, "dqdb", 3, (u64)0, 1, 'x'), -EINVAL);
	assert_int_equal(ask(WALK, "ddw", 3, 4, 0), -EBADF);
	assert_int_equal(ask(XATTRWALK, "dds", 1, 4, ""), 0);
	assert_int_equal(number(7), 10);
	assert_int_equal(ask(XATTRWALK, "dds", 1, 5, "user.none"), -ENODATA);
	assert_int_equal(ask(XATTRCREATE, "dsqd", 0, "user.x", (u64)~0ull, 0), -E2BIG);
}

TEST_WITH(an_attribute_may_be_empty, setup, teardown)
{
	create(1, "file");
	assert_int_equal(ask(WALK, "ddws", 0, 2, 1, "file"), 0);
	assert_int_equal(ask(XATTRCREATE, "dsqd", 2, "user.note", (u64)0, 0), 0);
	if (ask(CLUNK, "d", 2) == -EOPNOTSUPP)
		skip();
	assert_int_equal(ask(XATTRWALK, "dds", 1, 3, "user.note"), 0);
	assert_int_equal(number(7), 0);
	assert_int_equal(ask(CLUNK, "d", 3), 0);
	/* As Linux removes it. */
	assert_int_equal(ask(WALK, "ddws", 0, 2, 1, "file"), 0);
	assert_int_equal(ask(XATTRCREATE, "dsqd", 2, "user.note", (u64)0, 2), 0);
	assert_int_equal(ask(CLUNK, "d", 2), 0);
	assert_int_equal(ask(XATTRWALK, "dds", 1, 3, "user.note"), -ENODATA);
}

TEST_WITH(attributes_under_way_are_few, setup, teardown)
{
	unsigned count = 0;

	create(1, "file");
	while (count < 1000 && !ask(XATTRWALK, "dds", 1, 10 + count, ""))
		count++;
	assert_true(count >= 64 && count < 1000);
	assert_int_equal(ask(CLUNK, "d", 10), 0);
	assert_int_equal(ask(XATTRWALK, "dds", 1, 10, ""), 0);
}

/* ---- malformed messages ---- */

TEST_WITH(messages_of_any_length_get_an_answer_that_fits, setup, teardown)
{
	create(1, "file");
	for (unsigned type = 0; type < 256; type++) {
		for (unsigned len = 0; len < 90; len++) {
			size_t got;

			if (type == VERSION || type == CLUNK || type == REMOVE)
				continue;
			memset(message, len & 1 ? 0xff : 0, 100);
			memcpy(message, &len, 4);
			message[4] = type;
			message_len = len;
			room = len % 64;
			got = deliver();
			assert_true(got <= room);
			assert_int_equal(answer[room], 0xee);
		}
	}
	room = 66000;
	assert_int_equal(ask(WRITE, "dqdb", 1, (u64)0, 1, 'x'), 0);
}

TEST_WITH(a_message_that_is_shorter_than_it_says_is_refused, setup, teardown)
{
	assert_int_equal(ask(STATFS, "d", 0), 0);
	message_len = 11;
	memcpy(message, &(u32){ 12 }, 4);
	message[4] = STATFS;
	assert_int_equal(verdict(deliver(), STATFS), -EINVAL);
	memcpy(message, &(u32){ 6 }, 4);
	assert_int_equal(verdict(deliver(), STATFS), -EINVAL);
	/* A string that ends behind the message. */
	assert_int_equal(ask(UNLINKAT, "dw", 0, 1000), -EINVAL);
	assert_int_equal(ask(UNLINKAT, "dw", 0, 0xffff), -EINVAL);
}

TEST_WITH(an_answer_without_room_is_an_error, setup, teardown)
{
	room = 20;
	assert_int_equal(ask(GETATTR, "dq", 0, (u64)~0ull), -EIO);
	room = 11;
	assert_int_equal(ask(GETATTR, "dq", 0, (u64)~0ull), -EIO);
	room = 10;
	assert_int_equal(deliver(), 0);
}

/* ---- at once ---- */

static _Atomic bool flushed;

static void *flush_it(void *arg)
{
	struct p9_scratch *own = p9_scratch_create();

	assert_int_equal(p9_serve(p9, own, arg), 9 - 2);
	flushed = true;
	p9_scratch_destroy(own);
	return NULL;
}

TEST_WITH(a_flush_is_answered_after_the_message_that_it_names, setup, teardown)
{
	u8 old_bytes[] = { 11, 0, 0, 0, STATFS, 5, 0, 0, 0, 0, 0 };
	u8 flush_bytes[] = { 9, 0, 0, 0, FLUSH, 6, 0, 5, 0 };
	u8 old_answer[100], flush_answer[100];
	struct iovec old_in = { old_bytes, sizeof(old_bytes) };
	struct iovec old_out = { old_answer, sizeof(old_answer) };
	struct iovec flush_in = { flush_bytes, sizeof(flush_bytes) };
	struct iovec flush_out = { flush_answer, sizeof(flush_answer) };
	struct p9_message old = { .in = &old_in, .out = &old_out, .in_count = 1, .out_count = 1 };
	struct p9_message flush = {
		.in = &flush_in, .out = &flush_out, .in_count = 1, .out_count = 1
	};
	pthread_t thread;

	flushed = false;
	p9_begin(p9, &old);
	p9_begin(p9, &flush);
	assert_int_equal(pthread_create(&thread, NULL, flush_it, &flush), 0);
	usleep(20000);
	assert_false(flushed);
	p9_serve(p9, scratch, &old);
	pthread_join(thread, NULL);
	assert_true(flushed);
	/* One that names nobody, or itself, waits for nobody. */
	assert_int_equal(ask(FLUSH, "w", 99), 0);
	assert_int_equal(ask(FLUSH, "w", TAG), 0);
}

TEST_WITH(a_flush_does_not_wait_for_what_was_abandoned, setup, teardown)
{
	u8 bytes[] = { 11, 0, 0, 0, STATFS, 5, 0, 0, 0, 0, 0 };
	struct iovec in = { bytes, sizeof(bytes) };
	struct p9_message old = { .in = &in, .in_count = 1 };

	p9_begin(p9, &old);
	p9_abandon(p9, &old);
	assert_int_equal(ask(FLUSH, "w", 5), 0);
}
