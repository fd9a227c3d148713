/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "io.h"

int net_io_error(int error)
{
	switch (error) {
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
	case EBADF:
	case EBADFD: /* a tap's interface was deleted */
		return -EPIPE;
	case EINTR: /* by the kernel's word nothing of it was done */
	case EAGAIN:
		return -EAGAIN;
	default:
		return -error;
	}
}

int net_io_send(int fd, const struct iovec *iov, unsigned count)
{
	return writev(fd, iov, count) < 0 ? net_io_error(errno) : 0;
}

ssize_t net_io_receive(int fd, const struct iovec *iov, unsigned count)
{
	ssize_t len = readv(fd, iov, count);

	if (len < 0)
		return net_io_error(errno);
	/* No frame is empty: the other end was closed. */
	return len ? len : -EPIPE;
}
