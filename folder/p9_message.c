/* SPDX-License-Identifier: BSD-2-Clause */
/* What a message has, and what its answer gets. */
#include <string.h>
#include <sys/stat.h>

#include "p9_private.h"

/* ---- arguments ---- */

static const void *take(struct p9_call *call, size_t len)
{
	static const char nothing[8];
	const void *at = call->args;

	if (len > call->args_len) {
		call->short_args = true;
		return nothing;
	}
	call->args += len;
	call->args_len -= len;
	return at;
}

static u64 take_number(struct p9_call *call, size_t len)
{
	le64 value = cpu_to_le64(0);

	memcpy(&value, take(call, len), len);
	return le64_to_cpu(value);
}

u8 p9_take_u8(struct p9_call *call)
{
	return take_number(call, 1);
}

u16 p9_take_u16(struct p9_call *call)
{
	return take_number(call, 2);
}

u32 p9_take_u32(struct p9_call *call)
{
	return take_number(call, 4);
}

u64 p9_take_u64(struct p9_call *call)
{
	return take_number(call, 8);
}

/* Its length stands before it, so there is a byte in front of which the string can move to be
 * terminated. */
const char *p9_take_string(struct p9_call *call)
{
	u16 len = p9_take_u16(call);
	char *at;

	if (call->short_args || len > call->args_len || memchr(call->args, 0, len)) {
		call->short_args = true;
		return "";
	}
	at = (char *)call->args - 1;
	memmove(at, call->args, len);
	at[len] = '\0';
	call->args += len;
	call->args_len -= len;
	return at;
}

/* ---- answers ---- */

static void give_data(struct p9_call *call, const void *data, size_t len)
{
	size_t left = MIN(call->room - P9_HEADER, (size_t)P9_REPLY_SIZE) - call->reply_len;

	if (call->overflow || len > left) {
		call->overflow = true;
		return;
	}
	memcpy(call->scratch->reply + call->reply_len, data, len);
	call->reply_len += len;
}

static void give_number(struct p9_call *call, u64 number, size_t len)
{
	le64 value = cpu_to_le64(number);

	give_data(call, &value, len);
}

void p9_give_u8(struct p9_call *call, u8 value)
{
	give_number(call, value, 1);
}

void p9_give_u16(struct p9_call *call, u16 value)
{
	give_number(call, value, 2);
}

void p9_give_u32(struct p9_call *call, u32 value)
{
	give_number(call, value, 4);
}

void p9_give_u64(struct p9_call *call, u64 value)
{
	give_number(call, value, 8);
}

void p9_give_string(struct p9_call *call, const char *text, size_t len)
{
	p9_give_u16(call, len);
	give_data(call, text, len);
}

static void give_qid(struct p9_call *call, u32 mode, u32 version, u64 ino)
{
	p9_give_u8(call, S_ISDIR(mode) ? 0x80 : S_ISLNK(mode) ? 0x02 : 0);
	p9_give_u32(call, version);
	p9_give_u64(call, ino);
}

void p9_give_qid(struct p9_call *call, const struct folder_attr *attr)
{
	give_qid(call, attr->mode, attr->version, attr->ino);
}

void p9_give_qid_listed(struct p9_call *call, u32 mode, u64 ino)
{
	give_qid(call, mode, 0, ino);
}
