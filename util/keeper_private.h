/* SPDX-License-Identifier: BSD-2-Clause */
/* What keeper.c, on our side, keeper_process.c and keeper_here.c say to each other. */
#ifndef UTIL_KEEPER_PRIVATE_H
#define UTIL_KEEPER_PRIVATE_H

#include <sys/types.h>

#include "util/keeper.h"

enum keeper_order {
	KEEPER_ADD,  /* the note @id, a new one; descriptors come along; answered */
	KEEPER_STOP, /* what the last one began */
	KEEPER_SEAL, /* no more notes */
	KEEPER_UNDO, /* the note @id; answered */
	KEEPER_DROP, /* the note @id */
};

/* All are of this size; anything else is not heard. */
struct keeper_message {
	u32 order;
	u32 id;
	u32 kind; /* its place in the table of kinds */
	u32 size;
	char data[KEEPER_DATA];
};

struct keeper_answer {
	u32 id;
	int ret;
	struct error err;
};

/* The keeper's life: it hears @fd until that ends. @owner: whose end is waited for then. */
void keeper_process_run(const struct keeper_kind *const *kinds, int fd, pid_t owner)
	__attribute__((noreturn));

/*
 * Without a keeper's process: undo @data, which this takes over, by @thread, or where that is NULL
 * by the calling one. @is_quick: it waits for nobody. What undo() returned, with its line;
 * -ETIMEDOUT: it goes on, and is left behind.
 */
struct keeper_thread;
int keeper_undo_here(struct keeper_thread *thread, const struct keeper_kind *kind, void *data,
		     bool is_quick, struct error *err);
/* It has the calling thread's rights, and confines itself to THREAD_UNDO. -errno. */
int keeper_thread_start(struct keeper_thread **thread);
/* NULL is fine. */
void keeper_thread_stop(struct keeper_thread *thread);

#endif
