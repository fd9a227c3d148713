/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel stops the call and sends SIGSYS to the thread, whose handler says what it was and ends
 * the process. KILL_PROCESS alone would end it without a word, with the user's terminal raw, and in
 * a process aside would end that one only. It is what remains if the handler cannot run: the kernel
 * kills a process for a SIGSYS that is blocked or not handled.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "private.h"
#include "util/types.h"

#define PATIENCE_MS	  100
#define SIGNAL_OF_SECCOMP 1 /* SYS_SECCOMP */

static struct {
	void (*restore)(void); /* gives the terminal back; may run in a handler */
	pid_t owner;
	char line[300]; /* the last violation's */
	size_t len;
} process;

static char *put(char *at, char *end, const char *text)
{
	while (*text && at < end)
		*at++ = *text++;
	return at;
}

static char *put_number(char *at, char *end, unsigned long number, unsigned base)
{
	char digits[24], *first = digits + sizeof(digits) - 1;

	*first = '\0';
	do
		*--first = "0123456789abcdef"[number % base];
	while (number /= base);
	return put(at, end, first);
}

/* No printf: it is a signal's handler. */
static size_t describe(char *line, size_t size, int number, unsigned long request)
{
	char *at = line, *end = line + size - 1;
	const char *name = seccomp_call_name(number);

	at = put(at, end, "lkvm: error: confined: ");
	at = put(at, end, thread_kind_name(thread_kind()));
	at = put(at, end, " may not call ");
	if (name)
		at = put(at, end, name);
	else
		at = put_number(at, end, (unsigned)number, 10);
	if (name && !strcmp(name, "ioctl")) {
		at = put(at, end, " 0x");
		at = put_number(at, end, request, 16);
	}
	at = put(at, end,
		 ": it ends here. A fault of lkvm's, or a guest that broke in: see "
		 "docs/security.md\n");
	return at - line;
}

/* A reader that stopped does not keep us. */
static void say(const char *line, size_t len)
{
	struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t done;

	if (poll(&ready, 1, PATIENCE_MS) != 1)
		return;
	done = write(STDERR_FILENO, line, len);
	(void)done;
}

static void end(void)
{
	if (process.len)
		say(process.line, process.len);
	process.restore();
	syscall(SYS_exit_group, THREAD_VIOLATION);
}

/* In a process aside, standard error may be another file: its parent says it. */
static void on_violation(int number, siginfo_t *info, void *context)
{
	/* Somebody sent it: a crash like others. */
	if (info->si_code != SIGNAL_OF_SECCOMP) {
		process.restore();
		signal(number, SIG_DFL);
		raise(number);
		return;
	}
	process.len = describe(process.line, sizeof(process.line), info->si_syscall,
			       seccomp_call_argument(context, 1));
	if (getpid() == process.owner)
		end();
	syscall(SYS_exit_group, THREAD_VIOLATION);
}

void violation_end(void)
{
	end();
}

void violation_catch(void (*restore)(void))
{
	struct sigaction action = { .sa_sigaction = on_violation,
				    .sa_flags = SA_SIGINFO | SA_RESTART };

	process.restore = restore;
	process.owner = getpid();
	sigaction(SIGSYS, &action, NULL);
}
