/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets that listen at a path of the user's choice. */
#ifndef VIRTIO_VSOCK_SOCKET_H
#define VIRTIO_VSOCK_SOCKET_H

#include <sys/stat.h>
#include <sys/un.h>

#include "util/error.h"

/* Zeroed: none. */
struct vsock_socket {
	int fd; /* the caller's */
	struct sockaddr_un address;
	bool bound; /* the file is there, and was ours */
	dev_t dev;
	ino_t ino;
};

/*
 * Listen at @path, which a sockaddr_un has room for, in place of a socket at which nobody listens
 * any more. @type: SOCK_STREAM or SOCK_SEQPACKET. Waits while the file system is frozen, but the
 * process can end. -EADDRINUSE: somebody listens there, or it is no socket; all with a line.
 */
int vsock_socket_listen(struct vsock_socket *socket, const char *path, int type, struct error *err);
/*
 * Remove the file, unless it is another's by now; not for longer than a moment, should its file
 * system be frozen. The fd stays.
 */
void vsock_socket_remove(struct vsock_socket *socket);

#endif
