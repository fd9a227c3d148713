/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "cmd.h"
#include "machine.h"
#include "util/log.h"
#include "vmm/terminal.h"

/* What the process itself adds to the loop: signals and --timeout. */
struct run {
	struct machine machine;
	struct loop_source signals;
	struct loop_source timer;
	int signal; /* that ended the run; SIGINT for Ctrl-A x */
};

/* Before any thread starts: they inherit it, and the signals come by fd. */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGQUIT);
	sigaddset(set, SIGWINCH);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN); /* a reader that goes away does not end the guest */
	signal(SIGXFSZ, SIG_IGN); /* a disk at its ulimit is an I/O error of the guest's */
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
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
	struct sigaction action = { .sa_handler = crash_handler };

	for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
}

static void on_signal(struct loop_source *source, u32 events)
{
	struct run *run = container_of(source, struct run, signals);
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH) {
		terminal_resize(run->machine.terminal);
		return;
	}
	run->signal = info.ssi_signo;
	vm_stop(run->machine.vm, VM_USER);
}

static void on_timeout(struct loop_source *source, u32 events)
{
	vm_stop(container_of(source, struct run, timer)->machine.vm, VM_TIMEOUT);
}

static int watch_signals(struct run *run, const sigset_t *set)
{
	run->signals.fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (run->signals.fd < 0)
		return -errno;
	run->signals.events = EPOLLIN;
	run->signals.handle = on_signal;
	return loop_add(run->machine.vm->loop, &run->signals);
}

static int watch_timeout(struct run *run, unsigned seconds)
{
	struct itimerspec end = { .it_value.tv_sec = seconds };

	if (!seconds)
		return 0;
	run->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (run->timer.fd < 0 || timerfd_settime(run->timer.fd, 0, &end, NULL))
		return -errno;
	run->timer.events = EPOLLIN;
	run->timer.handle = on_timeout;
	return loop_add(run->machine.vm->loop, &run->timer);
}

static int exit_status(const struct run *run, enum vm_stop reason, unsigned timeout)
{
	switch (reason) {
	case VM_POWEROFF:
	case VM_REBOOT:
		return EXIT_OK;
	case VM_PANIC:
		log_warning("the guest's kernel panicked or crashed");
		return EXIT_PANIC;
	case VM_TIMEOUT:
		log_warning("the guest still ran after %u seconds", timeout);
		return EXIT_TIMEOUT;
	case VM_USER:
		return EXIT_SIGNAL + run->signal;
	default:
		return EXIT_HOST;
	}
}

/* Build, run and report; the machine is the caller's to destroy. */
static int run_machine(struct run *run, const struct run_options *options, const sigset_t *set,
		       struct error *err)
{
	enum vm_stop reason;
	int ret = machine_build(&run->machine, err);

	if (!ret)
		ret = watch_signals(run, set);
	if (!ret)
		ret = watch_timeout(run, options->timeout);
	if (ret) {
		error_set(err, ret, "cannot start: %s", strerror(-ret));
		/* The user asked for what this host lacks: only a VM could tell. */
		return ret == -ENODEV ? EXIT_USAGE : EXIT_HOST;
	}
	reason = vm_run(run->machine.vm, run->machine.image, err);
	if (reason != VM_HOST_ERROR)
		machine_hint(&run->machine);
	if (options->debug)
		machine_report(&run->machine);
	return exit_status(run, reason, options->timeout);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

int cmd_run(int argc, char **argv)
{
	struct run run = { .signals.fd = -1, .timer.fd = -1, .signal = SIGINT };
	struct run_options options;
	struct error err = { "" };
	char default_name[32];
	sigset_t set;
	int status = EXIT_USAGE;

	if (run_options_parse(&options, argc, argv, &err)) {
		log_error("%s", err.text);
		return EXIT_USAGE;
	}
	if (options.help) {
		cmd_run_help();
		return EXIT_OK;
	}
	snprintf(default_name, sizeof(default_name), "guest-%d", getpid());
	options.is_named = options.name;
	if (!options.is_named)
		options.name = default_name;
	block_signals(&set);
	catch_crashes();
	if (!machine_prepare(&run.machine, &options, &err))
		status = run_machine(&run, &options, &set, &err);
	machine_destroy(&run.machine);
	close_fd(run.signals.fd);
	close_fd(run.timer.fd);
	if (err.text[0])
		log_error("%s", err.text);
	return status;
}

void cmd_run_help(void)
{
	printf("usage: lkvm run [OPTIONS] [KERNEL]\n\n");
	run_options_print();
	printf("\nCtrl-A x ends the guest, Ctrl-A Ctrl-A types one Ctrl-A.\n"
	       "Exit status: 0 the guest powered off or rebooted, 1 the host failed,\n"
	       "2 wrong usage, 3 the guest panicked, 4 --timeout, 128+n signal n.\n");
}
