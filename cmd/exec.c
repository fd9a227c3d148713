/* SPDX-License-Identifier: BSD-2-Clause */
/* "lkvm exec": one more command in the guest of a run for a command (oneshot/protocol.h). */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd.h"
#include "oneshot/initrd.h"
#include "oneshot/session.h"
#include "util/error.h"
#include "util/log.h"
#include "vmm/loop.h"
#include "vmm/terminal.h"
#include "vsock.h"
#include "watch.h"

struct exec {
	pthread_mutex_t lock; /* the loop wants one */
	struct loop *loop;
	struct session *session;
	sigset_t ends;		    /* the signals that end it ... */
	struct loop_source signals; /* ... and those that say something of the terminal */
	int signal;		    /* that ended it; 0: none */
	bool quit;
	unsigned interrupts;
};

/* ---- asking for it ---- */

static void make_config(struct initrd_config *config, char **words, bool is_terminal)
{
	struct winsize size = { 0 };
	char text[16];

	if (is_terminal) {
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
		snprintf(text, sizeof(text), "%u", ONESHOT_WINDOW_SIZE(size.ws_col, size.ws_row));
		initrd_config_add(config, ONESHOT_TERMINAL, text);
		if (!isatty(STDERR_FILENO))
			initrd_config_add(config, ONESHOT_APART, "");
	}
	for (; *words; words++)
		initrd_config_add(config, ONESHOT_WORD, *words);
}

static int send_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t done = send(fd, at, len, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return -errno;
		at += done;
		len -= done;
	}
	return 0;
}

/* The guest's answer: where it takes the streams. */
static int ask(int control, const struct initrd_config *config, u32 *port)
{
	u32 len = config->len;
	ssize_t got;
	int ret = send_all(control, &len, sizeof(len));

	if (!ret)
		ret = send_all(control, config->text, config->len);
	if (ret)
		return ret;
	/* With a deadline, who was stopped and goes on is interrupted: signal(7). */
	do
		got = recv(control, port, sizeof(*port), MSG_WAITALL);
	while (got < 0 && errno == EINTR);
	return got == sizeof(*port) ? 0 : got < 0 ? -errno : -EPROTO;
}

/* What vsock_dial_guest() has said is of guests with an sshd and the like. */
static int say_none(const char *name, int error, struct error *err)
{
	if (error != -ENOENT && error != -ECONNREFUSED && error != -ECONNRESET)
		return error;
	if (error == -ENOENT && strchr(name, '/'))
		return error;
	err->text[0] = '\0';
	if (error == -ENOENT)
		return error_set(err, error,
				 "%s: no VM of this name has a vsock: 'lkvm run --name %s ... -- "
				 "COMMAND' starts one, with a kernel that has vsock",
				 name, name);
	return error_set(err, error,
			 "%s: its guest takes no commands: that of 'lkvm run --name NAME ... -- "
			 "COMMAND' does, once the command runs; others have 'lkvm ssh'",
			 name);
}

/* All of @ends; what is not connected is -1. */
static int connect_all(const char *name, const struct initrd_config *config, int *ends,
		       struct error *err)
{
	int ret = ends[ONESHOT_CONTROL] = vsock_dial_guest(name, ONESHOT_EXEC_PORT, err);
	u32 port;

	if (ret < 0)
		return say_none(name, ret, err);
	ret = ask(ends[ONESHOT_CONTROL], config, &port);
	if (ret)
		return error_set(err, ret, "%s: the guest does not take the command: %s", name,
				 ret == -EAGAIN ? "it does not answer" : strerror(-ret));
	for (unsigned i = ONESHOT_STDIN; ret >= 0 && i < ONESHOT_CHANNELS; i++)
		ret = ends[i] = vsock_dial_guest(name, port, err);
	return MIN(ret, 0);
}

/* The status for a line in @err; EXIT_OK. */
static int begin(const char *name, char **words, bool is_terminal, int *ends, struct error *err)
{
	struct initrd_config config = { 0 };
	int status = EXIT_OK;

	make_config(&config, words, is_terminal);
	if (initrd_config_check(&config, ONESHOT_EXEC_SIZE - 1, err))
		status = EXIT_USAGE;
	else if (connect_all(name, &config, ends, err))
		status = EXIT_COMMAND_HOST;
	initrd_config_free(&config);
	return status;
}

/* ---- while it runs ---- */

static void on_over(void *arg)
{
	loop_stop(((struct exec *)arg)->loop);
}

static void on_quit(void *arg)
{
	struct exec *exec = arg;

	exec->quit = true;
	loop_stop(exec->loop);
}

/* The first Ctrl-C is the command's. */
static void on_signal(struct loop_source *source, u32 events)
{
	struct exec *exec = container_of(source, struct exec, signals);
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH || info.ssi_signo == SIGCONT) {
		session_look(exec->session, info.ssi_signo == SIGCONT);
		return;
	}
	if (info.ssi_signo == SIGINT && !exec->interrupts++ &&
	    session_signal(exec->session, SIGINT))
		return;
	exec->signal = info.ssi_signo;
	loop_stop(exec->loop);
}

