/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <unistd.h>

#include "util/unpack.h"

int unpack_fill(struct unpack_stream *stream)
{
	size_t want = MIN((u64)UNPACK_BUFFER, stream->end - stream->offset);
	ssize_t got;

	do {
		got = pread(stream->fd, stream->buffer, want, stream->offset);
	} while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 ? -errno : -ENODATA;
	stream->offset += got;
	stream->in = stream->buffer;
	stream->in_count = got;
	return 0;
}

void *unpack_room(struct unpack_stream *stream, size_t *room)
{
	*room = MIN(stream->room, stream->out ? (u64)GIB : (u64)UNPACK_BUFFER);
	if (!*room)
		return NULL;
	return stream->out ? stream->out : stream->nowhere;
}

void unpack_advance(struct unpack_stream *stream, size_t count)
{
	if (stream->out)
		stream->out += count;
	stream->room -= count;
	stream->produced += count;
}
