/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VMM_TERMINAL_PRIVATE_H
#define VMM_TERMINAL_PRIVATE_H

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
	bool keys;    /* a raw tty: some keys are for us */
	bool escaped; /* the last key was Ctrl-A */
	bool said_full;
	u8 *data; /* what waits is data[start..start + count), of @size bytes */
	size_t start, count, size;
};

struct terminal_output {
	struct terminal_end end;
	struct loop_timer timer; /* OUTPUT_DELAY is over */
	bool looped;		 /* in the loop: waiting for room */
	bool gone;		 /* the reader went away: output goes nowhere */
	bool starved;		 /* the client was told that the buffer is full */
	char *data;		 /* a ring; made with the first byte */
	unsigned start, count;
	u64 sent;  /* bytes that end.source.fd has taken */
	u64 lost;  /* bytes that it refused */
	int error; /* the first -errno of those */
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
	struct loop *loop; /* borrowed */
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

/* 0 or -errno. terminal_input_close() is for both. */
int terminal_input_open(struct terminal *terminal);
void terminal_input_close(struct terminal *terminal);

/* What the device wrote. */
void terminal_feed_taps(struct terminal *terminal, const void *data, size_t len);
/* As terminal_read(), of what was typed elsewhere. */
size_t terminal_read_typed(struct terminal *terminal, void *data, size_t len);

#endif
