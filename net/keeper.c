/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two processes share a packet socket. The keeper sends the outcome of a script; we send
 * nothing but the end of our side, on purpose or by dying. While script= runs that end kills it,
 * afterwards it means that downscript= is to run.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"
#include "script.h"
#include "util/log.h"
#include "util/types.h"

/* The keeper's descriptors, behind the standard streams. */
#define OUR_FD	3
#define HELD_FD 4
/* How long after a script's own time the keeper may take to say how it went. */
#define SLACK_MS 2000

struct net_keeper {
	pid_t pid;
	int fd;
	unsigned down_ms;
};

/* What became of a script. */
struct outcome {
	int ret;
	struct error err;
};

/* ---- the keeper's side ---- */

/* As all descriptors but the standard streams, it is not the scripts'. */
static void move_fd(int from, int to)
{
	if (from >= 0 && from != to)
		dup3(from, to, to > STDERR_FILENO ? O_CLOEXEC : 0);
}

/* Nothing of lkvm's is ours but the socket, what holds the interface, and stderr. */
static void part_from_parent(int fd, int hold_fd)
{
	int out_of_the_way = hold_fd == OUR_FD ? fcntl(hold_fd, F_DUPFD_CLOEXEC, HELD_FD) : hold_fd;
	int null = open("/dev/null", O_RDWR);

	move_fd(null, STDIN_FILENO);
	move_fd(STDERR_FILENO, STDOUT_FILENO);
	move_fd(fd, OUR_FD);
	move_fd(out_of_the_way, HELD_FD);
	syscall(SYS_close_range, hold_fd < 0 ? HELD_FD : HELD_FD + 1, ~0u, 0);
	/* A Ctrl-C at the terminal is lkvm's to deal with; its end is our signal. */
	setpgid(0, 0);
	prctl(PR_SET_NAME, "net-keeper");
	/* Whoever started lkvm may have had its children reaped. */
	signal(SIGCHLD, SIG_DFL);
}

/* Whether anybody hears it. */
static bool tell(const struct outcome *outcome)
{
	return send(OUR_FD, outcome, sizeof(*outcome), MSG_NOSIGNAL) == sizeof(*outcome);
}

static void wait_for_the_end(void)
{
	char byte;

	while (read(OUR_FD, &byte, 1) < 0 && errno == EINTR)
		;
}

static void keep(const struct net_keeper_config *config)
{
	struct outcome outcome = { 0 };

	if (config->script)
		outcome.ret = net_script_run(config->script, config->interface,
					     config->script_seconds, OUR_FD, &outcome.err);
	tell(&outcome);
	if (outcome.ret || !config->down_script)
		return;
	wait_for_the_end();
	outcome.ret = net_script_run(config->down_script, config->interface, config->down_seconds,
				     -1, &outcome.err);
	if (!tell(&outcome) && outcome.ret)
		dprintf(STDERR_FILENO, "lkvm: warning: %s\n", outcome.err.text);
}

/* ---- our side ---- */

/* The outcome of what runs, within @ms. -EPIPE: the keeper is gone. -EINTR: after @give_up_fd. */
static int hear(const struct net_keeper *keeper, unsigned ms, int give_up_fd,
		struct outcome *outcome)
{
	struct pollfd wait[] = { { .fd = keeper->fd, .events = POLLIN },
				 { .fd = give_up_fd, .events = POLLIN } };
	int ret;

	do
		ret = poll(wait, ARRAY_SIZE(wait), ms);
	while (ret < 0 && errno == EINTR);
	if (ret <= 0)
		return ret ? -errno : -ETIMEDOUT;
	if (!wait[0].revents)
		return -EINTR;
	if (recv(keeper->fd, outcome, sizeof(*outcome), 0) != sizeof(*outcome))
		return -EPIPE;
	outcome->err.text[sizeof(outcome->err.text) - 1] = '\0';
	return 0;
}

/* It ends by itself after its last word; at once where it has none for us. */
static void reap(struct net_keeper *keeper, bool at_once)
{
	if (at_once)
		kill(keeper->pid, SIGKILL);
	while (waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(keeper->fd);
	free(keeper);
}

/* The script's outcome is *outcome, if this is 0. */
static int wait_for_script(struct net_keeper *keeper, const struct net_keeper_config *config,
			   struct outcome *outcome)
{
	int ret = hear(keeper, config->script_seconds * 1000 + SLACK_MS, config->give_up_fd,
		       outcome);

	if (ret != -EINTR)
		return ret;
	/* The keeper kills the script, and says so. */
	shutdown(keeper->fd, SHUT_WR);
	return hear(keeper, SLACK_MS, -1, outcome);
}

static int start(struct net_keeper *keeper, const struct net_keeper_config *config)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	keeper->fd = ends[0];
	keeper->pid = fork();
	if (!keeper->pid) {
		part_from_parent(ends[1], config->hold_fd);
		keep(config);
		syscall(SYS_exit_group, 0);
	}
	close(ends[1]);
	if (keeper->pid > 0)
		return 0;
	close(ends[0]);
	return -errno;
}

int net_keeper_start(struct net_keeper **out, const struct net_keeper_config *config,
		     struct error *err)
{
	struct net_keeper *keeper = calloc(1, sizeof(*keeper));
	int ret = keeper ? start(keeper, config) : -ENOMEM;
	struct outcome outcome = { 0 };

	if (ret) {
		free(keeper);
		return error_set(err, ret, "no process for scripts: %s%s", strerror(-ret),
				 ret == -EAGAIN ? "; " THREADS_REMEDY : "");
	}
	keeper->down_ms = config->down_seconds * 1000 + SLACK_MS;
	ret = wait_for_script(keeper, config, &outcome);
	if (ret)
		error_set(err, ret, "the process that runs scripts is gone: %s", strerror(-ret));
	else if (outcome.ret)
		ret = error_set(err, outcome.ret, "%s", outcome.err.text);
	if (!ret && config->down_script) {
		*out = keeper;
		return 0;
	}
	reap(keeper, ret && !outcome.ret);
	return ret;
}

void net_keeper_end(struct net_keeper *keeper)
{
	struct outcome outcome = { 0 };
	int ret;

	if (!keeper)
		return;
	shutdown(keeper->fd, SHUT_WR);
	ret = hear(keeper, keeper->down_ms, -1, &outcome);
	if (ret)
		log_warning("downscript=: the process that runs it is gone: %s", strerror(-ret));
	else if (outcome.ret)
		log_warning("%s", outcome.err.text);
	reap(keeper, ret);
}
