/* SPDX-License-Identifier: BSD-2-Clause */
/* The 9P2000.L protocol on a real folder: messages in memory, in pieces of many sizes. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p9_rig.h"
#include "temp_folder.h"
#include "test.h"

/* ---- the session ---- */

TEST_WITH(a_version_that_is_not_ours_is_unknown, p9_rig_setup, p9_rig_teardown)
{
	assert_int_equal(p9_rig_ask(VERSION, "ds", 8192, "9P2000"), 0);
	assert_int_equal(p9_rig_number(7), 8192);
	assert_memory_equal(p9_rig.answer + 13, "unknown", 7);
	assert_int_equal(p9_rig_ask(STATFS, "d", 0), -EPROTO);
	assert_int_equal(p9_rig_ask(VERSION, "ds", ~0u, "9P2000.L"), 0);
	assert_int_equal(p9_rig_number(7), P9_MAX_SIZE);
	assert_int_equal(p9_rig_ask(VERSION, "ds", 100, "9P2000.L"), -EINVAL);
}

TEST_WITH(a_new_version_forgets_all_fids, p9_rig_setup, p9_rig_teardown)
{
	p9_rig_create(1, "file");
	assert_int_equal(p9_rig_ask(VERSION, "ds", 65536, "9P2000.L"), 0);
	assert_int_equal(p9_rig_ask(GETATTR, "dq", 1, (u64)~0ull), -EBADF);
	assert_int_equal(p9_rig_ask(GETATTR, "dq", 0, (u64)~0ull), -EBADF);
}

TEST_WITH(nobody_has_to_say_who_they_are, p9_rig_setup, p9_rig_teardown)
{
	assert_int_equal(p9_rig_ask(AUTH, "dssd", 5, "root", "", 0), -EOPNOTSUPP);
	assert_int_equal(p9_rig_ask(ATTACH, "ddssd", 7, 5, "root", "", 0), -EOPNOTSUPP);
	assert_int_equal(p9_rig_ask(ATTACH, "ddssd", 0, P9_RIG_NOFID, "root", "", 0), -EBADF);
	assert_int_equal(p9_rig_ask(ATTACH, "ddssd", P9_RIG_NOFID, P9_RIG_NOFID, "root", "", 0),
			 -EBADF);
}

TEST_WITH(unknown_messages_are_not_supported, p9_rig_setup, p9_rig_teardown)
{
	static const u8 unknown[] = { 0, 1, 6, 7, 9, 28, 106, 111, 112, 255 };

	for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++)
		assert_int_equal(p9_rig_ask(unknown[i], "dd", 0, 0), -EOPNOTSUPP);
}

/* ---- files ---- */

TEST_WITH(a_file_is_made_written_read_and_closed, p9_rig_setup, p9_rig_teardown)
{
	static const size_t pieces[] = { 1 << 20, 4096, 100, 100, 300 };

	for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++) {
		char name[8];

		p9_rig.piece = pieces[i];
		snprintf(name, sizeof(name), "f%u", i);
		p9_rig_create(1, name);
		assert_int_equal(p9_rig_ask(WRITE, "dqdwww", 1, (u64)3, 6, 0x6568, 0x6c6c, 0x216f),
				 0);
		assert_int_equal(p9_rig_number(7), 6);
		assert_int_equal(p9_rig_ask(READ, "dqd", 1, (u64)0, 100), 0);
		assert_int_equal(p9_rig_number(7), 9);
		assert_memory_equal(p9_rig.answer + 11, "\0\0\0hello!", 9);
		assert_int_equal(p9_rig_ask(FSYNC, "dd", 1, 0), 0);
		assert_int_equal(p9_rig_ask(FSYNC, "d", 1), 0);
		assert_int_equal(p9_rig_ask(GETATTR, "dq", 1, (u64)~0ull), 0);
		assert_int_equal(p9_rig_number(7 + 8 + 13), S_IFREG | 0640);
		assert_int_equal(p9_rig_ask(SETATTR,
					    "ddddd"
					    "qqqqq",
					    1, 8, 0, 0, 0, (u64)4, (u64)0, (u64)0, (u64)0, (u64)0),
				 0);
		assert_int_equal(p9_rig_ask(READ, "dqd", 1, (u64)0, 100), 0);
		assert_int_equal(p9_rig_number(7), 4);
		assert_int_equal(p9_rig_ask(CLUNK, "d", 1), 0);
		assert_int_equal(p9_rig_ask(READ, "dqd", 1, (u64)0, 100), -EBADF);
	}
}

