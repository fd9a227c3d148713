/* SPDX-License-Identifier: BSD-2-Clause */
/* The command's terminal: a pty of which init has the master. */
#include "init.h"

static int terminal = -1; /* our end; -1: the command has none */
static unsigned window;	  /* its ONESHOT_WINDOW_SIZE() */

void terminal_set_window(unsigned size)
{
	struct winsize winsize = { .ws_col = ONESHOT_WINDOW_COLUMNS(size),
				   .ws_row = ONESHOT_WINDOW_ROWS(size) };

	window = size;
	sys_control(terminal, TIOCSWINSZ, &winsize);
}

int terminal_make(unsigned size)
{
	const char *uid = config_next(ONESHOT_UID, NULL), *gid = config_next(ONESHOT_GID, NULL);
	int locked = 0, theirs;

	terminal = sys_open("/dev/pts/ptmx", O_RDWR | O_NOCTTY);
	if (terminal < 0)
		host_fail("no terminal: the kernel needs UNIX98_PTYS, or give the command a pipe",
			  terminal);
	sys_control(terminal, TIOCSPTLCK, &locked);
	theirs = syscall6(__NR_ioctl, terminal, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC, 0, 0,
			  0);
	if (theirs < 0)
		host_fail("no terminal", theirs);
	if (uid)
		sys_change_owner(theirs, text_number(uid), gid ? text_number(gid) : 0);
	terminal_set_window(size);
	return theirs;
}

bool terminal_is_there(void)
{
	return terminal >= 0;
}

int terminal_copy(void)
{
	return sys_copy(terminal);
}

unsigned terminal_window(void)
{
	return window;
}

void terminal_close(void)
{
	if (terminal >= 0)
		sys_close(terminal);
	terminal = -1;
}
