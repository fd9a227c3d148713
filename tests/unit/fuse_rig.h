/* SPDX-License-Identifier: BSD-2-Clause */
/* A client of folder/fuse.h on a folder of its own: messages in memory, in pieces of any size. */
#ifndef TESTS_UNIT_FUSE_RIG_H
#define TESTS_UNIT_FUSE_RIG_H

#include <linux/fuse.h>

#include "folder/fuse.h"

struct fuse_rig {
	int base_fd; /* the folder that is shared */
	struct folder *folder;
	struct fuse fuse;
	struct fuse_scratch *scratch;
	/* The message under construction, and its answer. */
	char message[200000], answer[200000];
	size_t message_len;
	size_t piece; /* the size of the pieces in which both are given */
};

extern struct fuse_rig fuse_rig;

/* Fixtures: the session has begun, with map=squash. */
int fuse_rig_setup(void **state);
int fuse_rig_teardown(void **state);
/* Serve the folder with other options; there is no session then. */
void fuse_rig_open(struct folder_options folder_options, struct fuse_options options);
int fuse_rig_init(u32 major, u32 minor);

/* ---- any message ---- */

void fuse_rig_begin(u32 opcode, u64 node);
void fuse_rig_put(const void *data, size_t len);
void fuse_rig_put_name(const char *name);
#define FUSE_RIG_PUT(...) fuse_rig_put(&(__VA_ARGS__), sizeof(__VA_ARGS__))

/*
 * Send it, with @room for what comes behind the answer's header; its error. The answer's length is
 * checked.
 */
int fuse_rig_ask(size_t room);
/* Send it with @len as the length that it says of itself, and @room for the whole answer. */
size_t fuse_rig_send(u32 len, size_t room);
/* Of the answer. */
int fuse_rig_error(void);
const void *fuse_rig_body(void);
size_t fuse_rig_body_len(void);

/* ---- what many tests ask for: an error, or what it says ---- */

int fuse_rig_lookup(u64 dir, const char *name, struct fuse_entry_out *entry);
u64 fuse_rig_find(u64 dir, const char *name);
/* A file in the folder's root: its handle. */
u64 fuse_rig_create(const char *name, u64 *node);
/* How many bytes. What is read is the answer's body. */
int fuse_rig_write(u64 file, u64 offset, const char *data, u32 len);
int fuse_rig_read(u64 file, u64 offset, u32 len);

#endif
