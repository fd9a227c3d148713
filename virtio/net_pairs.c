/* SPDX-License-Identifier: BSD-2-Clause */
/* What all parts of virtio-net go by: offloads, pairs in use, whether the link is up. */
#include <sys/epoll.h>

#include <linux/virtio_config.h>

#include "net_private.h"
#include "util/log.h"

#define FEATURE(bit) (1ULL << (bit))

/* ---- offloads ---- */

/* A feature, and the offload of a back end that it stands for. */
struct offload {
	u8 feature;
	u32 offload;
};

static const struct offload from_guest[] = {
	{ VIRTIO_NET_F_HOST_TSO4, NET_TSO4 },
	{ VIRTIO_NET_F_HOST_TSO6, NET_TSO6 },
	{ VIRTIO_NET_F_HOST_ECN, NET_ECN },
	{ NET_F_HOST_USO, NET_USO4 | NET_USO6 },
};

static const struct offload to_guest[] = {
	{ VIRTIO_NET_F_GUEST_TSO4, NET_TSO4 }, { VIRTIO_NET_F_GUEST_TSO6, NET_TSO6 },
	{ VIRTIO_NET_F_GUEST_ECN, NET_ECN },   { NET_F_GUEST_USO4, NET_USO4 },
	{ NET_F_GUEST_USO6, NET_USO6 },
};

/* "Feature bit requirements": all of them need a checksum's. */
static u32 offloads_of(u64 features, unsigned checksum, const struct offload *table, unsigned count)
{
	u32 offloads = NET_CSUM;

	if (!(features >> checksum & 1))
		return 0;
	for (unsigned i = 0; i < count; i++) {
		if (features >> table[i].feature & 1)
			offloads |= table[i].offload;
	}
	return offloads;
}

static u64 features_of(u32 offloads, unsigned checksum, const struct offload *table, unsigned count)
{
	u64 features = FEATURE(checksum);

	if (!(offloads & NET_CSUM))
		return 0;
	for (unsigned i = 0; i < count; i++) {
		if (!(table[i].offload & ~offloads))
			features |= FEATURE(table[i].feature);
	}
	return features;
}

u32 net_guest_offloads(u64 features)
{
	return offloads_of(features, VIRTIO_NET_F_GUEST_CSUM, to_guest, ARRAY_SIZE(to_guest));
}

int net_give_offloads(struct net *net, u32 offloads)
{
	const struct net_ops *ops = net->backend->ops;
	int ret = ops->set_offloads ? ops->set_offloads(net->backend, offloads) : 0;

	if (!ret)
		net->offloads_in = offloads;
	return ret;
}

u64 net_offload_features(u32 offloads)
{
	return features_of(offloads, VIRTIO_NET_F_CSUM, from_guest, ARRAY_SIZE(from_guest)) |
	       features_of(offloads, VIRTIO_NET_F_GUEST_CSUM, to_guest, ARRAY_SIZE(to_guest));
}

u32 net_host_offloads(u64 features)
{
	return offloads_of(features, VIRTIO_NET_F_CSUM, from_guest, ARRAY_SIZE(from_guest));
}

/* ---- pairs ---- */

/* "Virtqueues": it comes behind the pairs, of which there is one without VIRTIO_NET_F_MQ. */
unsigned net_control_queue(const struct net *net)
{
	return virtio_has_feature(&net->device, VIRTIO_NET_F_MQ) ? 2 * net->backend->pairs : 2;
}

void net_unwatch(struct net_pair *pair)
{
	if (pair->watched)
		loop_remove(pair->net->loop, &pair->source);
	pair->watched = false;
}

void net_watch(struct net_pair *pair)
{
	struct net *net = pair->net;
	u32 events = (pair->hungry ? EPOLLIN : 0) | (pair->full ? EPOLLOUT : 0);

	if (net->vhost || !net->link || pair->index >= net->pairs ||
	    virtio_device_is_inert(&net->device)) {
		net_unwatch(pair);
		return;
	}
	if (pair->watched) {
		if (events != pair->source.events)
			loop_modify(net->loop, &pair->source, events);
		return;
	}
	pair->source.events = events;
	pair->watched = !loop_add(net->loop, &pair->source);
	if (!pair->watched)
		log_limited(&net->device.complaints, LOG_WARNING,
			    "%s: the host cannot wait for %s: no frames", net->name,
			    net->backend->name);
}

void net_link_lost(struct net *net)
{
	if (!net->link)
		return;
	net->link = false;
	log_warning("%s: %s is gone: the guest's link is down", net->name, net->backend->name);
	for (unsigned i = 0; i < net->backend->pairs; i++) {
		net_unwatch(&net->pair[i]);
		/* What the guest sends is lost from now on, and given back at once. */
		net->pair[i].full = false;
		virtio_device_kick_again(&net->device, net_tx_queue(&net->pair[i]));
	}
	virtio_device_config_changed(&net->device);
}

int net_use_pairs(struct net *net, unsigned pairs)
{
	const struct net_ops *ops = net->backend->ops;
	int ret = ops->set_pairs ? ops->set_pairs(net->backend, pairs) : 0;

	if (ret)
		return ret;
	net->pairs = pairs;
	for (unsigned i = 0; i < net->backend->pairs; i++) {
		net->pair[i].hungry |= i < pairs && !net->device.paused;
		net_watch(&net->pair[i]);
	}
	return 0;
}
