/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that waits for a byte, and becomes the program; and a thread that gives it the byte and
 * waits for its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "user.h"
#include "util/clock.h"
#include "util/fds.h"
#include "util/thread.h"
#include "util/log.h"

#define CHILD_FD     3
#define GO_FD	     4	 /* of the process that waits */
#define SAFE_FD	     16	 /* above both */
#define END_MS	     250 /* for a program that hears of its end; else it ends with us */
#define WAITING_MS   50	 /* for a process that ends by itself */
#define CANNOT_START "it cannot be started"

extern char **environ;

struct net_child {
	pthread_t thread;
	pthread_mutex_t lock; /* what follows */
	pid_t pid;	      /* 0: not started, or gone */
	bool ending;
	/* Constant. */
	char path[PATH_MAX];
	struct net_user_args args;
	char *argv[NET_USER_ARGS + 1]; /* of args.text[], NULL behind them */
	int fd;	   /* the program's end of the socket; closed here once it has it */
	int go_fd; /* the process waits at its other end */
	pid_t waiting;
	bool has_thread;
	bool is_early; /* that is there before the seal */
};

static void say_end(const struct net_child *child, int status)
{
	if (WIFSIGNALED(status))
		log_warning("%s ended by signal %d", child->path, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		log_warning("%s ended with status %d", child->path, WEXITSTATUS(status));
}

/*
 * The pid is ours to kill until it is reaped. It is not waited for under the lock, which whoever
 * kills it takes: where waitid() fails it may still run.
 */
static void wait_for_end(struct net_child *child, pid_t pid)
{
	siginfo_t info;
	int status = 0;
	bool ending;

	while (waitid(P_PID, pid, &info, WEXITED | WNOWAIT)) {
		if (errno == EINTR)
			continue;
		waitpid(pid, &status, 0);
		break;
	}
	/* One that was there before the seal: it may make no more of what it has than others. */
	thread_confine(THREAD_WAITER);
	pthread_mutex_lock(&child->lock);
	child->pid = 0;
	ending = child->ending;
	waitpid(pid, &status, WNOHANG);
	pthread_mutex_unlock(&child->lock);
	if (!ending)
		say_end(child, status);
}

/* ---- the process that waits ---- */

/* Of a fork of a process that has threads: nothing but system calls. */
static void become(const struct net_child *child, int go_fd)
{
	int fd = fcntl(child->fd, F_DUPFD_CLOEXEC, SAFE_FD);
	int go = fcntl(go_fd, F_DUPFD_CLOEXEC, SAFE_FD);
	sigset_t none;
	char byte;

	setpgid(0, 0);
	prctl(PR_SET_NAME, "lkvm-waits");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup3(fd, CHILD_FD, O_CLOEXEC) < 0 || dup3(go, GO_FD, O_CLOEXEC) < 0)
		return;
	dup2(STDERR_FILENO, STDOUT_FILENO);
	close(STDIN_FILENO);
	if (open("/dev/null", O_RDONLY) != STDIN_FILENO)
		return;
	fds_close(GO_FD + 1, ~0u);
	/* Without a byte lkvm has ended, or has no use for a network. */
	if (read(GO_FD, &byte, 1) != 1)
		return;
	for (int signal = 1; signal < NSIG; signal++)
		sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fcntl(CHILD_FD, F_SETFD, 0);
	execve(child->path, child->argv, environ);
	/* Our parent hears of it as of a program that gives up. */
	send(CHILD_FD, CANNOT_START, strlen(CANNOT_START), MSG_NOSIGNAL);
}

static int fork_waiting(struct net_child *child)
{
	int ends[2], ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	child->waiting = fork();
	if (!child->waiting) {
		become(child, ends[1]);
		syscall(SYS_exit_group, 0);
	}
	ret = child->waiting < 0 ? -errno : 0;
	close(ends[1]);
	if (ret)
		close(ends[0]);
	child->go_fd = ends[0];
	return ret;
}

/* ---- the thread ---- */

static void *run(void *arg)
{
	struct net_child *child = arg;
	const pid_t pid = child->waiting;
	const char byte = 0;

	prctl(PR_SET_NAME, "net-user");
	pthread_mutex_lock(&child->lock);
	child->pid = pid;
	if (child->ending && !thread_is_sealed())
		kill(pid, SIGKILL);
	pthread_mutex_unlock(&child->lock);
	/* The seal is about the process, and each thread that is there has rights of its own. */
	if (child->is_early) {
		thread_give_up(THREAD_WAITER);
		thread_catch_up();
	}
	/* Sealed or not: nothing that is forbidden then is done here. */
	thread_confine(THREAD_WAITER);
	/* If it has ended, that is what is waited for. */
	send(child->go_fd, &byte, 1, MSG_NOSIGNAL);
	wait_for_end(child, pid);
	return NULL;
}

static struct net_child *make(const char *path, const struct net_user_args *args, int fd)
{
	struct net_child *child = calloc(1, sizeof(*child));

	if (!child)
		return NULL;
	snprintf(child->path, sizeof(child->path), "%s", path);
	child->args = *args;
	for (unsigned i = 0; i < args->count; i++)
		child->argv[i] = child->args.text[i];
	child->fd = fd;
	pthread_mutex_init(&child->lock, NULL);
	return child;
}

int net_child_go(struct net_child *child)
{
	int ret;

	child->is_early = !thread_is_sealed();
	ret = thread_start(&child->thread, NULL, run, child);
	child->has_thread = !ret;
	return ret;
}

int net_child_prepare(struct net_child **out, const char *path, const struct net_user_args *args,
		      int fd)
{
	struct net_child *child = make(path, args, fd);
	int ret = child ? fork_waiting(child) : -ENOMEM;

	if (ret) {
		free(child);
		return ret;
	}
	/* The program's end is the program's alone, so that its death is seen. */
	close(fd);
	*out = child;
	return 0;
}

/* It was never told to go, and ends by itself; if somebody has stopped it, it is left to init. */
static void end_waiting(struct net_child *child)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	close(child->go_fd);
	for (unsigned ms = 0; ms < WAITING_MS; ms++) {
		if (waitpid(child->waiting, NULL, WNOHANG))
			break;
		nanosleep(&moment, NULL);
	}
	free(child);
}

/* By a clock that nobody sets. */
static bool join_in_time(pthread_t thread)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	u64 end = now_ms() + END_MS;

	while (pthread_tryjoin_np(thread, NULL)) {
		if (now_ms() >= end)
			return false;
		nanosleep(&moment, NULL);
	}
	return true;
}

void net_child_end(struct net_child *child)
{
	if (!child)
		return;
	if (!child->has_thread) {
		end_waiting(child);
		return;
	}
	pthread_mutex_lock(&child->lock);
	child->ending = true;
	if (child->pid && !thread_is_sealed())
		kill(child->pid, SIGKILL);
	pthread_mutex_unlock(&child->lock);
	/* A file system that hangs may hold the start for ever: the process ends all the same. */
	if (!join_in_time(child->thread))
		return;
	close(child->go_fd);
	free(child);
}
