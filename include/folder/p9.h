/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 9P2000.L protocol, server side, on a folder: one message in, one answer out. The layouts are
 * those of the diod project's "9P2000.L" description, as Linux's v9fs speaks it.
 */
#ifndef FOLDER_P9_H
#define FOLDER_P9_H

#include <sys/uio.h>

#include "folder/folder.h"
#include "util/list.h"

struct p9;
struct p9_scratch;

#define P9_HEADER 7u /* size[4] type[1] tag[2] */

/* The largest message that is agreed to, header included. */
#define P9_MAX_SIZE (512u * 1024)

/* @folder: borrowed. -ENOMEM. */
int p9_create(struct p9 **p9, struct folder *folder);
/* No message is being served. NULL is fine. */
void p9_destroy(struct p9 *p9);
/* The device was reset: all fids are forgotten. No message is being served. Blocks. */
void p9_reset(struct p9 *p9);

/* What a thread needs to serve messages. NULL: no memory. */
struct p9_scratch *p9_scratch_create(void);
void p9_scratch_destroy(struct p9_scratch *scratch);

/* A message under way; lives in its owner from p9_begin() until p9_serve() returns. */
struct p9_message {
	struct list_node node;
	u64 number; /* of those begun before it */
	u16 tag;
	const struct iovec *in, *out; /* the guest's memory: the message, and room for the answer */
	unsigned in_count, out_count;
};

/*
 * Messages are begun in the order in which the driver sent them, with @in and @out filled, and then
 * served in any order, on any threads: Tflush waits for the message that it names, which must
 * have been begun. Does not block.
 */
void p9_begin(struct p9 *p9, struct p9_message *message);
/* In place of serving it: it was begun, and will not be answered. Does not block. */
void p9_abandon(struct p9 *p9, struct p9_message *message);
/* Returns the bytes of the answer. Blocks; see folder.h for threads. */
size_t p9_serve(struct p9 *p9, struct p9_scratch *scratch, struct p9_message *message);

/*
 * Answer @error, a -errno, to a message that was not begun, or was abandoned; @in needs no more
 * than its header. Returns the bytes of the answer. Does not block.
 */
size_t p9_refuse(const struct iovec *in, unsigned in_count, const struct iovec *out,
		 unsigned out_count, int error);

#endif
