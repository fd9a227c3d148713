/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "util/aside.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/thread.h"
#include "vmm/terminal.h"
#include "watch.h"

#define STACK (64 * KIB)
/*
 * In ms. --timeout is a promise: the process is gone within a second, be it that main gives up
 * the output and then the disks, or that it does nothing at all. After a signal there is time to
 * write what the guest gave the disks.
 */
#define TIMEOUT_PATIENCE 150
#define TIMEOUT_DEADLINE 700
#define DISK_PATIENCE	 10000
#define END_DEADLINE	 (DISK_PATIENCE + 2000)
#define GIVE_UP_DEADLINE 300
#define LEAVE_FLUSH	 100
/* Whoever else sends it means the end, as with all others. */
#define OWN_SIGNAL SIGRTMAX

/* Has the thread look at the clock. From elsewhere it means nothing, as by default. */
#define WAKE SIGURG

enum phase { STARTING, RUNNING, ENDING };

struct watch {
	sigset_t signals;		/* what is waited for */
	int give_up;			/* an eventfd, owned */
	unsigned seconds[WATCH_LIMITS]; /* 0: no limit */
	const int *statuses;		/* of the limits */
	pthread_t thread;
	pthread_mutex_t lock;
	/* Under the lock. */
	enum phase phase;
	bool careful;
	void (*tell)(const char *why); /* NULL: the end has been told, or is logged */
	int pass_fd;		       /* where the first SIGINT goes; -1: nowhere */
	struct vm *vm;		       /* borrowed, while it runs */
	bool sealing;		       /* OWN_SIGNAL says so to the thread */
	unsigned asked;
	enum vm_stop reason; /* the first one that was asked for */
	int signal;
	enum watch_limit limit;		      /* of VM_TIMEOUT */
	u64 limit_at[WATCH_LIMITS], deadline; /* ms of CLOCK_MONOTONIC; 0: none */
};

/* ---- signals ---- */

/*
 * A crash ends us by its own handler. SIGPIPE and SIGXFSZ are errors of a write(2); SIGTTIN and
 * SIGTTOU would stop us for what the terminal refuses. SIGRTMIN kicks vCPUs; below it are the C
 * library's.
 */
static bool is_not_ours(int signal)
{
	static const int others[] = { SIGKILL, SIGSTOP, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,
				      SIGTRAP, SIGSYS,	SIGABRT, SIGPIPE, SIGXFSZ, SIGTTIN,
				      SIGTTOU, SIGCHLD, SIGURG,	 SIGCONT, SIGWINCH };

	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		if (signal == others[i])
			return true;
	}
	return signal > 31 && signal <= SIGRTMIN;
}

/* nohup, and a shell without job control, ignore signals for us: it stays so. */
static bool is_ignored(int signal)
{
	struct sigaction action;

	return !sigaction(signal, NULL, &action) && action.sa_handler == SIG_IGN;
}

void watch_choose_signals(sigset_t *set)
{
	sigemptyset(set);
	for (int signal = 1; signal <= SIGRTMAX; signal++) {
		if (!is_not_ours(signal) && !is_ignored(signal))
			sigaddset(set, signal);
	}
}

static void block_signals(const struct watch *watch)
{
	sigset_t set = watch->signals;

	sigaddset(&set, SIGTTIN);
	sigaddset(&set, SIGTTOU);
	sigaddset(&set, SIGCONT);
	sigaddset(&set, SIGWINCH);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN); /* a reader that goes away does not end the guest */
	signal(SIGXFSZ, SIG_IGN); /* a disk at its ulimit is an I/O error of the guest's */
	/* Whoever started lkvm may have had its children reaped: it would not hear how ours ended.
	 */
	signal(SIGCHLD, SIG_DFL);
}

/* Our own crash must not leave the user's terminal in raw mode. */
static void crash_handler(int number)
{
	terminal_restore();
	signal(number, SIG_DFL);
	raise(number);
}

