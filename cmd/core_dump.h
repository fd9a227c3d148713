/* SPDX-License-Identifier: BSD-2-Clause */
/* --dump-on-crash: a guest that did not end well is written to a file. */
#ifndef CMD_CORE_DUMP_H
#define CMD_CORE_DUMP_H

#include "util/error.h"

struct diagnosis;
struct machine;
struct watch;

/* Zeroed: nobody asked for one. */
struct core_dump {
	const char *path; /* the user's; NULL: none */
	/* Owned, if there is a path. */
	int folder;    /* where it goes */
	int file;      /* one without a name yet; -1: this file system has none such */
	bool is_there; /* it was written */
};

/*
 * The file must not be there, and its folder must. Makes nothing. -errno with a line;
 * core_dump_close() in any case. May block as long as the file system.
 */
int core_dump_prepare(struct core_dump *dump, const char *path, struct error *err);
/*
 * The VM has stopped: write it, and say so. Takes at most CORE_DUMP_SECONDS, in which @watch ends
 * nothing but by a signal. What is not whole is removed.
 */
#define CORE_DUMP_SECONDS 120
void core_dump_take(struct core_dump *dump, const struct machine *machine,
		    const struct diagnosis *diagnosis, struct watch *watch);
void core_dump_close(struct core_dump *dump);

#endif
