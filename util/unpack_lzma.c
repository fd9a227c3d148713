/* SPDX-License-Identifier: BSD-2-Clause */
/* xz, and the older lzma. */
#include <errno.h>
#include <lzma.h>

#include "util/unpack.h"

/* What a dictionary may take; xz's own highest level takes half of it. */
#define MEMORY_MAX (128 * MIB)

static int unlzma_error(lzma_ret ret)
{
	return ret == LZMA_MEM_ERROR || ret == LZMA_MEMLIMIT_ERROR ? -ENOMEM : -EINVAL;
}

/* As far as the input at hand goes. 1: the end was reached. */
static int unlzma_some(lzma_stream *z, struct unpack_stream *stream)
{
	size_t room;
	u8 none;
	void *out = unpack_room(stream, &room);
	lzma_ret ret;

	z->next_in = stream->in;
	z->avail_in = stream->in_count;
	/* The end comes after the last byte: a full output is no error before it. */
	z->next_out = out ? out : &none;
	z->avail_out = room;
	ret = lzma_code(z, LZMA_RUN);
	stream->in += stream->in_count - z->avail_in;
	stream->in_count = z->avail_in;
	unpack_advance(stream, room - z->avail_out);
	if (ret == LZMA_STREAM_END)
		return 1;
	if (ret == LZMA_BUF_ERROR && !out)
		return -ENOSPC;
	return ret == LZMA_OK || ret == LZMA_BUF_ERROR ? 0 : unlzma_error(ret);
}

static int unlzma(struct unpack_stream *stream, lzma_stream *z, lzma_ret began)
{
	int ret = began == LZMA_OK ? 0 : unlzma_error(began);

	while (!ret) {
		if (!stream->in_count)
			ret = unpack_fill(stream);
		if (!ret)
			ret = unlzma_some(z, stream);
	}
	lzma_end(z);
	return MIN(ret, 0);
}

int unpack_xz(struct unpack_stream *stream)
{
	lzma_stream z = LZMA_STREAM_INIT;

	return unlzma(stream, &z, lzma_stream_decoder(&z, MEMORY_MAX, 0));
}

int unpack_lzma(struct unpack_stream *stream)
{
	lzma_stream z = LZMA_STREAM_INIT;

	return unlzma(stream, &z, lzma_alone_decoder(&z, MEMORY_MAX));
}
