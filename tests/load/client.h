/* SPDX-License-Identifier: BSD-2-Clause */
/* Targets that speak a protocol, as a guest's kernel would, one message at a time. */
#ifndef TESTS_LOAD_CLIENT_H
#define TESTS_LOAD_CLIENT_H

#include "load.h"

#define CLIENT_MESSAGE (LOAD_MAX_IO + 4096)

/* @message of @len bytes, with @room for its answer in @answer: returns the answer's bytes. */
typedef u32 client_ask(void *arg, const void *message, u32 len, void *answer, u32 room);

struct load_p9 {
	struct load_target target;
	client_ask *ask;
	void *arg;
	int flags[LOAD_HANDLES];
	u32 len; /* of the message so far; then what of the answer was taken */
	u8 message[CLIENT_MESSAGE], answer[CLIENT_MESSAGE];
};

/* Begin a session. 0 or -errno. */
int load_p9_open(struct load_p9 *p9, client_ask *ask, void *arg);

struct load_fuse {
	struct load_target target;
	client_ask *ask;
	void *arg;
	struct {
		u64 node, file;
		int flags;
	} handles[LOAD_HANDLES];
	u32 len; /* of the message so far */
	u8 message[CLIENT_MESSAGE], answer[CLIENT_MESSAGE];
};

int load_fuse_open(struct load_fuse *fuse, client_ask *ask, void *arg);

/* Of "a/b/c" the folder "a/b" into @dir, and what follows. */
const char *client_split(const char *path, char dir[1024]);

#endif
