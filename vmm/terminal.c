/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "terminal_private.h"
#include "tty.h"

/* The first letter of each comes once in it: after a mismatch only that can match. */
static const char *const words[TERMINAL_WORDS] = {
	[WORD_PANIC] = "Kernel panic - not syncing",
	[WORD_RESTART] = ": Restarting system",
};

/* ---- output ---- */

static void word_said(struct terminal *terminal, unsigned word)
{
	const struct terminal_events *events = &terminal->events;

	if (word == WORD_PANIC && events->panic)
		events->panic(events->arg);
	if (word == WORD_RESTART && events->restart)
		events->restart(events->arg);
}

static void look_for_words(struct terminal *terminal, const char *data, size_t len)
{
	for (size_t i = 0; i < len * TERMINAL_WORDS; i++) {
		unsigned *matched = &terminal->matched[i % TERMINAL_WORDS];
		const char *word = words[i % TERMINAL_WORDS];
		char c = data[i / TERMINAL_WORDS];

		*matched = c == word[*matched] ? *matched + 1 : c == word[0];
		if (word[*matched])
			continue;
		*matched = 0;
		word_said(terminal, i % TERMINAL_WORDS);
	}
}

static bool has_room(const struct terminal_output *out)
{
	return !out || terminal_output_room(out) >= TERMINAL_ROOM;
}

static void feed_client(struct terminal *terminal)
{
	if (!terminal->starved || !has_room(&terminal->out) || !has_room(terminal->log))
		return;
	terminal->starved = false;
	if (terminal->client)
		terminal->client->writable(terminal->client);
}

static void out_has_room(struct terminal_output *out)
{
	feed_client(container_of(out, struct terminal, out));
}

/* As much goes everywhere: the slowest of those who get it sets the pace. */
size_t terminal_write(struct terminal *terminal, const void *data, size_t len)
{
	size_t taken = MIN(len, terminal_output_room(&terminal->out));

	if (terminal->log)
		taken = MIN(taken, terminal_output_room(terminal->log));
	terminal->starved = taken < len;
	terminal_output_put(&terminal->out, data, taken);
	if (terminal->log)
		terminal_output_put(terminal->log, data, taken);
	terminal_feed_taps(terminal, data, taken);
	look_for_words(terminal, data, taken);
	return taken;
}

/* ---- the log ---- */

static void log_has_room(struct terminal_output *out)
{
	struct terminal_log *log = container_of(out, struct terminal_log, out);

	feed_client(log->terminal);
}

int terminal_log_to(struct terminal *terminal, const struct terminal_target *target)
{
	struct terminal_log *log = calloc(1, sizeof(*log));
	int ret;

	if (!log)
		return -ENOMEM;
	log->terminal = terminal;
	log->out.room = log_has_room;
	terminal->log = &log->out;
	ret = terminal_output_open(&log->out, terminal->loop, target->path);
	if (!ret)
		terminal_output_to_file(&log->out, target->fd);
	return ret;
}

static void close_log(struct terminal *terminal)
{
	if (!terminal->log)
		return;
	terminal_output_close(terminal->log);
	free(container_of(terminal->log, struct terminal_log, out));
}

/* ---- the window ---- */

void terminal_size(const struct terminal *terminal, u16 *columns, u16 *rows)
{
	struct winsize size;

	*columns = *rows = 0;
	if (!terminal->is_stdio || ioctl(terminal->window_fd, TIOCGWINSZ, &size))
		return;
	*columns = size.ws_col;
	*rows = size.ws_row;
}

void terminal_resize(struct terminal *terminal)
{
	u16 columns, rows;

	if (!terminal->client || !terminal->client->resized)
		return;
	terminal_size(terminal, &columns, &rows);
	terminal->client->resized(terminal->client, columns, rows);
}

void terminal_set_client(struct terminal *terminal, struct terminal_client *client)
{
	terminal->client = client;
}

/* ---- life ---- */

