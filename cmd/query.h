/* SPDX-License-Identifier: BSD-2-Clause */
/* A question to a running VM, by its control socket (docs/control.md). */
#ifndef CMD_QUERY_H
#define CMD_QUERY_H

#include <jansson.h>
#include <stdio.h>
#include <sys/types.h>

#include "util/types.h"

struct running_vm;

/* One request, and its answer line by line. */
struct query {
	const char *name;    /* the VM's */
	pid_t pid;	     /* and its process */
	FILE *answer;	     /* the caller's to close, and with it: */
	int fd;		     /* the connection */
	const char *silence; /* what is said of one that is silent; NULL: "does not answer" */
	bool ended;	     /* everything that must come has come: the end is no mistake */
	bool may_end;	     /* nor is it before: it is what we are here for */
	bool silent;	     /* it did not answer in time */
	int status;	     /* for the end of lkvm */
};

/* One of several that are asked the same, or one that is asked again and again. */
struct query_to {
	const char *name;
	const struct running_vm *listed; /* as which it was found; NULL: look for the name */
	bool may_be_gone;		 /* it was there: that it has ended since is no mistake */
};

/*
 * Ask the VM @name, which may be a process ID: EXIT_OK, or the status for what has been said. The
 * reference to @ask is put down. A VM that is silent for 10 seconds does not answer.
 */
int query_begin(struct query *query, const char *name, json_t *ask);
/* The same; of one that may be gone, and is, there is no answer: it is NULL, and nothing is said.
 */
int query_begin_to(struct query *query, const struct query_to *to, json_t *ask);
/* Connect to @name, or to one that was listed, and ask nothing yet: query_tell(). 0 or -errno. */
int query_open(struct query *query, const char *name);
int query_open_at(struct query *query, const struct running_vm *vm);
/* Say why that failed, and return the status for it. */
int query_explain(const char *name, int error);
/* Of one that was listed, to be asked @ask; without a word if it has gone: EXIT_HOST. */
int query_begin_at(struct query *query, const struct running_vm *vm, json_t *ask);
/*
 * The next line of the answer; NULL: there is none. If the VM has gone before the end,
 * or refused, that has been said, and is in query->status.
 */
json_t *query_next(struct query *query);
/* Wait for so long for each answer, in ms, and not at all for 0. */
void query_wait(struct query *query, u64 ms);
/* The VM has answered. What follows comes when it comes, and ends when the VM does. */
void query_follow(struct query *query);
/*
 * What was followed has ended: whether the VM has not, or may not have, which is said. It drops a
 * client that does not read when others want its place. Waits for a second at most.
 */
bool query_lost_place(const struct query *query);
/*
 * Show now what was printed of that, as the next line may come late. False: standard output does
 * not take it, and errno has the reason, which main() tells.
 */
bool query_shown(void);
/* One more line to a VM that takes some. -errno: it has gone. */
int query_tell(struct query *query, json_t *line);

/*
 * A request whose answer is one line, which becomes the caller's in *@answer: EXIT_OK, or the
 * status for what has been said, with NULL. @answer may be NULL.
 */
int query_ask(const char *name, json_t *ask, json_t **answer);

/* A number of the answer's, 0 if it is not there; and a text, "" if it is not. */
u64 query_number(const json_t *json, const char *key);
const char *query_text(const json_t *json, const char *key);

/* For each VM that runs, and may be gone by then. The last status that is none of success counts.
 */
int query_each(int (*one)(const struct query_to *to, const void *arg), const void *arg);

#endif
