/* SPDX-License-Identifier: BSD-2-Clause */
/* A running VM's vsock, from outside: the socket that 'lkvm run --vsock' listens at. */
#ifndef CMD_VSOCK_H
#define CMD_VSOCK_H

#include "util/error.h"
#include "util/types.h"

/*
 * Connect to @port of the guest of the VM @name, or, with a '/' in it, behind the socket at that
 * path: a blocking fd, the caller's, of which each call waits for 20 seconds at most. -errno with a
 * line: there is no such socket (ENOENT), the guest refuses (ECONNREFUSED, ECONNRESET), or who
 * listens is neither this user nor root (EPERM).
 */
int vsock_dial_guest(const char *name, u32 port, struct error *err);
/* For that -errno: EXIT_USAGE if there is no such VM or @name can be none's, else EXIT_HOST. */
int vsock_exit_status(int error);

#endif
