/* SPDX-License-Identifier: BSD-2-Clause */
/* The FUSE protocol on a real folder: messages in memory, in pieces of many sizes. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder/fuse.h"
#include "test.h"

static char base[] = "/tmp/lkvm-fuse-XXXXXX";
static int base_fd = -1, start_fd = -1;
static struct folder *folder;
static struct fuse fuse;
static struct fuse_scratch *scratch;

/* The message under construction, and its answer. */
static char message[200000], answer[200000];
static size_t message_len;
static size_t piece = 1 << 20; /* the size of the pieces in which both are given */

static void begin(u32 opcode, u64 node)
{
	struct fuse_in_header head = { .opcode = opcode, .unique = 77, .nodeid = node };

	memcpy(message, &head, sizeof(head));
	message_len = sizeof(head);
}

static void put(const void *data, size_t len)
{
	memcpy(message + message_len, data, len);
	message_len += len;
}

static void put_name(const char *name)
{
	put(name, strlen(name) + 1);
}

static unsigned cut(char *data, size_t len, struct iovec *iov)
{
	unsigned count = 0;

	for (size_t at = 0; at < len; at += piece)
		iov[count++] = (struct iovec){ data + at, MIN(piece, len - at) };
	return count;
}

/* Send it with @len as the length that it says of itself, and @room for the answer. */
static size_t send_raw(u32 len, size_t room)
{
	static struct iovec in[200000], out[200000];

	memcpy(message, &len, sizeof(len));
	memset(answer, 0xee, sizeof(answer));
	return fuse_serve(&fuse, scratch, in, cut(message, message_len, in), out,
			  cut(answer, room, out));
}

static int error_of(void)
{
	struct fuse_out_header head;

	memcpy(&head, answer, sizeof(head));
	assert_int_equal(head.unique, 77);
	return head.error;
}

/* The error of the answer; the length is checked. */
static int ask(size_t room)
{
	size_t len = send_raw(message_len, room + sizeof(struct fuse_out_header));
	struct fuse_out_header head;

	memcpy(&head, answer, sizeof(head));
	assert_int_equal(head.len, len);
	assert_true(len <= room + sizeof(head));
	assert_int_equal((u8)answer[len], 0xee);
	return error_of();
}

static const void *body(void)
{
	return answer + sizeof(struct fuse_out_header);
}

static size_t body_len(void)
{
	struct fuse_out_header head;

	memcpy(&head, answer, sizeof(head));
	return head.len - sizeof(head);
}

#define PUT(...) put(&(__VA_ARGS__), sizeof(__VA_ARGS__))

static int init_session(u32 major, u32 minor)
{
	begin(FUSE_INIT, 0);
	PUT((struct fuse_init_in){ .major = major, .minor = minor, .flags = ~0u, .flags2 = ~0u });
	return ask(sizeof(struct fuse_init_out));
}

static void open_with(struct folder_options folder_options, struct fuse_options options)
{
	struct error err = { 0 };
	char path[64];

	folder_close(folder);
	folder = NULL;
	snprintf(path, sizeof(path), "%s/shared", base);
	assert_int_equal(folder_open(&folder, path, &folder_options, &err), 0);
	assert_int_equal(folder_thread_start(folder), 0);
	fuse_init(&fuse, folder, &options);
}

static int setup(void **state)
{
	char path[64];

	strcpy(base + strlen(base) - 6, "XXXXXX");
	start_fd = open(".", O_PATH | O_DIRECTORY);
	assert_non_null(mkdtemp(base));
	snprintf(path, sizeof(path), "%s/shared", base);
	assert_int_equal(mkdir(path, 0755), 0);
	base_fd = open(path, O_RDONLY | O_DIRECTORY);
	scratch = fuse_scratch_create();
	piece = 1 << 20;
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH }, (struct fuse_options){ 0 });
	assert_int_equal(init_session(7, 38), 0);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	folder_close(folder);
	folder = NULL;
	fuse_scratch_destroy(scratch);
	assert_int_equal(fchdir(start_fd), 0);
	close(start_fd);
	close(base_fd);
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

