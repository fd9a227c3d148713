/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VMM_TERMINAL_PRIVATE_H
#define VMM_TERMINAL_PRIVATE_H

#include "util/log.h"
#include "vmm/loop.h"
#include "vmm/terminal.h"

struct relay;

/* Standard input or output. */
struct terminal_end {
	struct loop_source source;
	bool owned; /* source.fd was opened by us */
	bool is_tty;
	bool is_socket;
	bool may_block;	     /* a relay reads or writes it, made when first needed */
	struct relay *relay; /* owned; source.fd is its pipe then */
};

struct terminal_input {
	struct terminal_end end;
	struct loop_timer timer; /* of a terminal alone: look for the foreground again */
	bool background;	 /* the tty is not ours now: it is not read */
	bool pollable;		 /* the loop can wait for it */
	bool looped;		 /* it does */
	bool eof;
	void (*over)(struct terminal *terminal); /* eof was set by an event; NULL: nobody cares */
	bool keys;				 /* a raw tty: some keys are for us */
	bool escaped;				 /* the last key was Ctrl-A */
	bool said_full;
	u8 *data; /* what waits is data[start..start + count), of @size bytes */
	size_t start, count, size;
};

/* What is in the ring may be as much, and the device is called as soon as this much fits. */
#define TERMINAL_ROOM (32 * KIB)

struct terminal_output {
	struct terminal_end end;
	struct loop *loop;	 /* borrowed */
	struct loop_timer timer; /* OUTPUT_DELAY is over */
	const char *name;	 /* for people; borrowed */
	/* There is room, if there was none. */
	void (*room)(struct terminal_output *out);
	/* Of one whose readers come and go: this one has gone. From within any call. */
	void (*left)(struct terminal_output *out);
	bool comes;  /* readers come and go ... */
	bool nobody; /* ... and there is none now */
	bool is_pty;
	bool looped; /* in the loop: waiting for room, or for the reader to leave */
	bool gone;   /* the reader went away for good: output goes nowhere */
	bool said;   /* of what is lost */
	char *data;  /* a ring; owned */
	unsigned start, count;
	u64 sent;  /* bytes that end.source.fd has taken */
	u64 lost;  /* bytes that it refused */
	int error; /* the first -errno of those */
};

/* A file that gets all output, too. */
struct terminal_log {
	struct terminal_output out;
	struct terminal *terminal; /* whose */
};

/* A pty or a socket, where somebody comes and goes. */
struct terminal_line {
	bool used;
	struct loop_source source; /* a socket that listens, a pty's inotify; their target's */
	bool listening;		   /* it is in the loop */
	struct loop_timer timer;
	struct log_limit complaints;
};

/* What was typed elsewhere than at standard input. */
#define TERMINAL_TYPED 4096
struct terminal_typed {
	u8 data[TERMINAL_TYPED]; /* what waits is data[start..start + count) */
	size_t start, count;
};

/* What a kernel says that is to be known. */
enum { WORD_PANIC, WORD_RESTART, TERMINAL_WORDS };

struct terminal {
	struct list_node node;		      /* the owner's: terminal_node() */
	struct loop *loop;		      /* borrowed */
	const char *name;		      /* borrowed */
	const struct terminal_target *target; /* borrowed; NULL: standard input and output */
	bool is_stdio;			      /* or what stands for it */
	int window_fd;			      /* of which it has the size; borrowed */
	bool starved;			      /* the client was told that there is no room */
	struct terminal_output *log;	      /* of a struct terminal_log, owned; NULL: none */
	struct terminal_line line;
	struct terminal_events events;
	struct terminal_client *client; /* borrowed */
	struct terminal_input in;
	struct terminal_output out;
	struct terminal_typed typed;
	struct list_node taps;
	unsigned matched[TERMINAL_WORDS]; /* characters of each of the words that just went by */
};

/* Find out what @fd is, and open what can be opened once more for ourselves. */
void terminal_open_end(struct terminal_end *end, int fd, int flags);
void terminal_close_end(struct terminal_end *end);

/* ---- out ---- */

/* Zeroed but for its calls and flags. @loop and @name: borrowed. -errno; close() in any case. */
int terminal_output_open(struct terminal_output *out, struct loop *loop, const char *name);
void terminal_output_close(struct terminal_output *out);
/* It goes to @fd, which is borrowed, and may block. */
void terminal_output_to_file(struct terminal_output *out, int fd);
/* How much terminal_output_put() takes. */
size_t terminal_output_room(const struct terminal_output *out);
void terminal_output_put(struct terminal_output *out, const char *data, size_t len);
/* A reader has come, at @fd, which becomes ours and is non-blocking. */
void terminal_output_arrive(struct terminal_output *out, int fd, bool is_socket);
/* As terminal_flush(). */
bool terminal_output_flush(struct terminal_output *out, int give_up, int timeout_ms);
/* As terminal_finish(). */
u64 terminal_output_finish(struct terminal_output *out, int give_up, int timeout_ms, int *error);

/* ---- in ---- */

/* Memory alone. -ENOMEM. terminal_input_close() is for that and all that follow. */
int terminal_input_init(struct terminal *terminal);
/* Standard input, or what stands for it: borrowed. 0 or -errno. */
int terminal_input_open(struct terminal *terminal, int fd);
/* Somebody may write to @fd from now on, until in.eof: borrowed, non-blocking. */
void terminal_input_arrive(struct terminal *terminal, int fd, bool is_socket);
void terminal_input_close(struct terminal *terminal);

/* ---- a pty or a socket ---- */

/* terminal->target is one. 0 or -errno; close() in any case. */
int terminal_line_open(struct terminal *terminal);
void terminal_line_close(struct terminal *terminal);

/* ---- others ---- */

/* What the device wrote. */
void terminal_feed_taps(struct terminal *terminal, const void *data, size_t len);
/* As terminal_read(), of what was typed elsewhere. */
size_t terminal_read_typed(struct terminal *terminal, void *data, size_t len);

#endif
