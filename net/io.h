/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames through a descriptor that keeps their bounds: a tap's, a packet socket's. */
#ifndef NET_IO_H
#define NET_IO_H

#include "net/net.h"

/* As net_ops.send and .receive, on a non-blocking @fd. */
int net_io_send(int fd, const struct iovec *iov, unsigned count);
ssize_t net_io_receive(int fd, const struct iovec *iov, unsigned count);
/* -EPIPE for what says that nothing will ever come or go again; other errnos as -errno. */
int net_io_error(int error);

#endif
