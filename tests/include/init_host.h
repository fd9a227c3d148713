/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first process of a one-shot run's guest (init/) as a process of this host: what it asks
 * of a machine is granted and not done, and its connections are sockets of the test's.
 */
#ifndef TESTS_INIT_HOST_H
#define TESTS_INIT_HOST_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Never returns: it is init, whose configuration is @file, and connection n of
 * ONESHOT_CHANNELS is @sockets[n], be it by vsock or, if the configuration says so, by a port of
 * virtio-console's. It listens at Unix sockets, "\\0init\\0\\0\\0", its PID and the
 * port, and who comes there has the address @cid. The process ends where init switches the machine
 * off.
 */
void init_host_run(int file, const int *sockets, unsigned cid) __attribute__((noreturn));

/* An fd, or -1: a line for each mount, "TYPE SOURCE PLACE", and each "node PATH", "folder PATH" and
 * "link PATH" of the devices' folder, and of what is in /made. */
extern int init_host_mounts;
extern bool init_host_has_devtmpfs;

#endif