static int lookup(u64 dir, const char *name, struct fuse_entry_out *entry)
{
	int ret;

	begin(FUSE_LOOKUP, dir);
	put_name(name);
	ret = ask(sizeof(*entry));
	if (!ret)
		memcpy(entry, body(), sizeof(*entry));
	return ret;
}

static u64 find(u64 dir, const char *name)
{
	struct fuse_entry_out entry;

	assert_int_equal(lookup(dir, name, &entry), 0);
	return entry.nodeid;
}

static u64 create(const char *name, u64 *node)
{
	struct fuse_open_out open_out;

	begin(FUSE_CREATE, FUSE_ROOT_ID);
	PUT((struct fuse_create_in){ .flags = O_RDWR, .mode = S_IFREG | 0640 });
	put_name(name);
	assert_int_equal(ask(sizeof(struct fuse_entry_out) + sizeof(open_out)), 0);
	memcpy(node, body(), sizeof(*node));
	memcpy(&open_out, (const char *)body() + sizeof(struct fuse_entry_out), sizeof(open_out));
	return open_out.fh;
}

static int write_file(u64 file, u64 offset, const char *data, u32 len)
{
	struct fuse_write_out out;
	int ret;

	begin(FUSE_WRITE, 1);
	PUT((struct fuse_write_in){ .fh = file, .offset = offset, .size = len });
	put(data, len);
	ret = ask(sizeof(out));
	if (ret)
		return ret;
	memcpy(&out, body(), sizeof(out));
	return out.size;
}

static int read_file(u64 file, u64 offset, u32 len)
{
	int ret;

	begin(FUSE_READ, 1);
	PUT((struct fuse_read_in){ .fh = file, .offset = offset, .size = len });
	ret = ask(len);
	return ret ? ret : (int)body_len();
}

/* ---- the session ---- */

TEST_WITH(init_agrees_on_what_both_know, setup, teardown)
{
	struct fuse_init_out out;

	assert_int_equal(init_session(7, 45), 0);
	memcpy(&out, body(), sizeof(out));
	assert_int_equal(out.major, 7);
	assert_int_equal(out.minor, 38);
	assert_int_equal(out.max_write, FUSE_LARGEST);
	assert_int_equal(out.max_pages, FUSE_LARGEST / 4096);
	assert_true(out.flags & FUSE_DO_READDIRPLUS);
	assert_false(out.flags & FUSE_WRITEBACK_CACHE);
	assert_int_equal(out.flags2, 0);
	assert_int_equal(init_session(8, 0), 0);
	memcpy(&out, body(), sizeof(out));
	assert_int_equal(out.major, 7);
	assert_int_equal(init_session(6, 9), -EPROTO);
	assert_int_equal(init_session(7, 30), -EPROTO);
}

TEST_WITH(nothing_is_served_before_init_and_after_destroy, setup, teardown)
{
	struct fuse_entry_out entry;

	begin(FUSE_DESTROY, 0);
	assert_int_equal(ask(0), 0);
	assert_int_equal(lookup(1, "x", &entry), -EIO);
	assert_int_equal(init_session(7, 38), 0);
	assert_int_equal(lookup(1, "x", &entry), -ENOENT);
}

TEST_WITH(unknown_operations_do_not_exist, setup, teardown)
{
	static const u32 unknown[] = { 0, 7, 19, 39, 200, 4096, ~0u };

	for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++) {
		begin(unknown[i], 1);
		put("whatever", 8);
		assert_int_equal(ask(100), -ENOSYS);
	}
}

TEST_WITH(writeback_is_for_caches_alone, setup, teardown)
{
	struct fuse_init_out out;

	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH },
		  (struct fuse_options){ .cache = FUSE_CACHE_ALWAYS, .writeback = true });
	assert_int_equal(init_session(7, 38), 0);
	memcpy(&out, body(), sizeof(out));
	assert_true(out.flags & FUSE_WRITEBACK_CACHE);
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH },
		  (struct fuse_options){ .cache = FUSE_CACHE_NONE, .writeback = true });
	assert_int_equal(init_session(7, 38), 0);
	memcpy(&out, body(), sizeof(out));
	assert_false(out.flags & FUSE_WRITEBACK_CACHE);
}

