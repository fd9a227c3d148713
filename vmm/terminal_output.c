/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What goes out waits in a ring for whoever reads slowly. Where readers come and go
 * (terminal_line.c) it keeps the newest bytes while nobody is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "terminal_private.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/relay.h"

#define OUTPUT_SIZE (64 * KIB)
/* Output goes out at the end of a line, when there is a lot of it, or after this. */
#define OUTPUT_LOT   1024
#define OUTPUT_DELAY 4 /* ms */
/* How often the last bytes in a pty are looked for, and how often it must be found empty. */
#define DRAIN_DELAY 10 /* ms */
#define DRAIN_LOOKS 2

/* What may block is written by a relay. Without a thread for it, it is worth the risk. */
static void start_relay(struct terminal_end *end)
{
	end->may_block = false;
	if (!relay_to(&end->relay, end->source.fd))
		end->source.fd = relay_fd(end->relay);
}

static ssize_t write_some(struct terminal_end *end, const char *data, size_t len)
{
	if (end->is_socket)
		return send(end->source.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (end->may_block)
		start_relay(end);
	return write(end->source.fd, data, len);
}

static void stop_waiting(struct terminal_output *out)
{
	if (out->looped)
		loop_remove(out->loop, &out->end.source);
	out->looped = false;
}

static void leave(struct terminal_output *out)
{
	stop_waiting(out);
	if (out->end.owned)
		close(out->end.source.fd);
	out->end.source.fd = -1;
	out->end.owned = false;
	out->nobody = true;
	out->left(out);
}

/* EPIPE: the reader wants no more. EIO, of a terminal: it was hung up. The rest is a loss. */
static void refused(struct terminal_output *out, int error)
{
	if (out->comes) {
		leave(out);
		return;
	}
	out->gone = true;
	out->lost += out->count;
	if (error != -EPIPE && !(error == -EIO && out->end.is_tty))
		out->error = error;
	out->count = 0;
}

/* Write until the buffer is empty or the reader is full. */
static void flush_output(struct terminal_output *out)
{
	while (out->count && !out->gone && !out->nobody) {
		unsigned run = MIN(out->count, OUTPUT_SIZE - out->start);
		ssize_t count = write_some(&out->end, out->data + out->start, run);

		if (count < 0 && errno == EINTR)
			continue;
		if (!count || (count < 0 && errno == EAGAIN))
			return;
		if (count < 0) {
			refused(out, -errno);
			return;
		}
		out->start = (out->start + count) % OUTPUT_SIZE;
		out->count -= count;
		out->sent += count;
	}
}

/* A reader that may leave is in the loop all the time, to be seen when it does. */
static void wait_for(struct terminal_output *out, u32 events)
{
	if (out->looped && out->end.source.events != events)
		loop_modify(out->loop, &out->end.source, events);
	out->end.source.events = events;
	if (!out->looped)
		out->looped = !loop_add(out->loop, &out->end.source);
}

static void say_trouble(struct terminal_output *out)
{
	int error = out->end.relay ? relay_error(out->end.relay) : 0;

	if (!error || error == -EPIPE || out->said)
		return;
	out->said = true;
	log_warning("%s: %s: what does not go there is lost", out->name, strerror(-error));
}

/* Flush, and have the loop come back if that was not all. */
static void push_output(struct terminal_output *out)
{
	flush_output(out);
	say_trouble(out);
	if (out->nobody)
		return;
	if (out->count)
		wait_for(out, EPOLLOUT);
	else if (out->comes)
		wait_for(out, 0);
	else
		stop_waiting(out);
}

static void on_room(struct loop_source *source, u32 events)
{
	struct terminal_output *out = container_of(source, struct terminal_output, end.source);

	if (events & (EPOLLERR | EPOLLHUP))
		refused(out, -EPIPE);
	push_output(out);
	if (out->count <= OUTPUT_SIZE / 2 || out->nobody)
		out->room(out);
}

static void on_delay(struct loop_timer *timer)
{
	struct terminal_output *out = container_of(timer, struct terminal_output, timer);

	push_output(out);
	if (out->count <= OUTPUT_SIZE / 2 || out->nobody)
		out->room(out);
}

static void arm_timer(struct terminal_output *out)
{
	if (!out->timer.armed)
		loop_timer_arm(&out->timer, OUTPUT_DELAY * 1000000ULL);
}

static void buffer_output(struct terminal_output *out, const char *data, size_t len)
{
	unsigned end = (out->start + out->count) % OUTPUT_SIZE;
	size_t first = MIN(len, OUTPUT_SIZE - end);

	memcpy(out->data + end, data, first);
	memcpy(out->data, data + first, len - first);
	out->count += len;
}

/* Nobody is there: what is oldest gives way. */
static void forget_oldest(struct terminal_output *out, const char **data, size_t *len)
{
	size_t skip = *len - MIN(*len, OUTPUT_SIZE), drop;

	*data += skip;
	*len -= skip;
	drop = out->count + *len - MIN(out->count + *len, OUTPUT_SIZE);
	out->start = (out->start + drop) % OUTPUT_SIZE;
	out->count -= drop;
	if (skip + drop && !out->said)
		log_warning("%s: nobody is there: the last %llu KiB are kept for who comes",
			    out->name, OUTPUT_SIZE / KIB);
	out->said |= skip + drop;
}

size_t terminal_output_room(const struct terminal_output *out)
{
	return out->gone || out->nobody ? SIZE_MAX : OUTPUT_SIZE - out->count;
}

void terminal_output_put(struct terminal_output *out, const char *data, size_t len)
{
	if (out->gone) {
		out->lost += len;
		return;
	}
	if (out->nobody) {
		forget_oldest(out, &data, &len);
		buffer_output(out, data, len);
		return;
	}
	buffer_output(out, data, len);
	if (out->looped && out->end.source.events)
		return; /* the reader is full already */
	if (out->count >= OUTPUT_LOT || memrchr(data, '\n', len))
		push_output(out);
	/* The client may wait for room that there is now, as the reader has gone. */
	if (out->count || out->nobody || out->gone)
		arm_timer(out);
}

void terminal_output_arrive(struct terminal_output *out, int fd, bool is_socket)
{
	out->end.source.fd = fd;
	out->end.owned = true;
	out->end.is_socket = is_socket;
	out->nobody = false;
	push_output(out);
}

/* ---- the end ---- */

/*
 * Wait for @events of @fd, at most @longest ms (-1: for ever). False: @give_up is readable, or it
 * is @end of now_ms(), 0 for never.
 */
static bool wait_until(int fd, short events, int give_up, u64 end, int longest)
{
	struct pollfd fds[] = { { .fd = fd, .events = events },
				{ .fd = give_up, .events = POLLIN } };
	u64 now = now_ms();
	int timeout = longest, ret;

	if (end && end <= now)
		return false;
	if (end)
		timeout = MIN(end - now, (u64)(longest < 0 ? INT32_MAX : longest));
	ret = poll(fds, 2, timeout);
	if (ret < 0)
		return errno == EINTR;
	return (ret > 0 || longest >= 0) && !fds[1].revents;
}

/* How much of what the relay was given has not been written. */
static u64 finish_relay(struct terminal_output *out, int give_up, u64 end)
{
	struct relay *relay = out->end.relay;
	u64 lost;
	int error;

	relay_end(relay);
	out->end.source.fd = -1;
	while (!relay_done(relay) && wait_until(relay_done_fd(relay), POLLIN, give_up, end, -1))
		;
	error = relay_error(relay);
	if (!out->error && error && error != -EPIPE)
		out->error = error;
	lost = out->sent - relay_written(relay);
	/* Where all is written, a relay that has not ended yet is no loss. */
	if (lost && !out->error && !error && !relay_done(relay))
		out->error = -ETIMEDOUT;
	return lost;
}

/* Of the bytes that a pty's reader has not read; 0 if they cannot be counted. */
static int unread(int master)
{
	int theirs = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK), count = 0;

	if (theirs < 0)
		return 0;
	if (ioctl(theirs, FIONREAD, &count))
		count = 0;
	close(theirs);
	return count;
}

