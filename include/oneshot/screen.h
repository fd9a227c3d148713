/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The user's terminal, where it is the terminal of a run's command: what is typed goes to one
 * channel to the guest, and what comes from the other is shown, byte by byte as the guest's
 * terminal has it. Keys for us, the terminal's modes and its foreground are vmm/terminal.h's.
 *
 * All calls with the VM lock held, or when the VM does not run.
 */
#ifndef ONESHOT_SCREEN_H
#define ONESHOT_SCREEN_H

#include "util/types.h"

struct loop;
struct screen;

struct screen_options {
	int in, out;		  /* the terminal, borrowed for good */
	int typed, shown;	  /* channels: non-blocking sockets, the screen's from here on */
	void (*quit)(void *arg);  /* Ctrl-A x; or Ctrl-C before the command was there */
	void (*ended)(void *arg); /* there is no more to show */
	void (*resized)(void *arg, u16 columns, u16 rows);
	void *arg;
};

/* -errno; the channels are closed also if it is not made. */
int screen_create(struct screen **screen, const struct screen_options *options);
/* The terminal becomes raw, and what comes is shown. -errno. */
int screen_start(struct screen *screen, struct loop *loop);
/* The command is there: it gets what was typed until now, and hears of the window. */
void screen_begin(struct screen *screen);
/* The window may have another size; @continued: we were stopped, too. */
void screen_look(struct screen *screen, bool continued);
bool screen_has_ended(const struct screen *screen);
/* As stream_finish(). */
u64 screen_finish(struct screen *screen, int give_up, int timeout_ms, int *error);
/* NULL is fine; the loop is there still, if it was started. */
void screen_destroy(struct screen *screen);

#endif