TEST_WITH(what_is_appended_overwrites_nothing_that_others_appended, p9_rig_setup, p9_rig_teardown)
{
	temp_file(p9_rig.base_fd, "log", "one\n");
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 1, 1, "log"), 0);
	assert_int_equal(p9_rig_ask(LOPEN, "dd", 1, 02001), 0);
	p9_rig_append("log", "two\n");
	/* The guest believes that the file ends where it did when it was opened. */
	assert_int_equal(p9_rig_ask(WRITE, "dqdww", 1, (u64)4, 4, 0x3333, 0x0a33), 0);
	assert_int_equal(p9_rig_number(7), 4);
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 2, 1, "log"), 0);
	assert_int_equal(p9_rig_ask(LOPEN, "dd", 2, 0), 0);
	assert_int_equal(p9_rig_ask(READ, "dqd", 2, (u64)0, 100), 0);
	assert_int_equal(p9_rig_number(7), 12);
	assert_memory_equal(p9_rig.answer + 11, "one\ntwo\n333\n", 12);
}

TEST_WITH(what_is_not_open_is_not_read, p9_rig_setup, p9_rig_teardown)
{
	assert_int_equal(p9_rig_ask(READ, "dqd", 0, (u64)0, 100), -EBADF);
	assert_int_equal(p9_rig_ask(WRITE, "dqdb", 0, (u64)0, 1, 'x'), -EBADF);
	assert_int_equal(p9_rig_ask(READDIR, "dqd", 0, (u64)0, 100), -EBADF);
	assert_int_equal(p9_rig_ask(FSYNC, "dd", 0, 0), -EBADF);
	p9_rig_create(1, "file");
	assert_int_equal(p9_rig_ask(LOPEN, "dd", 1, 0), -EBADF);
	assert_int_equal(p9_rig_ask(LCREATE, "dsddd", 1, "x", 0, 0600, 0), -EBADF);
	assert_int_equal(p9_rig_ask(READ, "dqd", 1, (u64)~0ull, 100), -EINVAL);
}

TEST_WITH(a_write_that_is_longer_than_its_message_is_refused, p9_rig_setup, p9_rig_teardown)
{
	p9_rig_create(1, "file");
	assert_int_equal(p9_rig_ask(WRITE, "dqdb", 1, (u64)0, 2, 'x'), -EINVAL);
	assert_int_equal(p9_rig_ask(WRITE, "dqdb", 1, (u64)0, ~0u, 'x'), -EINVAL);
}

/* Linux before 4.19 does so with writes of more than 1,024 bytes. */
TEST_WITH(a_write_whose_size_leaves_out_its_data_is_one, p9_rig_setup, p9_rig_teardown)
{
	p9_rig_create(1, "file");
	assert_int_equal(p9_rig_ask(WRITE, "dqdww", 1, (u64)0, 4, 0x6162, 0x6364), 0);
	memcpy(p9_rig.message, &(u32){ 23 }, 4);
	memcpy(p9_rig.message + 11, &(u64){ 4 }, 8);
	assert_int_equal(p9_rig_verdict(p9_rig_deliver(), WRITE), 0);
	assert_int_equal(p9_rig_number(7), 4);
	assert_int_equal(p9_rig_ask(READ, "dqd", 1, (u64)0, 100), 0);
	assert_int_equal(p9_rig_number(7), 8);
	assert_memory_equal(p9_rig.answer + 11, "badcbadc", 8);
}

TEST_WITH(statfs_counts_in_blocks_of_the_size_that_it_tells, p9_rig_setup, p9_rig_teardown)
{
	struct statvfs st;
	u64 blocks;

	assert_int_equal(p9_rig_ask(STATFS, "d", 0), 0);
	assert_int_equal(fstatvfs(p9_rig.base_fd, &st), 0);
	memcpy(&blocks, p9_rig.answer + 15, 8);
	assert_int_equal(p9_rig_number(11), st.f_frsize);
	assert_int_equal(blocks, st.f_blocks);
}

