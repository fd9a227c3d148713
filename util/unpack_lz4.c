/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LZ4 as kernels are packed with it: "LZ4 Frame Format Description", "Legacy frame", and in it the
 * blocks of "LZ4 Block Format Description". It has no checksum.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/unpack.h"

#define MAGIC		0x184c2102
#define BLOCK_MAX	(8 * MIB) /* unpacked; the last one is shorter */
#define PACKED_MAX	(BLOCK_MAX + BLOCK_MAX / 255 + 16)
#define MATCH_MIN	4
#define LENGTH_IN_BYTES 15 /* of a token's half: bytes follow, which add to it */

/* A block: what is left of the input, and what there is of the output. */
struct block {
	const u8 *in, *in_end;
	u8 *out, *at, *end;
};

/* Half a token, and the bytes that continue it up to the first that is not 255. */
static bool read_length(struct block *block, size_t *length)
{
	u8 more = 255;

	if (*length != LENGTH_IN_BYTES)
		return true;
	while (more == 255) {
		if (block->in == block->in_end || *length > PACKED_MAX)
			return false;
		more = *block->in++;
		*length += more;
	}
	return true;
}

static bool copy_literals(struct block *block, size_t length)
{
	if (length > (size_t)(block->in_end - block->in) ||
	    length > (size_t)(block->end - block->at))
		return false;
	memcpy(block->at, block->in, length);
	block->in += length;
	block->at += length;
	return true;
}

/* What it repeats may reach into what it writes. */
static bool copy_match(struct block *block, size_t length)
{
	size_t offset;

	if (block->in_end - block->in < 2)
		return false;
	offset = block->in[0] | block->in[1] << 8;
	block->in += 2;
	if (!read_length(block, &length) || !offset || offset > (size_t)(block->at - block->out))
		return false;
	length += MATCH_MIN;
	if (length > (size_t)(block->end - block->at))
		return false;
	for (const u8 *from = block->at - offset; length; length--)
		*block->at++ = *from++;
	return true;
}

/* The last sequence has literals alone. */
static int unpack_block(struct block *block)
{
	while (block->in < block->in_end) {
		u8 token = *block->in++;
		size_t literals = token >> 4;

		if (!read_length(block, &literals) || !copy_literals(block, literals))
			return -EINVAL;
		if (block->in == block->in_end)
			return 0;
		if (!copy_match(block, token & 15))
			return -EINVAL;
	}
	return -EINVAL;
}

/* ---- the frame ---- */

struct unlz4 {
	u8 packed[PACKED_MAX], block[BLOCK_MAX];
};

static int take(struct unpack_stream *stream, u8 *to, size_t count)
{
	while (count) {
		size_t some;
		int ret = stream->in_count ? 0 : unpack_fill(stream);

		if (ret)
			return ret;
		some = MIN(count, stream->in_count);
		memcpy(to, stream->in, some);
		stream->in += some;
		stream->in_count -= some;
		to += some;
		count -= some;
	}
	return 0;
}

static int take_number(struct unpack_stream *stream, u32 *number)
{
	le32 le;
	int ret = take(stream, (u8 *)&le, sizeof(le));

	*number = ret ? 0 : le32_to_cpu(le);
	return ret;
}

static int give(struct unpack_stream *stream, const u8 *from, size_t count)
{
	while (count) {
		size_t room;
		void *to = unpack_room(stream, &room);

		if (!to)
			return -ENOSPC;
		room = MIN(room, count);
		memcpy(to, from, room);
		unpack_advance(stream, room);
		from += room;
		count -= room;
	}
	return 0;
}

/* Nothing says where the end is: a block that is not full is the last. */
static int unpack_blocks(struct unpack_stream *stream, struct unlz4 *z)
{
	struct block block = { .out = z->block, .end = z->block + BLOCK_MAX };
	u32 size;
	int ret;

	do {
		/* After full blocks the end may be that of the piece. */
		if (!stream->in_count && stream->offset == stream->end && stream->produced)
			return 0;
		ret = take_number(stream, &size);
		if (!ret && size == MAGIC)
			ret = take_number(stream, &size);
		if (!ret && (!size || size > PACKED_MAX))
			ret = -EINVAL;
		if (!ret)
			ret = take(stream, z->packed, size);
		if (ret)
			return ret;
		block.in = z->packed;
		block.in_end = z->packed + size;
		block.at = block.out;
		ret = unpack_block(&block);
		if (!ret)
			ret = give(stream, block.out, block.at - block.out);
	} while (!ret && block.at == block.end);
	return ret;
}

int unpack_lz4(struct unpack_stream *stream)
{
	struct unlz4 *z = malloc(sizeof(*z));
	u32 magic;
	int ret = z ? take_number(stream, &magic) : -ENOMEM;

	if (!ret)
		ret = magic == MAGIC ? unpack_blocks(stream, z) : -EINVAL;
	free(z);
	return ret;
}
