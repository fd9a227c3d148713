/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "terminal_private.h"
#include "tty.h"
#include "util/relay.h"

#define OUTPUT_SIZE (64 * KIB)
/* Output goes out at the end of a line, when there is a lot of it, or after this. */
#define OUTPUT_LOT   1024
#define OUTPUT_DELAY 4 /* ms */

/* The first letter of each comes once in it: after a mismatch only that can match. */
static const char *const words[TERMINAL_WORDS] = {
	[WORD_PANIC] = "Kernel panic - not syncing",
	[WORD_RESTART] = ": Restarting system",
};

/* ---- output ---- */

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

/* EPIPE: the reader wants no more. EIO, of a terminal: it was hung up. The rest is a loss. */
static void refused(struct terminal_output *out, int error)
{
	out->gone = true;
	out->lost += out->count;
	if (error != -EPIPE && !(error == -EIO && out->end.is_tty))
		out->error = error;
	out->count = 0;
}

/* Write until the buffer is empty or the reader is full. */
static void flush_output(struct terminal *terminal)
{
	struct terminal_output *out = &terminal->out;

	while (out->count && !out->gone) {
		unsigned run = MIN(out->count, OUTPUT_SIZE - out->start);
		ssize_t count = write_some(&out->end, out->data + out->start, run);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && errno == EAGAIN)
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

static void stop_waiting(struct terminal *terminal)
{
	if (terminal->out.looped)
		loop_remove(terminal->loop, &terminal->out.end.source);
	terminal->out.looped = false;
}

/* Flush, and have the loop come back if that was not all. */
static void push_output(struct terminal *terminal)
{
	flush_output(terminal);
	if (!terminal->out.count)
		stop_waiting(terminal);
	else if (!terminal->out.looped)
		terminal->out.looped = !loop_add(terminal->loop, &terminal->out.end.source);
}

static void feed_client(struct terminal *terminal)
{
	if (!terminal->out.starved || terminal->out.count > OUTPUT_SIZE / 2)
		return;
	terminal->out.starved = false;
	if (terminal->client)
		terminal->client->writable(terminal->client);
}

static void on_room(struct loop_source *source, u32 events)
{
	struct terminal *terminal = container_of(source, struct terminal, out.end.source);

	if (events & (EPOLLERR | EPOLLHUP))
		refused(&terminal->out, -EPIPE);
	push_output(terminal);
	feed_client(terminal);
}

static void on_delay(struct loop_timer *timer)
{
	struct terminal *terminal = container_of(timer, struct terminal, out.timer);

	push_output(terminal);
	feed_client(terminal);
}

static void arm_timer(struct terminal *terminal)
{
	if (!terminal->out.timer.armed)
		loop_timer_arm(&terminal->out.timer, OUTPUT_DELAY * 1000000ULL);
}

static void word_said(struct terminal *terminal, unsigned word)
{
	if (word == WORD_PANIC)
		terminal->events.panic(terminal->events.arg);
	else
		terminal->events.restart(terminal->events.arg);
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

static void buffer_output(struct terminal *terminal, const char *data, size_t len)
{
	unsigned end = (terminal->out.start + terminal->out.count) % OUTPUT_SIZE;
	size_t first = MIN(len, OUTPUT_SIZE - end);

	memcpy(terminal->out.data + end, data, first);
	memcpy(terminal->out.data, data + first, len - first);
	terminal->out.count += len;
}

size_t terminal_write(struct terminal *terminal, const void *data, size_t len)
{
	size_t taken;

	if (!terminal->out.data)
		terminal->out.data = malloc(OUTPUT_SIZE);
	if (terminal->out.gone || !terminal->out.data) {
		terminal->out.lost += len;
		terminal_feed_taps(terminal, data, len);
		look_for_words(terminal, data, len);
		return len;
	}
	taken = MIN(len, OUTPUT_SIZE - terminal->out.count);
	buffer_output(terminal, data, taken);
	terminal_feed_taps(terminal, data, taken);
	look_for_words(terminal, data, taken);
	terminal->out.starved = taken < len;
	if (terminal->out.looped)
		return taken; /* the reader is full already */
	if (terminal->out.count >= OUTPUT_LOT || memrchr(data, '\n', taken))
		push_output(terminal);
	if (terminal->out.count)
		arm_timer(terminal);
	return taken;
}

/* ---- the window ---- */

void terminal_size(const struct terminal *terminal, u16 *columns, u16 *rows)
{
	struct winsize size;

	*columns = *rows = 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
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

/* ---- the end ---- */

static u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* Wait for @events of @fd. False: @give_up is readable, or it is @end of now_ms(), 0 for never. */
static bool wait_until(int fd, short events, int give_up, u64 end)
{
	struct pollfd fds[] = { { .fd = fd, .events = events },
				{ .fd = give_up, .events = POLLIN } };
	u64 now = now_ms();
	int left = end ? (int)(end - MIN(now, end)) : -1;
	int ret = poll(fds, 2, left);

	if (ret < 0)
		return errno == EINTR;
	return ret > 0 && !fds[1].revents;
}

/* How much of what the relay was given has not been written. */
static u64 finish_relay(struct terminal_output *out, int give_up, u64 end)
{
	struct relay *relay = out->end.relay;
	u64 lost;
	int error;

	relay_end(relay);
	out->end.source.fd = -1;
	while (!relay_done(relay) && wait_until(relay_done_fd(relay), POLLIN, give_up, end))
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

u64 terminal_finish(struct terminal *terminal, int give_up, int timeout_ms, int *error)
{
	struct terminal_output *out = &terminal->out;
	u64 end = timeout_ms < 0 ? 0 : now_ms() + timeout_ms;

	stop_waiting(terminal);
	flush_output(terminal);
	while (out->count && wait_until(out->end.source.fd, POLLOUT, give_up, end))
		flush_output(terminal);
	if (out->count && !out->error)
		out->error = -ETIMEDOUT;
	out->lost += out->count;
	out->count = 0;
	out->gone = true;
	if (out->end.relay)
		out->lost += finish_relay(out, give_up, end);
	*error = out->error;
	return out->error ? out->lost : 0;
}

/* ---- life ---- */

/*
 * O_NONBLOCK belongs to the open file, which a shell or another program shares
 * with us: open our own for terminals and pipes. A file would lose its offset, and its file
 * system may hang; a socket cannot be opened again.
 */
void terminal_open_end(struct terminal_end *end, int fd, int flags)
{
	char path[32];
	struct stat st;
	int own;

	end->source.fd = fd;
	if (fstat(fd, &st))
		return;
	end->is_tty = isatty(fd);
	end->is_socket = S_ISSOCK(st.st_mode);
	if (end->is_socket)
		return;
	end->may_block = true;
	if (!S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0 && end->is_tty)
		own = tty_open(fd, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return;
	end->source.fd = own;
	end->owned = true;
	end->may_block = false;
}

void terminal_close_end(struct terminal_end *end)
{
	relay_destroy(end->relay);
	if (end->owned)
		close(end->source.fd);
}

static int open_output(struct terminal *terminal)
{
	struct terminal_output *out = &terminal->out;

	terminal_open_end(&out->end, STDOUT_FILENO, O_WRONLY);
	out->end.source.events = EPOLLOUT;
	out->end.source.handle = on_room;
	return loop_timer_create(&out->timer, terminal->loop, on_delay);
}

static void close_output(struct terminal *terminal)
{
	struct terminal_output *out = &terminal->out;

	stop_waiting(terminal);
	loop_timer_destroy(&out->timer);
	terminal_close_end(&out->end);
	free(out->data);
}

int terminal_create(struct terminal **out, struct loop *loop, const struct terminal_events *events)
{
	struct terminal *terminal = calloc(1, sizeof(*terminal));
	int ret;

	if (!terminal)
		return -ENOMEM;
	terminal->loop = loop;
	terminal->events = *events;
	list_init(&terminal->taps);
	ret = open_output(terminal);
	if (!ret)
		ret = terminal_input_open(terminal);
	if (ret) {
		terminal_destroy(terminal);
		return ret;
	}
	*out = terminal;
	return 0;
}

void terminal_destroy(struct terminal *terminal)
{
	if (!terminal)
		return;
	terminal_restore();
	close_output(terminal);
	terminal_input_close(terminal);
	free(terminal);
}
