/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Network Device": the device around its queues. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "net_private.h"
#include "vhost.h"
#include "util/log.h"
#include "virtio/endian.h"
#include "vmm/counters.h"

#define FEATURE(bit) (1ULL << (bit))

static struct net *net_of(const struct virtio_device *device)
{
	return container_of(device, struct net, device);
}

static u64 net_features(const struct net_backend *backend, u16 mtu, bool no_offloads)
{
	u32 offloads = backend->header && !no_offloads ? backend->offloads : 0;
	u64 features = FEATURE(VIRTIO_F_IN_ORDER) | FEATURE(VIRTIO_NET_F_MAC) |
		       FEATURE(VIRTIO_NET_F_STATUS) | FEATURE(VIRTIO_NET_F_MRG_RXBUF) |
		       FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_CTRL_RX) |
		       FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) | FEATURE(VIRTIO_NET_F_CTRL_VLAN) |
		       FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR);

	if (mtu)
		features |= FEATURE(VIRTIO_NET_F_MTU);
	if (backend->pairs > 1)
		features |= FEATURE(VIRTIO_NET_F_MQ);
	if (offloads)
		features |= FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
	return features | net_offload_features(offloads);
}

/* ---- the back end's side ---- */

static void pair_ready(struct loop_source *source, u32 events)
{
	struct net_pair *pair = container_of(source, struct net_pair, source);

	/* Of what is gone, and has nothing more to read, or nowhere to put it. */
	if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN && pair->hungry)) {
		net_link_lost(pair->net);
		return;
	}
	if (events & EPOLLOUT)
		net_transmit(pair);
	if (events & EPOLLIN && pair->hungry)
		net_receive(pair);
}

/* ---- the driver's side ---- */

static int net_start(struct virtio_device *device)
{
	struct net *net = net_of(device);
	u64 accepted = device->accepted;
	int ret;

	net->mergeable = virtio_has_feature(device, VIRTIO_NET_F_MRG_RXBUF);
	net->filter.by_vlan = virtio_has_feature(device, VIRTIO_NET_F_CTRL_VLAN);
	net->offloads_out = net_host_offloads(accepted);
	ret = net_give_offloads(net, net_guest_offloads(accepted));
	if (!ret && net->link && net->backend->ops->start)
		net->backend->ops->start(net->backend);
	if (!ret && net->vhost)
		ret = vhost_start(net->vhost);
	return ret ? ret : net_use_pairs(net, 1);
}

static void net_reset(struct virtio_device *device)
{
	struct net *net = net_of(device);

	if (net->vhost)
		vhost_stop(net->vhost);
	net->pairs = 0;
	for (unsigned i = 0; i < net->backend->pairs; i++) {
		net_receive_reset(&net->pair[i]);
		net_transmit_reset(&net->pair[i]);
		net_unwatch(&net->pair[i]);
	}
	net_filter_reset(&net->filter, net->mac);
}

static void net_queue_reset(struct virtio_device *device, unsigned index)
{
	struct net *net = net_of(device);

	/* The control queue holds nothing, and behind it there is none. */
	if (index >= net_control_queue(net))
		return;
	/* The kernel must let go of the ring. It takes it up again after a reset. */
	if (net->vhost)
		vhost_stop(net->vhost);
	if (index % 2)
		net_transmit_reset(&net->pair[index / 2]);
	else
		net_receive_reset(&net->pair[index / 2]);
	net_watch(&net->pair[index / 2]);
}

/* Frames wait meanwhile where they are. */
static void net_pause(struct virtio_device *device)
{
	struct net *net = net_of(device);

	if (net->vhost)
		vhost_pause(net->vhost, device->paused);
	for (unsigned i = 0; device->paused && i < net->backend->pairs; i++) {
		net->pair[i].hungry = net->pair[i].full = false;
		net_watch(&net->pair[i]);
	}
}

/* "DEVICE_NEEDS_RESET": the kernel does not see that bit. */
static void net_broken(struct virtio_device *device)
{
	struct net *net = net_of(device);

	if (net->vhost)
		vhost_stop(net->vhost);
}

static void net_interrupts_moved(struct virtio_device *device)
{
	if (net_of(device)->vhost)
		vhost_interrupts_moved(net_of(device)->vhost);
}

static void net_kick(struct virtio_device *device, unsigned index)
{
	struct net *net = net_of(device);
	unsigned control = net_control_queue(net);

	if (index == control)
		net_control(net, index);
	else if (index > control || net->vhost)
		return;
	else if (index % 2)
		net_transmit(&net->pair[index / 2]);
	else
		net_receive(&net->pair[index / 2]);
}

static void net_config_read(struct virtio_device *device, u32 offset, void *data, u32 len)
{
	struct net *net = net_of(device);
	struct virtio_net_config config = {
		.status = cpu_to_virtio16(net->link ? VIRTIO_NET_S_LINK_UP : 0),
		.max_virtqueue_pairs = cpu_to_virtio16(net->backend->pairs),
		.mtu = cpu_to_virtio16(net->mtu),
	};

	memcpy(config.mac, net->filter.mac, NET_MAC);
	memcpy(data, (const char *)&config + offset, len);
}

