/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "file.h"
#include "util/range.h"

/* Pieces per call: enough that a call costs more than making it. */
#define WINDOW 64

/* Of a transfer that cannot use the guest's memory, at a time. */
#define BUFFER_SIZE (256 * KIB)

bool disk_file_is_aligned(const struct disk_file *file, const struct disk_request *request)
{
	u64 bits = request->offset + request->moved;

	if (!file->info.direct)
		return true;
	if (request->moved & (file->align - 1))
		return false;
	for (unsigned i = 0; i < request->iov_count; i++)
		bits |= (uintptr_t)request->iov[i].iov_base | request->iov[i].iov_len;
	return is_aligned(bits, file->align);
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

/* Memory for a transfer that cannot use the request's. NULL: there is none. */
static void *buffer_alloc(u64 size)
{
	void *data;

	return posix_memalign(&data, 4096, align_up(size, 4096)) ? NULL : data;
}

/* One call straight from or to the request's memory. Bytes moved or -1. */
static ssize_t transfer_straight(const struct disk_file *file, const struct disk_request *request)
{
	struct iovec window[WINDOW];
	int count = window_fill(request, request->moved, request->len - request->moved, window);
	off_t offset = request->offset + request->moved;

	return request->op == DISK_READ ? preadv(file->fd, window, count, offset)
					: pwritev(file->fd, window, count, offset);
}

/* One call through the buffer. */
static ssize_t transfer_bounced(const struct disk_file *file, void *buffer,
				const struct disk_request *request)
{
	u64 len = MIN(request->len - request->moved, BUFFER_SIZE);
	off_t offset = request->offset + request->moved;
	ssize_t done;

	if (request->op == DISK_WRITE) {
		request_copy(request, request->moved, buffer, len, false);
		return pwrite(file->fd, buffer, len, offset);
	}
	done = pread(file->fd, buffer, len, offset);
	if (done > 0)
		request_copy(request, request->moved, buffer, done, true);
	return done;
}

/* @buffer: NULL where the request's own memory will do. */
static int transfer_all(const struct disk_file *file, void *buffer, struct disk_request *request)
{
	while (request->moved < request->len) {
		ssize_t done = buffer ? transfer_bounced(file, buffer, request)
				      : transfer_straight(file, request);

		if (done < 0 && errno == EINTR)
			continue;
		/* The end of a file that has shrunk under us, or an offset that O_DIRECT does not
		 * take. */
		if (done == 0 || (done < 0 && errno == EINVAL))
			return -EIO;
		if (done < 0)
			return -errno;
		request->moved += done;
	}
	return 0;
}

static int disk_file_transfer(const struct disk_file *file, struct disk_request *request)
{
	void *buffer;
	int ret;

	if (disk_file_is_aligned(file, request))
		return transfer_all(file, NULL, request);
	buffer = buffer_alloc(MIN(request->len, BUFFER_SIZE));
	if (!buffer)
		return -ENOMEM;
	ret = transfer_all(file, buffer, request);
	free(buffer);
	return ret;
}

static int disk_file_flush(const struct disk_file *file)
{
	return fdatasync(file->fd) ? -errno : 0;
}

static bool is_unsupported(int error)
{
	return error == EOPNOTSUPP || error == ENOTTY || error == ENOSYS || error == EINVAL;
}

/* What the host cannot do is no error: a discard is a hint. */
static int disk_file_discard(const struct disk_file *file, const struct disk_request *request)
{
	u64 start = align_up(request->offset, file->info.block_size);
	u64 end = align_down(request->offset + request->len, file->info.block_size);
	u64 range[2] = { start, end - start };
	int ret;

	if (start >= end)
		return 0;
	if (file->block_device)
		ret = ioctl(file->fd, BLKDISCARD, range);
	else
		ret = fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start,
				end - start);
	return !ret || is_unsupported(errno) ? 0 : -errno;
}

static int write_all(const struct disk_file *file, const void *zeroes, u64 size,
		     const struct disk_request *request)
{
	u64 moved = 0;

	while (moved < request->len) {
		ssize_t done = pwrite(file->fd, zeroes, MIN(request->len - moved, size),
				      request->offset + moved);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		moved += done;
	}
	return 0;
}

static int disk_file_write_zeroes_by_hand(const struct disk_file *file,
					  const struct disk_request *request)
{
	u64 size = MIN(request->len, BUFFER_SIZE);
	void *zeroes = buffer_alloc(size);
	int ret;

	if (!zeroes)
		return -ENOMEM;
	memset(zeroes, 0, size);
	ret = write_all(file, zeroes, size, request);
	free(zeroes);
	return ret;
}

static int disk_file_write_zeroes(const struct disk_file *file, const struct disk_request *request)
{
	u64 range[2] = { request->offset, request->len };
	int mode = request->may_unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
	int ret;

	if (!request->len)
		return 0;
	/* BLKDISCARD would not do: what it leaves behind is the device's choice. */
	if (file->block_device)
		ret = ioctl(file->fd, BLKZEROOUT, range);
	else
		ret = fallocate(file->fd, mode | FALLOC_FL_KEEP_SIZE, request->offset,
				request->len);
	if (!ret)
		return 0;
	return is_unsupported(errno) ? disk_file_write_zeroes_by_hand(file, request) : -errno;
}

int disk_file_perform(const struct disk_file *file, struct disk_request *request)
{
	switch (request->op) {
	case DISK_READ:
	case DISK_WRITE:
		return disk_file_transfer(file, request);
	case DISK_FLUSH:
		return disk_file_flush(file);
	case DISK_DISCARD:
		return disk_file_discard(file, request);
	case DISK_WRITE_ZEROES:
		return disk_file_write_zeroes(file, request);
	}
	return -EINVAL;
}
