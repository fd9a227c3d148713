/* SPDX-License-Identifier: BSD-2-Clause */
/* 9P2000.L messages, and fids of paths: what the calls of p9_client.c are made of. */
#ifndef TESTS_LOAD_P9_MESSAGE_H
#define TESTS_LOAD_P9_MESSAGE_H

#include "client.h"
#include "p9_types.h"

#define HEADER 7

/* Fids: of a call, of its second path, of an attribute, and of handles from here on. */
enum { ROOT, FID, FID2, FID_XATTR, FID_HANDLES };

/* Build a message of @type: its header, then its parts. */
void load_p9_begin(struct load_p9 *p9, u8 type);
void load_p9_put(struct load_p9 *p9, const void *data, size_t len);
/* Send it, with @room for the answer. 0: what follows its header is to be taken; or -errno. */
int load_p9_send(struct load_p9 *p9, u32 room);
/* All of it. @format: "b", "w", "d", "q" for numbers of 1, 2, 4, 8 bytes, "s" for a string. */
int load_p9_ask(struct load_p9 *p9, u8 type, const char *format, ...);

/* The next @len bytes of the answer; and as a number. */
const u8 *load_p9_take(struct load_p9 *p9, size_t len);
u64 load_p9_number(struct load_p9 *p9, size_t len);

void load_p9_clunk(struct load_p9 *p9, u32 fid);
/* 0: @fid is at @path, to be clunked; or -errno, and it is not there. No link is followed. */
int load_p9_walk(struct load_p9 *p9, const char *path, u32 fid);
/* The same at the folder of @path; the name in it, a part of @path. */
int load_p9_walk_dir(struct load_p9 *p9, const char *path, u32 fid, const char **name);

#endif
