/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the lines of a console say of the guest's kernel: Linux's own words for warnings, oopses and
 * panics. Anybody in the guest can write them, so they explain an end and decide none.
 */
#ifndef ONESHOT_FINDINGS_H
#define ONESHOT_FINDINGS_H

#include "util/types.h"

/* What a kernel panicked of. */
enum findings_panic {
	FINDINGS_NO_PANIC,
	FINDINGS_PANIC,		/* anything else */
	FINDINGS_OOPS,		/* an oops, with panic_on_oops, in an interrupt or in init */
	FINDINGS_INIT_DIED,	/* or there was none */
	FINDINGS_OUT_OF_MEMORY, /* with panic_on_oom, or nothing was left to kill */
};

#define FINDINGS_LINE 200 /* with its NUL: what is longer is cut */
#define FINDINGS_MAX  32

struct finding {
	const char *kind; /* a constant: "warning", "oops" ... */
	char line[FINDINGS_LINE];
};

/* Zeroed to begin with, but for heard() and its @arg. All text in it is printable ASCII. */
struct findings {
	struct finding list[FINDINGS_MAX]; /* the first ones */
	unsigned count;			   /* of the list */
	u64 total;
	enum findings_panic panic;	 /* of the first panic */
	char panic_words[FINDINGS_LINE]; /* what that said; "" */
	/* Each line, whole or cut; NULL: nobody wants them. */
	void (*heard)(void *arg, const char *line);
	void *arg;
	/* The line that comes. */
	char line[FINDINGS_LINE];
	unsigned len;
};

/* @len bytes of a console, in whatever pieces. */
void findings_take(struct findings *findings, const void *data, size_t len);
/* No more come: the last line need not have an end. */
void findings_end(struct findings *findings);

#endif