/*
 * A pty's last bytes are in the host's kernel, which forgets them with our end. There is no event
 * for them, so look. While nobody has it open it is hung up.
 */
static void drain_pty(struct terminal_output *out, int give_up, u64 end)
{
	struct pollfd master = { .fd = out->end.source.fd };
	unsigned looks = 0;

	while (looks < DRAIN_LOOKS && !(poll(&master, 1, 0) > 0 && master.revents & POLLHUP)) {
		looks = unread(master.fd) ? 0 : looks + 1;
		if (!wait_until(-1, 0, give_up, end, DRAIN_DELAY))
			return;
	}
}

static void write_all(struct terminal_output *out, int give_up, u64 end)
{
	flush_output(out);
	while (out->count && !out->nobody &&
	       wait_until(out->end.source.fd, POLLOUT, give_up, end, -1))
		flush_output(out);
}

bool terminal_output_flush(struct terminal_output *out, int give_up, int timeout_ms)
{
	write_all(out, give_up, timeout_ms < 0 ? 0 : now_ms() + timeout_ms);
	return !out->count;
}

u64 terminal_output_finish(struct terminal_output *out, int give_up, int timeout_ms, int *error)
{
	u64 end = timeout_ms < 0 ? 0 : now_ms() + timeout_ms;

	stop_waiting(out);
	write_all(out, give_up, end);
	if (out->count && !out->nobody && !out->error)
		out->error = -ETIMEDOUT;
	if (out->is_pty && !out->nobody && !out->count)
		drain_pty(out, give_up, end);
	out->lost += out->count;
	out->count = 0;
	out->gone = true;
	if (out->end.relay)
		out->lost += finish_relay(out, give_up, end);
	*error = out->error;
	return out->error ? out->lost : 0;
}

/* ---- life ---- */

int terminal_output_open(struct terminal_output *out, struct loop *loop, const char *name)
{
	out->loop = loop;
	out->name = name;
	out->end.source.events = EPOLLOUT;
	out->end.source.handle = on_room;
	out->data = malloc(OUTPUT_SIZE);
	return out->data ? loop_timer_create(&out->timer, loop, on_delay) : -ENOMEM;
}

void terminal_output_to_file(struct terminal_output *out, int fd)
{
	out->end.source.fd = fd;
	/* Its process and its pipe are made now: nothing is opened later. */
	start_relay(&out->end);
}

void terminal_output_close(struct terminal_output *out)
{
	stop_waiting(out);
	loop_timer_destroy(&out->timer);
	terminal_close_end(&out->end);
	free(out->data);
}
