/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "oneshot/stream.h"
#include "util/clock.h"
#include "util/relay.h"

#define STREAM_SIZE  (64 * KIB)
#define STREAM_READS 2 /* under one hold of the lock */

/* One of its two: a channel, or a standard stream. */
struct end {
	struct loop_source source;
	bool owned; /* source.fd is ours to close */
	bool is_socket;
	bool pollable; /* the loop can wait for it */
	bool looped;   /* it does */
};

struct stream {
	struct loop *loop; /* borrowed; NULL: not started */
	bool is_input;
	struct end from, to;
	struct relay *relay; /* owned; of the end that is no channel. NULL: none is needed */
	bool from_over;	     /* there is no more to come */
	bool ended;	     /* and it is written, or nobody wants it */
	bool cut;	     /* more was to come when stream_finish() ended it */
	void (*told)(void *arg);
	void *arg;
	u64 sent, lost; /* bytes */
	int error;	/* -errno of those that were lost */
	size_t start, count;
	char data[STREAM_SIZE]; /* what waits is data[start..start + count) */
};

/* ---- moving ---- */

static void end_channel(struct stream *stream)
{
	struct end *channel = stream->is_input ? &stream->to : &stream->from;

	if (channel->looped)
		loop_remove(stream->loop, &channel->source);
	channel->looped = false;
	/* The guest hears of it, whichever end it is: of output, that nobody wants more. */
	if (channel->source.fd >= 0)
		close(channel->source.fd);
	channel->source.fd = -1;
}

static void end_stream(struct stream *stream)
{
	stream->ended = true;
	stream->count = 0;
	if (stream->relay && !stream->is_input) {
		if (stream->to.looped)
			loop_remove(stream->loop, &stream->to.source);
		stream->to.looped = false;
		relay_end(stream->relay);
	}
	if (stream->told)
		stream->told(stream->arg);
}

/* EPIPE: the reader wants no more. EIO, of a terminal: it was hung up. The rest is a loss. */
static void refused(struct stream *stream, int error)
{
	if (!stream->is_input && error != -EPIPE && error != -EIO && error != -ECONNRESET) {
		stream->error = error;
		stream->lost += stream->count;
	}
	end_channel(stream);
	end_stream(stream);
}

/* False: it would have to wait. */
static bool write_some(struct stream *stream)
{
	const struct end *to = &stream->to;
	const char *data = stream->data + stream->start;
	ssize_t done = to->is_socket ? send(to->source.fd, data, stream->count,
					    MSG_DONTWAIT | MSG_NOSIGNAL)
				     : write(to->source.fd, data, stream->count);

	if (done < 0 && errno == EINTR)
		return true;
	if (done < 0 && errno == EAGAIN)
		return false;
	if (done < 0) {
		refused(stream, -errno);
		return true;
	}
	stream->start += done;
	stream->count -= done;
	stream->sent += done;
	return true;
}

static bool read_some(struct stream *stream)
{
	const struct end *from = &stream->from;
	ssize_t got = from->is_socket
			      ? recv(from->source.fd, stream->data, STREAM_SIZE, MSG_DONTWAIT)
			      : read(from->source.fd, stream->data, STREAM_SIZE);

	if (got < 0 && errno == EINTR)
		return true;
	if (got < 0 && errno == EAGAIN)
		return false;
	/* A terminal that is not ours, in the background, gives EIO: there is no input. */
	stream->from_over = got <= 0;
	stream->start = 0;
	stream->count = MAX(got, 0);
	return true;
}

static void finish(struct stream *stream)
{
	if (stream->is_input && stream->to.source.fd >= 0)
		shutdown(stream->to.source.fd, SHUT_WR);
	end_stream(stream);
}

/*
 * What can be done at once, and not for too long. What was read is written, or waits for its
 * writer: an end that came with the last read is not left to an event, for there is none any more.
 */
static void move(struct stream *stream)
{
	unsigned reads = 0;
	bool more = true;

	while (more && !stream->ended) {
		if (stream->count)
			more = write_some(stream);
		else if (stream->from_over)
			finish(stream);
		else
			more = reads++ < STREAM_READS && read_some(stream);
	}
}

/* ---- in the loop ---- */

static void update_end(struct stream *stream, struct end *end, bool wanted)
{
	wanted &= end->pollable && end->source.fd >= 0;
	if (end->looped && !wanted)
		loop_remove(stream->loop, &end->source);
	else if (!end->looped && wanted)
		wanted = !loop_add(stream->loop, &end->source);
	end->looped = wanted;
}

/* Out of the loop and not only masked where it is not waited for: a hang-up cannot be masked. */
static void update_loop(struct stream *stream)
{
	bool waits = stream->count, over = stream->ended;

	update_end(stream, &stream->from, !over && !waits && !stream->from_over);
	/* What is always readable, such as /dev/zero, is read when there is room. */
	update_end(stream, &stream->to, !over && (waits || !stream->from.pollable));
}

