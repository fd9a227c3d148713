/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "p9_message.h"

/* ---- messages ---- */

void load_p9_begin(struct load_p9 *p9, u8 type)
{
	p9->len = HEADER;
	p9->message[4] = type;
	p9->message[5] = 1;
	p9->message[6] = 0;
}

void load_p9_put(struct load_p9 *p9, const void *data, size_t len)
{
	memcpy(p9->message + p9->len, data, len);
	p9->len += len;
}

static void put_string(struct load_p9 *p9, const char *text)
{
	u16 len = strlen(text);

	load_p9_put(p9, &len, 2);
	load_p9_put(p9, text, len);
}

/* "b", "w", "d", "q": numbers of 1, 2, 4, 8 bytes; "s": a string. Little-endian machines alone. */
static void build(struct load_p9 *p9, u8 type, const char *format, va_list args)
{
	static const u8 widths[128] = { ['b'] = 1, ['w'] = 2, ['d'] = 4, ['q'] = 8 };

	load_p9_begin(p9, type);
	for (; *format; format++) {
		u64 value;

		if (*format == 's') {
			put_string(p9, va_arg(args, const char *));
			continue;
		}
		value = *format == 'q' ? va_arg(args, u64) : va_arg(args, u32);
		load_p9_put(p9, &value, widths[(u8)*format]);
	}
}

const u8 *load_p9_take(struct load_p9 *p9, size_t len)
{
	const u8 *at = p9->answer + p9->len;

	p9->len += len;
	return at;
}

u64 load_p9_number(struct load_p9 *p9, size_t len)
{
	u64 value = 0;

	memcpy(&value, load_p9_take(p9, len), len);
	return value;
}

int load_p9_send(struct load_p9 *p9, u32 room)
{
	u8 type = p9->message[4];
	u32 got;

	memcpy(p9->message, &p9->len, 4);
	got = p9->ask(p9->arg, p9->message, p9->len, p9->answer, room);
	p9->len = 0;
	if (got < HEADER || load_p9_number(p9, 4) != got)
		return -EPROTO;
	p9->len = HEADER;
	if (p9->answer[4] == 7)
		return -(int)load_p9_number(p9, 4);
	return p9->answer[4] == type + 1 ? 0 : -EPROTO;
}

int load_p9_ask(struct load_p9 *p9, u8 type, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	build(p9, type, format, args);
	va_end(args);
	return load_p9_send(p9, 8192);
}

/* ---- fids ---- */

void load_p9_clunk(struct load_p9 *p9, u32 fid)
{
	load_p9_ask(p9, CLUNK, "d", fid);
}

/* Step by step, as the kernel does. *@type: the qid's of what was found. */
static int walk(struct load_p9 *p9, const char *path, u32 fid, u8 *type)
{
	int ret = load_p9_ask(p9, WALK, "ddw", ROOT, fid, 0);

	*type = 0x80;
	while (!ret && *path) {
		size_t len = strcspn(path, "/");
		char name[512];

		memcpy(name, path, len);
		name[len] = '\0';
		path += len + (path[len] == '/');
		/* All links lead nowhere. */
		ret = *type & 0x02 ? -ENOENT : load_p9_ask(p9, WALK, "ddws", fid, fid, 1, name);
		if (ret) {
			load_p9_clunk(p9, fid);
			return ret;
		}
		load_p9_number(p9, 2);
		*type = load_p9_number(p9, 1);
	}
	return ret;
}

int load_p9_walk(struct load_p9 *p9, const char *path, u32 fid)
{
	u8 type;

	return walk(p9, path, fid, &type);
}

int load_p9_walk_dir(struct load_p9 *p9, const char *path, u32 fid, const char **name)
{
	char dir[1024];
	u8 type;
	int ret;

	*name = client_split(path, dir);
	ret = walk(p9, dir, fid, &type);
	if (!ret && !(type & 0x80)) {
		load_p9_clunk(p9, fid);
		ret = type & 0x02 ? -ENOENT : -ENOTDIR;
	}
	return ret;
}
