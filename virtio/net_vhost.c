/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vhost=1: the host's kernel serves the queues of one pair, and the device does the rest. Only
 * where the device's addresses are the guest's own, as the kernel is told them once.
 *
 * Kicks go from KVM to the kernel by the doorbells, and interrupts back by the vectors' eventfds.
 * Where the transport has none of these, interrupts come through the loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "net_private.h"
#include "util/log.h"
#include "vmm/memory.h"

#define VHOST_QUEUES 2

struct net_vhost_queue {
	struct net *net;
	unsigned index;
	struct loop_source call; /* an eventfd: the kernel has given chains back; owned */
	bool serving, direct;	 /* direct: its interrupts do not come through the loop */
	u16 base;		 /* of the next chain to take, when it begins */
};

struct net_vhost {
	int fd; /* the back end's */
	u64 features;
	struct net_vhost_queue queues[VHOST_QUEUES];
};

/* ---- interrupts ---- */

static void called(struct loop_source *source, u32 events)
{
	struct net_vhost_queue *queue = container_of(source, struct net_vhost_queue, call);
	struct virtio_device *device = &queue->net->device;
	u64 count;

	if (read(source->fd, &count, sizeof(count)) != sizeof(count) || !queue->serving ||
	    virtio_device_is_inert(device))
		return;
	/* The kernel has asked the ring whether the driver wants it. */
	queue->net->queues[queue->index].interrupts++;
	device->transport->interrupt(device, VIRTIO_MMIO_INT_VRING, queue->index);
}

/* What the kernel signals: the driver's vector itself, if it has one. */
static int set_call(struct net *net, struct net_vhost_queue *queue)
{
	const struct virtio_transport_ops *transport = net->device.transport;
	int fd = transport->interrupt_fd ? transport->interrupt_fd(&net->device, queue->index) : -1;
	struct vhost_vring_file call = { queue->index, fd < 0 ? queue->call.fd : fd };

	queue->direct = fd >= 0;
	return ioctl(net->vhost->fd, VHOST_SET_VRING_CALL, &call) ? -errno : 0;
}

void net_vhost_interrupts_moved(struct net *net)
{
	for (unsigned i = 0; i < VHOST_QUEUES; i++) {
		if (net->vhost->queues[i].serving && set_call(net, &net->vhost->queues[i]))
			virtio_device_broken(&net->device, "the host's kernel cannot interrupt it");
	}
}

bool net_vhost_is_direct(const struct net *net)
{
	return net->vhost->queues[0].direct && net->vhost->queues[1].direct;
}

/* ---- life ---- */

u64 net_vhost_features(int fd)
{
	u64 features;

	return ioctl(fd, VHOST_GET_FEATURES, &features) ? 0 : features;
}

static int make_queue(struct net *net, struct net_vhost_queue *queue, unsigned index)
{
	int ret;

	queue->net = net;
	queue->index = index;
	queue->call = (struct loop_source){ .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
					    .events = EPOLLIN,
					    .handle = called };
	if (queue->call.fd < 0)
		return -errno;
	ret = loop_add(net->loop, &queue->call);
	if (ret) {
		close(queue->call.fd);
		queue->call.fd = -1;
	}
	return ret;
}

void net_vhost_destroy(struct net *net)
{
	struct net_vhost *vhost = net->vhost;

	if (!vhost)
		return;
	for (unsigned i = 0; i < VHOST_QUEUES; i++) {
		if (vhost->queues[i].call.fd < 0)
			continue;
		loop_remove(net->loop, &vhost->queues[i].call);
		close(vhost->queues[i].call.fd);
	}
	free(vhost);
	net->vhost = NULL;
}

int net_vhost_create(struct net *net)
{
	struct net_vhost *vhost = calloc(1, sizeof(*vhost));
	int ret = 0;

	if (!vhost)
		return -ENOMEM;
	net->vhost = vhost;
	vhost->fd = net->backend->vhost_fd;
	vhost->features = net_vhost_features(vhost->fd);
	vhost->queues[0].call.fd = vhost->queues[1].call.fd = -1;
	if (ioctl(vhost->fd, VHOST_SET_OWNER))
		ret = -errno;
	for (unsigned i = 0; !ret && i < VHOST_QUEUES; i++)
		ret = make_queue(net, &vhost->queues[i], i);
	if (ret)
		net_vhost_destroy(net);
	return ret;
}

/* ---- serving ---- */

