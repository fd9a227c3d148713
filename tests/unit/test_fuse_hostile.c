/* SPDX-License-Identifier: BSD-2-Clause */
/* The FUSE protocol on a real folder: messages that no kernel sends, and several at once. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse_rig.h"
#include "test.h"

/* ---- malformed messages ---- */

/* Each operation, cut at each length, with each room for the answer: an error, or what it asks. */
TEST_WITH(messages_of_any_length_get_an_answer_that_fits, fuse_rig_setup, fuse_rig_teardown)
{
	u64 node;

	fuse_rig_create("file", &node);
	for (u32 opcode = 0; opcode < 50; opcode++) {
		for (unsigned len = sizeof(struct fuse_in_header); len < 140; len++) {
			if (opcode == FUSE_INIT || opcode == FUSE_DESTROY)
				continue;
			for (unsigned room = 0; room < 200; room += 16) {
				size_t got;

				fuse_rig_begin(opcode, 1);
				memset(fuse_rig.message + fuse_rig.message_len, len & 1 ? 0xff : 0,
				       200);
				fuse_rig.message_len = len;
				got = fuse_rig_send(len, room);
				assert_true(got <= room);
				assert_int_equal((u8)fuse_rig.answer[room], 0xee);
			}
		}
	}
	assert_int_equal(fuse_rig_find(1, "file"), node);
}

TEST_WITH(a_message_with_another_length_than_it_says_is_refused, fuse_rig_setup, fuse_rig_teardown)
{
	fuse_rig_begin(FUSE_LOOKUP, 1);
	fuse_rig_put_name("file");
	fuse_rig_send(fuse_rig.message_len + 1, 200);
	assert_int_equal(fuse_rig_error(), -EINVAL);
	fuse_rig_send(fuse_rig.message_len - 1, 200);
	assert_int_equal(fuse_rig_error(), -EINVAL);
	fuse_rig.message_len = 39;
	assert_int_equal(fuse_rig_send(39, 200), 0);
	/* More arguments than any operation has. */
	fuse_rig_begin(FUSE_LOOKUP, 1);
	fuse_rig.message_len = 100000;
	memset(fuse_rig.message + 40, 'a', fuse_rig.message_len - 40);
	fuse_rig_send(fuse_rig.message_len, 200);
	assert_int_equal(fuse_rig_error(), -EINVAL);
}

TEST_WITH(a_write_that_is_longer_than_its_data_is_refused, fuse_rig_setup, fuse_rig_teardown)
{
	u64 node, file = fuse_rig_create("file", &node);

	fuse_rig_begin(FUSE_WRITE, node);
	FUSE_RIG_PUT((struct fuse_write_in){ .fh = file, .size = 100 });
	fuse_rig_put("short", 5);
	assert_int_equal(fuse_rig_ask(100), -EINVAL);
	fuse_rig_begin(FUSE_READ, node);
	FUSE_RIG_PUT((struct fuse_read_in){ .fh = file, .size = 1000 });
	assert_int_equal(fuse_rig_ask(10), -EINVAL);
}

TEST_WITH(an_answer_without_room_leaves_nothing_behind, fuse_rig_setup, fuse_rig_teardown)
{
	struct fuse_entry_out entry;
	u64 file, node;

	for (unsigned i = 0; i < 100; i++) {
		fuse_rig_begin(FUSE_CREATE, 1);
		FUSE_RIG_PUT((struct fuse_create_in){ .flags = O_RDWR, .mode = 0600 });
		fuse_rig_put_name("file");
		assert_int_equal(fuse_rig_ask(sizeof(entry)), -EIO);
	}
	/* The handles were closed: the next is one of the first places. */
	file = fuse_rig_create("other", &node);
	assert_int_equal((u32)file, 1);
	assert_int_equal((u32)node, 2);
}

TEST_WITH(a_folder_that_is_read_only_stays_as_it_is, fuse_rig_setup, fuse_rig_teardown)
{
	struct fuse_entry_out entry;

	fuse_rig_open((struct folder_options){ .map = FOLDER_MAP_SQUASH, .read_only = true },
		      (struct fuse_options){ 0 });
	assert_int_equal(fuse_rig_init(7, 38), 0);
	close(openat(fuse_rig.base_fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	fuse_rig_begin(FUSE_OPEN, fuse_rig_find(1, "file"));
	FUSE_RIG_PUT((struct fuse_open_in){ .flags = O_RDWR });
	assert_int_equal(fuse_rig_ask(sizeof(struct fuse_open_out)), -EROFS);
	fuse_rig_begin(FUSE_MKDIR, 1);
	FUSE_RIG_PUT((struct fuse_mkdir_in){ .mode = 0750 });
	fuse_rig_put_name("dir");
	assert_int_equal(fuse_rig_ask(sizeof(entry)), -EROFS);
	fuse_rig_begin(FUSE_UNLINK, 1);
	fuse_rig_put_name("file");
	assert_int_equal(fuse_rig_ask(0), -EROFS);
}

/* ---- at once ---- */

#define ROUNDS 2000

/* Serve a message on this thread, whatever its answer is. */
static void serve(struct fuse_scratch *own, u32 opcode, u64 node, const void *args, size_t len)
{
	char in[200] = { 0 }, out[5000];
	struct fuse_in_header head = { .opcode = opcode, .nodeid = node };
	struct iovec in_iov = { in, sizeof(head) + len }, out_iov = { out, sizeof(out) };

	head.len = sizeof(head) + len;
	memcpy(in, &head, sizeof(head));
	memcpy(in + sizeof(head), args, len);
	fuse_serve(&fuse_rig.fuse, own, &in_iov, 1, &out_iov, 1);
}

static void *use_things(void *arg)
{
	static const struct fuse_create_in create_in = { .flags = O_RDWR, .mode = 0600 };
	struct fuse_scratch *own = fuse_scratch_create();
	char args[64];

	folder_thread_start(fuse_rig.folder);
	for (unsigned i = 0; i < ROUNDS; i++) {
		u64 low = i % 8 + 1, id = (u64)(i % 300) << 32 | low;

		memcpy(args, &create_in, sizeof(create_in));
		strcpy(args + sizeof(create_in), i & 1 ? "a" : "b");
		serve(own, FUSE_CREATE, 1, args, sizeof(create_in) + 2);
		serve(own, FUSE_LOOKUP, 1, "a", 2);
		serve(own, FUSE_GETATTR, id, &(struct fuse_getattr_in){ 0 }, 16);
		serve(own, FUSE_READ, 1, &(struct fuse_read_in){ .fh = id, .size = 10 }, 40);
		serve(own, FUSE_READDIRPLUS, 1, &(struct fuse_read_in){ .fh = id, .size = 999 },
		      40);
		serve(own, FUSE_RELEASE, 1, &(struct fuse_release_in){ .fh = id }, 24);
	}
	fuse_scratch_destroy(own);
	return NULL;
}

TEST_WITH(a_new_session_takes_nothing_that_is_in_use, fuse_rig_setup, fuse_rig_teardown)
{
	static const struct fuse_init_in again = { .major = 7, .minor = 38 };
	struct fuse_scratch *own = fuse_scratch_create();
	pthread_t threads[3];

	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_things, NULL), 0);
	for (unsigned i = 0; i < ROUNDS; i++)
		serve(own, FUSE_INIT, 0, &again, sizeof(again));
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	fuse_scratch_destroy(own);
}
