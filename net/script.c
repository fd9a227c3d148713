/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "script.h"
#include "util/clock.h"
#include "util/types.h"

#define LOOK_MS 5

extern char **environ;

/* Its own group, so that all of it can be killed, and the signals as a shell has them. */
static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &all);
	posix_spawnattr_setpgroup(attributes, 0);
	return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
							    POSIX_SPAWN_SETPGROUP);
}

static int spawn(pid_t *pid, const char *script, const char *tap)
{
	char *const argv[] = { (char *)script, (char *)tap, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int ret;

	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_init(&files);
	ret = set_attributes(&attributes);
	if (!ret)
		ret = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY,
						       0);
	/* What the guest says on stdout stays alone there. */
	if (!ret)
		ret = posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
	if (!ret)
		ret = posix_spawn(pid, script, &files, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return -ret;
}

/*
 * 0: it ended, with *status. The end is one of the clock's, not a number of looks: a busy host
 * makes each look late, and the process that waits for this one goes by the clock.
 */
static int wait_for(pid_t pid, unsigned seconds, int stop_fd, int *status)
{
	struct pollfd stop = { .fd = stop_fd, .events = POLLIN };
	u64 end = now_ms() + seconds * 1000ULL;

	for (;;) {
		pid_t ended = waitpid(pid, status, WNOHANG);

		if (ended == pid)
			return 0;
		if (ended < 0 && errno != EINTR)
			return -errno;
		if (now_ms() >= end)
			return -ETIMEDOUT;
		if (poll(&stop, 1, LOOK_MS) > 0)
			return -EINTR;
	}
}

static int judge(const char *script, int status, struct error *err)
{
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (WIFEXITED(status))
		return error_set(err, -EINVAL, "script %s ended with status %d: see what it said",
				 script, WEXITSTATUS(status));
	return error_set(err, -EINVAL, "script %s ended by signal %d", script, WTERMSIG(status));
}

int net_script_run(const char *script, const char *tap, unsigned seconds, int stop_fd,
		   struct error *err)
{
	int status, ret;
	pid_t pid;

	ret = spawn(&pid, script, tap);
	if (ret)
		return error_set(err, ret, "script %s: %s%s", script, strerror(-ret),
				 ret == -EACCES	   ? ": chmod +x"
				 : ret == -ENOEXEC ? ": its first line is #!/bin/sh"
						   : "");
	ret = wait_for(pid, seconds, stop_fd, &status);
	if (!ret)
		return judge(script, status, err);
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (ret == -EINTR)
		return error_set(err, ret, "interrupted while script %s ran", script);
	return error_set(err, ret, "script %s did not end within %u seconds", script, seconds);
}
