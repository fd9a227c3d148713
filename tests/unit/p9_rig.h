/* SPDX-License-Identifier: BSD-2-Clause */
/* A client of folder/p9.h on a folder of its own: messages in memory, in pieces of any size. */
#ifndef TESTS_UNIT_P9_RIG_H
#define TESTS_UNIT_P9_RIG_H

#include "folder/p9.h"
#include "../load/p9_types.h"

#define P9_RIG_TAG   0x1234
#define P9_RIG_NOFID (~0u)

struct p9_rig {
	int base_fd; /* the folder that is shared */
	struct folder *folder;
	struct p9 *p9;
	struct p9_scratch *scratch;
	/* The message under construction, and its answer. */
	u8 message[70000], answer[70000];
	size_t message_len;
	size_t piece; /* the size of the pieces in which both are given */
	size_t room;  /* for the answer */
};

extern struct p9_rig p9_rig;

/* Fixtures: the session has begun, with map=squash, and fid 0 is the folder. */
int p9_rig_setup(void **state);
int p9_rig_teardown(void **state);
/* Serve the folder with other options; there is no session before p9_rig_attach(). */
void p9_rig_open(struct folder_options options);
void p9_rig_attach(void);

/*
 * Send a message, and what p9_rig_verdict() says of the answer. In @format are "b", "w", "d", "q":
 * numbers of 1, 2, 4, 8 bytes; "s": a string.
 */
int p9_rig_ask(u8 type, const char *format, ...);
/* Send the message as it stands; the answer's length. */
size_t p9_rig_deliver(void);
/* What the answer says: 0, or its error. Size, type and tag are checked. */
int p9_rig_verdict(size_t len, u8 type);
/* The number of 4 bytes at @at of the answer. */
u32 p9_rig_number(size_t at);

/* The file @name, new, open as fid @fid. */
void p9_rig_create(u32 fid, const char *name);
/* Write to the end of the file @name, as others on the host do. */
void p9_rig_append(const char *name, const char *text);

#endif
