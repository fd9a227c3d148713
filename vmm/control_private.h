/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VMM_CONTROL_PRIVATE_H
#define VMM_CONTROL_PRIVATE_H

#include "util/aside.h"
#include "util/list.h"
#include "vmm/control.h"

struct control {
	struct loop *loop;     /* borrowed */
	char *name;	       /* owned */
	bool wanted;	       /* the user chose the name */
	uid_t owner;	       /* whom it answers, beside root; ours may be another by then */
	struct keeper *keeper; /* borrowed */
	int note;	       /* of the socket's file; < 0: none */
	struct control_socket socket; /* the aside's while there is one */
	struct aside *aside;	      /* owned; at work in the file system: NULL: none */
	struct loop_source finished;  /* it is */
	unsigned tries;		      /* of control_listen() */
	int result;		      /* of the last one, and why; 0: the file is ours */
	struct error err;
	bool listening;
	struct loop_source listener; /* socket's fd */
	struct loop_timer timer;
	struct list_node clients; /* whose last sign of life is oldest, first */
	unsigned client_count;	  /* those that follow included */
	unsigned follower_count;
	struct {
		const struct control_command *commands;
		void *arg;
	} sets[CONTROL_SETS];
	unsigned set_count;
};

struct control_client {
	struct loop_source source; /* owned fd */
	struct control *control;
	struct list_node node;
	const struct control_stream *stream; /* NULL: none, or ended */
	void *state;
	bool asked;	 /* the request is complete */
	bool concluded;	 /* the last line of the answer is said */
	bool deaf;	 /* it will send nothing more */
	bool paused;	 /* the stream has nothing to say */
	bool waits;	 /* the stream has not been woken for the first time */
	u64 waits_since; /* ms of CLOCK_MONOTONIC */
	bool failed;	 /* to be dropped as soon as nobody is at work on it */
	u32 request_len;
	u32 said, taken;	       /* the answer is out[taken..said) */
	char request[CONTROL_REQUEST]; /* what came and is no whole line yet */
	char out[CONTROL_BUFFER];
};

/* "pause", whose answer waits until the VM has paused; called with the struct vm *. */
int control_pause(void *vm, struct control_client *client, json_t *request, struct error *err);
/* "events". The same. */
int control_events(void *vm, struct control_client *client, json_t *request, struct error *err);

/* Takes @fd. */
void control_client_create(struct control *control, int fd);
void control_client_drop(struct control_client *client);
/* The VM has ended: as much of what it still has to be told as it takes at once; then drop it. */
void control_client_finish(struct control_client *client);
/*
 * The one that has kept us waiting for longest, among those that follow or among the others: its
 * request has not come, or what it was told it has not taken. A paused stream waits for us. NULL:
 * there is none.
 */
struct control_client *control_find_idle(const struct control *control, bool follows);
/*
 * What a stream waits for may not come, as for a host that does not finish its I/O: the one that
 * has waited for longest, and for a second at least, is told so and dropped. Returns 0, or the ms
 * to its second; -1: nobody waits.
 */
int control_drop_waiting(struct control *control);

#endif
