/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What comes in: nothing of it is lost. A pipe's writer waits while the guest does not read. A
 * terminal is read all the same, for Ctrl-A x must be seen, and what is typed waits here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "terminal_private.h"
#include "tty.h"
#include "util/log.h"
#include "util/relay.h"

#define INPUT_SIZE	 (4 * KIB)
#define INPUT_KEYS	 (1 * MIB)  /* as much may be typed ahead of the guest */
#define FOREGROUND_DELAY 250000000L /* ns */

#define ESCAPE 0x01 /* Ctrl-A */

/* Keys for us are taken out: Ctrl-A x quits, Ctrl-A twice is one Ctrl-A. Returns what is left. */
static unsigned filter_keys(struct terminal *terminal, u8 *keys, unsigned count)
{
	struct terminal_input *in = &terminal->in;
	unsigned kept = 0;

	for (unsigned i = 0; i < count; i++) {
		u8 key = keys[i];

		if (!in->escaped && key == ESCAPE) {
			in->escaped = true;
			continue;
		}
		if (in->escaped && key == 'x')
			terminal->events.quit(terminal->events.arg);
		else
			keys[kept++] = key;
		in->escaped = false;
	}
	return kept;
}

/* ---- when it is read ---- */

/* A tty is never paused; the others are taken up again when half of what waited is gone. */
static bool wants_more(const struct terminal_input *in)
{
	if (in->eof || !in->pollable || in->background)
		return false;
	return in->keys || in->count <= (in->looped ? in->size - 1 : in->size / 2);
}

/* Taken out of the loop, not only masked: EPOLLHUP cannot be masked, and would spin. */
static void update_loop(struct terminal *terminal)
{
	struct terminal_input *in = &terminal->in;
	bool wanted = wants_more(in);

	if (in->looped && !wanted) {
		loop_remove(terminal->loop, &in->end.source);
		in->looped = false;
	} else if (!in->looped && wanted) {
		in->looped = !loop_add(terminal->loop, &in->end.source);
	}
}

/* The shell gives us the terminal when it likes, and need not tell us. */
static void look_for_tty(struct terminal *terminal)
{
	struct terminal_input *in = &terminal->in;

	in->background = !tty_is_ours();
	if (!in->background)
		in->keys |= tty_make_raw();
	if (in->timer.loop && in->background)
		loop_timer_arm(&in->timer, FOREGROUND_DELAY);
	update_loop(terminal);
}

static void on_timer(struct loop_timer *timer)
{
	look_for_tty(container_of(timer, struct terminal, in.timer));
}

void terminal_continue(struct terminal *terminal)
{
	if (terminal->in.end.is_tty)
		look_for_tty(terminal);
}

/* ---- reading ---- */

/* How much fits behind what waits. */
static size_t make_room(struct terminal_input *in)
{
	size_t end = in->start + in->count;

	if (end == in->size && in->start) {
		memmove(in->data, in->data + in->start, in->count);
		in->start = 0;
	} else if (end == in->size && in->keys && in->size < INPUT_KEYS) {
		u8 *more = realloc(in->data, 2 * in->size);

		in->data = more ? more : in->data;
		in->size *= more ? 2 : 1;
	}
	return in->size - in->start - in->count;
}

static ssize_t read_end(const struct terminal_input *in, void *data, size_t len)
{
	const struct terminal_end *end = &in->end;

	return end->is_socket ? recv(end->source.fd, data, len, MSG_DONTWAIT)
			      : read(end->source.fd, data, len);
}

/* More was typed than can wait: it is read for our own keys. */
static ssize_t read_over(struct terminal *terminal)
{
	u8 keys[256];
	ssize_t count = read_end(&terminal->in, keys, sizeof(keys));

	if (count <= 0)
		return count;
	filter_keys(terminal, keys, count);
	if (!terminal->in.said_full)
		log_warning("the guest does not read its input: what is typed now is lost");
	terminal->in.said_full = true;
	return count;
}

