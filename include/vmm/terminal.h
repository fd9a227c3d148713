/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The user's end of a guest's console or port: standard input and output, be they a
 * terminal, a pipe, a file or nothing; or a file, a pty or a socket that the user
 * named. One device at a time is its other end.
 *
 * Output never blocks the VM: what a slow reader has not taken waits in a
 * buffer of fixed size; when that is full the device is told to hold back, and
 * is called when there is room. Nothing is dropped.
 *
 * Input waits for the guest likewise. A terminal is ours to read only in its foreground: in the
 * background there is no input, until it is brought to the foreground.
 *
 * All calls with the VM lock held (or before the VM runs), but for
 * terminal_restore().
 */
#ifndef VMM_TERMINAL_H
#define VMM_TERMINAL_H

#include "util/list.h"
#include "util/listener.h"
#include "util/types.h"

struct error;
struct loop;
struct terminal;

struct terminal_client {
	/* There is input: take some with terminal_read(). */
	void (*readable)(struct terminal_client *client);
	/* There is room for output again, after terminal_write() took less than all. */
	void (*writable)(struct terminal_client *client);
	/*
	 * Have the guest's kernel see the magic SysRq key @key. -EBUSY: it does not take input
	 * now. NULL: it is typed, as Linux's hvc consoles take it.
	 */
	int (*sysrq)(struct terminal_client *client, u8 key);
	/* The window has another size; NULL: does not care. */
	void (*resized)(struct terminal_client *client, u16 columns, u16 rows);
};

struct terminal_events {
	void (*quit)(void *arg); /* Ctrl-A x */
	/* Linux's words went by, which a guess is built on: "Kernel panic - not syncing" ... */
	void (*panic)(void *arg);
	void (*restart)(void *arg); /* ... and "reboot: Restarting system" */
	void *arg;
};

/*
 * On fds 0 and 1. If 0 is a terminal it goes to raw mode, and terminal_restore()
 * puts it back. @loop is borrowed; @events copied.
 */
int terminal_create(struct terminal **terminal, struct loop *loop,
		    const struct terminal_events *events);

/*
 * The same on @in and @out, which are borrowed for good and stand for fds 0 and 1. Output that is a
 * terminal gets the bytes as they are; messages of ours (util/log.h) know it.
 */
int terminal_create_raw(struct terminal **terminal, struct loop *loop,
			const struct terminal_events *events, int in, int out);

/* ---- what the user named ---- */

enum terminal_kind {
	TERMINAL_STDIO,
	TERMINAL_NONE,	 /* output goes nowhere, and there is no input */
	TERMINAL_FILE,	 /* output is appended to it, and there is no input */
	TERMINAL_PTY,	 /* a new one; who opens it comes and goes */
	TERMINAL_SOCKET, /* a Unix socket that listens; one client at a time */
};

/* Filled by terminal_target_set(), opened before the VM is made. */
struct terminal_target {
	enum terminal_kind kind;
	const char *path; /* what it is found by; of a pty: once it is open. NULL: STDIO, NONE */
	int fd;		  /* owned: the file, the pty's master */
	int opens; /* owned: an inotify that tells when the pty is opened; -1: none to be had */
	struct listener listener;
	char pty[32];
};

/* "pty", "stdio", "none", "socket:PATH", or the name of a file; kept. -EINVAL with a line. */
int terminal_target_set(struct terminal_target *target, const char *value, const char *option,
			struct error *err);
/* -errno with a line that begins with @option. */
int terminal_target_open(struct terminal_target *target, struct keeper *keeper, const char *option,
			 struct error *err);
/* Whatever was opened. Legal on one that is zeroed or set. */
void terminal_target_close(struct terminal_target *target);
/* "pty", "file" ...: for programs. */
const char *terminal_kind_name(enum terminal_kind kind);

/*
 * At @target, which is open and not STDIO, and outlives it, as @name does. -errno. While nobody has
 * a pty open or is connected to a socket, output is taken and the last 64 KiB of it are kept for
 * who comes; otherwise a reader that stops holds the device back, and nobody else.
 */
int terminal_create_at(struct terminal **terminal, struct loop *loop, const char *name,
		       const struct terminal_target *target);
/* What it tells of: "ttyS1". */
const char *terminal_name(const struct terminal *terminal);
/* NULL: standard input and output. */
const struct terminal_target *terminal_target(const struct terminal *terminal);
/* It is the guest's console: its words are listened to. Copied. */
void terminal_hear(struct terminal *terminal, const struct terminal_events *events);
/*
 * All output goes to @file, too, an open TERMINAL_FILE that outlives it; how fast that is written
 * holds the device back as a reader does. Once. -errno.
 */
int terminal_log_to(struct terminal *terminal, const struct terminal_target *file);
/* For a list of the owner's, which terminal_destroy() takes it from. */
struct list_node *terminal_node(struct terminal *terminal);
struct terminal *terminal_of_node(struct list_node *node);

/* ---- the end ---- */

/*
 * The VM has stopped: write what is left, and nothing later. Waits for a reader as long as it
 * lives, but no longer than @timeout_ms (-1: for ever), nor once @give_up is readable. Returns
 * how many bytes of all output were lost, with the reason in @error (-ETIMEDOUT: nobody read
 * them); what a reader that went away does not want is no loss. Without the lock.
 */
u64 terminal_finish(struct terminal *terminal, int give_up, int timeout_ms, int *error);
/* The same of its log. */
u64 terminal_finish_log(struct terminal *terminal, int give_up, int timeout_ms, int *error);
/*
 * The VM has stopped: wait as terminal_finish() does until all output is written; more may follow.
 * False: some is left. Without the lock.
 */
bool terminal_flush(struct terminal *terminal, int give_up, int timeout_ms);
/* Restores the tty. What was not written by then is lost. */
void terminal_destroy(struct terminal *terminal);

/* Put the tty back as it was, for good: legal at any time, twice, and in a signal handler. */
void terminal_restore(void);
/* Put it back until terminal_continue(): we are about to be stopped. Any thread. */
void terminal_lend(void);
/* We were stopped and go on, or may have come to the foreground (SIGCONT). */
void terminal_continue(struct terminal *terminal);

/* The other end; NULL: none (anybody may write output, and input waits). */
void terminal_set_client(struct terminal *terminal, struct terminal_client *client);

/* Input at hand, 0 if none. Asking for less than there is leaves the rest for the next call. */
size_t terminal_read(struct terminal *terminal, void *data, size_t len);
/* How much was taken: less than @len if the buffer is full. */
size_t terminal_write(struct terminal *terminal, const void *data, size_t len);

/* ---- others who listen and type ---- */

/* Somebody who hears what the device writes. Lives inside its owner. */
struct terminal_tap {
	struct list_node node;
	/* @len bytes that were taken, or that nobody at standard output wants any more. */
	void (*output)(struct terminal_tap *tap, const void *data, size_t len);
};

void terminal_add_tap(struct terminal *terminal, struct terminal_tap *tap);
void terminal_remove_tap(struct terminal_tap *tap);
/* Input from elsewhere, before that of standard input. How much of it had room. */
size_t terminal_type(struct terminal *terminal, const void *data, size_t len);
/* -ENODEV: no device is at the other end; -EBUSY as terminal_client.sysrq(). */
int terminal_sysrq(struct terminal *terminal, u8 key);

/* The window's size, 0 x 0 if it is not a terminal; and tell the client that it changed (SIGWINCH).
 */
void terminal_size(const struct terminal *terminal, u16 *columns, u16 *rows);
void terminal_resize(struct terminal *terminal);

#endif
