/* SPDX-License-Identifier: BSD-2-Clause */
/* One image to another: piece by piece, and what reads as zeroes is not written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "disk/image.h"
#include "driver.h"
#include "image_private.h"
#include "qcow2.h"
#include "qcow2_create.h"
#include "util/range.h"

/* At a time: whole clusters of any size. */
#define PIECE (2 * MIB)

/* Others inflate with a window of 4 KiB. */
#define DEFLATE_WINDOW (-12)

struct conversion {
	const char *to;
	struct disk_image source, target;
	bool compress;
	u64 where;  /* behind what was packed last */
	u8 *data;   /* PIECE bytes */
	u8 *packed; /* a cluster */
	u32 unit;   /* of zeroes to be left out */
	z_stream stream;
};

static int run(struct disk_image *image, enum disk_op op, u64 offset, void *data, u64 len)
{
	struct iovec iov = { data, len };
	struct disk_request request = {
		.op = op, .offset = offset, .len = len, .iov = &iov, .iov_count = data ? 1 : 0
	};

	return image->driver->work(image, &request);
}

static bool is_zero(const u8 *data, u64 len)
{
	return !data[0] && !memcmp(data, data + 1, len - 1);
}

static int deflate_cluster(struct conversion *c, const u8 *data, u32 size, u32 *len)
{
	int ret;

	if (deflateReset(&c->stream) != Z_OK)
		return -EIO;
	c->stream.next_in = (u8 *)data;
	c->stream.avail_in = size;
	c->stream.next_out = c->packed;
	c->stream.avail_out = size - 1;
	ret = deflate(&c->stream, Z_FINISH);
	/* It becomes no smaller. */
	*len = ret == Z_STREAM_END ? size - 1 - c->stream.avail_out : 0;
	return ret == Z_STREAM_END || ret == Z_OK || ret == Z_BUF_ERROR ? 0 : -EIO;
}

/* @len is shorter than the unit at the end of the disk alone; the data are zero behind it. */
static int write_unit(struct conversion *c, u64 offset, u8 *data, u64 len)
{
	u32 packed = 0;
	int ret = 0;

	if (is_zero(data, len))
		return 0;
	if (c->compress)
		ret = deflate_cluster(c, data, c->unit, &packed);
	if (ret)
		return ret;
	if (packed)
		return qcow2_write_packed(c->target.state, offset / c->unit, c->packed, packed,
					  &c->where);
	return run(&c->target, DISK_WRITE, offset, data, len);
}

static int convert_piece(struct conversion *c, u64 offset, u64 len)
{
	int ret = run(&c->source, DISK_READ, offset, c->data, len);

	memset(c->data + len, 0, PIECE - len);
	for (u64 at = 0; !ret && at < len; at += c->unit)
		ret = write_unit(c, offset + at, c->data + at, MIN(c->unit, len - at));
	return ret;
}

/* What is packed at the end may end within a sector; others read whole clusters. */
static int finish(struct conversion *c)
{
	struct disk_file *file = &c->target.file;
	u64 size = c->source.info.size;
	int ret = run(&c->target, DISK_FLUSH, 0, NULL, 0);

	/* Once more: what became free by the first. */
	if (!ret)
		ret = run(&c->target, DISK_FLUSH, 0, NULL, 0);
	if (!ret && c->target.driver == &qcow2_driver) {
		ret = disk_file_end(file, &size);
		size = align_up(size, c->unit);
	}
	if (!ret && ftruncate(file->fd, size))
		ret = -errno;
	return ret ? ret : disk_file_flush(file);
}

static int convert_all(struct conversion *c, struct error *err)
{
	u64 size = c->source.info.size;
	int ret = 0;

	for (u64 at = 0; !ret && at < size; at += PIECE)
		ret = convert_piece(c, at, MIN(PIECE, size - at));
	if (!ret)
		ret = finish(c);
	if (ret)
		return error_set(err, ret, "%s: cannot convert %s to it: %s", c->to,
				 c->source.file.path, strerror(-ret));
	return 0;
}

/* ---- setting up ---- */

static int make_qcow2(struct conversion *c, const struct image_conversion *options,
		      struct error *err)
{
	struct qcow2_creation creation = { .size = c->source.info.size };
	struct qcow2_header header;
	int ret = image_cluster_bits(c->to, options->cluster_size, &creation.cluster_bits, err);

	if (!ret)
		ret = qcow2_create(&c->target.file, &creation, err);
	if (!ret)
		ret = qcow2_header_read(&c->target.file, true, &header, err);
	if (!ret)
		ret = qcow2_attach(&c->target, &header, true, err);
	if (!ret)
		c->target.driver = &qcow2_driver;
	c->unit = 1u << creation.cluster_bits;
	return ret;
}

static int make_raw(struct conversion *c, struct error *err)
{
	c->target.driver = &raw_driver;
	c->target.info = (struct disk_info){ .size = c->source.info.size };
	/* A block of most file systems; the disk may end within one. */
	c->unit = 4096;
	if (ftruncate(c->target.file.fd, c->source.info.size))
		return error_set(err, -errno, "%s: cannot make it so large: %s", c->to,
				 strerror(errno));
	return 0;
}

static int get_memory(struct conversion *c)
{
	if (posix_memalign((void **)&c->data, 4096, PIECE))
		return -ENOMEM;
	if (!c->compress)
		return 0;
	c->packed = malloc(c->unit);
	if (!c->packed || deflateInit2(&c->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
				       DEFLATE_WINDOW, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	return 0;
}

static void put_memory(struct conversion *c)
{
	if (c->packed)
		deflateEnd(&c->stream);
	free(c->packed);
	free(c->data);
}

static int convert_to_target(struct conversion *c, const struct image_conversion *options,
			     struct error *err)
{
	int ret = options->to == DISK_FORMAT_QCOW2 ? make_qcow2(c, options, err) : make_raw(c, err);

	if (ret)
		return ret;
	ret = get_memory(c);
	if (ret)
		error_set(err, ret, "%s: out of memory", c->to);
	if (!ret)
		ret = convert_all(c, err);
	put_memory(c);
	if (c->target.driver->close)
		c->target.driver->close(&c->target);
	return ret;
}

int image_convert(const char *from, const char *to, const struct image_conversion *options,
		  struct error *err)
{
	struct conversion c = { .to = to, .compress = options->compress };
	struct disk_options source = { .read_only = true,
				       .buffered = true,
				       .format = options->from,
				       .backing_anywhere = options->backing_anywhere };
	struct image_name name;
	int ret = disk_image_open(&c.source, NULL, from, &source, err);

	if (ret)
		return ret;
	ret = image_new_file(&c.target.file, &name, to, err);
	if (!ret)
		ret = image_end_file(&c.target.file, &name, convert_to_target(&c, options, err),
				     err);
	disk_image_close(&c.source);
	return ret;
}
