/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-net: virtio 1.4, "Network Device". */
#ifndef VIRTIO_NET_H
#define VIRTIO_NET_H

#include "net/net.h"
#include "virtio/device.h"

struct loop;

struct virtio_net_options {
	unsigned number; /* for its name */
	u8 mac[NET_MAC];
	u16 mtu;	  /* to tell the guest; 0: what the back end says */
	bool no_offloads; /* offer none of the back end's */
};

/*
 * @backend: the device's from here on, also on failure. @loop: the VM's. -ENOMEM, or what the
 * back end said.
 */
int virtio_net_create(struct virtio_device **device, struct net_backend *backend,
		      const struct virtio_net_options *options, struct loop *loop,
		      struct dma_space *space);

/* Tell the packets of each queue, and what is the whole's. */
void virtio_net_count(const struct virtio_device *device, struct counters *counters);

#endif
