/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/loop.h"
#include "vmm/terminal.h"

#define OUTPUT_SIZE (64 * KIB)
#define INPUT_SIZE  1024
/* Output goes out at the end of a line, when there is a lot of it, or after this. */
#define OUTPUT_LOT   1024
#define OUTPUT_DELAY 4 /* ms */

#define ESCAPE 0x01 /* Ctrl-A */

struct terminal {
	struct loop *loop; /* borrowed */
	struct terminal_events events;
	struct terminal_client *client; /* borrowed */

	struct loop_source in;
	bool in_looped; /* in.fd can be waited for, and is in the loop */
	bool in_owned;	/* in.fd was opened by us */
	bool in_eof;
	bool in_tty;
	bool escaped; /* the last key was Ctrl-A */
	u8 input[INPUT_SIZE];
	unsigned in_count;

	struct loop_source out;
	bool out_looped; /* in the loop: waiting for room */
	bool out_owned;
	bool out_socket;
	bool out_gone; /* the reader went away: output goes nowhere */
	bool starved;  /* the client was told that the buffer is full */
	char *output;  /* a ring of OUTPUT_SIZE bytes; made with the first byte */
	unsigned out_start, out_count;

	struct loop_source timer;
	bool timer_set;
	unsigned panic_matched; /* characters of panic_text that just went by */
};

static const char panic_text[] = "Kernel panic - not syncing";

/*
 * What the tty was like. File-scope, because a signal handler and atexit() must
 * find it; written once, before raw_mode is set.
 */
static struct termios cooked;
static volatile sig_atomic_t raw_mode;

void terminal_restore(void)
{
	if (!raw_mode)
		return;
	raw_mode = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
}

static void set_raw(struct terminal *terminal)
{
	struct termios raw;

	/* In the background tcsetattr() would stop us; whoever owns the tty decides how it looks.
	 */
	if (tcgetpgrp(STDIN_FILENO) != getpgrp() || tcgetattr(STDIN_FILENO, &cooked))
		return;
	raw = cooked;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; /* our own messages end in a bare newline */
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw))
		return;
	terminal->in_tty = true;
	raw_mode = 1;
	atexit(terminal_restore);
}

/* ---- input ---- */

/* Keys for us are taken out: Ctrl-A x quits, Ctrl-A twice is one Ctrl-A. Returns what is left. */
static unsigned filter_keys(struct terminal *terminal, u8 *keys, unsigned count)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < count; i++) {
		u8 key = keys[i];

		if (!terminal->escaped && key == ESCAPE) {
			terminal->escaped = true;
			continue;
		}
		if (terminal->escaped && key == 'x')
			terminal->events.quit(terminal->events.arg);
		else
			keys[kept++] = key;
		terminal->escaped = false;
	}
	return kept;
}

/* Read what there is, as far as the buffer goes. */
static void fill_input(struct terminal *terminal)
{
	u8 *end = terminal->input + terminal->in_count;
	ssize_t count;

	if (terminal->in_eof || terminal->in_count == INPUT_SIZE)
		return;
	count = read(terminal->in.fd, end, INPUT_SIZE - terminal->in_count);
	if (count > 0)
		terminal->in_count += terminal->in_tty ? filter_keys(terminal, end, count) : count;
	else if (!count || (errno != EAGAIN && errno != EINTR))
		terminal->in_eof = true;
}

/* Listen while there is room; a level-triggered event nobody takes would spin. */
static void update_input(struct terminal *terminal)
{
	u32 events = terminal->in_count == INPUT_SIZE ? 0 : EPOLLIN;

	if (!terminal->in_looped)
		return;
	if (terminal->in_eof) {
		loop_remove(terminal->loop, &terminal->in);
		terminal->in_looped = false;
	} else if (terminal->in.events != events) {
		loop_modify(terminal->loop, &terminal->in, events);
	}
}

static void on_input(struct loop_source *source, u32 events)
{
	struct terminal *terminal = container_of(source, struct terminal, in);

	fill_input(terminal);
	/* Hung up and nothing to wait for: EPOLLHUP cannot be masked, only removed. */
	if ((events & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN))
		terminal->in_eof = true;
	update_input(terminal);
	if (terminal->in_count && terminal->client)
		terminal->client->readable(terminal->client);
}