static int set_memory(const struct net *net)
{
	const struct guest_memory *memory = net->device.space->memory;
	union {
		struct vhost_memory table;
		char room[sizeof(struct vhost_memory) +
			  MEMORY_MAX_RANGES * sizeof(struct vhost_memory_region)];
	} all = { .table.nregions = memory_count(memory) };

	for (unsigned i = 0; i < all.table.nregions; i++) {
		struct range range;
		void *host = memory_range(memory, i, &range);

		all.table.regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = range.start,
			.memory_size = range.last - range.start + 1,
			.userspace_addr = (uintptr_t)host,
		};
	}
	return ioctl(net->vhost->fd, VHOST_SET_MEM_TABLE, &all) ? -errno : 0;
}

/* Where a ring is, whole; 0: in no one place. */
static u64 ring_host(const struct net *net, iova_t start, u64 len)
{
	return (uintptr_t)dma_object(net->device.space, start, len, DMA_READ | DMA_WRITE);
}

/* Sizes as of "Split Virtqueues", with the event indices. */
static int set_rings(const struct net *net, unsigned index)
{
	const struct virtq *queue = &net->queues[index];
	struct vhost_vring_addr rings = {
		.index = index,
		.desc_user_addr = ring_host(net, queue->desc_area, 16ull * queue->size),
		.avail_user_addr = ring_host(net, queue->driver_area, 6 + 2ull * queue->size),
		.used_user_addr = ring_host(net, queue->device_area, 6 + 8ull * queue->size),
	};
	struct vhost_vring_state size = { index, queue->size };
	struct vhost_vring_state base = { index, net->vhost->queues[index].base };

	if (!rings.desc_user_addr || !rings.avail_user_addr || !rings.used_user_addr)
		return -EFAULT;
	if (ioctl(net->vhost->fd, VHOST_SET_VRING_NUM, &size) ||
	    ioctl(net->vhost->fd, VHOST_SET_VRING_BASE, &base) ||
	    ioctl(net->vhost->fd, VHOST_SET_VRING_ADDR, &rings))
		return -errno;
	return 0;
}

static int serve(struct net *net, unsigned index)
{
	struct net_vhost_queue *queue = &net->vhost->queues[index];
	struct vhost_vring_file backend = { index, net->backend->fds[0] };
	struct vhost_vring_file kick = { index, -1 };
	int ret;

	if (!net->queues[index].ready)
		return 0;
	ret = set_rings(net, index);
	if (ret)
		return ret;
	kick.fd = net->device.transport->take_doorbell(&net->device, index);
	if (kick.fd < 0)
		return -ENODEV;
	ret = set_call(net, queue);
	if (ret)
		return ret;
	if (ioctl(net->vhost->fd, VHOST_SET_VRING_KICK, &kick) ||
	    ioctl(net->vhost->fd, VHOST_NET_SET_BACKEND, &backend))
		return -errno;
	queue->serving = true;
	return 0;
}

int net_vhost_start(struct net *net)
{
	u64 features = net->device.accepted & net->vhost->features;
	int ret = ioctl(net->vhost->fd, VHOST_SET_FEATURES, &features) ? -errno : 0;

	if (!ret)
		ret = set_memory(net);
	for (unsigned i = 0; !ret && i < VHOST_QUEUES; i++)
		ret = serve(net, i);
	if (ret)
		log_warning("%s: the host's kernel cannot serve it: %s", net->name, strerror(-ret));
	return ret;
}

/* The kernel has let go of the guest's memory when these return. */
void net_vhost_stop(struct net *net)
{
	for (unsigned i = 0; i < VHOST_QUEUES; i++) {
		struct vhost_vring_file none = { i, -1 };

		if (ioctl(net->vhost->fd, VHOST_NET_SET_BACKEND, &none) && errno != EFAULT)
			log_debug("%s: queue %u does not stop: %s", net->name, i, strerror(errno));
		if (net->vhost->queues[i].serving)
			net->device.transport->return_doorbell(&net->device, i);
		net->vhost->queues[i].serving = false;
		net->vhost->queues[i].base = 0;
	}
}

/* Where the kernel is in the ring, to go on from there. */
static void suspend(struct net *net, unsigned index)
{
	struct vhost_vring_file none = { index, -1 };
	struct vhost_vring_state base = { index, 0 };

	if (!net->vhost->queues[index].serving)
		return;
	if (ioctl(net->vhost->fd, VHOST_NET_SET_BACKEND, &none) ||
	    ioctl(net->vhost->fd, VHOST_GET_VRING_BASE, &base))
		log_warning("%s: the host's kernel does not pause: %s", net->name, strerror(errno));
	net->vhost->queues[index].base = base.num;
}

void net_vhost_pause(struct net *net, bool paused)
{
	for (unsigned i = 0; i < VHOST_QUEUES; i++) {
		if (paused)
			suspend(net, i);
		else if (net->vhost->queues[i].serving && serve(net, i))
			virtio_device_broken(&net->device, "the host's kernel does not go on");
	}
}
