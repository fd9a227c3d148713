/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes between the command's pipes and the host. */
#include "init.h"

struct stream streams[ONESHOT_CHANNELS];

void close_fd(int *fd)
{
	if (*fd >= 0)
		sys_close(*fd);
	*fd = -1;
}

void stream_end(struct stream *stream)
{
	close_fd(&stream->from);
	close_fd(&stream->to);
	stream->count = 0;
}

void stream_begin(unsigned n, const struct ends *ends)
{
	int ours = ends->ours[n], channel = channels[n];

	sys_close(ends->theirs[n]);
	if (ours < 0) {
		sys_close(channel);
		channel = -1;
	}
	sys_set_flags(ours, O_NONBLOCK);
	sys_set_flags(channel, O_NONBLOCK);
	streams[n].from = n == ONESHOT_STDIN ? channel : ours;
	streams[n].to = n == ONESHOT_STDIN ? ours : channel;
}

static void fill_stream(struct stream *stream)
{
	long got = sys_read(stream->from, stream->data, STREAM_SIZE);

	if (got == -EAGAIN || got == -EINTR)
		return;
	stream->start = 0;
	stream->count = got > 0 ? got : 0;
	if (got <= 0)
		close_fd(&stream->from);
}

static void empty_stream(struct stream *stream)
{
	long done = sys_write(stream->to, stream->data + stream->start, stream->count);

	if (done == -EAGAIN || done == -EINTR)
		return;
	if (done <= 0) {
		stream_end(stream);
		return;
	}
	stream->start += done;
	stream->count -= done;
}

void stream_serve(struct stream *stream, const struct pollfd *poll)
{
	size_t waited = stream->count;
	bool hung_up = poll->revents & POLLHUP && poll->fd == stream->to;

	if (!poll->revents)
		return;
	stream_move(stream);
	/* Of a port whose other end is gone a write says only that it would have to wait. */
	if (waited && hung_up && stream->count == waited)
		stream_end(stream);
}

bool stream_move(struct stream *stream)
{
	if (stream->to < 0)
		return true;
	if (!stream->count && stream->from >= 0)
		fill_stream(stream);
	if (stream->count)
		empty_stream(stream);
	if (stream->count || stream->from >= 0)
		return false;
	if (stream->stays)
		return true;
	/* Of a socket the end is told by closing it: what was sent goes first. */
	close_fd(&stream->to);
	return true;
}

void stream_watch(const struct stream *stream, struct pollfd *poll)
{
	/* A reader that goes away is seen even while there is nothing for it. */
	*poll = (struct pollfd){ .fd = stream->count ? stream->to : stream->from,
				 .events = stream->count ? POLLOUT : POLLIN };
	if (stream->to < 0)
		poll->fd = -1;
}