static void on_from(struct loop_source *source, u32 events)
{
	struct stream *stream = container_of(source, struct stream, from.source);

	move(stream);
	update_loop(stream);
}

static void on_to(struct loop_source *source, u32 events)
{
	struct stream *stream = container_of(source, struct stream, to.source);

	move(stream);
	update_loop(stream);
}

/* ---- life ---- */

/*
 * O_NONBLOCK belongs to the open file, which others share with us: terminals and pipes are opened
 * once more, for ourselves. A file would lose its offset, and its file system may hang.
 */
static int open_again(int fd, int flags)
{
	char path[32];
	struct stat st;

	if (fstat(fd, &st) || (!S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode)))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int open_standard(struct stream *stream, struct end *end, int fd)
{
	struct stat st;
	int own, ret;

	if (!fstat(fd, &st) && S_ISSOCK(st.st_mode)) {
		end->source.fd = fd;
		end->is_socket = true;
		return 0;
	}
	own = open_again(fd, stream->is_input ? O_RDONLY : O_WRONLY);
	end->owned = own >= 0;
	end->source.fd = own;
	if (own >= 0)
		return 0;
	ret = stream->is_input ? relay_from(&stream->relay, fd) : relay_to(&stream->relay, fd);
	if (!ret)
		end->source.fd = relay_fd(stream->relay);
	return ret;
}

int stream_create(struct stream **out, int fd, bool is_input, int channel, void (*ended)(void *arg),
		  void *arg)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	int ret;

	if (!stream) {
		close(channel);
		return -ENOMEM;
	}
	stream->is_input = is_input;
	stream->told = ended;
	stream->arg = arg;
	stream->from.source = (struct loop_source){ -1, EPOLLIN, on_from };
	stream->to.source = (struct loop_source){ -1, EPOLLOUT, on_to };
	stream->from.pollable = stream->to.pollable = true;
	*(is_input ? &stream->to : &stream->from) = (struct end){
		.source = { channel, is_input ? EPOLLOUT : EPOLLIN, is_input ? on_to : on_from },
		.owned = true,
		.is_socket = true,
		.pollable = true,
	};
	ret = open_standard(stream, is_input ? &stream->from : &stream->to, fd);
	if (ret) {
		stream_destroy(stream);
		return ret;
	}
	*out = stream;
	return 0;
}

int stream_start(struct stream *stream, struct loop *loop)
{
	struct end *end = stream->is_input ? &stream->from : &stream->to;
	int ret;

	stream->loop = loop;
	/* Whether it can be waited for is known when it was tried. */
	ret = loop_add(loop, &end->source);
	if (!ret)
		loop_remove(loop, &end->source);
	end->pollable = ret != -EPERM;
	update_loop(stream);
	return ret == -EPERM ? 0 : ret;
}

bool stream_has_ended(const struct stream *stream)
{
	return stream->ended;
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
static void finish_relay(struct stream *stream, int give_up, u64 end)
{
	int error;

	while (!relay_done(stream->relay) &&
	       wait_until(relay_done_fd(stream->relay), POLLIN, give_up, end))
		;
	error = relay_error(stream->relay);
	if (error == -EPIPE || stream->error)
		return;
	stream->error = error || relay_done(stream->relay) ? error : -ETIMEDOUT;
	if (stream->error)
		stream->lost += stream->sent - relay_written(stream->relay);
}

u64 stream_finish(struct stream *stream, int give_up, int timeout_ms, int *error)
{
	u64 end = timeout_ms < 0 ? 0 : now_ms() + timeout_ms;
	bool can_wait = true;

	*error = 0;
	if (stream->is_input)
		return 0;
	while (!stream->ended && can_wait) {
		move(stream);
		if (stream->count)
			can_wait = wait_until(stream->to.source.fd, POLLOUT, give_up, end);
		else if (!stream->ended && !wait_until(stream->from.source.fd, POLLIN, -1, 1))
			break; /* nothing more has come, and nothing will */
	}
	if (stream->count) {
		stream->error = stream->error ? stream->error : -ETIMEDOUT;
		stream->lost += stream->count;
	}
	if (!stream->ended) {
		stream->cut = !stream->from_over;
		end_stream(stream);
	}
	if (stream->relay)
		finish_relay(stream, give_up, end);
	*error = stream->error;
	return stream->lost;
}

bool stream_was_cut(const struct stream *stream)
{
	return stream->cut;
}

static void close_end(struct stream *stream, struct end *end)
{
	if (end->looped)
		loop_remove(stream->loop, &end->source);
	if (end->owned && end->source.fd >= 0)
		close(end->source.fd);
}

void stream_destroy(struct stream *stream)
{
	if (!stream)
		return;
	close_end(stream, &stream->from);
	close_end(stream, &stream->to);
	relay_destroy(stream->relay);
	free(stream);
}