/* What was ignored when lkvm started, as nohup has it, stays so. */
static int watch_signals(struct exec *exec)
{
	sigset_t set;

	watch_choose_signals(&exec->ends);
	/* It stops us, as it does any program. */
	sigdelset(&exec->ends, SIGTSTP);
	set = exec->ends;
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file at its ulimit is an error of write(2) */
	signal(SIGTTOU, SIG_IGN);
	exec->signals = (struct loop_source){ signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC),
					      EPOLLIN, on_signal };
	return exec->signals.fd < 0 ? -errno : loop_add(exec->loop, &exec->signals);
}

/* ---- the end ---- */

static int status_of(const struct exec *exec, const char *name)
{
	const struct verdict *verdict = session_verdict(exec->session);

	switch (verdict->stage) {
	case VERDICT_EXITED:
		return verdict->value;
	case VERDICT_KILLED:
		return EXIT_SIGNAL + verdict->value;
	case VERDICT_NO_COMMAND:
		log_error("%s: %s", verdict->text, strerror(verdict->value));
		return verdict->value == ENOENT ? EXIT_COMMAND_NOT_FOUND : EXIT_COMMAND_NO_PROGRAM;
	case VERDICT_FAILED:
		log_error("%s: in the guest: %s: %s", name, verdict->text,
			  strerror(verdict->value));
		return EXIT_COMMAND_NO_END;
	case VERDICT_NONSENSE:
		log_error("%s: its init did not keep to lkvm's protocol", name);
		return EXIT_COMMAND_NO_END;
	default:
		if (exec->quit || exec->signal)
			return EXIT_SIGNAL + (exec->signal ? exec->signal : SIGINT);
		log_error("%s: the guest ended before the command did", name);
		return EXIT_COMMAND_NO_END;
	}
}

static int finish(struct exec *exec, const char *name)
{
	bool cut = exec->quit || exec->signal;
	int error, status;

	terminal_restore();
	/* A signal ends the wait for a reader, which has a second after one. A window does not. */
	signalfd(exec->signals.fd, &exec->ends, 0);
	session_finish(exec->session, exec->signals.fd, cut ? 1000 : -1, &error);
	status = status_of(exec, name);
	if (!error)
		return status;
	log_error("some of the command's output is lost: %s", session_loss(error));
	return status == EXIT_OK ? EXIT_COMMAND_HOST : status;
}

static int run(struct exec *exec, const int *ends, bool is_terminal, const char *name)
{
	const struct session_options options = {
		.standard = { [ONESHOT_STDIN] = STDIN_FILENO,
			      [ONESHOT_STDOUT] = STDOUT_FILENO,
			      [ONESHOT_STDERR] = STDERR_FILENO },
		.is_terminal = is_terminal,
		.connected = ends,
		.quit = on_quit,
		.over = on_over,
		.arg = exec,
	};
	int ret = loop_create(&exec->loop, &exec->lock), status = EXIT_COMMAND_HOST;

	if (!ret)
		ret = session_create(&exec->session, &options);
	if (!ret)
		ret = watch_signals(exec);
	if (!ret)
		ret = session_start(exec->session, exec->loop);
	if (!ret)
		ret = loop_run(exec->loop);
	if (!ret)
		status = finish(exec, name);
	else
		log_error("cannot serve the command's streams: %s", strerror(-ret));
	session_destroy(exec->session);
	return status;
}

int cmd_exec(int argc, char **argv)
{
	struct exec exec = { .lock = PTHREAD_MUTEX_INITIALIZER };
	int ends[ONESHOT_CHANNELS] = { -1, -1, -1, -1 };
	bool is_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	struct error err = { "" };
	int status;

	if (argc < 4 || *argv[1] == '-' || strcmp(argv[2], "--")) {
		log_error("usage: lkvm exec NAME -- COMMAND [ARG...]");
		return EXIT_USAGE;
	}
	status = begin(argv[1], argv + 3, is_terminal, ends, &err);
	if (status) {
		log_error("%s", err.text);
		return status;
	}
	return run(&exec, ends, is_terminal, argv[1]);
}

void cmd_exec_help(void)
{
	printf("usage: lkvm exec NAME -- COMMAND [ARG...]\n\n"
	       "Run one more command in the guest of 'lkvm run --name NAME ... -- COMMAND', while\n"
	       "that one runs: with its environment, folder and user, and with this command's\n"
	       "input, output, error, terminal and Ctrl-C. The exit status is the command's, or\n"
	       "one of those of 'lkvm run': 125 if there is no such guest. Other guests have\n"
	       "'lkvm ssh'.\n");
}
