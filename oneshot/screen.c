/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "oneshot/screen.h"
#include "vmm/loop.h"
#include "vmm/terminal.h"

#define CHANNEL_SIZE (32 * KIB)
#define TURNS	     4	  /* under one hold of the lock */
#define INTERRUPT    0x03 /* Ctrl-C */

/* What goes through a channel, and waits at our end: data[start..start + count). */
struct channel {
	struct loop_source source; /* owned fd; -1: closed */
	bool looped;
	size_t start, count;
	char data[CHANNEL_SIZE];
};

struct screen {
	struct screen_options options;
	struct loop *loop;	   /* borrowed; NULL: not started */
	struct terminal *terminal; /* owned; NULL: not started */
	struct terminal_client client;
	struct channel typed, shown;
	bool begun; /* the command is there */
	bool ended; /* nothing more is to be shown */
};

static void stop_waiting(struct screen *screen, struct channel *channel)
{
	if (channel->looped)
		loop_remove(screen->loop, &channel->source);
	channel->looped = false;
}

static void wait_for(struct screen *screen, struct channel *channel)
{
	if (!channel->looped && channel->source.fd >= 0)
		channel->looped = !loop_add(screen->loop, &channel->source);
}

static void close_channel(struct screen *screen, struct channel *channel)
{
	stop_waiting(screen, channel);
	if (channel->source.fd >= 0)
		close(channel->source.fd);
	channel->source.fd = -1;
	channel->count = 0;
}

/* ---- what is shown ---- */

static void end_shown(struct screen *screen)
{
	close_channel(screen, &screen->shown);
	screen->ended = true;
	screen->options.ended(screen->options.arg);
}

/* False: there is nothing now. */
static bool receive(struct screen *screen)
{
	struct channel *shown = &screen->shown;
	ssize_t got = recv(shown->source.fd, shown->data, sizeof(shown->data), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	shown->start = 0;
	shown->count = MAX(got, 0);
	if (got <= 0)
		end_shown(screen);
	return true;
}

/* False: the terminal's buffer is full, and will call. */
static bool show(struct screen *screen)
{
	struct channel *shown = &screen->shown;
	size_t taken = terminal_write(screen->terminal, shown->data + shown->start, shown->count);

	shown->start += taken;
	shown->count -= taken;
	return !shown->count;
}

static void move_shown(struct screen *screen)
{
	bool room = show(screen);

	/* What was received is offered to the terminal at once: it calls only if that was too much.
	 */
	for (unsigned turn = 0; turn < TURNS && room && !screen->ended; turn++)
		room = receive(screen) && show(screen);
	if (screen->shown.count)
		stop_waiting(screen, &screen->shown);
	else
		wait_for(screen, &screen->shown);
}

static void on_shown(struct loop_source *source, u32 events)
{
	move_shown(container_of(source, struct screen, shown.source));
}

static void on_writable(struct terminal_client *client)
{
	move_shown(container_of(client, struct screen, client));
}

/* ---- what is typed ---- */

/* False: the channel is full, or nobody wants it any more. */
static bool send_typed(struct screen *screen)
{
	struct channel *typed = &screen->typed;
	ssize_t done = send(typed->source.fd, typed->data + typed->start, typed->count,
			    MSG_DONTWAIT | MSG_NOSIGNAL);

	if (done < 0 && errno != EAGAIN && errno != EINTR)
		close_channel(screen, typed);
	if (done <= 0)
		return false;
	typed->start += done;
	typed->count -= done;
	return true;
}

/* Behind what waits. False: there is nothing, or no room. */
static bool take_typed(struct screen *screen)
{
	struct channel *typed = &screen->typed;
	char *to;
	size_t got;

	if (!typed->count)
		typed->start = 0;
	to = typed->data + typed->start + typed->count;
	got = terminal_read(screen->terminal, to, typed->data + sizeof(typed->data) - to);
	typed->count += got;
	/* Nobody else would hear it: a kernel that hangs must not keep its user. */
	if (!screen->begun && memchr(to, INTERRUPT, got))
		screen->options.quit(screen->options.arg);
	return got;
}

static void move_typed(struct screen *screen)
{
	struct channel *typed = &screen->typed;
	bool more = true;

	if (typed->source.fd < 0)
		return;
	for (unsigned turn = 0; turn < TURNS && more; turn++)
		more = typed->count && screen->begun ? send_typed(screen) : take_typed(screen);
	/* The terminal may hold more, of which it has told: the channel's room brings us back. */
	if ((typed->count || more) && screen->begun)
		wait_for(screen, typed);
	else
		stop_waiting(screen, typed);
}

static void on_typed(struct loop_source *source, u32 events)
{
	struct screen *screen = container_of(source, struct screen, typed.source);

	if (events & (EPOLLERR | EPOLLHUP))
		close_channel(screen, &screen->typed);
	else
		move_typed(screen);
}

static void on_readable(struct terminal_client *client)
{
	move_typed(container_of(client, struct screen, client));
}

static void on_resized(struct terminal_client *client, u16 columns, u16 rows)
{
	struct screen *screen = container_of(client, struct screen, client);

	if (screen->begun && columns && rows)
		screen->options.resized(screen->options.arg, columns, rows);
}

/* ---- life ---- */

int screen_create(struct screen **out, const struct screen_options *options)
{
	struct screen *screen = calloc(1, sizeof(*screen));

	if (!screen) {
		close(options->typed);
		close(options->shown);
		return -ENOMEM;
	}
	screen->options = *options;
	screen->typed.source = (struct loop_source){ options->typed, EPOLLOUT, on_typed };
	screen->shown.source = (struct loop_source){ options->shown, EPOLLIN, on_shown };
	screen->client = (struct terminal_client){ .readable = on_readable,
						   .writable = on_writable,
						   .resized = on_resized };
	*out = screen;
	return 0;
}

int screen_start(struct screen *screen, struct loop *loop)
{
	const struct terminal_events events = { .quit = screen->options.quit,
						.arg = screen->options.arg };
	int ret = terminal_create_raw(&screen->terminal, loop, &events, screen->options.in,
				      screen->options.out);

	if (ret)
		return ret;
	screen->loop = loop;
	terminal_set_client(screen->terminal, &screen->client);
	ret = loop_add(loop, &screen->shown.source);
	screen->shown.looped = !ret;
	return ret;
}

void screen_begin(struct screen *screen)
{
	screen->begun = true;
	terminal_resize(screen->terminal);
	move_typed(screen);
}

void screen_look(struct screen *screen, bool continued)
{
	if (continued)
		terminal_continue(screen->terminal);
	terminal_resize(screen->terminal);
}

bool screen_has_ended(const struct screen *screen)
{
	return screen->ended;
}

u64 screen_finish(struct screen *screen, int give_up, int timeout_ms, int *error)
{
	u64 lost, left;

	/* What has come, and nothing else will. */
	while (!screen->ended && (screen->shown.count || receive(screen))) {
		if (!show(screen) && !terminal_flush(screen->terminal, give_up, timeout_ms))
			break;
	}
	left = screen->shown.count;
	lost = terminal_finish(screen->terminal, give_up, timeout_ms, error);
	return *error ? lost + left : 0;
}

void screen_destroy(struct screen *screen)
{
	if (!screen)
		return;
	close_channel(screen, &screen->typed);
	close_channel(screen, &screen->shown);
	terminal_destroy(screen->terminal);
	free(screen);
}
