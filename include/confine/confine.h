/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lkvm gives up what the guest's run does not need, before the guest's first instruction:
 *
 *   - no program gives it rights (no_new_privs)
 *   - its user and groups: root becomes a user that nobody else is, or that was asked for
 *   - root's capabilities, but for those of util/reach.h, each in its kind of thread
 *   - the host's files, but for those of util/reach.h; TCP; abstract sockets (Landlock)
 *   - all system calls but those of its kind of thread, by number and, of ioctl(), by request; no
 *     memory that can be executed (seccomp)
 *
 * What the host does not have is left out, each by itself.
 */
#ifndef CONFINE_CONFINE_H
#define CONFINE_CONFINE_H

#include "util/error.h"
#include "util/types.h"

/* Whom the process runs as once it is sealed. */
struct confine_user {
	unsigned uid, gid; /* no other groups */
	bool wanted;	   /* false: it stays who it is */
	bool is_own; /* nobody asked for it: where it cannot be, the process stays who it is */
};

struct confine_options {
	bool has_folders; /* there are threads of THREAD_FOLDER */
	bool report;	  /* say what holds, a line for each; else for --debug alone */
	/* The process goes on to need the user who started it, for this reason. NULL: it does not.
	 */
	const char *user_needed;
	/*
	 * Called with @arg when all is confined but who the process is, if that is about to
	 * change: to start threads that do not. -errno: there are none.
	 */
	int (*stay)(void *arg);
	void *arg;
};

/*
 * A user and a group that no other process of this host has, for this one alone, while it lives.
 * Not wanted where this process cannot become another user.
 */
struct confine_user confine_own_user(void);

/*
 * From here on asides are confined when they start. First of all, before there is a thread.
 * @restore is called before a violation ends the process, in a signal's handler. @user: who the
 * seal makes of this process, which is root's then; relays become that user at their start, whether
 * it will or not. Copied.
 */
void confine_begin(void (*restore)(void), const struct confine_user *user);
/*
 * All that is above, for all threads of the process: the calling one is the loop's then. Others
 * that are there already call thread_catch_up() before they do what the guest asks for. -errno with
 * a line: the host has it, and it failed.
 */
int confine_seal(const struct confine_options *options, struct error *err);

#endif
