/* SPDX-License-Identifier: BSD-2-Clause */
/* A question to a running VM, by its control socket (vmm/control.h). */
#ifndef CMD_QUERY_H
#define CMD_QUERY_H

#include <jansson.h>
#include <stdio.h>

#include "util/types.h"

/* One request, and its answer line by line. */
struct query {
	const char *name;    /* the VM's */
	FILE *answer;	     /* the caller's to close */
	const char *silence; /* what is said of one that is silent; NULL: "does not answer" */
	bool ended;	     /* everything that must come has come: the end is no mistake */
	int status;	     /* for the end of lkvm */
};

/*
 * Ask the VM @name: EXIT_OK, or the status for what has been said. The reference to @ask is put
 * down. A VM that is silent for 10 seconds does not answer.
 */
int query_begin(struct query *query, const char *name, json_t *ask);
/*
 * The next line of the answer; NULL: there is none. If the VM has gone before the end,
 * or refused, that has been said, and is in query->status.
 */
json_t *query_next(struct query *query);
/* The VM has answered. What follows comes when it comes, and ends when the VM does. */
void query_follow(struct query *query);

#endif
