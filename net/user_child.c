/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread per program, because starting one waits for the file system that it is on, and because
 * the signal of a parent's death is that of the thread that started it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "user.h"
#include "util/log.h"

#define CHILD_FD    3
#define END_SECONDS 2

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
	int fd;
};

static int add_files(posix_spawn_file_actions_t *files, int fd)
{
	int ret = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (!ret)
		ret = posix_spawn_file_actions_adddup2(files, STDERR_FILENO, STDOUT_FILENO);
	if (!ret)
		ret = posix_spawn_file_actions_adddup2(files, fd, CHILD_FD);
	return ret;
}

static int spawn(struct net_child *child, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int ret;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	/* A Ctrl-C at the terminal is lkvm's to deal with. */
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_init(&files);
	ret = add_files(&files, child->fd);
	if (!ret)
		ret = posix_spawn(pid, child->path, &files, &attributes, child->argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return ret;
}

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
	pthread_mutex_lock(&child->lock);
	child->pid = 0;
	ending = child->ending;
	waitpid(pid, &status, WNOHANG);
	pthread_mutex_unlock(&child->lock);
	if (!ending)
		say_end(child, status);
}

static void *run(void *arg)
{
	struct net_child *child = arg;
	pid_t pid = 0;
	int ret;

	prctl(PR_SET_NAME, "net-user");
	ret = spawn(child, &pid);

	/* The program's end of the socket is the program's alone, so that its death is seen. */
	close(child->fd);
	if (ret) {
		log_warning("%s: %s", child->path, strerror(ret));
		return NULL;
	}
	pthread_mutex_lock(&child->lock);
	child->pid = pid;
	if (child->ending)
		kill(pid, SIGKILL);
	pthread_mutex_unlock(&child->lock);
	wait_for_end(child, pid);
	return NULL;
}

int net_child_start(struct net_child **out, const char *path, const struct net_user_args *args,
		    int fd)
{
	struct net_child *child = calloc(1, sizeof(*child));
	int ret;

	if (!child)
		return -ENOMEM;
	snprintf(child->path, sizeof(child->path), "%s", path);
	child->args = *args;
	for (unsigned i = 0; i < args->count; i++)
		child->argv[i] = child->args.text[i];
	child->fd = fd;
	pthread_mutex_init(&child->lock, NULL);
	ret = pthread_create(&child->thread, NULL, run, child);
	if (ret) {
		free(child);
		return -ret;
	}
	*out = child;
	return 0;
}

void net_child_end(struct net_child *child)
{
	struct timespec until;

	if (!child)
		return;
	pthread_mutex_lock(&child->lock);
	child->ending = true;
	if (child->pid)
		kill(child->pid, SIGKILL);
	pthread_mutex_unlock(&child->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += END_SECONDS;
	/* A file system that hangs may hold the start for ever: the process ends all the same. */
	if (!pthread_timedjoin_np(child->thread, NULL, &until))
		free(child);
}