size_t terminal_read(struct terminal *terminal, void *data, size_t len)
{
	/* A file is always ready, and no loop says so. */
	if (!terminal->in_looped && !terminal->in_count)
		fill_input(terminal);
	len = MIN(len, terminal->in_count);
	memcpy(data, terminal->input, len);
	terminal->in_count -= len;
	memmove(terminal->input, terminal->input + len, terminal->in_count);
	update_input(terminal);
	return len;
}

/* ---- output ---- */

static ssize_t write_some(struct terminal *terminal, const char *data, size_t len)
{
	struct pollfd ready = { .fd = terminal->out.fd, .events = POLLOUT };

	if (terminal->out_socket)
		return send(terminal->out.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* An fd that is not ours may be a blocking one: ask, and give it what must fit. */
	if (!terminal->out_owned) {
		if (poll(&ready, 1, 0) == 0) {
			errno = EAGAIN;
			return -1;
		}
		len = MIN(len, 512);
	}
	return write(terminal->out.fd, data, len);
}

/* Write until the buffer is empty or the reader is full. */
static void flush_output(struct terminal *terminal)
{
	while (terminal->out_count && !terminal->out_gone) {
		unsigned run = MIN(terminal->out_count, OUTPUT_SIZE - terminal->out_start);
		ssize_t count = write_some(terminal, terminal->output + terminal->out_start, run);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && errno == EAGAIN)
			return;
		if (count < 0) {
			terminal->out_gone = true;
			break;
		}
		terminal->out_start = (terminal->out_start + count) % OUTPUT_SIZE;
		terminal->out_count -= count;
	}
	if (terminal->out_gone)
		terminal->out_count = 0;
}

static void stop_waiting(struct terminal *terminal)
{
	if (terminal->out_looped)
		loop_remove(terminal->loop, &terminal->out);
	terminal->out_looped = false;
}

/* Flush, and have the loop come back if that was not all. */
static void push_output(struct terminal *terminal)
{
	flush_output(terminal);
	if (!terminal->out_count)
		stop_waiting(terminal);
	else if (!terminal->out_looped)
		terminal->out_looped = !loop_add(terminal->loop, &terminal->out);
}

static void feed_client(struct terminal *terminal)
{
	if (!terminal->starved || terminal->out_count > OUTPUT_SIZE / 2)
		return;
	terminal->starved = false;
	if (terminal->client)
		terminal->client->writable(terminal->client);
}

static void on_room(struct loop_source *source, u32 events)
{
	struct terminal *terminal = container_of(source, struct terminal, out);

	if (events & (EPOLLERR | EPOLLHUP))
		terminal->out_gone = true;
	push_output(terminal);
	feed_client(terminal);
}

static void on_timer(struct loop_source *source, u32 events)
{
	struct terminal *terminal = container_of(source, struct terminal, timer);
	u64 expirations;

	if (read(terminal->timer.fd, &expirations, sizeof(expirations)) < 0)
		return;
	terminal->timer_set = false;
	push_output(terminal);
	feed_client(terminal);
}

static void arm_timer(struct terminal *terminal)
{
	static const struct itimerspec delay = { .it_value.tv_nsec = OUTPUT_DELAY * 1000000L };

	if (terminal->timer_set)
		return;
	timerfd_settime(terminal->timer.fd, 0, &delay, NULL);
	terminal->timer_set = true;
}

static void look_for_panic(struct terminal *terminal, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		/* Its first letter comes once in it: after a mismatch only that can match. */
		if (data[i] == panic_text[terminal->panic_matched])
			terminal->panic_matched++;
		else
			terminal->panic_matched = data[i] == panic_text[0];
		if (terminal->panic_matched == sizeof(panic_text) - 1) {
			terminal->panic_matched = 0;
			terminal->events.panic(terminal->events.arg);
		}
	}
}

static void buffer_output(struct terminal *terminal, const char *data, size_t len)
{
	unsigned end = (terminal->out_start + terminal->out_count) % OUTPUT_SIZE;
	size_t first = MIN(len, OUTPUT_SIZE - end);

	memcpy(terminal->output + end, data, first);
	memcpy(terminal->output, data + first, len - first);
	terminal->out_count += len;
}

