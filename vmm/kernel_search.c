/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CONFIG_IKCONFIG: the kernel's data has its configuration as a gzip file between "IKCFG_ST" and
 * "IKCFG_ED" (Linux, kernel/configs.c). A bzImage, an Image.gz and an EFI zboot image have that
 * data in a packed stream, which is looked for by its first bytes.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "kernel_search.h"
#include "util/types.h"

#define MARK	      "IKCFG_ST"
#define MARK_LEN      8u
#define CHUNK	      (256u * 1024)
#define LONGEST_TEXT  (1024u * 1024)
#define LONGEST_DATA  GIB /* no kernel has more, in all its streams, and bombs end here */
#define GUNZIP_WINDOW (MAX_WBITS + 16)
/* Bytes that look like the beginning of a packed stream, and are none, come by chance. */
#define MAX_STREAMS 16u

struct search {
	u64 offset; /* bytes looked at: of the file, then of all streams */
	bool found; /* the mark */
	bool over;  /* the text ended, or is damaged */
	z_stream z; /* once it is found */
	char *text; /* owned; LONGEST_TEXT + 1 bytes */
	size_t len;
	size_t kept; /* at the window's start: a mark may begin there */
	u8 window[MARK_LEN + CHUNK];
};

static void take_text(struct search *search, u8 *data, size_t len)
{
	int ret;

	/* An unpacker may have taken input and given nothing yet. */
	if (!len)
		return;
	search->z.next_in = data;
	search->z.avail_in = len;
	search->z.next_out = (u8 *)search->text + search->len;
	search->z.avail_out = LONGEST_TEXT - search->len;
	ret = inflate(&search->z, Z_NO_FLUSH);
	search->len = LONGEST_TEXT - search->z.avail_out;
	search->over = ret != Z_OK;
	if (ret != Z_OK && ret != Z_STREAM_END)
		search->len = 0;
}

/* @len more bytes are in the window, behind those that were kept. */
static void search_take(struct search *search, size_t len)
{
	size_t have = search->kept + len;
	u8 *mark;

	search->offset += len;
	if (search->found) {
		take_text(search, search->window + search->kept, len);
		return;
	}
	mark = memmem(search->window, have, MARK, MARK_LEN);
	if (mark && inflateInit2(&search->z, GUNZIP_WINDOW) == Z_OK) {
		mark += MARK_LEN;
		search->found = true;
		take_text(search, mark, search->window + have - mark);
		return;
	}
	search->kept = MIN(have, MARK_LEN - 1);
	memmove(search->window, search->window + have - search->kept, search->kept);
}

/* ---- packed streams ---- */

struct stream {
	int fd;
	u64 at;
	u8 in[CHUNK];
};

static void search_gzip(struct search *search, struct stream *stream)
{
	z_stream z = { 0 };
	ssize_t len = 1;
	int ret = Z_OK;

	if (inflateInit2(&z, GUNZIP_WINDOW) != Z_OK)
		return;
	while (ret == Z_OK && !search->over && search->offset < LONGEST_DATA) {
		if (!z.avail_in) {
			len = pread(stream->fd, stream->in, sizeof(stream->in), stream->at);
			if (len <= 0)
				break;
			stream->at += len;
			z.next_in = stream->in;
			z.avail_in = len;
		}
		z.next_out = search->window + search->kept;
		z.avail_out = CHUNK;
		ret = inflate(&z, Z_NO_FLUSH);
		search_take(search, CHUNK - z.avail_out);
	}
	inflateEnd(&z);
}

static void search_zstd(struct search *search, struct stream *stream)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_inBuffer in = { stream->in, 0, 0 };
	size_t hint = 1;

	while (z && hint && !search->over && search->offset < LONGEST_DATA) {
		ZSTD_outBuffer out = { search->window + search->kept, CHUNK, 0 };

		if (in.pos == in.size) {
			ssize_t len = pread(stream->fd, stream->in, sizeof(stream->in), stream->at);

			if (len <= 0)
				break;
			stream->at += len;
			in = (ZSTD_inBuffer){ stream->in, len, 0 };
		}
		hint = ZSTD_decompressStream(z, &out, &in);
		if (ZSTD_isError(hint))
			break;
		search_take(search, out.pos);
	}
	ZSTD_freeDStream(z);
}

static const struct {
	const char *magic;
	size_t len;
	void (*search)(struct search *search, struct stream *stream);
} packings[] = {
	{ "\x1f\x8b\x08", 3, search_gzip },	/* RFC 1952, "Member header and trailer" */
	{ "\x28\xb5\x2f\xfd", 4, search_zstd }, /* RFC 8878, "Zstandard Frames" */
};

/* ---- the file ---- */

struct start {
	u64 offset;
	unsigned packing;
};

struct starts {
	unsigned count;
	struct start list[MAX_STREAMS];
};

/* Those in @len bytes of @data, which are at @offset of the file. */
static void note_starts(struct starts *starts, const u8 *data, size_t len, u64 offset)
{
	for (unsigned i = 0; i < ARRAY_SIZE(packings); i++) {
		const u8 *at = data;

		while (starts->count < MAX_STREAMS &&
		       (at = memmem(at, data + len - at, packings[i].magic, packings[i].len))) {
			starts->list[starts->count++] = (struct start){ offset + (at - data), i };
			at++;
		}
	}
}

static void search_file(struct search *search, int fd, struct starts *starts)
{
	while (!search->over && search->offset < LONGEST_DATA) {
		size_t kept = search->found ? 0 : search->kept;
		ssize_t len = pread(fd, search->window + search->kept, CHUNK, search->offset);

		if (len <= 0)
			return;
		note_starts(starts, search->window, kept + len, search->offset - kept);
		search_take(search, len);
	}
}

static void search_all(struct search *search, int fd, struct stream *stream)
{
	struct starts starts = { 0 };

	search_file(search, fd, &starts);
	search->offset = 0;
	for (unsigned i = 0; i < starts.count && !search->found; i++) {
		const struct start *start = &starts.list[i];

		search->kept = 0;
		*stream = (struct stream){ .fd = fd, .at = start->offset };
		packings[start->packing].search(search, stream);
	}
}

char *kernel_search(int fd)
{
	struct search *search = calloc(1, sizeof(*search));
	struct stream *stream = malloc(sizeof(*stream));
	char *text = malloc(LONGEST_TEXT + 1);

	if (search && stream && text) {
		search->text = text;
		search_all(search, fd, stream);
		text[search->len] = '\0';
	}
	if (!search || !search->len) {
		free(text);
		text = NULL;
	}
	if (search && search->found)
		inflateEnd(&search->z);
	free(stream);
	free(search);
	return text;
}
