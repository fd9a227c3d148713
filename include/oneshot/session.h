/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A one-shot run's side of oneshot/protocol.h: the command's streams, what its init says, and its
 * end. Made before the machine, as the guest's ends of the channels become its virtio-vsock's.
 */
#ifndef ONESHOT_SESSION_H
#define ONESHOT_SESSION_H

#include "oneshot/verdict.h"
#include "util/types.h"

struct loop;
struct session;

struct session_options {
	int standard[ONESHOT_CHANNELS]; /* fds of the streams, borrowed; [ONESHOT_CONTROL]: none */
	/*
	 * ONESHOT_STDIN and ONESHOT_STDOUT are a terminal, which the command has as its own
	 * (oneshot/screen.h). @quit: the user ends the run there; as @over.
	 */
	bool is_terminal;
	void (*quit)(void *arg);
	/*
	 * Sockets that lead to the guest already, ONESHOT_CHANNELS, the session's from here on: of
	 * a command in a guest that stays. It is over when the host has said BYE, or the guest is
	 * gone. NULL: they are made, and session_guest_ends() are for the guest.
	 */
	const int *connected;
	/*
	 * The run can end: the guest said how it went and should have switched itself off by now.
	 * In the loop, VM lock held.
	 */
	void (*over)(void *arg);
	void (*started)(void *arg); /* the command runs. Likewise; NULL: nobody wants to know */
	void *arg;
};

/* When it was, in ns of CLOCK_MONOTONIC; 0: not yet. */
struct session_times {
	u64 ready, started, ended;
};

/* -errno. */
int session_create(struct session **session, const struct session_options *options);
/*
 * The guest's ends, ONESHOT_CHANNELS of them, for who serves its connections: what is taken is set
 * to -1, the rest is closed with the session.
 */
int *session_guest_ends(struct session *session);
/* Serve from now on. Before the VM runs. */
int session_start(struct session *session, struct loop *loop);
/* A signal for the command: false, there is none yet or any more. VM lock held. */
bool session_signal(struct session *session, int signal);

/* The window may have another size; @continued: we were stopped, too. VM lock held. */
void session_look(struct session *session, bool continued);

const struct verdict *session_verdict(const struct session *session);
struct session_times session_times(const struct session *session);

/*
 * The VM has stopped: as stream_finish(), for both outputs. *@error is -ENODATA where the guest was
 * gone before it had given all output of a command that ended.
 */
u64 session_finish(struct session *session, int give_up, int timeout_ms, int *error);
/* That error in words. */
const char *session_loss(int error);
/* NULL is fine. Before the loop is destroyed. */
void session_destroy(struct session *session);

#endif
