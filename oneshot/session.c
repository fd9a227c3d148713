/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "oneshot/screen.h"
#include "oneshot/session.h"
#include "oneshot/stream.h"
#include "util/clock.h"
#include "util/log.h"
#include "vmm/loop.h"

/* How long the guest may take to switch itself off. */
#define POWER_OFF_NS 5000000000ull

struct session {
	struct session_options options;
	struct loop *loop;		  /* borrowed; NULL: not started */
	int guest_ends[ONESHOT_CHANNELS]; /* owned, until they are taken; -1: none */
	struct loop_source control;	  /* owned fd */
	bool control_looped;
	struct stream *streams[ONESHOT_CHANNELS]; /* owned; NULL: of the control channel ... */
	struct screen *screen;			  /* ... and what this has; owned; NULL: none */
	u32 window, window_told;		  /* ONESHOT_WINDOW_SIZE()s; 0: none */
	struct loop_timer timer;
	struct verdict verdict;
	struct session_times times;
	bool said_bye;
	bool cut; /* the guest was gone before it had given all of the output */
};

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* ---- messages ---- */

/* It cannot be full: the guest is told a few words in all, and windows when there is much room. */
static void tell(struct session *session, enum oneshot_type type, u32 value)
{
	const struct oneshot_message message = { .type = type, .value = value };

	if (send(session->control.fd, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("one-shot: the guest is not told %d: %s", type, strerror(errno));
}

/*
 * A guest may not read for long: then it gets the last size when it does. A socket counts as
 * writable while little waits in it, which leaves room for the other words.
 */
static void tell_window(struct session *session)
{
	struct pollfd control = { .fd = session->control.fd, .events = POLLOUT };
	bool room = poll(&control, 1, 0) == 1 && control.revents == POLLOUT;

	if (session->window != session->window_told && room) {
		tell(session, ONESHOT_WINDOW, session->window);
		session->window_told = session->window;
	}
	if (session->control_looped)
		loop_modify(session->loop, &session->control,
			    session->window == session->window_told ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

static void on_resized(void *arg, u16 columns, u16 rows)
{
	struct session *session = arg;

	session->window = ONESHOT_WINDOW_SIZE(columns, rows);
	tell_window(session);
}

static bool has_output(const struct session *session)
{
	return (session->screen ? screen_has_ended(session->screen)
				: stream_has_ended(session->streams[ONESHOT_STDOUT])) &&
	       stream_has_ended(session->streams[ONESHOT_STDERR]);
}

static bool command_ran(const struct session *session)
{
	enum verdict_stage stage = session->verdict.stage;

	return stage == VERDICT_EXITED || stage == VERDICT_KILLED;
}

/* Once the guest has said how it went, and all of the output is here. */
static void look_for_end(struct session *session)
{
	if (session->said_bye || !verdict_is_end(&session->verdict) ||
	    (command_ran(session) && !has_output(session)))
		return;
	session->said_bye = true;
	tell(session, ONESHOT_BYE, 0);
	/* A guest that breaks the protocol is not waited for. */
	if (session->verdict.stage == VERDICT_NONSENSE || session->options.connected)
		session->options.over(session->options.arg);
	else
		loop_timer_arm(&session->timer, POWER_OFF_NS);
}

static void stream_ended(void *arg)
{
	look_for_end(arg);
}

static void on_quit(void *arg)
{
	struct session *session = arg;

	session->options.quit(session->options.arg);
}

static void on_timer(struct loop_timer *timer)
{
	struct session *session = container_of(timer, struct session, timer);

	session->options.over(session->options.arg);
}

static void note_stage(struct session *session)
{
	switch (session->verdict.stage) {
	case VERDICT_BOOTING:
		break;
	case VERDICT_READY:
		if (!session->times.ready)
			session->times.ready = now_ns();
		break;
	case VERDICT_RUNS:
		if (session->times.started)
			break;
		session->times.started = now_ns();
		if (session->options.started)
			session->options.started(session->options.arg);
		/* Nobody's input is read for a command that never ran. */
		if (session->screen)
			screen_begin(session->screen);
		else if (stream_start(session->streams[ONESHOT_STDIN], session->loop))
			log_warning("standard input cannot be read");
		break;
	default:
		if (!session->times.ended)
			session->times.ended = now_ns();
		look_for_end(session);
	}
}

static void stop_hearing(struct session *session)
{
	if (session->control_looped)
		loop_remove(session->loop, &session->control);
	session->control_looped = false;
}

static void on_control(struct loop_source *source, u32 events)
{
	struct session *session = container_of(source, struct session, control);
	char data[1024];
	ssize_t got;

	if (events & EPOLLOUT)
		tell_window(session);
	got = recv(source->fd, data, sizeof(data), MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		stop_hearing(session);
		/* Who ends well waits for BYE. What comes now ends with the VM. */
		session->cut = !session->said_bye && !has_output(session);
		if (session->options.connected)
			session->options.over(session->options.arg);
		return;
	}
	for (ssize_t at = 0; at < got;) {
		at += verdict_take(&session->verdict, data + at, got - at);
		note_stage(session);
	}
}

bool session_signal(struct session *session, int signal)
{
	if (session->verdict.stage != VERDICT_RUNS)
		return false;
	tell(session, ONESHOT_SIGNAL, signal);
	return true;
}

void session_look(struct session *session, bool continued)
{
	if (session->screen)
		screen_look(session->screen, continued);
}

/* ---- life ---- */

static int make_screen(struct session *session, const int *ours)
{
	const struct screen_options options = {
		.in = session->options.standard[ONESHOT_STDIN],
		.out = session->options.standard[ONESHOT_STDOUT],
		.typed = ours[ONESHOT_STDIN],
		.shown = ours[ONESHOT_STDOUT],
		.quit = on_quit,
		.ended = stream_ended,
		.resized = on_resized,
		.arg = session,
	};

	return screen_create(&session->screen, &options);
}

/* All of @ours find an owner, also if it fails. */
static int serve_channels(struct session *session, const int *ours)
{
	bool has_screen = session->options.is_terminal;
	int ret = has_screen ? make_screen(session, ours) : 0;

	session->control = (struct loop_source){ ours[ONESHOT_CONTROL], EPOLLIN, on_control };
	for (unsigned i = has_screen ? ONESHOT_STDERR : ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++) {
		int one = stream_create(&session->streams[i], session->options.standard[i],
					i == ONESHOT_STDIN, ours[i],
					i == ONESHOT_STDIN ? NULL : stream_ended, session);

		ret = ret ? ret : one;
	}
	return ret;
}

static int make_channels(struct session *session, int *ours)
{
	for (unsigned i = 0; i < ONESHOT_CHANNELS; i++) {
		int ends[2];

		if (session->options.connected) {
			ours[i] = session->options.connected[i];
			continue;
		}
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
			return -errno;
		ours[i] = ends[0];
		session->guest_ends[i] = ends[1];
	}
	return 0;
}

int session_create(struct session **out, const struct session_options *options)
{
	struct session *session = calloc(1, sizeof(*session));
	int ours[ONESHOT_CHANNELS] = { -1, -1, -1, -1 }, ret;

	if (!session)
		return -ENOMEM;
	session->options = *options;
	session->control.fd = -1;
	for (unsigned i = 0; i < ONESHOT_CHANNELS; i++)
		session->guest_ends[i] = -1;
	ret = make_channels(session, ours);
	if (!ret)
		ret = serve_channels(session, ours);
	else
		for (unsigned i = 0; i < ONESHOT_CHANNELS; i++)
			close_fd(ours[i]);
	if (ret) {
		session_destroy(session);
		return ret;
	}
	*out = session;
	return 0;
}

int *session_guest_ends(struct session *session)
{
	return session->guest_ends;
}

int session_start(struct session *session, struct loop *loop)
{
	int ret = loop_timer_create(&session->timer, loop, on_timer);

	session->loop = loop;
	if (!ret)
		ret = loop_add(loop, &session->control);
	session->control_looped = !ret;
	if (!ret && session->screen)
		ret = screen_start(session->screen, loop);
	for (unsigned i = ONESHOT_STDOUT; !ret && i < ONESHOT_CHANNELS; i++) {
		if (session->streams[i])
			ret = stream_start(session->streams[i], loop);
	}
	return ret;
}

const struct verdict *session_verdict(const struct session *session)
{
	return &session->verdict;
}

struct session_times session_times(const struct session *session)
{
	return session->times;
}

/* Of what a guest that died did not give, its verdict tells. */
static bool was_cut(const struct session *session)
{
	bool cut = session->screen ? !screen_has_ended(session->screen)
				   : stream_was_cut(session->streams[ONESHOT_STDOUT]);

	return command_ran(session) &&
	       (session->cut || cut || stream_was_cut(session->streams[ONESHOT_STDERR]));
}

u64 session_finish(struct session *session, int give_up, int timeout_ms, int *error)
{
	u64 lost = 0;

	*error = 0;
	for (unsigned i = ONESHOT_STDOUT; i < ONESHOT_CHANNELS; i++) {
		int one;

		lost += session->streams[i]
				? stream_finish(session->streams[i], give_up, timeout_ms, &one)
				: screen_finish(session->screen, give_up, timeout_ms, &one);
		*error = *error ? *error : one;
	}
	if (!*error && was_cut(session))
		*error = -ENODATA;
	return lost;
}

const char *session_loss(int error)
{
	switch (error) {
	case -ETIMEDOUT:
		return "nobody took them in time";
	case -ENODATA:
		return "the guest ended before it had given all of it";
	default:
		return strerror(-error);
	}
}

void session_destroy(struct session *session)
{
	if (!session)
		return;
	for (unsigned i = 0; i < ONESHOT_CHANNELS; i++) {
		stream_destroy(session->streams[i]);
		close_fd(session->guest_ends[i]);
	}
	screen_destroy(session->screen);
	if (session->loop) {
		stop_hearing(session);
		loop_timer_destroy(&session->timer);
	}
	close_fd(session->control.fd);
	free(session);
}
