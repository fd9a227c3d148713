/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/unpack.h"

static int (*const unpackers[])(struct unpack_stream *stream) = {
	[PACK_GZIP] = unpack_gzip, [PACK_ZSTD] = unpack_zstd, [PACK_XZ] = unpack_xz,
	[PACK_LZMA] = unpack_lzma, [PACK_LZ4] = unpack_lz4,
};

/*
 * RFC 1952; RFC 8878; "The .xz File Format"; liblzma's lzma-file-format.txt, whose first byte is
 * 0x5d in all files that are made with the usual settings; "LZ4 Frame Format Description".
 */
static const struct {
	enum pack pack;
	unsigned len;
	u8 magic[6];
} magics[] = {
	{ PACK_GZIP, 3, { 0x1f, 0x8b, 0x08 } },
	{ PACK_ZSTD, 4, { 0x28, 0xb5, 0x2f, 0xfd } },
	{ PACK_XZ, 6, { 0xfd, '7', 'z', 'X', 'Z', 0 } },
	{ PACK_LZMA, 3, { 0x5d, 0, 0 } },
	{ PACK_LZ4, 4, { 0x02, 0x21, 0x4c, 0x18 } },
};

enum pack unpack_kind(const u8 *start)
{
	for (unsigned i = 0; i < ARRAY_SIZE(magics); i++) {
		if (!memcmp(start, magics[i].magic, magics[i].len))
			return magics[i].pack;
	}
	return PACK_NONE;
}

int unpack(const struct packed *packed, int fd, void *out, u64 max, u64 *produced)
{
	struct unpack_stream *stream = malloc(sizeof(*stream));
	int ret;

	*produced = 0;
	if (!stream)
		return -ENOMEM;
	stream->fd = fd;
	stream->offset = packed->offset;
	stream->end = packed->offset + packed->size;
	stream->in = stream->buffer;
	stream->in_count = 0;
	stream->out = out;
	stream->room = max;
	stream->produced = 0;
	ret = unpackers[packed->pack](stream);
	*produced = stream->produced;
	free(stream);
	return ret;
}
