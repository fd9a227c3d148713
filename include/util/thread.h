/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads of a process that confines itself. Each kind of thread has its own list of what it may
 * ask the kernel for, and a thread cannot give another more than it has itself. So once the
 * process is sealed one thread that does nothing else, the maker, makes all others. It is made
 * when it is first needed, by a thread that is there and no more confined than the process.
 *
 * What confines is set by whoever knows how (confine/); without it these are plain threads.
 */
#ifndef UTIL_THREAD_H
#define UTIL_THREAD_H

#include <pthread.h>
#include <signal.h>

#include "util/types.h"

enum thread_kind {
	THREAD_ANY,    /* whatever the process may */
	THREAD_LOOP,   /* the main thread */
	THREAD_VCPU,   /* and a poller, which does a kick's work */
	THREAD_WORKER, /* jobs on files that are open: disks, captures, memory */
	THREAD_FOLDER, /* jobs on a shared folder */
	THREAD_DIAL,   /* connects to the host's sockets */
	THREAD_LISTEN, /* makes sockets' files: an aside that began before the seal */
	THREAD_UNDO,   /* removes them */
	THREAD_RELAY,  /* copies between descriptors */
	THREAD_WAITER, /* waits for a child's end */
	THREAD_KINDS
};

/*
 * As pthread_create(), but -errno, with the caller's signal mask. From a thread that is confined
 * the maker does it, and this waits. Not by a process aside, whose signals reach no thread of ours.
 */
int thread_start(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *arg),
		 void *arg);
/*
 * By a thread itself, before it does what its kind does: from now on it may do nothing else. Before
 * the process is sealed, this does nothing.
 */
void thread_confine(enum thread_kind kind);
/*
 * The same in a process aside, sealed or not: it is not among the threads that are sealed later.
 * @sealed: whether the process was when the aside began, with what it had then; it may be by now.
 */
void thread_confine_aside(enum thread_kind kind, bool sealed);

/*
 * Block all signals but the one of a violation, which the kernel would make deadly without a word.
 * *@old: those that were blocked.
 */
void thread_block_signals(sigset_t *old);

/* Whether it is: nothing is started, and nobody killed, any more. */
bool thread_is_sealed(void);
/*
 * By a thread that was there before the seal, first: some of it is each thread's own. Nothing
 * before the seal, and once it has.
 */
void thread_catch_up(void);

/* Whether all files of such a thread are open before it begins, so that it goes on without rights.
 */
static inline bool thread_needs_nothing(enum thread_kind kind)
{
	return kind == THREAD_RELAY || kind == THREAD_WORKER;
}
/*
 * By a thread that from now on waits for what @kind does and does nothing, or needs nothing: it
 * needs no rights and no files. One that is confined has done so.
 */
void thread_give_up(enum thread_kind kind);
/* Whether that does anything. */
bool thread_gives_up(void);

/* An aside of this process did what it may not: says what, and ends the process. */
void thread_violated(void);

/* ---- for what confines ---- */

/* The exit status of a process that did what it may not: as if SIGSYS had killed it. */
#define THREAD_VIOLATION (128 + 31)

struct thread_ops {
	void (*confine)(enum thread_kind kind, bool sealed); /* as thread_confine_aside() */
	void (*catch_up)(void);
	void (*give_up)(enum thread_kind kind);
	void (*violated)(void);
};

/* They are called by the thread that they are about. Before there are asides. @ops: borrowed. */
void thread_set_ops(const struct thread_ops *ops);
/*
 * Before the seal: @wake(@arg), called by any thread, has one that is confined to no kind call
 * thread_make_maker() soon.
 */
void thread_set_maker(void (*wake)(void *arg), void *arg);
/*
 * By that one: catches up and starts the maker, if it is wanted, which is what the calling thread
 * is then.
 */
void thread_make_maker(void);
/* From now on thread_confine() acts. */
void thread_seal(void);
/* For messages: "a vCPU's thread". */
const char *thread_kind_name(enum thread_kind kind);
/* What the calling thread is; THREAD_ANY if it is not confined. */
enum thread_kind thread_kind(void);

#endif