TEST_WITH(all_entries_of_a_large_directory_are_listed_once, p9_rig_setup, p9_rig_teardown)
{
	unsigned total = 0, used;
	u64 offset = 0;

	for (unsigned i = 0; i < 2000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "a-file-with-the-number-%u", i);
		close(openat(p9_rig.base_fd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	assert_int_equal(p9_rig_ask(WALK, "ddw", 0, 1, 0), 0);
	assert_int_equal(p9_rig_ask(LOPEN, "dd", 1, 0200000), 0);
	do {
		assert_int_equal(p9_rig_ask(READDIR, "dqd", 1, offset, 4000), 0);
		used = p9_rig_number(7);
		for (unsigned at = 11; at < 11 + used; total++) {
			memcpy(&offset, p9_rig.answer + at + 13, 8);
			at += 24 + (p9_rig.answer[at + 22] | p9_rig.answer[at + 23] << 8);
		}
	} while (used);
	assert_int_equal(total, 2002);
}

TEST_WITH(a_lock_of_one_fid_stops_another, p9_rig_setup, p9_rig_teardown)
{
	p9_rig_create(1, "file");
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 2, 1, "file"), 0);
	assert_int_equal(p9_rig_ask(LOPEN, "dd", 2, O_RDWR), 0);
	assert_int_equal(p9_rig_ask(LOCK, "dbdqqds", 1, 1, 0, (u64)0, (u64)0, 9, "me"), 0);
	assert_int_equal(p9_rig.answer[7], 0);
	assert_int_equal(p9_rig_ask(LOCK, "dbdqqds", 2, 1, 1, (u64)0, (u64)0, 10, "me"), 0);
	assert_int_equal(p9_rig.answer[7], 1);
	assert_int_equal(p9_rig_ask(GETLOCK, "dbqqds", 2, 1, (u64)0, (u64)0, 10, "me"), 0);
	assert_int_equal(p9_rig.answer[7], 1);
	/* Another client's process of that number. */
	assert_int_equal(p9_rig_ask(LOCK, "dbdqqds", 2, 1, 1, (u64)0, (u64)0, 9, "you"), 0);
	assert_int_equal(p9_rig.answer[7], 1);
	assert_int_equal(p9_rig_ask(LOCK, "dbdqqds", 1, 2, 0, (u64)0, (u64)0, 9, "me"), 0);
	assert_int_equal(p9_rig_ask(GETLOCK, "dbqqds", 2, 1, (u64)0, (u64)0, 9, "me"), 0);
	assert_int_equal(p9_rig.answer[7], 2);
	assert_int_equal(p9_rig_ask(LOCK, "dbdqqds", 1, 3, 0, (u64)0, (u64)0, 9, "me"), -EINVAL);
}

TEST_WITH(a_lock_of_one_fid_does_not_stop_another_of_its_process, p9_rig_setup, p9_rig_teardown)
{
	p9_rig_create(1, "file");
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 2, 1, "file"), 0);
	assert_int_equal(p9_rig_ask(LOPEN, "dd", 2, O_RDWR), 0);
	assert_int_equal(p9_rig_ask(LOCK, "dbdqqds", 1, 0, 0, (u64)0, (u64)0, 9, "me"), 0);
	assert_int_equal(p9_rig.answer[7], 0);
	assert_int_equal(p9_rig_ask(LOCK, "dbdqqds", 2, 1, 0, (u64)0, (u64)0, 9, "me"), 0);
	assert_int_equal(p9_rig.answer[7], 0);
	assert_int_equal(p9_rig_ask(GETLOCK, "dbqqds", 1, 1, (u64)0, (u64)0, 9, "me"), 0);
	assert_int_equal(p9_rig.answer[7], 2);
}

