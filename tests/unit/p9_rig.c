/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "p9_rig.h"
#include "temp_folder.h"

struct p9_rig p9_rig;

static struct temp_folder base;

static void build(u8 type, const char *format, va_list args)
{
	static const u8 widths[128] = { ['b'] = 1, ['w'] = 2, ['d'] = 4, ['q'] = 8 };

	p9_rig.message_len = 7;
	p9_rig.message[4] = type;
	p9_rig.message[5] = P9_RIG_TAG & 0xff;
	p9_rig.message[6] = P9_RIG_TAG >> 8;
	for (; *format; format++) {
		if (*format == 's') {
			const char *text = va_arg(args, const char *);
			u16 len = strlen(text);

			memcpy(p9_rig.message + p9_rig.message_len, &len, 2);
			memcpy(p9_rig.message + p9_rig.message_len + 2, text, len);
			p9_rig.message_len += 2 + len;
		} else {
			u64 value = *format == 'q' ? va_arg(args, u64) : va_arg(args, u32);

			memcpy(p9_rig.message + p9_rig.message_len, &value, widths[(u8)*format]);
			p9_rig.message_len += widths[(u8)*format];
		}
	}
	memcpy(p9_rig.message, &(u32){ p9_rig.message_len }, 4);
}

static unsigned cut(u8 *data, size_t len, struct iovec *iov)
{
	unsigned count = 0;

	for (size_t at = 0; at < len; at += p9_rig.piece)
		iov[count++] = (struct iovec){ data + at, MIN(p9_rig.piece, len - at) };
	return count;
}

size_t p9_rig_deliver(void)
{
	static struct iovec in[70000], out[70000];
	struct p9_message raw = { .in = in, .out = out };

	raw.in_count = cut(p9_rig.message, p9_rig.message_len, in);
	raw.out_count = cut(p9_rig.answer, p9_rig.room, out);
	memset(p9_rig.answer, 0xee, sizeof(p9_rig.answer));
	p9_begin(p9_rig.p9, &raw);
	return p9_serve(p9_rig.p9, p9_rig.scratch, &raw);
}

u32 p9_rig_number(size_t at)
{
	u32 value;

	memcpy(&value, p9_rig.answer + at, 4);
	return value;
}

int p9_rig_verdict(size_t len, u8 type)
{
	assert_true(len >= 7 && len <= p9_rig.room);
	assert_int_equal(p9_rig_number(0), len);
	assert_int_equal(p9_rig.answer[len], 0xee);
	assert_int_equal(p9_rig.answer[5] | p9_rig.answer[6] << 8, P9_RIG_TAG);
	if (p9_rig.answer[4] == 7) {
		assert_int_equal(len, 11);
		return -(int)p9_rig_number(7);
	}
	assert_int_equal(p9_rig.answer[4], type + 1);
	return 0;
}

int p9_rig_ask(u8 type, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	build(type, format, args);
	va_end(args);
	return p9_rig_verdict(p9_rig_deliver(), type);
}

void p9_rig_attach(void)
{
	assert_int_equal(p9_rig_ask(VERSION, "ds", 65536, "9P2000.L"), 0);
	assert_int_equal(p9_rig_ask(ATTACH, "ddssd", 0, P9_RIG_NOFID, "root", "", 0), 0);
}

void p9_rig_open(struct folder_options options)
{
	struct error err = { 0 };
	char path[64];

	p9_destroy(p9_rig.p9);
	p9_rig.p9 = NULL;
	folder_close(p9_rig.folder);
	p9_rig.folder = NULL;
	snprintf(path, sizeof(path), "%s/shared", base.path);
	assert_int_equal(folder_open(&p9_rig.folder, path, &options, &err), 0);
	assert_int_equal(folder_thread_start(p9_rig.folder), 0);
	assert_int_equal(p9_create(&p9_rig.p9, p9_rig.folder), 0);
}

int p9_rig_setup(void **state)
{
	char path[64];

	temp_folder_create(&base, "/tmp");
	snprintf(path, sizeof(path), "%s/shared", base.path);
	assert_int_equal(mkdir(path, 0755), 0);
	p9_rig.base_fd = open(path, O_RDONLY | O_DIRECTORY);
	p9_rig.scratch = p9_scratch_create();
	p9_rig.piece = 1 << 20;
	p9_rig.room = 66000;
	p9_rig_open((struct folder_options){ .map = FOLDER_MAP_SQUASH });
	p9_rig_attach();
	return 0;
}

int p9_rig_teardown(void **state)
{
	p9_destroy(p9_rig.p9);
	p9_rig.p9 = NULL;
	folder_close(p9_rig.folder);
	p9_rig.folder = NULL;
	p9_scratch_destroy(p9_rig.scratch);
	close(p9_rig.base_fd);
	temp_folder_remove(&base);
	return 0;
}

void p9_rig_create(u32 fid, const char *name)
{
	assert_int_equal(p9_rig_ask(WALK, "ddw", 0, fid, 0), 0);
	assert_int_equal(p9_rig_ask(LCREATE, "dsddd", fid, name, O_RDWR, 0640, 0), 0);
}

void p9_rig_append(const char *name, const char *text)
{
	int fd = openat(p9_rig.base_fd, name, O_WRONLY | O_APPEND);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}