size_t terminal_write(struct terminal *terminal, const void *data, size_t len)
{
	size_t taken;

	if (!terminal->output)
		terminal->output = malloc(OUTPUT_SIZE);
	if (terminal->out_gone || !terminal->output)
		return len;
	taken = MIN(len, OUTPUT_SIZE - terminal->out_count);
	buffer_output(terminal, data, taken);
	look_for_panic(terminal, data, taken);
	terminal->starved = taken < len;
	if (terminal->out_looped)
		return taken; /* the reader is full already */
	if (terminal->out_count >= OUTPUT_LOT || memrchr(data, '\n', taken))
		push_output(terminal);
	if (terminal->out_count)
		arm_timer(terminal);
	return taken;
}

bool terminal_can_write(const struct terminal *terminal)
{
	return terminal->out_count < OUTPUT_SIZE;
}

/* ---- the window ---- */

void terminal_size(const struct terminal *terminal, u16 *columns, u16 *rows)
{
	struct winsize size;

	*columns = *rows = 0;
	if (ioctl(terminal->out.fd, TIOCGWINSZ, &size))
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

/*
 * O_NONBLOCK belongs to the open file, which a shell or another program shares
 * with us: open our own for terminals and pipes. Files never block, and would
 * lose their offset; a socket cannot be opened again. Returns @fd then.
 */
static int reopen(int fd, int flags, bool *owned, bool *is_socket)
{
	char path[32];
	struct stat st;
	int own = -1;

	*is_socket = false;
	*owned = false;
	if (fstat(fd, &st))
		return fd;
	*is_socket = S_ISSOCK(st.st_mode);
	if (S_ISREG(st.st_mode))
		*owned = true; /* as good as ours: it does not block */
	if (!S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode))
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	*owned = own >= 0;
	return *owned ? own : fd;
}

static int open_ends(struct terminal *terminal)
{
	bool is_socket;
	int ret;

	if (isatty(STDIN_FILENO))
		set_raw(terminal);
	terminal->in.fd = reopen(STDIN_FILENO, O_RDONLY, &terminal->in_owned, &is_socket);
	terminal->out.fd = reopen(STDOUT_FILENO, O_WRONLY, &terminal->out_owned,
				  &terminal->out_socket);
	terminal->in.events = EPOLLIN;
	terminal->in.handle = on_input;
	terminal->out.events = EPOLLOUT;
	terminal->out.handle = on_room;
	terminal->timer.events = EPOLLIN;
	terminal->timer.handle = on_timer;
	terminal->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (terminal->timer.fd < 0)
		return -errno;
	ret = loop_add(terminal->loop, &terminal->timer);
	if (ret)
		return ret;
	/* Files cannot be waited for, and a closed stdin is no input. */
	ret = loop_add(terminal->loop, &terminal->in);
	terminal->in_looped = !ret;
	terminal->in_eof = ret == -EBADF;
	return ret == -EPERM || ret == -EBADF ? 0 : ret;
}

int terminal_create(struct terminal **out, struct loop *loop, const struct terminal_events *events)
{
	struct terminal *terminal = calloc(1, sizeof(*terminal));
	int ret;

	if (!terminal)
		return -ENOMEM;
	terminal->loop = loop;
	terminal->events = *events;
	terminal->timer.fd = terminal->in.fd = terminal->out.fd = -1;
	ret = open_ends(terminal);
	if (ret) {
		terminal_destroy(terminal);
		return ret;
	}
	*out = terminal;
	return 0;
}

/* The guest's last words, for at most a second: a reader that hangs must not hang us. */
static void drain_output(struct terminal *terminal)
{
	struct pollfd ready = { .fd = terminal->out.fd, .events = POLLOUT };

	flush_output(terminal);
	while (terminal->out_count && poll(&ready, 1, 1000) > 0)
		flush_output(terminal);
}

static void close_own(int fd, int standard)
{
	if (fd > STDERR_FILENO && fd != standard)
		close(fd);
}

void terminal_destroy(struct terminal *terminal)
{
	if (!terminal)
		return;
	drain_output(terminal);
	terminal_restore();
	stop_waiting(terminal);
	if (terminal->in_looped)
		loop_remove(terminal->loop, &terminal->in);
	if (terminal->timer.fd >= 0) {
		loop_remove(terminal->loop, &terminal->timer);
		close(terminal->timer.fd);
	}
	close_own(terminal->in.fd, STDIN_FILENO);
	close_own(terminal->out.fd, STDOUT_FILENO);
	free(terminal->output);
	free(terminal);
}