static void net_free(struct net *net)
{
	for (unsigned i = 0; i < NET_MAX_PAIRS; i++) {
		free(net->pair[i].window.chains);
		free(net->pair[i].kept);
	}
	free(net);
}

static void net_destroy(struct virtio_device *device)
{
	struct net *net = net_of(device);

	for (unsigned i = 0; i < net->backend->pairs; i++)
		net_unwatch(&net->pair[i]);
	net_vhost_destroy(net);
	net_close(net->backend);
	net_free(net);
}

static const struct virtio_device_ops net_ops = {
	.start = net_start,
	.reset = net_reset,
	.pause = net_pause,
	.broken = net_broken,
	.interrupts_moved = net_interrupts_moved,
	.kick = net_kick,
	.queue_reset = net_queue_reset,
	.config_read = net_config_read,
	.destroy = net_destroy,
};

/* ---- life ---- */

static int make_pairs(struct net *net)
{
	for (unsigned i = 0; i < net->backend->pairs; i++) {
		struct net_pair *pair = &net->pair[i];

		pair->net = net;
		pair->index = i;
		pair->source = (struct loop_source){ .fd = net->backend->fds[i],
						     .handle = pair_ready };
		/* Pages that no buffer needs are never touched. */
		pair->window.chains = malloc(NET_WINDOW * sizeof(struct virtq_chain));
		if (!pair->window.chains)
			return -ENOMEM;
	}
	return 0;
}

/*
 * The kernel looks at no addresses, has no word for the reset of one queue, and serves split rings
 * whose kicks say nothing but that they are kicks.
 */
static void leave_to_kernel(struct virtio_device *device, int fd)
{
	u64 filters = FEATURE(VIRTIO_NET_F_CTRL_RX) | FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) |
		      FEATURE(VIRTIO_NET_F_CTRL_VLAN);

	device->features &= ~filters;
	if (!(vhost_features(fd) >> VIRTIO_NET_F_MRG_RXBUF & 1))
		device->features &= ~FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	device->lacks = FEATURE(VIRTIO_F_RING_RESET) | VIRTIO_NEW_RINGS;
}

static void init_queues(struct net *net)
{
	unsigned pairs = net->backend->pairs;

	for (unsigned i = 0; i < 2 * pairs; i++)
		virtq_init(&net->queues[i], pairs > 1 ? NET_QUEUES_SIZE : NET_QUEUE_SIZE);
	virtq_init(&net->queues[2 * pairs], NET_CONTROL_SIZE);
}

int virtio_net_create(struct virtio_device **device, struct net_backend *backend,
		      const struct virtio_net_options *options, struct loop *loop,
		      struct dma_space *space)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net) {
		net_close(backend);
		return -ENOMEM;
	}
	net->backend = backend;
	net->loop = loop;
	net->link = true;
	net->mtu = options->mtu ? options->mtu : backend->mtu;
	memcpy(net->mac, options->mac, NET_MAC);
	net_filter_reset(&net->filter, net->mac);
	snprintf(net->name, sizeof(net->name), "virtio-net %u", options->number);
	if (make_pairs(net)) {
		net_close(backend);
		net_free(net);
		return -ENOMEM;
	}
	if (backend->vhost_fd >= 0) {
		int ret = net_vhost_create(net);

		if (ret) {
			net_close(backend);
			net_free(net);
			return ret;
		}
	}
	init_queues(net);
	net->device = (struct virtio_device){
		.ops = &net_ops,
		.name = net->name,
		.id = VIRTIO_ID_NET,
		.features = net_features(backend, net->mtu, options->no_offloads),
		/* To the end of mtu: what follows is of features that are not offered. */
		.config_size = offsetof(struct virtio_net_config, mtu) + sizeof(u16),
		.queue_count = 2 * backend->pairs + 1,
		.queues = net->queues,
		.space = space,
	};
	if (net->vhost)
		leave_to_kernel(&net->device, backend->vhost_fd);
	*device = &net->device;
	return 0;
}

/* Packets of its queues. */
static void count_direction(const struct net *net, unsigned queue, struct counters *counters)
{
	const struct net_pair *pair = &net->pair[queue / 2];
	const struct net_counters *counted = queue % 2 ? &pair->sent : &pair->received;

	counters_begin_queue(counters, net->name, queue);
	counters_text(counters, "direction", queue % 2 ? "transmit" : "receive");
	counters_number(counters, "packets", counted->packets);
	counters_number(counters, "bytes", counted->bytes);
	counters_number(counters, "dropped", counted->drops);
	counters_number(counters, "filtered", queue % 2 ? 0 : pair->filtered);
}

void virtio_net_count(const struct virtio_device *device, struct counters *counters)
{
	const struct net *net = net_of(device);

	/* What the host's kernel serves it counts itself: 'ip -s link' shows that. */
	for (unsigned queue = 0; !net->vhost && queue < 2 * net->backend->pairs; queue++)
		count_direction(net, queue, counters);
	counters_begin(counters, net->name);
	counters_text(counters, "backend", net->backend->name);
	counters_number(counters, "vhost", net->vhost != NULL);
	counters_number(counters, "irqfd", net->vhost && vhost_is_direct(net->vhost));
	counters_number(counters, "commands", net->commands);
	counters_number(counters, "refused", net->refused);
	counters_text(counters, "link", net->link ? "up" : "down");
}
