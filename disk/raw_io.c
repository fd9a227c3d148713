/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "raw.h"
#include "util/range.h"

/* Pieces per call: enough that a call costs more than making it. */
#define WINDOW 64

bool raw_is_aligned(const struct raw *raw, const struct disk_request *request)
{
	u64 bits = request->offset + request->moved;

	if (!raw->info.direct)
		return true;
	if (request->moved & (raw->align - 1))
		return false;
	for (unsigned i = 0; i < request->iov_count; i++)
		bits |= (uintptr_t)request->iov[i].iov_base | request->iov[i].iov_len;
	return is_aligned(bits, raw->align);
}

/* The request's memory from byte @skip on, at most @max bytes of it. Returns the pieces. */
static int window_fill(const struct disk_request *request, u64 skip, u64 max,
		       struct iovec window[WINDOW])
{
	int count = 0;

	for (unsigned i = 0; i < request->iov_count && count < WINDOW && max; i++) {
		const struct iovec *iov = &request->iov[i];
		u64 len;

		if (skip >= iov->iov_len) {
			skip -= iov->iov_len;
			continue;
		}
		len = MIN(iov->iov_len - skip, max);
		window[count].iov_base = (char *)iov->iov_base + skip;
		window[count++].iov_len = len;
		max -= len;
		skip = 0;
	}
	return count;
}

/* Between the request's memory at @skip and @data; how much the window held, at most @len. */
static u64 window_copy(const struct disk_request *request, u64 skip, char *data, u64 len,
		       bool to_request)
{
	struct iovec window[WINDOW];
	int count = window_fill(request, skip, len, window);
	u64 done = 0;

	for (int i = 0; i < count; i++) {
		if (to_request)
			memcpy(window[i].iov_base, data + done, window[i].iov_len);
		else
			memcpy(data + done, window[i].iov_base, window[i].iov_len);
		done += window[i].iov_len;
	}
	return done;
}

static void request_copy(const struct disk_request *request, u64 skip, char *data, u64 len,
			 bool to_request)
{
	while (len) {
		u64 done = window_copy(request, skip, data, len, to_request);

		skip += done;
		data += done;
		len -= done;
	}
}

static int raw_buffer_get(struct raw_buffer *buffer)
{
	if (!buffer->data && posix_memalign(&buffer->data, 4096, RAW_BUFFER_SIZE))
		buffer->data = NULL;
	return buffer->data ? 0 : -ENOMEM;
}

void raw_buffer_free(struct raw_buffer *buffer)
{
	free(buffer->data);
	buffer->data = NULL;
}

/* One call straight from or to the request's memory. Bytes moved or -1. */
static ssize_t transfer_straight(const struct raw *raw, const struct disk_request *request)
{
	struct iovec window[WINDOW];
	int count = window_fill(request, request->moved, request->len - request->moved, window);
	off_t offset = request->offset + request->moved;

	return request->op == DISK_READ ? preadv(raw->fd, window, count, offset)
					: pwritev(raw->fd, window, count, offset);
}

/* One call through the buffer. */
static ssize_t transfer_bounced(const struct raw *raw, struct raw_buffer *buffer,
				const struct disk_request *request)
{
	u64 len = MIN(request->len - request->moved, RAW_BUFFER_SIZE);
	off_t offset = request->offset + request->moved;
	ssize_t done;

	if (request->op == DISK_WRITE) {
		request_copy(request, request->moved, buffer->data, len, false);
		return pwrite(raw->fd, buffer->data, len, offset);
	}
	done = pread(raw->fd, buffer->data, len, offset);
	if (done > 0)
		request_copy(request, request->moved, buffer->data, done, true);
	return done;
}

static int raw_transfer(const struct raw *raw, struct raw_buffer *buffer,
			struct disk_request *request)
{
	bool bounce = !raw_is_aligned(raw, request);
	int ret = bounce ? raw_buffer_get(buffer) : 0;

	while (!ret && request->moved < request->len) {
		ssize_t done = bounce ? transfer_bounced(raw, buffer, request)
				      : transfer_straight(raw, request);

		if (done < 0 && errno == EINTR)
			continue;
		/* The end of a file that has shrunk under us, or an offset that O_DIRECT does not
		 * take. */
		if (done == 0 || (done < 0 && errno == EINVAL))
			ret = -EIO;
		else if (done < 0)
			ret = -errno;
		else
			request->moved += done;
	}
	return ret;
}

static int raw_flush(const struct raw *raw)
{
	return fdatasync(raw->fd) ? -errno : 0;
}

static bool is_unsupported(int error)
{
	return error == EOPNOTSUPP || error == ENOTTY || error == ENOSYS || error == EINVAL;
}

/* What the host cannot do is no error: a discard is a hint. */
static int raw_discard(const struct raw *raw, const struct disk_request *request)
{
	u64 start = align_up(request->offset, raw->info.block_size);
	u64 end = align_down(request->offset + request->len, raw->info.block_size);
	u64 range[2] = { start, end - start };
	int ret;

	if (start >= end)
		return 0;
	if (raw->block_device)
		ret = ioctl(raw->fd, BLKDISCARD, range);
	else
		ret = fallocate(raw->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start,
				end - start);
	return !ret || is_unsupported(errno) ? 0 : -errno;
}

static int raw_write_zeroes_by_hand(const struct raw *raw, struct raw_buffer *buffer,
				    const struct disk_request *request)
{
	u64 moved = 0;
	int ret = raw_buffer_get(buffer);

	if (ret)
		return ret;
	memset(buffer->data, 0, RAW_BUFFER_SIZE);
	while (moved < request->len) {
		ssize_t done = pwrite(raw->fd, buffer->data,
				      MIN(request->len - moved, RAW_BUFFER_SIZE),
				      request->offset + moved);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		moved += done;
	}
	return 0;
}

static int raw_write_zeroes(const struct raw *raw, struct raw_buffer *buffer,
			    const struct disk_request *request)
{
	u64 range[2] = { request->offset, request->len };
	int mode = request->may_unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
	int ret;

	if (!request->len)
		return 0;
	/* BLKDISCARD would not do: what it leaves behind is the device's choice. */
	if (raw->block_device)
		ret = ioctl(raw->fd, BLKZEROOUT, range);
	else
		ret = fallocate(raw->fd, mode | FALLOC_FL_KEEP_SIZE, request->offset, request->len);
	if (!ret)
		return 0;
	return is_unsupported(errno) ? raw_write_zeroes_by_hand(raw, buffer, request) : -errno;
}

int raw_perform(const struct raw *raw, struct raw_buffer *buffer, struct disk_request *request)
{
	switch (request->op) {
	case DISK_READ:
	case DISK_WRITE:
		return raw_transfer(raw, buffer, request);
	case DISK_FLUSH:
		return raw_flush(raw);
	case DISK_DISCARD:
		return raw_discard(raw, request);
	case DISK_WRITE_ZEROES:
		return raw_write_zeroes(raw, buffer, request);
	}
	return -EINVAL;
}