TEST_WITH(a_child_that_closes_a_fid_of_its_parent_takes_no_lock, p9_rig_setup, p9_rig_teardown)
{
	p9_rig_create(1, "file");
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 2, 1, "file"), 0);
	assert_int_equal(p9_rig_ask(LOPEN, "dd", 2, O_RDWR), 0);
	assert_int_equal(p9_rig_ask(LOCK, "dbdqqds", 1, 1, 0, (u64)0, (u64)0, 9, "me"), 0);
	assert_int_equal(p9_rig.answer[7], 0);
	/* As the guest's kernel does when the child of number 10 is about to end. */
	assert_int_equal(p9_rig_ask(LOCK, "dbdqqds", 1, 2, 0, (u64)0, (u64)0, 10, "me"), 0);
	assert_int_equal(p9_rig.answer[7], 0);
	assert_int_equal(p9_rig_ask(LOCK, "dbdqqds", 2, 1, 0, (u64)0, (u64)0, 11, "me"), 0);
	assert_int_equal(p9_rig.answer[7], 1);
	/* But flock()'s lock it may take: then it might have waited. */
	assert_int_equal(p9_rig_ask(LOCK, "dbdqqds", 1, 2, 1, (u64)0, (u64)0, 10, "me"), 0);
	assert_int_equal(p9_rig_ask(LOCK, "dbdqqds", 2, 1, 0, (u64)0, (u64)0, 11, "me"), 0);
	assert_int_equal(p9_rig.answer[7], 0);
}

/* ---- extended attributes ---- */

TEST_WITH(extended_attributes_are_written_and_read_like_files, p9_rig_setup, p9_rig_teardown)
{
	p9_rig_create(1, "file");
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 2, 1, "file"), 0);
	assert_int_equal(p9_rig_ask(XATTRCREATE, "dsqd", 2, "user.note", (u64)4, 0), 0);
	assert_int_equal(p9_rig_ask(WRITE, "dqdd", 2, (u64)0, 4, 0x65757276), 0);
	assert_int_equal(p9_rig_ask(WRITE, "dqdb", 2, (u64)4, 1, 'x'), -EINVAL);
	if (p9_rig_ask(CLUNK, "d", 2) == -EOPNOTSUPP)
		skip();
	assert_int_equal(p9_rig_ask(XATTRWALK, "dds", 1, 3, "user.note"), 0);
	assert_int_equal(p9_rig_number(7), 4);
	assert_int_equal(p9_rig_ask(READ, "dqd", 3, (u64)1, 100), 0);
	assert_int_equal(p9_rig_number(7), 3);
	assert_memory_equal(p9_rig.answer + 11, "rue", 3);
	assert_int_equal(p9_rig_ask(WRITE, "dqdb", 3, (u64)0, 1, 'x'), -EINVAL);
	assert_int_equal(p9_rig_ask(WALK, "ddw", 3, 4, 0), -EBADF);
	assert_int_equal(p9_rig_ask(XATTRWALK, "dds", 1, 4, ""), 0);
	assert_int_equal(p9_rig_number(7), 10);
	assert_int_equal(p9_rig_ask(XATTRWALK, "dds", 1, 5, "user.none"), -ENODATA);
	assert_int_equal(p9_rig_ask(XATTRCREATE, "dsqd", 0, "user.x", (u64)~0ull, 0), -E2BIG);
}

TEST_WITH(an_attribute_may_be_empty, p9_rig_setup, p9_rig_teardown)
{
	p9_rig_create(1, "file");
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 2, 1, "file"), 0);
	assert_int_equal(p9_rig_ask(XATTRCREATE, "dsqd", 2, "user.note", (u64)0, 0), 0);
	if (p9_rig_ask(CLUNK, "d", 2) == -EOPNOTSUPP)
		skip();
	assert_int_equal(p9_rig_ask(XATTRWALK, "dds", 1, 3, "user.note"), 0);
	assert_int_equal(p9_rig_number(7), 0);
	assert_int_equal(p9_rig_ask(CLUNK, "d", 3), 0);
	/* As Linux removes it. */
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 2, 1, "file"), 0);
	assert_int_equal(p9_rig_ask(XATTRCREATE, "dsqd", 2, "user.note", (u64)0, 2), 0);
	assert_int_equal(p9_rig_ask(CLUNK, "d", 2), 0);
	assert_int_equal(p9_rig_ask(XATTRWALK, "dds", 1, 3, "user.note"), -ENODATA);
}

TEST_WITH(attributes_under_way_are_few, p9_rig_setup, p9_rig_teardown)
{
	unsigned count = 0;

	p9_rig_create(1, "file");
	while (count < 1000 && !p9_rig_ask(XATTRWALK, "dds", 1, 10 + count, ""))
		count++;
	assert_true(count >= 64 && count < 1000);
	assert_int_equal(p9_rig_ask(CLUNK, "d", 10), 0);
	assert_int_equal(p9_rig_ask(XATTRWALK, "dds", 1, 10, ""), 0);
}

