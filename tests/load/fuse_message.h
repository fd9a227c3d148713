/* SPDX-License-Identifier: BSD-2-Clause */
/* FUSE messages, and the nodes of paths: what the calls of fuse_client.c are made of. */
#ifndef TESTS_LOAD_FUSE_MESSAGE_H
#define TESTS_LOAD_FUSE_MESSAGE_H

#include <linux/fuse.h>

#include "client.h"

/* Build a message: its head, then its parts. */
void fuse_begin(struct load_fuse *fuse, u32 opcode, u64 node);
void fuse_put(struct load_fuse *fuse, const void *data, size_t len);
void fuse_put_name(struct load_fuse *fuse, const char *name);
#define FUSE_PUT(fuse, ...) fuse_put(fuse, &(__VA_ARGS__), sizeof(__VA_ARGS__))

/* Send it: the bytes of the answer's body, of at most @room; or -errno. */
int fuse_send(struct load_fuse *fuse, u32 room);
/* 0: the body is @len bytes; or -errno. */
int fuse_send_for(struct load_fuse *fuse, u32 len);
/* The last answer's body. */
const void *fuse_body(struct load_fuse *fuse);

/* One lookup less, but of the root. */
void fuse_forget(struct load_fuse *fuse, u64 node);
/* 0: the node of @path, to be forgotten; or -errno. No link is followed. */
int fuse_find(struct load_fuse *fuse, const char *path, struct fuse_entry_out *entry);
/* 0: the folder of @path, to be forgotten, and the name in it, a part of @path; or -errno. */
int fuse_find_dir(struct load_fuse *fuse, const char *path, u64 *node, const char **name);

#endif