/* ---- files ---- */

TEST_WITH(a_file_is_made_written_read_and_closed, setup, teardown)
{
	static const size_t pieces[] = { 1 << 20, 4096, 100, 7, 1000 };
	struct fuse_attr_out attr;
	u64 node, file;

	for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++) {
		char name[8];

		piece = pieces[i];
		snprintf(name, sizeof(name), "f%u", i);
		file = create(name, &node);
		assert_int_equal(write_file(file, 3, "hello", 5), 5);
		assert_int_equal(read_file(file, 0, 100), 8);
		assert_memory_equal(body(), "\0\0\0hello", 8);
		begin(FUSE_GETATTR, node);
		PUT((struct fuse_getattr_in){ 0 });
		assert_int_equal(ask(sizeof(attr)), 0);
		memcpy(&attr, body(), sizeof(attr));
		assert_int_equal(attr.attr.size, 8);
		assert_int_equal(attr.attr.mode, S_IFREG | 0640);
		begin(FUSE_FSYNC, node);
		PUT((struct fuse_fsync_in){ .fh = file });
		assert_int_equal(ask(0), 0);
		begin(FUSE_FLUSH, node);
		PUT((struct fuse_flush_in){ .fh = file });
		assert_int_equal(ask(0), 0);
		begin(FUSE_RELEASE, node);
		PUT((struct fuse_release_in){ .fh = file });
		assert_int_equal(ask(0), 0);
		assert_int_equal(read_file(file, 0, 100), -EBADF);
	}
}

TEST_WITH(ranges_are_allocated_copied_and_sought, setup, teardown)
{
	u64 node, file, other, other_node;

	file = create("a", &node);
	other = create("b", &other_node);
	assert_int_equal(write_file(file, 0, "0123456789", 10), 10);
	begin(FUSE_COPY_FILE_RANGE, node);
	PUT((struct fuse_copy_file_range_in){
		.fh_in = file, .off_in = 2, .nodeid_out = other_node, .fh_out = other, .len = 4 });
	assert_int_equal(ask(sizeof(struct fuse_write_out)), 0);
	assert_int_equal(read_file(other, 0, 100), 4);
	assert_memory_equal(body(), "2345", 4);
	begin(FUSE_FALLOCATE, node);
	PUT((struct fuse_fallocate_in){ .fh = file, .length = 50 });
	assert_int_equal(ask(0), 0);
	assert_int_equal(read_file(file, 0, 100), 50);
	begin(FUSE_LSEEK, node);
	PUT((struct fuse_lseek_in){ .fh = file, .whence = SEEK_HOLE });
	assert_int_equal(ask(sizeof(struct fuse_lseek_out)), 0);
	begin(FUSE_LSEEK, node);
	PUT((struct fuse_lseek_in){ .fh = file, .whence = SEEK_SET });
	assert_int_equal(ask(sizeof(struct fuse_lseek_out)), -EINVAL);
}

/* The guest would take what it has not written back for a hole. */
TEST_WITH(holes_are_not_sought_while_the_guest_collects_writes, setup, teardown)
{
	u64 node, file;

	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH },
		  (struct fuse_options){ .cache = FUSE_CACHE_ALWAYS, .writeback = true });
	assert_int_equal(init_session(7, 38), 0);
	file = create("file", &node);
	begin(FUSE_LSEEK, node);
	PUT((struct fuse_lseek_in){ .fh = file, .whence = SEEK_DATA });
	assert_int_equal(ask(sizeof(struct fuse_lseek_out)), -ENOSYS);
}

TEST_WITH(the_whole_file_system_is_synced_if_asked_for, setup, teardown)
{
	begin(FUSE_SYNCFS, FUSE_ROOT_ID);
	PUT((struct fuse_syncfs_in){ 0 });
	assert_int_equal(ask(0), 0);
}

