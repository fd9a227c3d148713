/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process beside this one, in the same memory, for system calls that may never return. A
 * write to a frozen file system, or I/O on a device that died, cannot be ended by anything:
 * a thread in it keeps the whole process from ending, even after SIGKILL. A process aside
 * can be left behind: it ends when the host lets it.
 *
 * It is as good as a thread (locks, malloc, errno work), but it has a copy of the file
 * descriptors made when it starts, and it closes all of them that it was not told to keep.
 */
#ifndef UTIL_ASIDE_H
#define UTIL_ASIDE_H

#include "util/thread.h"
#include "util/types.h"

struct aside;

#define ASIDE_KEEP 12

struct aside_config {
	const char *name;      /* of the process, up to 15 characters */
	enum thread_kind kind; /* what it is confined to from its start (util/thread.h) */
	void (*main)(void *arg);
	void *arg;
	int keep[ASIDE_KEEP]; /* the fds that main() uses, and @keep_count of them */
	unsigned keep_count;
	bool shares_files; /* instead: it has our files, and what it opens is ours */
	bool dies_with_us; /* SIGKILL when this process ends, however it does */
};

/*
 * Start config->main(config->arg), with all signals blocked. It has its copies of the files when
 * this returns. -errno if there is no thread to be had; where the host gives no process it runs
 * in a thread.
 */
int aside_start(struct aside **out, const struct aside_config *config);
/* False: it is a thread, and has our files. */
bool aside_has_own_files(const struct aside *aside);
/* Readable once main() has returned. The aside's. */
int aside_done_fd(const struct aside *aside);
/* Wait at most @timeout_ms (-1: for ever): whether main() has returned. */
bool aside_wait(const struct aside *aside, int timeout_ms);
/* main() has returned. NULL is fine. One whose main() has not is left as it is: no call. */
void aside_destroy(struct aside *aside);

/*
 * Have main(@arg) called by an aside that shares our files, and wait for its end: for what makes
 * or cuts a file, which waits while the file system is frozen, before there is a loop. If it never
 * ends neither does this call, but the process can end: another thread may do that.
 */
void aside_call(const char *name, void (*main)(void *arg), void *arg);

/*
 * The same by the calling thread, which waits for its end, has all signals blocked, and is confined
 * to config->kind or to nothing: the aside is what this thread is, and needs no maker.
 */
void aside_run(const struct aside_config *config);

/*
 * Have @died(@arg, its name, the signal) called when an aside was ended by a signal: what it had to
 * do is not done, and whoever waits for it waits for ever. On a thread of this process. Once,
 * before there are asides.
 */
void aside_watch(void (*died)(void *arg, const char *name, int signal), void *arg);

/*
 * This process is about to end while the kernel still works for it: asynchronous I/O, which an
 * ending process waits for without end. Hand memory and files to an aside that waits instead.
 */
void aside_inherit(void);

#endif
