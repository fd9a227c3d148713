/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "request_memory.h"
#include "util/range.h"

/* Of a transfer that cannot use the guest's memory, at a time. */
#define BUFFER_SIZE (256 * KIB)

bool disk_file_is_aligned(const struct disk_file *file, const struct disk_request *request, u64 at,
			  u64 offset)
{
	u64 bits = at | offset;

	if (!file->direct)
		return true;
	for (unsigned i = 0; i < request->iov_count; i++)
		bits |= (uintptr_t)request->iov[i].iov_base | request->iov[i].iov_len;
	return is_aligned(bits, file->align);
}

/* Memory for a transfer that cannot use the request's. NULL: there is none. */
static void *buffer_alloc(u64 size)
{
	void *data;

	return posix_memalign(&data, 4096, align_up(size, 4096)) ? NULL : data;
}

/* A transfer on its way: @at is how far into the request's memory it has come. */
struct transfer {
	const struct disk_file *file;
	const struct disk_request *request;
	u64 at, len, offset; /* what is left: from there, so many bytes, there in the file */
	void *buffer;	     /* NULL: the request's own memory will do */
};

/* One call straight from or to the request's memory. Bytes moved or -1. */
static ssize_t transfer_straight(const struct transfer *transfer)
{
	const struct disk_request *request = transfer->request;
	struct iovec window[REQUEST_WINDOW];
	int count = request_window(request, transfer->at, transfer->len, window);

	return request->op == DISK_READ
		       ? preadv(transfer->file->fd, window, count, transfer->offset)
		       : pwritev(transfer->file->fd, window, count, transfer->offset);
}

/* One call through the buffer. */
static ssize_t transfer_bounced(const struct transfer *transfer)
{
	const struct disk_request *request = transfer->request;
	u64 len = MIN(transfer->len, BUFFER_SIZE);
	ssize_t done;

	if (request->op == DISK_WRITE) {
		request_copy(request, transfer->at, transfer->buffer, len, false);
		return pwrite(transfer->file->fd, transfer->buffer, len, transfer->offset);
	}
	done = pread(transfer->file->fd, transfer->buffer, len, transfer->offset);
	if (done > 0)
		request_copy(request, transfer->at, transfer->buffer, done, true);
	return done;
}

static int transfer_all(struct transfer *transfer)
{
	while (transfer->len) {
		ssize_t done = transfer->buffer ? transfer_bounced(transfer)
						: transfer_straight(transfer);

		if (done < 0 && errno == EINTR)
			continue;
		/* The end of a file that has shrunk under us, or an offset that O_DIRECT does not
		 * take. */
		if (done == 0 || (done < 0 && errno == EINVAL))
			return -EIO;
		if (done < 0)
			return -errno;
		transfer->at += done;
		transfer->len -= done;
		transfer->offset += done;
	}
	return 0;
}

int disk_file_move(const struct disk_file *file, const struct disk_request *request, u64 at,
		   u64 len, u64 offset)
{
	struct transfer transfer = { file, request, at, len, offset, NULL };
	int ret;

	if (disk_file_is_aligned(file, request, at, offset))
		return transfer_all(&transfer);
	transfer.buffer = buffer_alloc(MIN(len, BUFFER_SIZE));
	if (!transfer.buffer)
		return -ENOMEM;
	ret = transfer_all(&transfer);
	free(transfer.buffer);
	return ret;
}

int disk_file_read(const struct disk_file *file, void *data, u64 len, u64 offset)
{
	u64 at = 0;

	while (at < len) {
		ssize_t done = pread(file->fd, (char *)data + at, len - at, offset + at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno == EINVAL ? -EIO : -errno;
		at += done;
		/* O_DIRECT cannot go on from within a sector: that was the end of the file. */
		if (!done || at % DISK_SECTOR)
			break;
	}
	memset((char *)data + at, 0, len - at);
	return 0;
}

int disk_file_write(const struct disk_file *file, const void *data, u64 len, u64 offset)
{
	for (u64 at = 0; at < len;) {
		ssize_t done = pwrite(file->fd, (const char *)data + at, len - at, offset + at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		at += done;
	}
	return 0;
}

int disk_file_end(const struct disk_file *file, u64 *end)
{
	struct stat st;

	if (file->block_device) {
		*end = file->size;
		return 0;
	}
	if (fstat(file->fd, &st))
		return -errno;
	*end = st.st_size;
	return 0;
}

int disk_file_flush(const struct disk_file *file)
{
	return fdatasync(file->fd) ? -errno : 0;
}

static bool is_unsupported(int error)
{
	return error == EOPNOTSUPP || error == ENOTTY || error == ENOSYS || error == EINVAL;
}

int disk_file_grow(const struct disk_file *file, u64 end)
{
	struct stat st;

	if (file->block_device)
		return 0;
	if (fstat(file->fd, &st))
		return -errno;
	return (u64)st.st_size < end && ftruncate(file->fd, end) ? -errno : 0;
}

int disk_file_discard(const struct disk_file *file, u64 offset, u64 len)
{
	u64 start = align_up(offset, file->block_size);
	u64 end = align_down(offset + len, file->block_size);
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

/* The same @size bytes again and again. */
static int write_zeroes(const struct disk_file *file, const void *zeroes, u64 size, u64 offset,
			u64 len)
{
	int ret = 0;

	for (u64 at = 0; !ret && at < len; at += size)
		ret = disk_file_write(file, zeroes, MIN(len - at, size), offset + at);
	return ret;
}

static int zero_by_hand(const struct disk_file *file, u64 offset, u64 len)
{
	u64 size = MIN(len, BUFFER_SIZE);
	void *zeroes = buffer_alloc(size);
	int ret;

	if (!zeroes)
		return -ENOMEM;
	memset(zeroes, 0, size);
	ret = write_zeroes(file, zeroes, size, offset, len);
	free(zeroes);
	return ret;
}

int disk_file_zero(const struct disk_file *file, u64 offset, u64 len, bool may_unmap)
{
	u64 range[2] = { offset, len };
	int mode = may_unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
	int ret;

	if (!len)
		return 0;
	/* BLKDISCARD would not do: what it leaves behind is the device's choice. */
	if (file->block_device)
		ret = ioctl(file->fd, BLKZEROOUT, range);
	else
		ret = fallocate(file->fd, mode | FALLOC_FL_KEEP_SIZE, offset, len);
	if (!ret)
		return 0;
	return is_unsupported(errno) ? zero_by_hand(file, offset, len) : -errno;
}
