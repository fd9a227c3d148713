/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <unistd.h>
#include <zlib.h>

#include "gunzip.h"

#define GUNZIP_BUFFER (64 * KIB)
/* For inflateInit2(): the largest window, and a gzip header is demanded. */
#define GUNZIP_WINDOW (MAX_WBITS + 16)

/* More input for @stream from *offset; -ENODATA at the end of the file. */
static int gunzip_fill(z_stream *stream, int fd, u8 *buffer, u64 *offset)
{
	ssize_t got;

	do {
		got = pread(fd, buffer, GUNZIP_BUFFER, *offset);
	} while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 ? -errno : -ENODATA;
	*offset += got;
	stream->next_in = buffer;
	stream->avail_in = got;
	return 0;
}

static int gunzip_stream(z_stream *stream, int fd)
{
	u8 buffer[GUNZIP_BUFFER];
	u64 offset = 0;
	int ret;

	for (;;) {
		if (!stream->avail_in) {
			ret = gunzip_fill(stream, fd, buffer, &offset);
			if (ret)
				return ret;
		}
		ret = inflate(stream, Z_NO_FLUSH);
		if (ret == Z_STREAM_END)
			return 0;
		/* The trailer comes after the last byte: a full output is no error before it. */
		if (ret == Z_BUF_ERROR && !stream->avail_out)
			return -ENOSPC;
		if (ret == Z_MEM_ERROR)
			return -ENOMEM;
		if (ret != Z_OK)
			return -EINVAL;
	}
}

int gunzip_file(int fd, void *out, u64 max, u64 *produced)
{
	z_stream stream = { .next_out = out, .avail_out = MIN(max, (u64)UINT_MAX) };
	int ret;

	*produced = 0;
	if (inflateInit2(&stream, GUNZIP_WINDOW) != Z_OK)
		return -ENOMEM;
	ret = gunzip_stream(&stream, fd);
	*produced = stream.total_out;
	inflateEnd(&stream);
	return ret;
}