bool terminal_flush(struct terminal *terminal, int give_up, int timeout_ms)
{
	return terminal_output_flush(&terminal->out, give_up, timeout_ms);
}

u64 terminal_finish(struct terminal *terminal, int give_up, int timeout_ms, int *error)
{
	return terminal_output_finish(&terminal->out, give_up, timeout_ms, error);
}

u64 terminal_finish_log(struct terminal *terminal, int give_up, int timeout_ms, int *error)
{
	*error = 0;
	return terminal->log ? terminal_output_finish(terminal->log, give_up, timeout_ms, error)
			     : 0;
}

static int make(struct terminal **out, struct loop *loop, const char *name)
{
	struct terminal *terminal = calloc(1, sizeof(*terminal));
	int ret;

	if (!terminal)
		return -ENOMEM;
	terminal->loop = loop;
	terminal->name = name;
	terminal->out.end.source.fd = terminal->in.end.source.fd = -1;
	terminal->out.room = out_has_room;
	list_init(&terminal->taps);
	ret = terminal_output_open(&terminal->out, loop, name);
	if (!ret)
		ret = terminal_input_init(terminal);
	*out = terminal;
	return ret;
}

static int open_stdio(struct terminal *terminal, int in, int out)
{
	terminal->is_stdio = true;
	terminal->window_fd = out;
	terminal_open_end(&terminal->out.end, out, O_WRONLY);
	return terminal_input_open(terminal, in);
}

static int create_on(struct terminal **out, struct loop *loop, const struct terminal_events *events,
		     int in_fd, int out_fd)
{
	struct terminal *terminal = NULL;
	int ret = make(&terminal, loop, "standard output");

	if (!ret)
		ret = open_stdio(terminal, in_fd, out_fd);
	if (ret) {
		terminal_destroy(terminal);
		return ret;
	}
	terminal->events = *events;
	*out = terminal;
	return 0;
}

int terminal_create(struct terminal **terminal, struct loop *loop,
		    const struct terminal_events *events)
{
	return create_on(terminal, loop, events, STDIN_FILENO, STDOUT_FILENO);
}

int terminal_create_raw(struct terminal **terminal, struct loop *loop,
			const struct terminal_events *events, int in, int out)
{
	tty_use(in);
	return create_on(terminal, loop, events, in, out);
}

static int open_target(struct terminal *terminal, const struct terminal_target *target)
{
	switch (target->kind) {
	case TERMINAL_FILE:
		terminal_output_to_file(&terminal->out, target->fd);
		return 0;
	case TERMINAL_PTY:
	case TERMINAL_SOCKET:
		return terminal_line_open(terminal);
	default:
		terminal->out.gone = true;
		return 0;
	}
}

int terminal_create_at(struct terminal **out, struct loop *loop, const char *name,
		       const struct terminal_target *target)
{
	struct terminal *terminal = NULL;
	int ret = make(&terminal, loop, name);

	if (!ret) {
		terminal->in.eof = true;
		terminal->target = target;
		ret = open_target(terminal, target);
	}
	if (ret) {
		terminal_destroy(terminal);
		return ret;
	}
	*out = terminal;
	return 0;
}

void terminal_hear(struct terminal *terminal, const struct terminal_events *events)
{
	terminal->events = *events;
}

const char *terminal_name(const struct terminal *terminal)
{
	return terminal->name;
}

const struct terminal_target *terminal_target(const struct terminal *terminal)
{
	return terminal->target;
}

struct list_node *terminal_node(struct terminal *terminal)
{
	return &terminal->node;
}

struct terminal *terminal_of_node(struct list_node *node)
{
	return container_of(node, struct terminal, node);
}

void terminal_destroy(struct terminal *terminal)
{
	if (!terminal)
		return;
	if (terminal->is_stdio)
		terminal_restore();
	if (terminal->node.next)
		list_del(&terminal->node);
	terminal_line_close(terminal);
	close_log(terminal);
	terminal_output_close(&terminal->out);
	terminal_input_close(terminal);
	free(terminal);
}
