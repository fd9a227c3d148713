/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <zlib.h>

#include "util/unpack.h"

/* For inflateInit2(): the largest window, and a gzip header is demanded. */
#define GUNZIP_WINDOW (MAX_WBITS + 16)

/* As far as the input at hand goes. 1: the end was reached. */
static int gunzip_some(z_stream *z, struct unpack_stream *stream)
{
	size_t room;
	u8 none;
	void *out = unpack_room(stream, &room);
	int ret;

	z->next_in = stream->in;
	z->avail_in = stream->in_count;
	/* The trailer comes after the last byte: a full output is no error before it. */
	z->next_out = out ? out : &none;
	z->avail_out = room;
	ret = inflate(z, Z_NO_FLUSH);
	stream->in = z->next_in;
	stream->in_count = z->avail_in;
	unpack_advance(stream, room - z->avail_out);
	if (ret == Z_STREAM_END)
		return 1;
	if (ret == Z_BUF_ERROR && !out)
		return -ENOSPC;
	if (ret == Z_MEM_ERROR)
		return -ENOMEM;
	return ret == Z_OK || ret == Z_BUF_ERROR ? 0 : -EINVAL;
}

int unpack_gzip(struct unpack_stream *stream)
{
	z_stream z = { 0 };
	int ret = 0;

	if (inflateInit2(&z, GUNZIP_WINDOW) != Z_OK)
		return -ENOMEM;
	while (!ret) {
		if (!stream->in_count)
			ret = unpack_fill(stream);
		if (!ret)
			ret = gunzip_some(&z, stream);
	}
	inflateEnd(&z);
	return MIN(ret, 0);
}
