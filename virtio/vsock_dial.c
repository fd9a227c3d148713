/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connecting to a socket of the host's looks for a file, which may take as long as its file system
 * likes. So a process aside does it, one after the other, and sends what is connected.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/log.h"
#include "util/reach.h"
#include "vsock_private.h"

enum { OURS, WORKERS };

/* ---- on the worker's thread ---- */

static int connect_to(const struct vsock_connection *connection)
{
	int type = vsock_has_messages(connection) ? SOCK_SEQPACKET : SOCK_STREAM;
	struct sockaddr_un address = connection->vsock->address;
	size_t len = strlen(address.sun_path);
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path + len, sizeof(address.sun_path) - len, "_%u",
		 connection->host_port);
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	error = errno;
	close(fd);
	return -error;
}

/* A control message with one descriptor. */
union fd_message {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

static struct msghdr fd_msghdr(struct iovec *iov, union fd_message *control)
{
	return (struct msghdr){ .msg_iov = iov,
				.msg_iovlen = 1,
				.msg_control = control,
				.msg_controllen = sizeof(*control) };
}

static int send_fd(int to, int fd)
{
	union fd_message control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
						 .cmsg_level = SOL_SOCKET,
						 .cmsg_type = SCM_RIGHTS } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = fd_msghdr(&iov, &control);

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(to, &message, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static void run_dial(struct worker_job *job)
{
	struct vsock_connection *connection = container_of(job, struct vsock_connection, job);
	int fd = connect_to(connection);

	connection->dial_error = MIN(fd, 0);
	if (fd < 0)
		return;
	connection->dial_error = send_fd(connection->vsock->dial_fds[WORKERS], fd);
	close(fd);
}

/* ---- in the loop ---- */

/* In the order of the jobs, as one thread does them. */
static int receive_fd(int from)
{
	union fd_message control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = fd_msghdr(&iov, &control);
	int fd = -1;

	if (recvmsg(from, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
		return -EIO;
	/* Without it there was no descriptor left for it. */
	if (CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd < 0 ? -EMFILE : fd;
}

static void dial_done(struct worker_job *job)
{
	struct vsock_connection *connection = container_of(job, struct vsock_connection, job);
	struct vsock *vsock = connection->vsock;
	int fd = connection->dial_error;

	if (!fd)
		fd = receive_fd(vsock->dial_fds[OURS]);
	vsock->dials--;
	connection->dialing = false;
	if (!connection->abandoned) {
		vsock_host_dialed(connection, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
	vsock_connection_free(connection);
}

int vsock_dial(struct vsock_connection *connection)
{
	int ret;

	connection->job = (struct worker_job){ .run = run_dial, .done = dial_done };
	ret = worker_submit(connection->vsock->dialer, &connection->job);
	connection->dialing = !ret;
	connection->vsock->dials += !ret;
	return ret;
}

/* ---- life ---- */

int vsock_dial_create(struct vsock *vsock)
{
	struct worker_options options = {
		.name = "lkvm-vsock",
		.kind = THREAD_DIAL,
		.threads = 1,
		.file_count = 1,
		.shared_files = true,
	};
	int ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, vsock->dial_fds)) {
		vsock->dial_fds[OURS] = vsock->dial_fds[WORKERS] = -1;
		return -errno;
	}
	options.files[0] = vsock->dial_fds[WORKERS];
	if (*vsock->address.sun_path)
		reach_add_names();
	ret = worker_create(&vsock->dialer, vsock->loop, &options);
	if (ret)
		vsock_dial_destroy(vsock);
	return ret;
}

bool vsock_dial_destroy(struct vsock *vsock)
{
	while (vsock->dials) {
		if (!worker_await(vsock->dialer)) {
			log_warning("%s: the host does not finish a connect()", vsock->device.name);
			return false;
		}
	}
	worker_destroy(vsock->dialer);
	vsock->dialer = NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(vsock->dial_fds); i++) {
		if (vsock->dial_fds[i] >= 0)
			close(vsock->dial_fds[i]);
		vsock->dial_fds[i] = -1;
	}
	return true;
}
