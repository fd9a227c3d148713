/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Packet Transmission": from the guest's pages to the back end. */
#include <errno.h>

#include "net_private.h"

/* The next frame to send, its header copied and checked. What cannot be sent is given back. */
static bool take(struct net_pair *pair)
{
	struct net *net = pair->net;
	u64 len;

	if (pair->taken)
		return true;
	if (!virtio_device_pop(&net->device, net_tx_queue(pair), &pair->chain))
		return false;
	pair->taken = true;
	len = pair->chain.readable_len - NET_HEADER;
	if (pair->chain.readable_len < NET_HEADER + NET_MIN_FRAME || len > NET_MAX_FRAME ||
	    virtq_chain_read(&pair->chain, 0, &pair->header, NET_HEADER) != NET_HEADER ||
	    !net_header_check(&pair->header, len, net->offloads_out))
		pair->chain.readable_len = 0;
	return true;
}

static void give_back(struct net_pair *pair)
{
	pair->taken = false;
	virtio_device_push(&pair->net->device, net_tx_queue(pair), &pair->chain, 0);
}

/* -EAGAIN: not now. Otherwise it is sent, or lost (another -errno). */
static int send(struct net_pair *pair)
{
	struct net_backend *backend = pair->net->backend;
	struct iovec iov[NET_IOV];
	unsigned first = backend->header;
	int count;

	if (!pair->chain.readable_len)
		return -EINVAL;
	if (!pair->net->link)
		return -ENETDOWN;
	count = virtq_chain_iov(&pair->chain, DMA_READ, NET_HEADER,
				pair->chain.readable_len - NET_HEADER, iov + first,
				NET_IOV - first);
	if (count < 0)
		return count;
	if (first)
		iov[0] = (struct iovec){ .iov_base = &pair->header, .iov_len = NET_HEADER };
	return backend->ops->send(backend, pair->index, iov, first + count);
}

/* One frame of the guest's. False: there is none, or the back end is full. */
static bool transmit_one(struct net_pair *pair, u64 *bytes)
{
	int ret;

	if (!take(pair))
		return false;
	ret = send(pair);
	pair->full = ret == -EAGAIN;
	if (pair->full)
		return false;
	if (ret) {
		pair->sent.drops++;
	} else {
		pair->sent.packets++;
		pair->sent.bytes += pair->chain.readable_len - NET_HEADER;
		*bytes += pair->chain.readable_len;
	}
	if (ret == -EPIPE)
		net_link_lost(pair->net);
	give_back(pair);
	return true;
}

/* What the back end could not pass on yet: wait until it can, for the last frame has no next. */
static void flush(struct net_pair *pair)
{
	struct net_backend *backend = pair->net->backend;
	int ret;

	if (!backend->ops->flush || pair->full || !pair->net->link)
		return;
	ret = backend->ops->flush(backend, pair->index);
	pair->full = ret == -EAGAIN;
	if (ret == -EPIPE)
		net_link_lost(pair->net);
}

void net_transmit(struct net_pair *pair)
{
	struct virtio_device *device = &pair->net->device;
	unsigned frames = 0;
	u64 bytes = 0;

	if (virtio_device_is_inert(device) || device->paused)
		return;
	pair->full = false;
	while (frames < NET_TURN_FRAMES && bytes < NET_TURN_BYTES && transmit_one(pair, &bytes))
		frames++;
	flush(pair);
	virtio_device_interrupt(device, net_tx_queue(pair));
	if (!pair->full && (frames == NET_TURN_FRAMES || bytes >= NET_TURN_BYTES))
		virtio_device_kick_again(device, net_tx_queue(pair));
	net_watch(pair);
}

void net_transmit_reset(struct net_pair *pair)
{
	pair->taken = pair->full = false;
}
