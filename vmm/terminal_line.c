/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pty or a socket: somebody comes, goes, and comes back. What they write and what they read end
 * separately; the next client of a socket is taken when both have ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "terminal_private.h"
#include "util/log.h"

/* How soon is looked once more, for a pty without an inotify and a socket without descriptors. */
#define LOOK_DELAY 200000000ULL /* ns */

static void listen_for_clients(struct terminal *terminal)
{
	struct terminal_line *line = &terminal->line;

	if (!line->listening && terminal->in.eof && terminal->out.nobody)
		line->listening = !loop_add(terminal->loop, &line->source);
}

static void stop_listening(struct terminal *terminal)
{
	if (terminal->line.listening)
		loop_remove(terminal->loop, &terminal->line.source);
	terminal->line.listening = false;
}

/* Input and output have a descriptor each, as each is in the loop by itself. */
static void on_client(struct loop_source *source, u32 events)
{
	struct terminal *terminal = container_of(source, struct terminal, line.source);
	int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), copy;

	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return;
	copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	stop_listening(terminal);
	if (copy < 0) {
		log_limited(&terminal->line.complaints, LOG_WARNING, "%s: no client: %s",
			    terminal->name, strerror(errno));
		if (fd >= 0)
			close(fd);
		loop_timer_arm(&terminal->line.timer, LOOK_DELAY);
		return;
	}
	terminal_input_arrive(terminal, fd, true);
	terminal_output_arrive(&terminal->out, copy, true);
	terminal->out.room(&terminal->out);
}

/* What was written before a pty was closed is read after it. */
static void look_at_pty(struct terminal *terminal)
{
	int fd = terminal->target->fd, copy;
	struct pollfd master = { .fd = fd, .events = POLLIN };
	bool here = poll(&master, 1, 0) >= 0 && !(master.revents & POLLHUP);

	if (terminal->in.eof && (here || master.revents & POLLIN))
		terminal_input_arrive(terminal, fd, false);
	if (!here || !terminal->out.nobody)
		return;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy >= 0)
		terminal_output_arrive(&terminal->out, copy, false);
}

static void on_timer(struct loop_timer *timer)
{
	struct terminal *terminal = container_of(timer, struct terminal, line.timer);

	if (terminal->target->kind == TERMINAL_SOCKET) {
		listen_for_clients(terminal);
		return;
	}
	look_at_pty(terminal);
	if (!terminal->line.listening && (terminal->in.eof || terminal->out.nobody))
		loop_timer_arm(timer, LOOK_DELAY);
}

/* Whoever opened it may have closed it again by now, and have written. */
static void on_opened(struct loop_source *source, u32 events)
{
	char told[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	while (read(source->fd, told, sizeof(told)) > 0)
		;
	look_at_pty(container_of(source, struct terminal, line.source));
}

static void on_input_over(struct terminal *terminal)
{
	if (terminal->target->kind == TERMINAL_SOCKET)
		close(terminal->in.end.source.fd);
	terminal->in.end.source.fd = -1;
	loop_timer_arm(&terminal->line.timer, LOOK_DELAY);
	if (terminal->target->kind == TERMINAL_SOCKET)
		listen_for_clients(terminal);
}

/* Called from anywhere in the output: the rest is for the loop. */
static void on_left(struct terminal_output *out)
{
	struct terminal *terminal = container_of(out, struct terminal, out);

	loop_timer_arm(&terminal->line.timer,
		       terminal->target->kind == TERMINAL_SOCKET ? 0 : LOOK_DELAY);
}

static void watch_openings(struct terminal *terminal)
{
	struct terminal_line *line = &terminal->line;

	line->source = (struct loop_source){ .fd = terminal->target->opens,
					     .events = EPOLLIN,
					     .handle = on_opened };
	line->listening = line->source.fd >= 0 && !loop_add(terminal->loop, &line->source);
}

int terminal_line_open(struct terminal *terminal)
{
	struct terminal_line *line = &terminal->line;
	int ret = loop_timer_create(&line->timer, terminal->loop, on_timer);

	if (ret)
		return ret;
	line->used = true;
	if (terminal->target->kind == TERMINAL_PTY)
		watch_openings(terminal);
	else
		line->source = (struct loop_source){ .fd = terminal->target->listener.fd,
						     .events = EPOLLIN,
						     .handle = on_client };
	terminal->out.comes = terminal->out.nobody = true;
	terminal->out.is_pty = terminal->target->kind == TERMINAL_PTY;
	terminal->out.left = on_left;
	terminal->in.over = on_input_over;
	loop_timer_arm(&line->timer, 0);
	return 0;
}

void terminal_line_close(struct terminal *terminal)
{
	if (!terminal->line.used)
		return;
	stop_listening(terminal);
	loop_timer_destroy(&terminal->line.timer);
	if (terminal->target->kind == TERMINAL_SOCKET && terminal->in.end.source.fd >= 0)
		terminal->in.end.owned = true;
}
