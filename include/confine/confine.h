/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lkvm gives up what the guest's run does not need, before the guest's first instruction:
 *
 *   - no program gives it rights (no_new_privs)
 *   - its user and groups, if another user was asked for, and with them all capabilities
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
};

struct confine_options {
	bool has_folders; /* there are threads of THREAD_FOLDER */
	bool report;	  /* say what holds, a line for each; else for --debug alone */
};

/*
 * From here on asides are confined when they start. First of all, before there is a thread.
 * @restore is called before a violation ends the process, in a signal's handler. @user: who the
 * seal makes of this process, which is root's then; relays become that user at their start. Copied.
 */
void confine_begin(void (*restore)(void), const struct confine_user *user);
/*
 * All that is above, for all threads of the process: the calling one is the loop's then. Others
 * that are there already call thread_catch_up() before they do what the guest asks for. -errno with
 * a line: the host has it, and it failed.
 */
int confine_seal(const struct confine_options *options, struct error *err);

#endif
