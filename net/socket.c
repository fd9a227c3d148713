/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A Unix stream socket on which each frame has its length in front, 32 bits, big endian: what
 * passt and QEMU's stream netdev speak. A stream knows no frames, so what comes is collected, and
 * the rest of a frame that did not go at once is kept.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "io.h"
#include "net/options.h"

#define LENGTH	 4
#define IN_SIZE	 (256 * KIB)
#define OUT_SIZE (LENGTH + NET_MAX_FRAME)

struct net_socket {
	struct net_backend backend;
	/* Received, not handed on: [in_first, in_last). */
	u32 in_first, in_last;
	/* Taken, not sent. */
	u32 out_first, out_last;
	char in[IN_SIZE];
	char out[OUT_SIZE];
};

static struct net_socket *socket_of(struct net_backend *backend)
{
	return container_of(backend, struct net_socket, backend);
}

/* ---- to the network ---- */

static int socket_flush(struct net_backend *backend, unsigned pair)
{
	struct net_socket *socket = socket_of(backend);
	ssize_t sent;

	while (socket->out_first < socket->out_last) {
		sent = write(backend->fds[0], socket->out + socket->out_first,
			     socket->out_last - socket->out_first);
		if (sent < 0)
			return net_io_error(errno);
		socket->out_first += sent;
	}
	return 0;
}

/* What of @iov is behind its first @skip bytes. */
static void keep(struct net_socket *socket, const struct iovec *iov, unsigned count, u64 skip)
{
	socket->out_first = socket->out_last = 0;
	for (unsigned i = 0; i < count; i++) {
		u64 done = MIN(skip, iov[i].iov_len);

		skip -= done;
		memcpy(socket->out + socket->out_last, (char *)iov[i].iov_base + done,
		       iov[i].iov_len - done);
		socket->out_last += iov[i].iov_len - done;
	}
}

static int socket_send(struct net_backend *backend, unsigned pair, const struct iovec *iov,
		       unsigned count)
{
	struct net_socket *socket = socket_of(backend);
	struct iovec pieces[NET_IOV + 1];
	int ret = socket_flush(backend, pair);
	u64 len = 0;
	ssize_t sent;
	u32 length;

	if (ret)
		return ret;
	for (unsigned i = 0; i < count; i++) {
		pieces[i + 1] = iov[i];
		len += iov[i].iov_len;
	}
	if (count > NET_IOV || len > NET_MAX_FRAME)
		return -EMSGSIZE;
	length = htonl(len);
	pieces[0] = (struct iovec){ .iov_base = &length, .iov_len = LENGTH };
	sent = writev(backend->fds[0], pieces, count + 1);
	if (sent < 0)
		return net_io_error(errno);
	if ((u64)sent < LENGTH + len)
		keep(socket, pieces, count + 1, sent);
	return 0;
}

/* ---- from the network ---- */

/* The length of the frame that is there whole, 0: there is none. -EPIPE: no length can be so. */
static int next_frame(const struct net_socket *socket)
{
	u32 have = socket->in_last - socket->in_first, length;

	if (have < LENGTH)
		return 0;
	memcpy(&length, socket->in + socket->in_first, LENGTH);
	length = ntohl(length);
	if (length < NET_MIN_FRAME || length > NET_MAX_FRAME)
		return -EPIPE;
	return have - LENGTH < length ? 0 : (int)length;
}

static int read_more(struct net_socket *socket)
{
	ssize_t got;

	memmove(socket->in, socket->in + socket->in_first, socket->in_last - socket->in_first);
	socket->in_last -= socket->in_first;
	socket->in_first = 0;
	got = read(socket->backend.fds[0], socket->in + socket->in_last, IN_SIZE - socket->in_last);
	if (got < 0)
		return net_io_error(errno);
	if (!got)
		return -EPIPE;
	socket->in_last += got;
	return 0;
}

static ssize_t hand_over(struct net_socket *socket, u32 length, const struct iovec *iov,
			 unsigned count)
{
	const char *from = socket->in + socket->in_first + LENGTH;
	u32 done = 0;

	for (unsigned i = 0; i < count && done < length; i++) {
		u32 piece = MIN(iov[i].iov_len, length - done);

		memcpy(iov[i].iov_base, from + done, piece);
		done += piece;
	}
	socket->in_first += LENGTH + length;
	return done;
}

static ssize_t socket_receive(struct net_backend *backend, unsigned pair, const struct iovec *iov,
			      unsigned count)
{
	struct net_socket *socket = socket_of(backend);
	int length = next_frame(socket);

	if (!length) {
		int ret = read_more(socket);

		if (ret)
			return ret;
		length = next_frame(socket);
	}
	if (length < 0)
		return length;
	return length ? hand_over(socket, length, iov, count) : -EAGAIN;
}

/* ---- life ---- */

static void socket_close(struct net_backend *backend)
{
	close(backend->fds[0]);
	free(socket_of(backend));
}

static const struct net_ops socket_ops = {
	.send = socket_send,
	.flush = socket_flush,
	.receive = socket_receive,
	.close = socket_close,
};

static int connect_to(const char *path, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, -ENAMETOOLONG,
				 "--network path=%s: longer than the %zu characters of a socket's "
				 "name",
				 path, sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	error = errno;
	if (fd >= 0)
		close(fd);
	if (error == ENOENT || error == ECONNREFUSED)
		return error_set(err, -error,
				 "--network path=%s: nobody listens there: start 'passt --socket "
				 "%s' first",
				 path, path);
	if (error == EAGAIN)
		return error_set(err, -error,
				 "--network path=%s: who listens there does not answer, or is busy "
				 "with another guest",
				 path);
	return error_set(err, -error, "--network path=%s: %s", path, strerror(error));
}

int net_socket_open(struct net_backend **backend, const char *path, struct error *err)
{
	int fd = connect_to(path, err);
	struct net_socket *socket;

	if (fd < 0)
		return fd;
	socket = calloc(1, sizeof(*socket));
	if (!socket) {
		close(fd);
		return error_set(err, -ENOMEM, "--network path=%s: %s", path, strerror(ENOMEM));
	}
	socket->backend = (struct net_backend){
		.ops = &socket_ops,
		.pairs = 1,
		.fds[0] = fd,
		.buffers = true,
		.vhost_fd = -1,
	};
	snprintf(socket->backend.name, sizeof(socket->backend.name), "socket %s", path);
	*backend = &socket->backend;
	return 0;
}
