/* SPDX-License-Identifier: BSD-2-Clause */
/* What a kernel may be packed with, and how it comes out again: a stream, from a piece of a file.
 */
#ifndef UTIL_UNPACK_H
#define UTIL_UNPACK_H

#include "util/types.h"

enum pack { PACK_NONE, PACK_GZIP, PACK_ZSTD, PACK_XZ, PACK_LZMA, PACK_LZ4 };

struct packed {
	enum pack pack;
	/* The piece of the file; what is behind the end of the packed data is not looked at. */
	u64 offset, size;
};

/*
 * Unpack @packed (not PACK_NONE) from @fd to at most @max bytes at @out; NULL: count them alone.
 * *produced says how many they were, on errors too. 0: that was all of it, and its checksum, if it
 * has one, is right. -ENOSPC: there is more. -ENODATA: the piece ends early. -EINVAL: another
 * format, or damaged. -ENOMEM, -errno of pread(). Keeps no more of the file in memory than a buffer
 * holds; zstd, xz and lzma take up to 128 MiB for what was unpacked last, lz4 16 MiB. Moves no file
 * offset.
 */
int unpack(const struct packed *packed, int fd, void *out, u64 max, u64 *produced);

/* How data that begins with these 16 bytes is packed. PACK_NONE: in no way that is known. */
enum pack unpack_kind(const u8 *start);

/* ---- unpack_stream.c's side towards the formats ---- */

#define UNPACK_BUFFER (64 * KIB)

struct unpack_stream {
	int fd;
	u64 offset, end; /* of what was not read yet */
	u8 *in;		 /* unread bytes of buffer */
	size_t in_count;
	u8 *out; /* where the next bytes go; NULL: nowhere */
	u64 room, produced;
	u8 buffer[UNPACK_BUFFER];
	u8 nowhere[UNPACK_BUFFER];
};

/* More input: in_count is not 0 then. -ENODATA at the end, -errno. */
int unpack_fill(struct unpack_stream *stream);
/* Where to put the next bytes, at most *room of them (> 0); NULL: no room is left. */
void *unpack_room(struct unpack_stream *stream, size_t *room);
/* So many came, to where unpack_room() said. */
void unpack_advance(struct unpack_stream *stream, size_t count);

/* As unpack(). */
int unpack_gzip(struct unpack_stream *stream);
int unpack_zstd(struct unpack_stream *stream);
int unpack_xz(struct unpack_stream *stream);
int unpack_lzma(struct unpack_stream *stream);
int unpack_lz4(struct unpack_stream *stream);

#endif
