/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each file knows one thing that the kernel offers:
 *
 *   landlock.c      files by their names, TCP, abstract sockets
 *   user.c          whose the process is
 *   capabilities.c  root's rights
 *   seccomp.c       system calls
 *   violation.c     what a thread says and does that is about to break a rule
 *   confine.c       all of it, in its order
 */
#ifndef CONFINE_PRIVATE_H
#define CONFINE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/thread.h"

/* In the filters: our process, whose number nobody knows when they are made. */
#define CONFINE_OWN_PID 0x5eed1d00u

struct sock_filter;
struct error;
struct confine_user;

/* What a process has, which others have no system calls for. */
#define CONFINE_WITH_FOLDERS 1u
#define CONFINE_WITH_HOST    2u
#define CONFINE_WITH_NAMES   4u
#define CONFINE_WITH_ALL     (CONFINE_WITH_FOLDERS | CONFINE_WITH_HOST | CONFINE_WITH_NAMES)

/* Of one kind of thread. */
struct filter {
	const struct sock_filter *steps;
	unsigned short count;
};

/*
 * The rules, of what util/reach.h lists: *@fd, owned by the caller. *@abi is the kernel's version
 * of it. -errno: -ENOSYS or -EOPNOTSUPP: the kernel has none, or has it switched off.
 */
int landlock_make(int *fd, int *abi);
/* The calling thread, and what it starts. -errno. */
int landlock_enter(int fd);
/* The calling thread has no file from now on, where the kernel has Landlock. */
void landlock_enter_nothing(void);
/* For people: what version @abi adds to files. */
const char *landlock_extent(int abi);

/* The signal that the calling thread asked for with its parent's end; 0: none. */
int user_death_signal(void);
/*
 * Have the calling thread ready to become @user, which takes CAP_SETUID and CAP_SETGID: its groups
 * are @user's, and it may change its user without any rights from now on. -errno: nothing has
 * changed. What the thread starts from now on may do so as well. @death_signal: as above, before.
 */
int user_prepare(const struct confine_user *user, int death_signal);
/* It does not come to that, and there may be no rights left: as far as is possible without. */
void user_prepare_undo(void);
/*
 * Become @user, for good: the calling thread alone. That takes the same rights, or a thread that is
 * ready, and leaves none. Nobody but root can look into the process afterwards. -errno.
 */
int user_become(const struct confine_user *user, int death_signal);

/* Whether the calling thread has any. */
bool capabilities_any(void);
/* Whether all of @wanted, bits 1 << CAP_..., are in force. */
bool capabilities_have(unsigned long long wanted);
/*
 * Keep those of @keep that there are, in no set but what is permitted and in force. The bounding
 * set is left as it is: it is for programs that are started, which no_new_privs keeps from gaining
 * any. -errno.
 */
int capabilities_keep(unsigned long long keep);

/* The filter of @kind for the calling thread. -errno. */
int seccomp_enter(enum thread_kind kind);
/*
 * What any of the process's threads may, for all of them that there are. @with: CONFINE_WITH_...
 * -errno.
 */
int seccomp_enter_all(unsigned with);

/* What is not allowed ends the process, with a line that names it, after @restore(). */
void violation_catch(void (*restore)(void));
/* An aside ended by one, which it noted in our memory: say it, and end. */
void violation_end(void);
/* NULL: no name is known. */
const char *seccomp_call_name(int number);
/* Argument @n, 0 or 1, of the call that a SIGSYS is about. */
unsigned long seccomp_call_argument(void *context, unsigned n);

#endif
