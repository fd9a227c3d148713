/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "tty.h"
#include "util/log.h"
#include "vmm/terminal.h"

/*
 * What the tty was like. File-scope, because a signal handler and atexit() must
 * find it; written while raw_mode is not set.
 */
static struct termios cooked;
static int tty_fd = STDIN_FILENO; /* borrowed */
static bool raw_output;
static volatile sig_atomic_t raw_mode;
static volatile sig_atomic_t over; /* terminal_restore() was called */

void tty_use(int fd)
{
	tty_fd = fd;
	raw_output = true;
}

static bool in_foreground(void)
{
	return tcgetpgrp(tty_fd) == getpgrp();
}

bool tty_is_ours(void)
{
	pid_t group = tcgetpgrp(tty_fd);

	return group < 0 || group == getpgrp();
}

int tty_open(int fd, int flags)
{
	return tcgetsid(fd) == getsid(0) ? open("/dev/tty", flags) : -1;
}

/* In the background it is not put back: the process that has the terminal now wants it as it is. */
void terminal_lend(void)
{
	if (!raw_mode)
		return;
	raw_mode = 0;
	log_set_raw(false);
	if (in_foreground())
		tcsetattr(tty_fd, TCSANOW, &cooked);
}

void terminal_restore(void)
{
	over = 1;
	terminal_lend();
}

bool tty_make_raw(void)
{
	static bool at_exit;
	struct termios raw;

	if (over)
		return false;
	if (!in_foreground()) {
		raw_mode = 0;
		log_set_raw(false);
		return false;
	}
	if (!raw_mode && tcgetattr(tty_fd, &cooked))
		return false;
	raw = cooked;
	cfmakeraw(&raw);
	if (!raw_output)
		raw.c_oflag |= OPOST; /* our own messages end in a bare newline */
	if (!at_exit)
		atexit(terminal_restore);
	at_exit = true;
	raw_mode = 1;
	log_set_raw(raw_output && isatty(STDERR_FILENO));
	tcsetattr(tty_fd, TCSANOW, &raw);
	/* Another thread, or a signal handler, may have put it back a moment ago. */
	if (over) {
		log_set_raw(false);
		tcsetattr(tty_fd, TCSANOW, &cooked);
	}
	return true;
}
