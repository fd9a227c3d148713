/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "util/unpack.h"

/* As far as the input at hand goes. 1: the end was reached. */
static int unzstd_some(ZSTD_DStream *z, struct unpack_stream *stream)
{
	size_t room, hint;
	u8 none;
	void *to = unpack_room(stream, &room);
	ZSTD_inBuffer in = { stream->in, stream->in_count, 0 };
	ZSTD_outBuffer out = { to ? to : &none, room, 0 };

	hint = ZSTD_decompressStream(z, &out, &in);
	stream->in += in.pos;
	stream->in_count -= in.pos;
	unpack_advance(stream, out.pos);
	if (ZSTD_isError(hint))
		return ZSTD_getErrorCode(hint) == ZSTD_error_memory_allocation ? -ENOMEM : -EINVAL;
	if (!hint)
		return 1;
	/* Its checksum comes after the last byte: a full output is no error before it. */
	return !to && !in.pos ? -ENOSPC : 0;
}

int unpack_zstd(struct unpack_stream *stream)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	int ret = 0;

	if (!z)
		return -ENOMEM;
	while (!ret) {
		if (!stream->in_count)
			ret = unpack_fill(stream);
		if (!ret)
			ret = unzstd_some(z, stream);
	}
	ZSTD_freeDStream(z);
	return MIN(ret, 0);
}