TEST_WITH(handles_that_are_not_open_are_refused, setup, teardown)
{
	static const u64 bad[] = { 0, 1, 2, 99, ~0ull, 1ull << 32 | 1, 1ull << 63 };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(read_file(bad[i], 0, 10), -EBADF);
		assert_int_equal(write_file(bad[i], 0, "x", 1), -EBADF);
		begin(FUSE_FSYNC, 1);
		PUT((struct fuse_fsync_in){ .fh = bad[i] });
		assert_int_equal(ask(0), -EBADF);
		begin(FUSE_RELEASE, 1);
		PUT((struct fuse_release_in){ .fh = bad[i] });
		assert_int_equal(ask(0), -EBADF);
		begin(FUSE_READDIR, 1);
		PUT((struct fuse_read_in){ .fh = bad[i], .size = 4096 });
		assert_int_equal(ask(4096), -EBADF);
	}
}

TEST_WITH(offsets_beyond_all_files_are_refused, setup, teardown)
{
	u64 node, file = create("a", &node);

	assert_int_equal(read_file(file, ~0ull, 10), -EINVAL);
	assert_int_equal(write_file(file, 1ull << 63, "x", 1), -EINVAL);
	begin(FUSE_FALLOCATE, node);
	PUT((struct fuse_fallocate_in){ .fh = file, .offset = 1, .length = INT64_MAX });
	assert_int_equal(ask(0), -EINVAL);
}

/* ---- names ---- */

TEST_WITH(names_are_made_linked_moved_and_removed, setup, teardown)
{
	struct fuse_entry_out entry;
	u64 node, dir;

	create("file", &node);
	begin(FUSE_MKDIR, 1);
	PUT((struct fuse_mkdir_in){ .mode = 0750 });
	put_name("dir");
	assert_int_equal(ask(sizeof(entry)), 0);
	dir = find(1, "dir");
	begin(FUSE_LINK, dir);
	PUT((struct fuse_link_in){ .oldnodeid = node });
	put_name("hard");
	assert_int_equal(ask(sizeof(entry)), 0);
	assert_int_equal(find(dir, "hard"), node);
	begin(FUSE_SYMLINK, dir);
	put_name("soft");
	put_name("../../secret");
	assert_int_equal(ask(sizeof(entry)), 0);
	begin(FUSE_READLINK, find(dir, "soft"));
	assert_int_equal(ask(4096), 0);
	assert_int_equal(body_len(), 12);
	assert_memory_equal(body(), "../../secret", 12);
	begin(FUSE_RENAME2, dir);
	PUT((struct fuse_rename2_in){ .newdir = 1, .flags = 1 /* RENAME_NOREPLACE */ });
	put_name("hard");
	put_name("file");
	assert_int_equal(ask(0), -EEXIST);
	begin(FUSE_RENAME, dir);
	PUT((struct fuse_rename_in){ .newdir = 1 });
	put_name("soft");
	put_name("file2");
	assert_int_equal(ask(0), 0);
	begin(FUSE_RMDIR, 1);
	put_name("dir");
	assert_int_equal(ask(0), -ENOTEMPTY);
	begin(FUSE_UNLINK, dir);
	put_name("hard");
	assert_int_equal(ask(0), 0);
	begin(FUSE_RMDIR, 1);
	put_name("dir");
	assert_int_equal(ask(0), 0);
	assert_int_equal(lookup(1, "dir", &entry), -ENOENT);
	assert_int_equal(lookup(1, "file2", &entry), 0);
	assert_true(S_ISLNK(entry.attr.mode));
}

TEST_WITH(special_files_of_the_guest_are_made_as_far_as_they_may_be, setup, teardown)
{
	begin(FUSE_MKNOD, 1);
	PUT((struct fuse_mknod_in){ .mode = S_IFIFO | 0600 });
	put_name("fifo");
	assert_int_equal(ask(sizeof(struct fuse_entry_out)), 0);
	begin(FUSE_OPEN, find(1, "fifo"));
	PUT((struct fuse_open_in){ .flags = O_RDONLY });
	assert_int_equal(ask(sizeof(struct fuse_open_out)), -ENXIO);
	begin(FUSE_MKNOD, 1);
	PUT((struct fuse_mknod_in){ .mode = S_IFBLK | 0600, .rdev = 0x0801 });
	put_name("sda");
	assert_int_equal(ask(sizeof(struct fuse_entry_out)), -EPERM);
}

