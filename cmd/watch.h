/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What ends a run from outside: signals and --timeout, from the first moment to the last. A
 * thread of its own waits for them, because the others may be busy with a host that does not
 * answer.
 *
 *   starting  the process ends at once; with @careful main is asked to undo what it did
 *   running   the VM is stopped
 *   ending    what main waits for is given up
 *
 * Each end that is asked for has a deadline. Past it, and at the second one, the process
 * ends whatever main is doing.
 */
#ifndef CMD_WATCH_H
#define CMD_WATCH_H

#include <signal.h>

#include "vmm/vm.h"

struct watch;

/* What --timeout bounds, each from its own beginning. */
enum watch_limit {
	WATCH_TOTAL, /* the run, from lkvm's start */
	WATCH_BOOT,  /* from lkvm's start until watch_started() */
	WATCH_RUN,   /* from watch_started() */
	WATCH_LIMITS,
};

/* All signals that would end a process, or stop it (SIGTSTP), but for those that are ignored, and
 * those that a crash or a write(2) raises. */
void watch_choose_signals(sigset_t *set);
/*
 * First of all: signals are blocked in all threads from now on, for this one to take them. But
 * for those that are ignored: they stay so. @limits: in seconds, 0 for none. @statuses: of a
 * process that a limit ends without main; borrowed. -errno.
 */
int watch_start(struct watch **watch, const unsigned limits[WATCH_LIMITS],
		const int statuses[WATCH_LIMITS]);
/*
 * Whoever ends the process where main cannot tells why, in one line: @tell is called with it, at
 * most once and perhaps by another thread; NULL: it is logged, as far as it is news.
 */
void watch_tell_by(struct watch *watch, void (*tell)(const char *why));
/* Main tells, unless that has been done; with NULL it has told another way. */
void watch_tell(struct watch *watch, const char *why);
/* There will be something to give back or undo: main must have its chance when it ends early. */
void watch_be_careful(struct watch *watch);
/* SIGINT ends nothing the first time, but is counted at @fd, an eventfd that is borrowed for good.
 */
void watch_pass(struct watch *watch, int fd);
/* WATCH_BOOT is over and WATCH_RUN begins. Once; any thread. */
void watch_started(struct watch *watch);
/* The process is sealed: the thread that waits for signals gives up what is each thread's own. */
void watch_seal(struct watch *watch);
/* The user quits at the terminal: as SIGINT of elsewhere. Any thread, the VM lock held or not. */
void watch_quit(struct watch *watch);
/* From now on it is @vm that is stopped; at once, if the end was asked for meanwhile. */
void watch_run(struct watch *watch, struct vm *vm);
/* The VM has stopped, and its struct is left alone from now on. */
void watch_end(struct watch *watch);

/*
 * The VM has stopped, and main writes a dump that it bounds itself: no limit ends the process
 * before
 * @timeout_ms are over, but a signal has it give up. Then the time of an ending begins anew.
 */
void watch_begin_dump(struct watch *watch, int timeout_ms);
void watch_end_dump(struct watch *watch);

/* Readable once an end was asked for that main should not wait any longer for anything. */
int watch_give_up_fd(const struct watch *watch);
/*
 * How long main may wait, after a VM that stopped for @reason, for its disks and for a reader of
 * its output: in ms, -1 for as long as it lives. That is not so long where an end was asked for,
 * also if the VM stopped for another reason just before it heard of that.
 */
int watch_disk_patience(enum vm_stop reason);
int watch_output_patience(struct watch *watch, enum vm_stop reason);

/* Why an end was asked for from outside, with the signal's number for VM_USER; else VM_RUNNING. */
enum vm_stop watch_reason(struct watch *watch, int *signal);
/* For VM_TIMEOUT: the limit that was reached, and what that is in words. */
enum watch_limit watch_limit(struct watch *watch);
void watch_describe(struct watch *watch, char *words, size_t size);

/*
 * The process ends now, with I/O that the host does not finish under way: nothing may be
 * waited for, and what is in use is left to whom uses it.
 */
void watch_leave(int status) __attribute__((noreturn));

#endif
