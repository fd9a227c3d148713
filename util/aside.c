/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/aside.h"
#include "util/fds.h"

#define THREAD_STACK (32 * KIB)
#define ASIDE_STACK  (64 * KIB)
/*
 * The thread sanitizer takes our clone() for a fork, and both sides for one thread: under it one
 * has to wait for the other.
 */
#ifdef __SANITIZE_THREAD__
#define CLONE_FLAGS (CLONE_VM | CLONE_VFORK)
#else
#define CLONE_FLAGS CLONE_VM
#endif
#define KEEP_ALL UINT32_MAX /* keep_count: of aside_inherit() */

struct aside {
	struct aside_config config;
	pthread_t thread;
	int done_fd; /* an eventfd, owned */
	pid_t parent;
	bool sealed;	/* the process was, when this began */
	sem_t started;	/* own_files is settled */
	sem_t alone;	/* the thread that made it does nothing but wait from now on */
	bool own_files; /* it is a process */
	char stack[ASIDE_STACK] __attribute__((aligned(16)));
};

/* The process's: written before there are asides. */
static struct {
	void (*died)(void *arg, const char *name, int signal);
	void *arg;
} watcher;

void aside_watch(void (*died)(void *arg, const char *name, int signal), void *arg)
{
	watcher.died = died;
	watcher.arg = arg;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* A descriptor that stays open here for no use would keep a pipe's reader waiting for its end. */
static void close_others(struct aside_config *config)
{
	unsigned next = 0;

	qsort(config->keep, config->keep_count, sizeof(config->keep[0]), by_number);
	for (unsigned i = 0; i < config->keep_count; i++) {
		if (config->keep[i] > (int)next)
			fds_close(next, config->keep[i] - 1);
		next = config->keep[i] + 1;
	}
	fds_close(next, INT32_MAX);
}

static int child_main(void *arg)
{
	struct aside *aside = arg;

	/* We share that one's errno. */
	while (thread_gives_up() && sem_wait(&aside->alone))
		;
	prctl(PR_SET_NAME, aside->config.name);
	if (aside->config.dies_with_us)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!aside->config.shares_files && aside->config.keep_count != KEEP_ALL)
		close_others(&aside->config);
	aside->own_files = !aside->config.shares_files;
	sem_post(&aside->started);
	thread_confine_aside(aside->config.kind, aside->sealed);
	/* It may have ended before we said that we end with it. */
	if (!aside->config.dies_with_us || getppid() == aside->parent)
		aside->config.main(aside->config.arg);
	/* Not _exit(): the address sanitizer would take this stack for a thread's. */
	syscall(SYS_exit_group, 0);
	return 0;
}

/*
 * The child runs on this thread's thread-local storage, and so may call what a thread may; this
 * thread, all its signals blocked, stays in one system call meanwhile. The child is not in our
 * thread group, so we can end without it. (CLONE_VFORK would wait as well, but a thread in that
 * cannot be stopped, and a shell would wait for it.) The thread sanitizer takes what the child does
 * for this thread's, and loses what this one did before.
 */
static __attribute__((no_sanitize("thread"))) void *thread_main(void *arg)
{
	struct aside *aside = arg;
	int flags = CLONE_FLAGS | (aside->config.shares_files ? CLONE_FILES : 0);
	pid_t child = clone(child_main, aside->stack + ASIDE_STACK, flags, aside);
	int status = 0;

	if (child >= 0) {
		thread_give_up(aside->config.kind);
		sem_post(&aside->alone);
		syscall(SYS_wait4, child, &status, __WALL, NULL);
		/* It did what it may not, and has said so: that is the end of all. */
		if (status == THREAD_VIOLATION << 8 || (status & 0x7f) == SIGSYS)
			thread_violated();
		if (WIFSIGNALED(status) && watcher.died)
			watcher.died(watcher.arg, aside->config.name, WTERMSIG(status));
	} else {
		/* Those that were there before the seal keep their rights; these need none. */
		if (!aside->sealed && thread_needs_nothing(aside->config.kind))
			thread_give_up(aside->config.kind);
		sem_post(&aside->started);
		thread_confine(aside->config.kind);
		aside->config.main(aside->config.arg);
	}
	eventfd_write(aside->done_fd, 1);
	return NULL;
}

static int start_thread(struct aside *aside)
{
	sigset_t old;
	pthread_attr_t attr;
	int ret;

	pthread_attr_init(&attr);
	/* Enough for main(), should it run here. */
	pthread_attr_setstacksize(&attr, THREAD_STACK + ASIDE_STACK);
	thread_block_signals(&old);
	ret = thread_start(&aside->thread, &attr, thread_main, aside);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return ret;
}

static int make(struct aside **out, const struct aside_config *config)
{
	struct aside *aside = calloc(1, sizeof(*aside));

	if (!aside)
		return -ENOMEM;
	aside->config = *config;
	aside->parent = getpid();
	aside->sealed = thread_is_sealed();
	sem_init(&aside->started, 0, 0);
	sem_init(&aside->alone, 0, 0);
	aside->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (aside->done_fd < 0) {
		free(aside);
		return -errno;
	}
	*out = aside;
	return 0;
}

static void free_aside(struct aside *aside)
{
	close(aside->done_fd);
	free(aside);
}

int aside_start(struct aside **out, const struct aside_config *config)
{
	struct aside *aside = NULL;
	int ret = make(&aside, config);

	if (ret)
		return ret;
	ret = start_thread(aside);
	if (ret) {
		free_aside(aside);
		return ret;
	}
	while (sem_wait(&aside->started))
		;
	*out = aside;
	return 0;
}

bool aside_has_own_files(const struct aside *aside)
{
	return aside->own_files;
}

int aside_done_fd(const struct aside *aside)
{
	return aside->done_fd;
}

bool aside_wait(const struct aside *aside, int timeout_ms)
{
	struct pollfd done = { .fd = aside->done_fd, .events = POLLIN };
	int ret;

	do
		ret = poll(&done, 1, timeout_ms);
	while (ret < 0 && errno == EINTR);
	return ret > 0;
}

void aside_destroy(struct aside *aside)
{
	if (!aside)
		return;
	pthread_join(aside->thread, NULL);
	free_aside(aside);
}

void aside_call(const char *name, void (*main)(void *arg), void *arg)
{
	const struct aside_config config = {
		.name = name, .main = main, .arg = arg, .shares_files = true, .dies_with_us = true
	};
	struct aside *aside;

	if (aside_start(&aside, &config)) {
		/* Without a thread for it, it is worth the risk. */
		main(arg);
		return;
	}
	aside_wait(aside, -1);
	aside_destroy(aside);
}

void aside_run(const struct aside_config *config)
{
	struct aside *aside;

	if (make(&aside, config)) {
		/* Without memory for it, it is worth the risk. */
		config->main(config->arg);
		return;
	}
	thread_main(aside);
	free_aside(aside);
}

/* Its parent's number changes when the last of its parent's threads is gone, memory and all. */
static void outlive_parent(void *arg)
{
	const pid_t *parent = arg;

	while (getppid() == *parent)
		usleep(10000);
}

void aside_inherit(void)
{
	/* Static: it is used until after the end, and a process ends once. */
	static pid_t parent;
	static const struct aside_config config = {
		.name = "lkvm-left", .main = outlive_parent, .arg = &parent, .keep_count = KEEP_ALL
	};
	struct aside *aside;

	parent = getpid();
	aside_start(&aside, &config);
}