/* ---- malformed messages ---- */

TEST_WITH(messages_of_any_length_get_an_answer_that_fits, p9_rig_setup, p9_rig_teardown)
{
	p9_rig_create(1, "file");
	for (unsigned type = 0; type < 256; type++) {
		for (unsigned len = 0; len < 90; len++) {
			size_t got;

			if (type == VERSION || type == CLUNK || type == REMOVE)
				continue;
			memset(p9_rig.message, len & 1 ? 0xff : 0, 100);
			memcpy(p9_rig.message, &len, 4);
			p9_rig.message[4] = type;
			p9_rig.message_len = len;
			p9_rig.room = len % 64;
			got = p9_rig_deliver();
			assert_true(got <= p9_rig.room);
			assert_int_equal(p9_rig.answer[p9_rig.room], 0xee);
		}
	}
	p9_rig.room = 66000;
	assert_int_equal(p9_rig_ask(WRITE, "dqdb", 1, (u64)0, 1, 'x'), 0);
}

TEST_WITH(a_message_that_is_shorter_than_it_says_is_refused, p9_rig_setup, p9_rig_teardown)
{
	assert_int_equal(p9_rig_ask(STATFS, "d", 0), 0);
	p9_rig.message_len = 11;
	memcpy(p9_rig.message, &(u32){ 12 }, 4);
	p9_rig.message[4] = STATFS;
	assert_int_equal(p9_rig_verdict(p9_rig_deliver(), STATFS), -EINVAL);
	memcpy(p9_rig.message, &(u32){ 6 }, 4);
	assert_int_equal(p9_rig_verdict(p9_rig_deliver(), STATFS), -EINVAL);
	/* A string that ends behind the message. */
	assert_int_equal(p9_rig_ask(UNLINKAT, "dw", 0, 1000), -EINVAL);
	assert_int_equal(p9_rig_ask(UNLINKAT, "dw", 0, 0xffff), -EINVAL);
}

TEST_WITH(an_answer_without_room_is_an_error, p9_rig_setup, p9_rig_teardown)
{
	p9_rig.room = 20;
	assert_int_equal(p9_rig_ask(GETATTR, "dq", 0, (u64)~0ull), -EIO);
	p9_rig.room = 11;
	assert_int_equal(p9_rig_ask(GETATTR, "dq", 0, (u64)~0ull), -EIO);
	p9_rig.room = 10;
	assert_int_equal(p9_rig_deliver(), 0);
}

/* ---- at once ---- */

static _Atomic bool flushed;

static void *flush_it(void *arg)
{
	struct p9_scratch *own = p9_scratch_create();

	assert_int_equal(p9_serve(p9_rig.p9, own, arg), 9 - 2);
	flushed = true;
	p9_scratch_destroy(own);
	return NULL;
}

TEST_WITH(a_flush_is_answered_after_the_message_that_it_names, p9_rig_setup, p9_rig_teardown)
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
	p9_begin(p9_rig.p9, &old);
	p9_begin(p9_rig.p9, &flush);
	assert_int_equal(pthread_create(&thread, NULL, flush_it, &flush), 0);
	usleep(20000);
	assert_false(flushed);
	p9_serve(p9_rig.p9, p9_rig.scratch, &old);
	pthread_join(thread, NULL);
	assert_true(flushed);
	/* One that names nobody, or itself, waits for nobody. */
	assert_int_equal(p9_rig_ask(FLUSH, "w", 99), 0);
	assert_int_equal(p9_rig_ask(FLUSH, "w", P9_RIG_TAG), 0);
}

TEST_WITH(a_flush_does_not_wait_for_what_was_abandoned, p9_rig_setup, p9_rig_teardown)
{
	u8 bytes[] = { 11, 0, 0, 0, STATFS, 5, 0, 0, 0, 0, 0 };
	struct iovec in = { bytes, sizeof(bytes) };
	struct p9_message old = { .in = &in, .in_count = 1 };

	p9_begin(p9_rig.p9, &old);
	p9_abandon(p9_rig.p9, &old);
	assert_int_equal(p9_rig_ask(FLUSH, "w", 5), 0);
}
