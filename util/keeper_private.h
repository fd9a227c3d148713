/* SPDX-License-Identifier: BSD-2-Clause */
/* What keeper.c, on our side, and keeper_process.c say to each other. */
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

#endif