/* read(2)'s answer. */
static ssize_t read_some(struct terminal *terminal)
{
	struct terminal_input *in = &terminal->in;
	size_t room = make_room(in);
	u8 *to = in->data + in->start + in->count;
	ssize_t count;

	if (!room)
		return in->keys ? read_over(terminal) : 1;
	count = read_end(in, to, room);
	if (count > 0)
		in->count += in->keys ? filter_keys(terminal, to, count) : count;
	return count;
}

/* @hung_up: there will be nothing more but what is there now. */
static void fill(struct terminal *terminal, bool hung_up)
{
	struct terminal_input *in = &terminal->in;
	ssize_t count;

	if (in->eof)
		return;
	if (in->end.is_tty && !tty_is_ours()) {
		look_for_tty(terminal);
		return;
	}
	count = read_some(terminal);
	if (count < 0 && errno == EIO && in->end.is_tty && !tty_is_ours())
		look_for_tty(terminal); /* it was taken from us a moment ago */
	else if (count < 0 && errno == EINTR)
		return;
	else if (!count || (count < 0 && (errno != EAGAIN || hung_up)))
		in->eof = true;
}

static void on_input(struct loop_source *source, u32 events)
{
	struct terminal *terminal = container_of(source, struct terminal, in.end.source);

	fill(terminal, events & (EPOLLHUP | EPOLLERR));
	update_loop(terminal);
	if (terminal->in.eof && terminal->in.over)
		terminal->in.over(terminal);
	if (terminal->in.count && terminal->client)
		terminal->client->readable(terminal->client);
}

/* What may block is read by a relay, from when the guest first wants it. */
static void start_relay(struct terminal *terminal)
{
	struct terminal_end *end = &terminal->in.end;

	end->may_block = false;
	if (relay_from(&end->relay, end->source.fd))
		return;
	end->source.fd = relay_fd(end->relay);
	terminal->in.pollable = true;
	update_loop(terminal);
}

size_t terminal_read(struct terminal *terminal, void *data, size_t len)
{
	struct terminal_input *in = &terminal->in;

	if (in->end.may_block)
		start_relay(terminal);
	if (terminal->typed.count)
		return terminal_read_typed(terminal, data, len);
	/* A device such as /dev/null is always ready, and no loop says so. */
	if (!in->pollable && !in->count)
		fill(terminal, false);
	len = MIN(len, in->count);
	memcpy(data, in->data + in->start, len);
	in->count -= len;
	in->start = in->count ? in->start + len : 0;
	update_loop(terminal);
	return len;
}

/* ---- life ---- */

/* Whether the loop can wait for it; a closed stdin is no input. */
static int try_loop(struct terminal *terminal)
{
	struct terminal_input *in = &terminal->in;
	int ret;

	if (in->end.may_block)
		return 0;
	ret = loop_add(terminal->loop, &in->end.source);
	in->pollable = in->looped = !ret;
	in->eof = ret == -EBADF;
	return ret == -EPERM || ret == -EBADF ? 0 : ret;
}

int terminal_input_init(struct terminal *terminal)
{
	struct terminal_input *in = &terminal->in;

	in->end.source.events = EPOLLIN;
	in->end.source.handle = on_input;
	in->size = INPUT_SIZE;
	in->data = malloc(in->size);
	return in->data ? 0 : -ENOMEM;
}

void terminal_input_arrive(struct terminal *terminal, int fd, bool is_socket)
{
	struct terminal_input *in = &terminal->in;

	in->end.source.fd = fd;
	in->end.is_socket = is_socket;
	in->pollable = true;
	in->eof = false;
	update_loop(terminal);
}

int terminal_input_open(struct terminal *terminal, int fd)
{
	struct terminal_input *in = &terminal->in;
	int ret;

	terminal_open_end(&in->end, fd, O_RDONLY);
	ret = try_loop(terminal);
	if (ret || !in->end.is_tty)
		return ret;
	ret = loop_timer_create(&in->timer, terminal->loop, on_timer);
	if (!ret)
		look_for_tty(terminal);
	return ret;
}

void terminal_input_close(struct terminal *terminal)
{
	struct terminal_input *in = &terminal->in;

	if (in->looped)
		loop_remove(terminal->loop, &in->end.source);
	loop_timer_destroy(&in->timer);
	terminal_close_end(&in->end);
	free(in->data);
}