TEST_WITH(bad_names_are_refused, setup, teardown)
{
	static const char *const bad[] = { "", "a/b", "/", "../secret", "/etc/passwd" };
	char huge[5000];
	struct fuse_entry_out entry;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(lookup(1, bad[i], &entry), -EINVAL);
	memset(huge, 'a', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_int_equal(lookup(1, huge, &entry), -ENAMETOOLONG);
	/* Without its end. */
	begin(FUSE_LOOKUP, 1);
	put("abc", 3);
	assert_int_equal(ask(sizeof(entry)), -EINVAL);
	begin(FUSE_RENAME, 1);
	PUT((struct fuse_rename_in){ .newdir = 1 });
	put_name("one");
	assert_int_equal(ask(0), -EINVAL);
}

TEST_WITH(attributes_are_set, setup, teardown)
{
	struct fuse_attr_out attr;
	u64 node;

	create("file", &node);
	begin(FUSE_SETATTR, node);
	PUT((struct fuse_setattr_in){ .valid = FATTR_MODE | FATTR_SIZE | FATTR_MTIME,
				      .mode = 0604,
				      .size = 1234,
				      .mtime = 1000000000,
				      .mtimensec = 5 });
	assert_int_equal(ask(sizeof(attr)), 0);
	memcpy(&attr, body(), sizeof(attr));
	assert_int_equal(attr.attr.mode & 07777, 0604);
	assert_int_equal(attr.attr.size, 1234);
	assert_int_equal(attr.attr.mtime, 1000000000);
	assert_int_equal(attr.attr.mtimensec, 5);
	begin(FUSE_SETATTR, node);
	PUT((struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = ~0ull });
	assert_int_equal(ask(sizeof(attr)), -EINVAL);
	begin(FUSE_STATFS, 1);
	assert_int_equal(ask(sizeof(struct fuse_statfs_out)), 0);
}

TEST_WITH(nodes_that_are_not_known_are_stale, setup, teardown)
{
	static const u64 bad[] = { 0, 2, 3, ~0ull, 1ull << 32 | 1 };
	struct fuse_entry_out entry;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(lookup(bad[i], "x", &entry), -ESTALE);
}

TEST_WITH(forgetting_has_no_answer_and_counts_no_further_than_zero, setup, teardown)
{
	struct fuse_entry_out entry;
	u64 node;

	create("file", &node);
	begin(FUSE_FORGET, 1);
	PUT((struct fuse_forget_in){ .nlookup = ~0ull });
	assert_int_equal(send_raw(message_len, 0), 0);
	begin(FUSE_BATCH_FORGET, 0);
	PUT((struct fuse_batch_forget_in){ .count = ~0u });
	PUT((struct fuse_forget_one){ .nodeid = node, .nlookup = 1000 });
	PUT((struct fuse_forget_one){ .nodeid = 999, .nlookup = 1000 });
	assert_int_equal(send_raw(message_len, 100), 0);
	begin(FUSE_FORGET, node);
	put("x", 1);
	assert_int_equal(send_raw(message_len, 0), 0);
	begin(FUSE_INTERRUPT, 0);
	assert_int_equal(send_raw(message_len, 100), 0);
	assert_int_equal(lookup(1, "file", &entry), 0);
}

/* ---- listing ---- */

static unsigned count_entries(bool plus, u64 *offset)
{
	const char *at = body();
	unsigned count = 0;

	for (size_t left = body_len(); left;) {
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

TEST_WITH(all_entries_of_a_large_directory_are_listed_once, setup, teardown)
{
	for (unsigned i = 0; i < 2000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "a-file-with-the-number-%u", i);
		close(openat(base_fd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	for (unsigned plus = 0; plus < 2; plus++) {
		unsigned total = 0, now;
		u64 offset = 0, file;

		begin(FUSE_OPENDIR, 1);
		PUT((struct fuse_open_in){ 0 });
		assert_int_equal(ask(sizeof(struct fuse_open_out)), 0);
		memcpy(&file, body(), sizeof(file));
		do {
			begin(plus ? FUSE_READDIRPLUS : FUSE_READDIR, 1);
			PUT((struct fuse_read_in){ .fh = file, .offset = offset, .size = 4096 });
			assert_int_equal(ask(4096), 0);
			now = count_entries(plus, &offset);
			total += now;
		} while (now);
		assert_int_equal(total, 2002);
		begin(FUSE_RELEASEDIR, 1);
		PUT((struct fuse_release_in){ .fh = file });
		assert_int_equal(ask(0), 0);
	}
}

/* ---- extended attributes ---- */

TEST_WITH(extended_attributes_are_kept, setup, teardown)
{
	u64 node;
	int ret;

	create("file", &node);
	begin(FUSE_SETXATTR, node);
	put(&(struct fuse_setxattr_in){ .size = 5 }, FUSE_COMPAT_SETXATTR_IN_SIZE);
	put_name("user.note");
	put("value", 5);
	ret = ask(0);
	if (ret == -EOPNOTSUPP)
		skip();
	assert_int_equal(ret, 0);
	begin(FUSE_GETXATTR, node);
	PUT((struct fuse_getxattr_in){ .size = 100 });
	put_name("user.note");
	assert_int_equal(ask(100), 0);
	assert_int_equal(body_len(), 5);
	assert_memory_equal(body(), "value", 5);
	begin(FUSE_LISTXATTR, node);
	PUT((struct fuse_getxattr_in){ .size = 0 });
	assert_int_equal(ask(sizeof(struct fuse_getxattr_out)), 0);
	assert_int_equal(*(const u32 *)body(), 10);
	begin(FUSE_REMOVEXATTR, node);
	put_name("user.note");
	assert_int_equal(ask(0), 0);
	begin(FUSE_GETXATTR, node);
	PUT((struct fuse_getxattr_in){ .size = 100 });
	put_name("user.note");
	assert_int_equal(ask(100), -ENODATA);
	/* A size that the value does not have. */
	begin(FUSE_SETXATTR, node);
	put(&(struct fuse_setxattr_in){ .size = ~0u }, FUSE_COMPAT_SETXATTR_IN_SIZE);
	put_name("user.note");
	put("value", 5);
	assert_int_equal(ask(0), -EINVAL);
}

/* ---- malformed messages ---- */

/* Each operation, cut at each length, with each room for the answer: an error, or what it asks. */
TEST_WITH(messages_of_any_length_get_an_answer_that_fits, setup, teardown)
{
	u64 node;

	create("file", &node);
	for (u32 opcode = 0; opcode < 50; opcode++) {
		for (unsigned len = sizeof(struct fuse_in_header); len < 140; len++) {
			if (opcode == FUSE_INIT || opcode == FUSE_DESTROY)
				continue;
			for (unsigned room = 0; room < 200; room += 16) {
				size_t got;

				begin(opcode, 1);
				memset(message + message_len, len & 1 ? 0xff : 0, 200);
				message_len = len;
				got = send_raw(len, room);
				assert_true(got <= room);
				assert_int_equal((u8)answer[room], 0xee);
			}
		}
	}
	assert_int_equal(find(1, "file"), node);
}

TEST_WITH(a_message_with_another_length_than_it_says_is_refused, setup, teardown)
{
	begin(FUSE_LOOKUP, 1);
	put_name("file");
	send_raw(message_len + 1, 200);
	assert_int_equal(error_of(), -EINVAL);
	send_raw(message_len - 1, 200);
	assert_int_equal(error_of(), -EINVAL);
	message_len = 39;
	assert_int_equal(send_raw(39, 200), 0);
	/* More arguments than any operation has. */
	begin(FUSE_LOOKUP, 1);
	message_len = 100000;
	memset(message + 40, 'a', message_len - 40);
	send_raw(message_len, 200);
	assert_int_equal(error_of(), -EINVAL);
}

TEST_WITH(a_write_that_is_longer_than_its_data_is_refused, setup, teardown)
{
	u64 node, file = create("file", &node);

	begin(FUSE_WRITE, node);
	PUT((struct fuse_write_in){ .fh = file, .size = 100 });
	put("short", 5);
	assert_int_equal(ask(100), -EINVAL);
	begin(FUSE_READ, node);
	PUT((struct fuse_read_in){ .fh = file, .size = 1000 });
	assert_int_equal(ask(10), -EINVAL);
}

TEST_WITH(an_answer_without_room_leaves_nothing_behind, setup, teardown)
{
	struct fuse_entry_out entry;
	u64 file, node;

	for (unsigned i = 0; i < 100; i++) {
		begin(FUSE_CREATE, 1);
		PUT((struct fuse_create_in){ .flags = O_RDWR, .mode = 0600 });
		put_name("file");
		assert_int_equal(ask(sizeof(entry)), -EIO);
	}
	/* The handles were closed: the next is one of the first places. */
	file = create("other", &node);
	assert_int_equal((u32)file, 1);
	assert_int_equal((u32)node, 2);
}

TEST_WITH(a_folder_that_is_read_only_stays_as_it_is, setup, teardown)
{
	struct fuse_entry_out entry;

	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH, .read_only = true },
		  (struct fuse_options){ 0 });
	assert_int_equal(init_session(7, 38), 0);
	close(openat(base_fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	begin(FUSE_OPEN, find(1, "file"));
	PUT((struct fuse_open_in){ .flags = O_RDWR });
	assert_int_equal(ask(sizeof(struct fuse_open_out)), -EROFS);
	begin(FUSE_MKDIR, 1);
	PUT((struct fuse_mkdir_in){ .mode = 0750 });
	put_name("dir");
	assert_int_equal(ask(sizeof(entry)), -EROFS);
	begin(FUSE_UNLINK, 1);
	put_name("file");
	assert_int_equal(ask(0), -EROFS);
}

/* ---- at once ---- */

#define ROUNDS 2000

/* Messages without arguments but these 100 zero bytes: whatever they come to. */
static void throw(struct fuse_scratch * own, u32 opcode, u64 node, const void *args, size_t len)
{
	char in[200] = { 0 }, out[5000];
	struct fuse_in_header head = { .opcode = opcode, .nodeid = node };
	struct iovec in_iov = { in, sizeof(head) + len }, out_iov = { out, sizeof(out) };

	head.len = sizeof(head) + len;
	memcpy(in, &head, sizeof(head));
	memcpy(in + sizeof(head), args, len);
	fuse_serve(&fuse, own, &in_iov, 1, &out_iov, 1);
}

static void *use_things(void *arg)
{
	static const struct fuse_create_in create_in = { .flags = O_RDWR, .mode = 0600 };
	struct fuse_scratch *own = fuse_scratch_create();
	char args[64];

	folder_thread_start(folder);
	for (unsigned i = 0; i < ROUNDS; i++) {
		u64 low = i % 8 + 1, id = (u64)(i % 300) << 32 | low;

		memcpy(args, &create_in, sizeof(create_in));
		strcpy(args + sizeof(create_in), i & 1 ? "a" : "b");
		throw(own, FUSE_CREATE, 1, args, sizeof(create_in) + 2);
		throw(own, FUSE_LOOKUP, 1, "a", 2);
		throw(own, FUSE_GETATTR, id, &(struct fuse_getattr_in){ 0 }, 16);
		throw(own, FUSE_READ, 1, &(struct fuse_read_in){ .fh = id, .size = 10 }, 40);
		throw(own, FUSE_READDIRPLUS, 1, &(struct fuse_read_in){ .fh = id, .size = 999 },
		      40);
		throw(own, FUSE_RELEASE, 1, &(struct fuse_release_in){ .fh = id }, 24);
	}
	fuse_scratch_destroy(own);
	return NULL;
}

TEST_WITH(a_new_session_takes_nothing_that_is_in_use, setup, teardown)
{
	static const struct fuse_init_in again = { .major = 7, .minor = 38 };
	struct fuse_scratch *own = fuse_scratch_create();
	pthread_t threads[3];

	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_things, NULL), 0);
	for (unsigned i = 0; i < ROUNDS; i++)
		throw(own, FUSE_INIT, 0, &again, sizeof(again));
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	fuse_scratch_destroy(own);
}