static void catch_crashes(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP };
	struct sigaction action = { .sa_handler = crash_handler };

	for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
}

/* SIGTSTP stops all of us, here; the shell has its terminal as it was meanwhile. */
static void stop_for_a_while(void)
{
	sigset_t set;

	terminal_lend();
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(SIGTSTP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* ---- the end ---- */

void watch_leave(int status)
{
	terminal_restore();
	log_hurry(LEAVE_FLUSH);
	log_flush(LEAVE_FLUSH);
	aside_inherit();
	/* An aside_call() that hangs has them, too, and whoever reads would wait for it. */
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		close(fd);
	_exit(status);
}

/* Lock held. */
static void tell(struct watch *watch, const char *why)
{
	if (watch->tell && why)
		watch->tell(why);
	watch->tell = NULL;
}

/* Lock held. */
static void tell_why_left(struct watch *watch)
{
	bool by_signal = watch->phase == STARTING && watch->reason != VM_TIMEOUT;
	char why[128];

	if (by_signal)
		snprintf(why, sizeof(why), "signal %d ended the run before its guest began",
			 watch->signal);
	else if (watch->phase == STARTING)
		snprintf(why, sizeof(why), "the guest had not started after %u seconds",
			 watch->seconds[watch->limit]);
	else
		snprintf(why, sizeof(why),
			 "the host does not answer: what it still does is left behind");
	/* Whoever sent a signal knows. */
	if (!watch->tell && !by_signal)
		log_warning("%s", why);
	tell(watch, why);
}

/* Lock held; it stays so. */
static void leave(struct watch *watch) __attribute__((noreturn));
static void leave(struct watch *watch)
{
	terminal_restore();
	log_hurry(LEAVE_FLUSH);
	tell_why_left(watch);
	watch_leave(watch->reason == VM_TIMEOUT ? watch->statuses[watch->limit]
						: EXIT_SIGNAL + watch->signal);
}

/* Somebody killed it, or it crashed: a thread of ours would have taken all of us with it. */
static void on_aside_died(void *arg, const char *name, int signal)
{
	struct watch *watch = arg;

	log_error("%s, a process of lkvm's, was ended by signal %d: the run ends", name, signal);
	pthread_mutex_lock(&watch->lock);
	if (watch->vm)
		vm_stop(watch->vm, VM_HOST_ERROR);
	pthread_mutex_unlock(&watch->lock);
}

static void give_up(struct watch *watch)
{
	eventfd_write(watch->give_up, 1);
	watch->deadline = now_ms() + GIVE_UP_DEADLINE;
}

static void ask(struct watch *watch, enum vm_stop reason, int signal)
{
	if (!watch->asked++) {
		watch->reason = reason;
		watch->signal = signal;
	}
	if (watch->phase == ENDING || (watch->phase == RUNNING && watch->asked > 1)) {
		give_up(watch);
	} else if (watch->phase == STARTING && (!watch->careful || watch->asked > 1)) {
		leave(watch);
	} else {
		/* Main undoes what it did, and waits no longer for a script or a program. */
		if (watch->phase == STARTING)
			eventfd_write(watch->give_up, 1);
		watch->deadline = now_ms() +
				  (reason == VM_TIMEOUT ? TIMEOUT_DEADLINE : END_DEADLINE);
		if (watch->vm)
			vm_stop(watch->vm, reason);
	}
}

/* Whether the signal is the guest's, and was told. */
static bool pass(struct watch *watch, int signal)
{
	int fd = watch->pass_fd;

	if (signal != SIGINT || fd < 0 || watch->phase != RUNNING)
		return false;
	watch->pass_fd = -1;
	return !eventfd_write(fd, 1);
}

static void look_at_clock(struct watch *watch)
{
	u64 now = now_ms();

	if (watch->deadline && now >= watch->deadline)
		leave(watch);
	for (unsigned i = 0; i < WATCH_LIMITS; i++) {
		if (!watch->limit_at[i] || now < watch->limit_at[i])
			continue;
		watch->limit_at[i] = 0;
		if (!watch->asked)
			watch->limit = i;
		ask(watch, VM_TIMEOUT, 0);
	}
}

/* When there is something to do though no signal came: ms of CLOCK_MONOTONIC; 0: never. */
static u64 next_time(const struct watch *watch)
{
	u64 until = watch->deadline;

	for (unsigned i = 0; i < WATCH_LIMITS; i++) {
		if (!until || (watch->limit_at[i] && watch->limit_at[i] < until))
			until = watch->limit_at[i];
	}
	return until;
}

/* A signal, or 0: it is time to look at the clock. */
static int wait_for_signal(const struct watch *watch, u64 until)
{
	u64 now = now_ms(), left = until - MIN(now, until);
	struct timespec wait = { .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 };
	int signal = sigtimedwait(&watch->signals, NULL, until ? &wait : NULL);

	return MAX(signal, 0);
}

static void *watch_main(void *arg)
{
	struct watch *watch = arg;

	pthread_mutex_lock(&watch->lock);
	for (;;) {
		u64 until = next_time(watch);
		int signal;

		pthread_mutex_unlock(&watch->lock);
		signal = wait_for_signal(watch, until);
		if (signal == SIGTSTP)
			stop_for_a_while();
		pthread_mutex_lock(&watch->lock);
		thread_catch_up();
		thread_make_maker();
		if (signal == OWN_SIGNAL && watch->sealing)
			watch->sealing = false;
		else if (signal && signal != SIGTSTP && signal != WAKE && !pass(watch, signal))
			ask(watch, VM_USER, signal);
		look_at_clock(watch);
	}
	return NULL;
}

/* ---- main's side ---- */

/* A thread of ours is wanted that is confined no more than this one. */
static void wake(void *arg)
{
	const struct watch *watch = arg;

	pthread_kill(watch->thread, WAKE);
}

static int start_thread(struct watch *watch)
{
	pthread_attr_t attr;
	int ret;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ret = -pthread_create(&watch->thread, &attr, watch_main, watch);
	pthread_attr_destroy(&attr);
	return ret;
}

/* @seconds from now; 0 stays so. */
static u64 after(unsigned seconds)
{
	return seconds ? now_ms() + seconds * 1000ULL : 0;
}

int watch_start(struct watch **out, const unsigned limits[WATCH_LIMITS],
		const int statuses[WATCH_LIMITS])
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int ret;

	if (!watch)
		return -ENOMEM;
	pthread_mutex_init(&watch->lock, NULL);
	for (unsigned i = 0; i < WATCH_LIMITS; i++)
		watch->seconds[i] = limits[i];
	watch->pass_fd = -1;
	watch->statuses = statuses;
	watch->limit_at[WATCH_TOTAL] = after(limits[WATCH_TOTAL]);
	watch->limit_at[WATCH_BOOT] = after(limits[WATCH_BOOT]);
	watch_choose_signals(&watch->signals);
	sigaddset(&watch->signals, WAKE);
	block_signals(watch);
	catch_crashes();
	watch->give_up = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = watch->give_up < 0 ? -errno : start_thread(watch);
	/* The thread has it from here on, to the end of the process. */
	if (!ret) {
		thread_set_maker(wake, watch);
		aside_watch(on_aside_died, watch);
		*out = watch;
	}
	return ret;
}

void watch_pass(struct watch *watch, int fd)
{
	pthread_mutex_lock(&watch->lock);
	watch->pass_fd = fd;
	pthread_mutex_unlock(&watch->lock);
}

void watch_started(struct watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	watch->limit_at[WATCH_BOOT] = 0;
	watch->limit_at[WATCH_RUN] = after(watch->seconds[WATCH_RUN]);
	pthread_mutex_unlock(&watch->lock);
	/* It may sleep until a later time. */
	pthread_kill(watch->thread, WAKE);
}

void watch_tell_by(struct watch *watch, void (*how)(const char *why))
{
	pthread_mutex_lock(&watch->lock);
	watch->tell = how;
	pthread_mutex_unlock(&watch->lock);
}

void watch_tell(struct watch *watch, const char *why)
{
	pthread_mutex_lock(&watch->lock);
	tell(watch, why);
	pthread_mutex_unlock(&watch->lock);
}

void watch_be_careful(struct watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	watch->careful = true;
	pthread_mutex_unlock(&watch->lock);
}

void watch_seal(struct watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	watch->sealing = true;
	pthread_mutex_unlock(&watch->lock);
	pthread_kill(watch->thread, OWN_SIGNAL);
}

void watch_quit(struct watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	ask(watch, VM_USER, SIGINT);
	pthread_mutex_unlock(&watch->lock);
	/* There is a deadline now. */
	pthread_kill(watch->thread, WAKE);
}

void watch_run(struct watch *watch, struct vm *vm)
{
	pthread_mutex_lock(&watch->lock);
	watch->phase = RUNNING;
	watch->vm = vm;
	if (watch->asked)
		vm_stop(vm, watch->reason);
	pthread_mutex_unlock(&watch->lock);
}

void watch_end(struct watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	watch->phase = ENDING;
	watch->vm = NULL;
	if (watch->asked && watch->reason != VM_TIMEOUT)
		watch->deadline = now_ms() + END_DEADLINE;
	pthread_mutex_unlock(&watch->lock);
}

void watch_begin_dump(struct watch *watch, int timeout_ms)
{
	pthread_mutex_lock(&watch->lock);
	memset(watch->limit_at, 0, sizeof(watch->limit_at));
	watch->deadline = now_ms() + timeout_ms;
	pthread_mutex_unlock(&watch->lock);
	pthread_kill(watch->thread, WAKE);
}

void watch_end_dump(struct watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	if (!watch->asked)
		watch->deadline = 0;
	else if (watch->reason == VM_TIMEOUT)
		watch->deadline = now_ms() + TIMEOUT_DEADLINE;
	else
		watch->deadline = now_ms() + GIVE_UP_DEADLINE;
	pthread_mutex_unlock(&watch->lock);
	pthread_kill(watch->thread, WAKE);
}

int watch_give_up_fd(const struct watch *watch)
{
	return watch->give_up;
}

int watch_disk_patience(enum vm_stop reason)
{
	return reason == VM_TIMEOUT ? TIMEOUT_PATIENCE : DISK_PATIENCE;
}

int watch_output_patience(struct watch *watch, enum vm_stop reason)
{
	bool asked;

	pthread_mutex_lock(&watch->lock);
	asked = watch->asked;
	pthread_mutex_unlock(&watch->lock);
	return asked || reason == VM_TIMEOUT || reason == VM_USER ? TIMEOUT_PATIENCE : -1;
}

enum vm_stop watch_reason(struct watch *watch, int *signal)
{
	enum vm_stop reason;

	pthread_mutex_lock(&watch->lock);
	reason = watch->asked ? watch->reason : VM_RUNNING;
	if (reason == VM_USER)
		*signal = watch->signal;
	pthread_mutex_unlock(&watch->lock);
	return reason;
}

enum watch_limit watch_limit(struct watch *watch)
{
	enum watch_limit limit;

	pthread_mutex_lock(&watch->lock);
	limit = watch->limit;
	pthread_mutex_unlock(&watch->lock);
	return limit;
}

void watch_describe(struct watch *watch, char *words, size_t size)
{
	static const char *const formats[] = {
		[WATCH_TOTAL] = "the guest still ran after %u seconds",
		[WATCH_BOOT] = "the command had not started after %u seconds (--timeout boot=)",
		[WATCH_RUN] = "the command still ran after %u seconds (--timeout run=)",
	};
	enum watch_limit limit = watch_limit(watch);

	snprintf(words, size, formats[limit], watch->seconds[limit]);
}
