/* SPDX-License-Identifier: BSD-2-Clause */
/* A module's file, unpacked: kernels that load modules packed are few. */
#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "oneshot/modules.h"
#include "util/file.h"

#define LONGEST	      (256 * MIB)
#define FIRST_SIZE    (256 * KIB)
#define GUNZIP_WINDOW (MAX_WBITS + 16)

struct output {
	u8 *data; /* owned */
	size_t len, size;
};

/* Where the next bytes go; -EFBIG, -ENOMEM. */
static int make_room(struct output *out)
{
	size_t size = out->size ? 2 * out->size : FIRST_SIZE;
	u8 *more;

	if (out->len < out->size)
		return 0;
	if (size > LONGEST)
		return -EFBIG;
	more = realloc(out->data, size);
	if (!more)
		return -ENOMEM;
	out->data = more;
	out->size = size;
	return 0;
}

static int unpack_gzip(const u8 *data, size_t len, struct output *out)
{
	z_stream z = { .next_in = (u8 *)data, .avail_in = len };
	int ret = 0, said = Z_OK;

	if (inflateInit2(&z, GUNZIP_WINDOW) != Z_OK)
		return -ENOMEM;
	while (!ret && said == Z_OK) {
		ret = make_room(out);
		if (ret)
			break;
		z.next_out = out->data + out->len;
		z.avail_out = out->size - out->len;
		said = inflate(&z, Z_NO_FLUSH);
		out->len = out->size - z.avail_out;
		if (said != Z_OK && said != Z_STREAM_END)
			ret = -EINVAL;
	}
	inflateEnd(&z);
	return ret;
}

static int unpack_xz(const u8 *data, size_t len, struct output *out)
{
	lzma_stream xz = LZMA_STREAM_INIT;
	lzma_ret said = LZMA_OK;
	int ret = 0;

	if (lzma_stream_decoder(&xz, LONGEST, 0) != LZMA_OK)
		return -ENOMEM;
	xz.next_in = data;
	xz.avail_in = len;
	while (!ret && said == LZMA_OK) {
		ret = make_room(out);
		if (ret)
			break;
		xz.next_out = out->data + out->len;
		xz.avail_out = out->size - out->len;
		said = lzma_code(&xz, LZMA_FINISH);
		out->len = out->size - xz.avail_out;
		if (said != LZMA_OK && said != LZMA_STREAM_END)
			ret = said == LZMA_MEM_ERROR ? -ENOMEM : -EINVAL;
	}
	lzma_end(&xz);
	return ret;
}

static int unpack_zstd(const u8 *data, size_t len, struct output *out)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_inBuffer in = { data, len, 0 };
	size_t hint = 1;
	int ret = z ? 0 : -ENOMEM;

	while (!ret && hint) {
		ZSTD_outBuffer to;
		size_t before = in.pos;

		ret = make_room(out);
		if (ret)
			break;
		to = (ZSTD_outBuffer){ out->data, out->size, out->len };
		hint = ZSTD_decompressStream(z, &to, &in);
		/* One that was cut short asks for more for ever. */
		if (ZSTD_isError(hint) || (hint && to.pos == out->len && in.pos == before))
			ret = -EINVAL;
		out->len = to.pos;
	}
	ZSTD_freeDStream(z);
	return ret;
}

static const struct {
	const char *magic;
	size_t len;
	int (*unpack)(const u8 *data, size_t len, struct output *out);
} packings[] = {
	{ "\x1f\x8b\x08", 3, unpack_gzip },	/* RFC 1952, "Member header and trailer" */
	{ "\xfd\x37zXZ\0", 6, unpack_xz },	/* The .xz File Format, "Stream Header" */
	{ "\x28\xb5\x2f\xfd", 4, unpack_zstd }, /* RFC 8878, "Zstandard Frames" */
};

static int unpack(struct output *packed, struct output *out)
{
	for (unsigned i = 0; i < ARRAY_SIZE(packings); i++) {
		if (packed->len >= packings[i].len &&
		    !memcmp(packed->data, packings[i].magic, packings[i].len))
			return packings[i].unpack(packed->data, packed->len, out);
	}
	*out = *packed;
	*packed = (struct output){ 0 };
	return 0;
}

static int read_all(int fd, struct output *out)
{
	ssize_t got;

	for (;;) {
		int ret = make_room(out);

		if (ret)
			return ret;
		got = read(fd, out->data + out->len, out->size - out->len);
		if (got <= 0)
			return got ? -errno : 0;
		out->len += got;
	}
}

int module_read(const char *path, void **data, size_t *len, struct error *err)
{
	struct output packed = { 0 }, out = { 0 };
	struct stat st;
	int fd = file_open_regular("module", path, O_RDONLY, &st, err), ret;

	if (fd < 0)
		return fd;
	ret = read_all(fd, &packed);
	close(fd);
	if (!ret)
		ret = unpack(&packed, &out);
	free(packed.data);
	if (ret) {
		free(out.data);
		return error_set(err, ret, "module %s: %s", path,
				 ret == -EINVAL ? "it is damaged" : strerror(-ret));
	}
	*data = out.data;
	*len = out.len;
	return 0;
}
