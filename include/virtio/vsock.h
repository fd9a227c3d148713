/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-vsock (virtio 1.4, "Socket Device"): sockets between guest and host, of which the host's
 * ends are Unix sockets. A program of the host's connects to a socket that listens, writes
 * "CONNECT PORT\n" and reads "OK HOSTPORT\n"; what the guest connects to port P of the host (CID 2)
 * arrives at a socket of the host's whose name is the path, '_' and P. SOCK_SEQPACKET in the guest
 * is SOCK_SEQPACKET there.
 */
#ifndef VIRTIO_VSOCK_H
#define VIRTIO_VSOCK_H

#include "virtio/device.h"

/* CIDs that a guest can have: others are the hypervisor's, the loopback's, the host's or any. */
#define VSOCK_MIN_CID 3
#define VSOCK_MAX_CID 0xfffffffeu

/* The most connections at once; with fewer open files to be had there are fewer. */
#define VSOCK_MAX_CONNECTIONS 1024

/* What is put behind a path for a port, "_4294967295", or for messages. */
#define VSOCK_MESSAGES	".seqpacket"
#define VSOCK_MAX_AFTER 11

struct virtio_vsock_options {
	u32 cid;	      /* VSOCK_MIN_CID to VSOCK_MAX_CID */
	unsigned connections; /* the most, 1 to VSOCK_MAX_CONNECTIONS */
	const char *path; /* a sockaddr_un has room for it and VSOCK_MAX_AFTER more; copied; NULL:
			     no program of the host's can be reached */
	/* Sockets that listen, for programs of the host's: not blocking, the device's from here on,
	 * also when it is not made; -1: none. */
	int stream_fd, seqpacket_fd;
	/*
	 * Sockets that the guest's first stream to each port from @given_port on gets, @given_count
	 * of them, and no other connection. Each that is taken is set to -1 and the device's from
	 * here on, also when it is not made; the rest, -1, is for nobody. NULL: none.
	 */
	int *given;
	unsigned given_count;
	u32 given_port;
};

#define VSOCK_MAX_GIVEN 4

struct counters;
struct loop;

/* @loop, @space: borrowed. -errno of the host's. */
int virtio_vsock_create(struct virtio_device **device, const struct virtio_vsock_options *options,
			struct loop *loop, struct dma_space *space);
/*
 * The host's kernel for a guest of this address: an fd. -EADDRINUSE: another guest has it; -errno:
 * there is none, or it is not for us.
 */
int virtio_vsock_open_kernel(u32 cid);
/* A device that it serves. @fd is the device's from here on, also when it is not made. */
int virtio_vsock_create_kernel(struct virtio_device **device, u32 cid, int fd, struct loop *loop,
			       struct dma_space *space);
/* Tells its counters. VM lock held, or the VM has stopped. */
void virtio_vsock_count(const struct virtio_device *device, struct counters *counters);

#endif
