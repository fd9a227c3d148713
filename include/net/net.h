/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network's back end: file descriptors that speak Ethernet frames, one for each pair of
 * queues. virtio/net.c is the device in front of it and knows no kind of it.
 *
 * Where a back end has a header, each frame in either direction begins with a struct
 * virtio_net_hdr_v1 (12 bytes, little endian), and checksums and segmentation may be left to
 * the other side as far as the offloads say.
 *
 * No call blocks. The fds are non-blocking; the device watches them and asks to receive when one
 * is readable. VM lock held for all calls but those that open one.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <sys/types.h>
#include <sys/uio.h>

#include "util/error.h"
#include "util/types.h"

#define NET_MAX_PAIRS 8
/* The most pieces of a frame. */
#define NET_IOV	   1000
#define NET_HEADER 12 /* bytes of a struct virtio_net_hdr_v1 */
#define NET_MAC	   6
/* The longest frame: 64 KiB of IP, Ethernet's header, a VLAN tag. */
#define NET_MAX_FRAME (65535 + 14 + 4)
#define NET_MIN_FRAME 14
#define NET_MIN_MTU   68
#define NET_MAX_MTU   65535

/* What may be left undone in a frame that has a header. */
enum net_offload {
	NET_CSUM = 1 << 0, /* its checksum */
	NET_TSO4 = 1 << 1, /* its cutting into segments, TCP over IPv4 */
	NET_TSO6 = 1 << 2,
	NET_ECN = 1 << 3, /* the two above, with ECN */
	NET_USO4 = 1 << 4,
	NET_USO6 = 1 << 5,
};

#define NET_ALL_OFFLOADS (NET_CSUM | NET_TSO4 | NET_TSO6 | NET_ECN | NET_USO4 | NET_USO6)

struct net_backend;

struct net_ops {
	/*
	 * One frame to the network, whole or not at all. -EAGAIN: it is full; try again when the
	 * pair's fd is writable. -EPIPE: it is gone for good. Another -errno: this frame is lost.
	 */
	int (*send)(struct net_backend *backend, unsigned pair, const struct iovec *iov,
		    unsigned count);
	/*
	 * What is left of frames that it took: 0, or as above. Called after a turn of sending, and
	 * again when the fd is writable after -EAGAIN. NULL: nothing is ever left.
	 */
	int (*flush)(struct net_backend *backend, unsigned pair);
	/*
	 * The next frame from the network; its length as far as @iov has room. -EAGAIN: there is
	 * none now; the pair's fd will be readable. -EPIPE: it is gone for good. Another -errno: a
	 * frame was lost. Of a frame that is longer than @iov the rest is lost.
	 */
	ssize_t (*receive)(struct net_backend *backend, unsigned pair, const struct iovec *iov,
			   unsigned count);
	/*
	 * From now on frames for the guest may come with these of its offloads (enum net_offload).
	 * NULL: it has none. -errno: the old ones stay.
	 */
	int (*set_offloads)(struct net_backend *backend, u32 offloads);
	/* The guest listens to the first @pairs pairs alone. NULL: there is but one. */
	int (*set_pairs)(struct net_backend *backend, unsigned pairs);
	/* The guest's driver is there: what costs something may begin. May be NULL. */
	void (*start)(struct net_backend *backend);
	/* Give everything back: fds, memory, what was made on the host. Main thread; may wait a
	 * while. */
	void (*close)(struct net_backend *backend);
};

/* Lives inside its kind's own structure. Constant once it is open. */
struct net_backend {
	const struct net_ops *ops;
	char name[64]; /* for people: "tap vm0" */
	unsigned pairs;
	int fds[NET_MAX_PAIRS]; /* the back end's; each can be waited for */
	bool header;
	/* Frames may wait in memory while the fd is not readable: receive until -EAGAIN. */
	bool buffers;
	u32 offloads; /* that it takes from the guest, and can give to it */
	u16 mtu;      /* 0: nothing to say about it */
	bool has_mac; /* the network has an address for the guest */
	u8 mac[NET_MAC];
	int vhost_fd; /* the host's kernel serves the queues, by this; -1: we do */
};

/* NULL is fine. */
void net_close(struct net_backend *backend);

#endif
