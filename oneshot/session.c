/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "oneshot/session.h"
#include "oneshot/stream.h"
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
	struct stream *streams[ONESHOT_CHANNELS]; /* owned; but of the control channel */
	struct loop_timer timer;
	struct verdict verdict;
	struct session_times times;
	bool said_bye;
};

static u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* ---- messages ---- */

/* It cannot be full: the guest is told a few words in all. */
static void tell(struct session *session, enum oneshot_type type, u32 value)
{
	const struct oneshot_message message = { .type = type, .value = value };

	if (send(session->control.fd, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("one-shot: the guest is not told %d: %s", type, strerror(errno));
}

static bool has_output(const struct session *session)
{
	return stream_has_ended(session->streams[ONESHOT_STDOUT]) &&
	       stream_has_ended(session->streams[ONESHOT_STDERR]);
}

/* Once the guest has said how it went, and all of the output is here. */
static void look_for_end(struct session *session)
{
	enum verdict_stage stage = session->verdict.stage;
	bool ran = stage == VERDICT_EXITED || stage == VERDICT_KILLED;

	if (session->said_bye || !verdict_is_end(&session->verdict) ||
	    (ran && !has_output(session)))
		return;
	session->said_bye = true;
	tell(session, ONESHOT_BYE, 0);
	/* A guest that breaks the protocol is not waited for. */
	if (stage == VERDICT_NONSENSE)
		session->options.over(session->options.arg);
	else
		loop_timer_arm(&session->timer, POWER_OFF_NS);
}

static void stream_ended(void *arg)
{
	look_for_end(arg);
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
		if (stream_start(session->streams[ONESHOT_STDIN], session->loop))
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
	ssize_t got = recv(source->fd, data, sizeof(data), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		stop_hearing(session);
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

/* ---- life ---- */

static int make_channel(struct session *session, unsigned n)
{
	int ends[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
		return -errno;
	session->guest_ends[n] = ends[1];
	if (n == ONESHOT_CONTROL) {
		session->control = (struct loop_source){ ends[0], EPOLLIN, on_control };
		return 0;
	}
	ret = stream_create(&session->streams[n], session->options.standard[n], n == ONESHOT_STDIN,
			    ends[0], n == ONESHOT_STDIN ? NULL : stream_ended, session);
	return ret;
}

int session_create(struct session **out, const struct session_options *options)
{
	struct session *session = calloc(1, sizeof(*session));
	int ret = 0;

	if (!session)
		return -ENOMEM;
	session->options = *options;
	session->control.fd = -1;
	for (unsigned i = 0; i < ONESHOT_CHANNELS; i++)
		session->guest_ends[i] = -1;
	for (unsigned i = 0; !ret && i < ONESHOT_CHANNELS; i++)
		ret = make_channel(session, i);
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
	for (unsigned i = ONESHOT_STDOUT; !ret && i < ONESHOT_CHANNELS; i++)
		ret = stream_start(session->streams[i], loop);
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

u64 session_finish(struct session *session, int give_up, int timeout_ms, int *error)
{
	u64 lost = 0;

	*error = 0;
	for (unsigned i = ONESHOT_STDOUT; i < ONESHOT_CHANNELS; i++) {
		int one;

		lost += stream_finish(session->streams[i], give_up, timeout_ms, &one);
		*error = *error ? *error : one;
	}
	return lost;
}

void session_destroy(struct session *session)
{
	if (!session)
		return;
	for (unsigned i = 0; i < ONESHOT_CHANNELS; i++) {
		stream_destroy(session->streams[i]);
		if (session->guest_ends[i] >= 0)
			close(session->guest_ends[i]);
	}
	if (session->loop) {
		stop_hearing(session);
		loop_timer_destroy(&session->timer);
	}
	if (session->control.fd >= 0)
		close(session->control.fd);
	free(session);
}
