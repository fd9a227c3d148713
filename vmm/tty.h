/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Standard input, or what stands for it, as a terminal: raw while it is ours. It is ours as long as
 * we are in its foreground; the shell decides that, and takes it back as it likes.
 *
 * Any thread. terminal_restore() and terminal_lend() (vmm/terminal.h) put it back.
 */
#ifndef VMM_TTY_H
#define VMM_TTY_H

#include "util/types.h"

/*
 * The terminal is @fd, borrowed for good, and not standard input; when it is raw so is its output.
 * Before all other calls.
 */
void tty_use(int fd);
/* Whether it may be read. One that is not our session's has no foreground: it may. */
bool tty_is_ours(void);
/*
 * It becomes raw, if we are in its foreground and it is our session's. False: it stays as it is.
 * Again after whatever may have changed it: it is not remembered as it was while it is raw.
 */
bool tty_make_raw(void);

/*
 * Our session's terminal opened once more, as open(2) does with @flags, if @fd is that one: an fd
 * that becomes the caller's, else -1. It may be another user's, as after su, whose file cannot be
 * opened.
 */
int tty_open(int fd, int flags);

#endif
