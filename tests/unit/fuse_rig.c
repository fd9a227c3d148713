/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "fuse_rig.h"
#include "temp_folder.h"

struct fuse_rig fuse_rig;

static struct temp_folder base;

void fuse_rig_begin(u32 opcode, u64 node)
{
	struct fuse_in_header head = { .opcode = opcode, .unique = 77, .nodeid = node };

	memcpy(fuse_rig.message, &head, sizeof(head));
	fuse_rig.message_len = sizeof(head);
}

void fuse_rig_put(const void *data, size_t len)
{
	memcpy(fuse_rig.message + fuse_rig.message_len, data, len);
	fuse_rig.message_len += len;
}

void fuse_rig_put_name(const char *name)
{
	fuse_rig_put(name, strlen(name) + 1);
}

static unsigned cut(char *data, size_t len, struct iovec *iov)
{
	unsigned count = 0;

	for (size_t at = 0; at < len; at += fuse_rig.piece)
		iov[count++] = (struct iovec){ data + at, MIN(fuse_rig.piece, len - at) };
	return count;
}

size_t fuse_rig_send(u32 len, size_t room)
{
	static struct iovec in[200000], out[200000];

	memcpy(fuse_rig.message, &len, sizeof(len));
	memset(fuse_rig.answer, 0xee, sizeof(fuse_rig.answer));
	return fuse_serve(&fuse_rig.fuse, fuse_rig.scratch, in,
			  cut(fuse_rig.message, fuse_rig.message_len, in), out,
			  cut(fuse_rig.answer, room, out));
}

int fuse_rig_error(void)
{
	struct fuse_out_header head;

	memcpy(&head, fuse_rig.answer, sizeof(head));
	assert_int_equal(head.unique, 77);
	return head.error;
}

int fuse_rig_ask(size_t room)
{
	size_t len = fuse_rig_send(fuse_rig.message_len, room + sizeof(struct fuse_out_header));
	struct fuse_out_header head;

	memcpy(&head, fuse_rig.answer, sizeof(head));
	assert_int_equal(head.len, len);
	assert_true(len <= room + sizeof(head));
	assert_int_equal((u8)fuse_rig.answer[len], 0xee);
	return fuse_rig_error();
}

const void *fuse_rig_body(void)
{
	return fuse_rig.answer + sizeof(struct fuse_out_header);
}

size_t fuse_rig_body_len(void)
{
	struct fuse_out_header head;

	memcpy(&head, fuse_rig.answer, sizeof(head));
	return head.len - sizeof(head);
}

int fuse_rig_init(u32 major, u32 minor)
{
	fuse_rig_begin(FUSE_INIT, 0);
	FUSE_RIG_PUT((struct fuse_init_in){
		.major = major, .minor = minor, .flags = ~0u, .flags2 = ~0u });
	return fuse_rig_ask(sizeof(struct fuse_init_out));
}

void fuse_rig_open(struct folder_options folder_options, struct fuse_options options)
{
	struct error err = { 0 };
	char path[64];

	folder_close(fuse_rig.folder);
	fuse_rig.folder = NULL;
	snprintf(path, sizeof(path), "%s/shared", base.path);
	assert_int_equal(folder_open(&fuse_rig.folder, path, &folder_options, &err), 0);
	assert_int_equal(folder_thread_start(fuse_rig.folder), 0);
	fuse_init(&fuse_rig.fuse, fuse_rig.folder, &options);
}

int fuse_rig_setup(void **state)
{
	char path[64];

	temp_folder_create(&base, "/tmp");
	snprintf(path, sizeof(path), "%s/shared", base.path);
	assert_int_equal(mkdir(path, 0755), 0);
	fuse_rig.base_fd = open(path, O_RDONLY | O_DIRECTORY);
	fuse_rig.scratch = fuse_scratch_create();
	fuse_rig.piece = 1 << 20;
	fuse_rig_open((struct folder_options){ .map = FOLDER_MAP_SQUASH },
		      (struct fuse_options){ 0 });
	assert_int_equal(fuse_rig_init(7, 38), 0);
	return 0;
}

int fuse_rig_teardown(void **state)
{
	folder_close(fuse_rig.folder);
	fuse_rig.folder = NULL;
	fuse_scratch_destroy(fuse_rig.scratch);
	close(fuse_rig.base_fd);
	temp_folder_remove(&base);
	return 0;
}

int fuse_rig_lookup(u64 dir, const char *name, struct fuse_entry_out *entry)
{
	int ret;

	fuse_rig_begin(FUSE_LOOKUP, dir);
	fuse_rig_put_name(name);
	ret = fuse_rig_ask(sizeof(*entry));
	if (!ret)
		memcpy(entry, fuse_rig_body(), sizeof(*entry));
	return ret;
}

u64 fuse_rig_find(u64 dir, const char *name)
{
	struct fuse_entry_out entry;

	assert_int_equal(fuse_rig_lookup(dir, name, &entry), 0);
	return entry.nodeid;
}

u64 fuse_rig_create(const char *name, u64 *node)
{
	struct fuse_open_out open_out;

	fuse_rig_begin(FUSE_CREATE, FUSE_ROOT_ID);
	FUSE_RIG_PUT((struct fuse_create_in){ .flags = O_RDWR, .mode = S_IFREG | 0640 });
	fuse_rig_put_name(name);
	assert_int_equal(fuse_rig_ask(sizeof(struct fuse_entry_out) + sizeof(open_out)), 0);
	memcpy(node, fuse_rig_body(), sizeof(*node));
	memcpy(&open_out, (const char *)fuse_rig_body() + sizeof(struct fuse_entry_out),
	       sizeof(open_out));
	return open_out.fh;
}

int fuse_rig_write(u64 file, u64 offset, const char *data, u32 len)
{
	struct fuse_write_out out;
	int ret;

	fuse_rig_begin(FUSE_WRITE, 1);
	FUSE_RIG_PUT((struct fuse_write_in){ .fh = file, .offset = offset, .size = len });
	fuse_rig_put(data, len);
	ret = fuse_rig_ask(sizeof(out));
	if (ret)
		return ret;
	memcpy(&out, fuse_rig_body(), sizeof(out));
	return out.size;
}

int fuse_rig_read(u64 file, u64 offset, u32 len)
{
	int ret;

	fuse_rig_begin(FUSE_READ, 1);
	FUSE_RIG_PUT((struct fuse_read_in){ .fh = file, .offset = offset, .size = len });
	ret = fuse_rig_ask(len);
	return ret ? ret : (int)fuse_rig_body_len();
}
