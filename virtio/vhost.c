/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "util/log.h"
#include "vhost.h"
#include "vmm/memory.h"

/* ---- interrupts ---- */

static void called(struct loop_source *source, u32 events)
{
	struct vhost_queue *queue = container_of(source, struct vhost_queue, call);
	struct virtio_device *device = queue->vhost->device;
	u64 count;

	if (read(source->fd, &count, sizeof(count)) != sizeof(count) || !queue->serving ||
	    virtio_device_is_inert(device))
		return;
	/* The kernel has asked the ring whether the driver wants it. */
	device->queues[queue->index].interrupts++;
	device->transport->interrupt(device, VIRTIO_MMIO_INT_VRING, queue->index);
}

/* What the kernel signals: the driver's vector itself, if it has one. */
static int set_call(struct vhost_queue *queue)
{
	struct vhost *vhost = queue->vhost;
	const struct virtio_transport_ops *transport = vhost->device->transport;
	int fd = transport->interrupt_fd ? transport->interrupt_fd(vhost->device, queue->index)
					 : -1;
	struct vhost_vring_file call = { queue->index, fd < 0 ? queue->call.fd : fd };

	queue->direct = fd >= 0;
	return ioctl(vhost->fd, VHOST_SET_VRING_CALL, &call) ? -errno : 0;
}

void vhost_interrupts_moved(struct vhost *vhost)
{
	for (unsigned i = 0; i < VHOST_QUEUES; i++) {
		if (vhost->queues[i].serving && set_call(&vhost->queues[i]))
			virtio_device_broken(vhost->device,
					     "the host's kernel cannot interrupt it");
	}
}

bool vhost_is_direct(const struct vhost *vhost)
{
	return vhost->queues[0].direct && vhost->queues[1].direct;
}

/* ---- life ---- */

u64 vhost_features(int fd)
{
	u64 features;

	return ioctl(fd, VHOST_GET_FEATURES, &features) ? 0 : features;
}

static int make_queue(struct vhost *vhost, unsigned index)
{
	struct vhost_queue *queue = &vhost->queues[index];
	int ret;

	queue->call = (struct loop_source){ .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
					    .events = EPOLLIN,
					    .handle = called };
	if (queue->call.fd < 0)
		return -errno;
	ret = loop_add(vhost->loop, &queue->call);
	if (ret) {
		close(queue->call.fd);
		queue->call.fd = -1;
	}
	return ret;
}

void vhost_destroy(struct vhost *vhost)
{
	if (!vhost->device)
		return;
	for (unsigned i = 0; i < VHOST_QUEUES; i++) {
		if (vhost->queues[i].call.fd < 0)
			continue;
		loop_remove(vhost->loop, &vhost->queues[i].call);
		close(vhost->queues[i].call.fd);
	}
	vhost->device = NULL;
}

int vhost_create(struct vhost *vhost, int fd, struct virtio_device *device, struct loop *loop,
		 int (*run)(struct vhost *vhost, bool on))
{
	int ret = ioctl(fd, VHOST_SET_OWNER) ? -errno : 0;

	*vhost = (struct vhost){
		.fd = fd, .features = vhost_features(fd), .device = device, .loop = loop, .run = run
	};
	for (unsigned i = 0; i < VHOST_QUEUES; i++) {
		vhost->queues[i].vhost = vhost;
		vhost->queues[i].index = i;
		vhost->queues[i].call.fd = -1;
	}
	for (unsigned i = 0; !ret && i < VHOST_QUEUES; i++)
		ret = make_queue(vhost, i);
	if (ret)
		vhost_destroy(vhost);
	return ret;
}

/* ---- serving ---- */

static int set_memory(const struct vhost *vhost)
{
	const struct guest_memory *memory = vhost->device->space->memory;
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
	return ioctl(vhost->fd, VHOST_SET_MEM_TABLE, &all) ? -errno : 0;
}

/* Where a ring is, whole; 0: in no one place. */
static u64 ring_host(const struct vhost *vhost, iova_t start, u64 len)
{
	return (uintptr_t)dma_object(vhost->device->space, start, len, DMA_READ | DMA_WRITE);
}

/* Sizes as of "Split Virtqueues", with the event indices. */
static int set_rings(const struct vhost *vhost, unsigned index)
{
	const struct virtq *queue = &vhost->device->queues[index];
	struct vhost_vring_addr rings = {
		.index = index,
		.desc_user_addr = ring_host(vhost, queue->desc_area, 16ull * queue->size),
		.avail_user_addr = ring_host(vhost, queue->driver_area, 6 + 2ull * queue->size),
		.used_user_addr = ring_host(vhost, queue->device_area, 6 + 8ull * queue->size),
	};
	struct vhost_vring_state size = { index, queue->size };
	struct vhost_vring_state base = { index, vhost->queues[index].base };

	if (!rings.desc_user_addr || !rings.avail_user_addr || !rings.used_user_addr)
		return -EFAULT;
	if (ioctl(vhost->fd, VHOST_SET_VRING_NUM, &size) ||
	    ioctl(vhost->fd, VHOST_SET_VRING_BASE, &base) ||
	    ioctl(vhost->fd, VHOST_SET_VRING_ADDR, &rings))
		return -errno;
	return 0;
}

static int set_queue(struct vhost *vhost, unsigned index)
{
	struct vhost_queue *queue = &vhost->queues[index];
	struct vhost_vring_file kick = { index, -1 };
	int ret;

	if (!vhost->device->queues[index].ready)
		return 0;
	ret = set_rings(vhost, index);
	if (ret)
		return ret;
	kick.fd = vhost->device->transport->take_doorbell(vhost->device, index);
	if (kick.fd < 0)
		return -ENODEV;
	ret = set_call(queue);
	if (ret)
		return ret;
	if (ioctl(vhost->fd, VHOST_SET_VRING_KICK, &kick))
		return -errno;
	queue->serving = true;
	return 0;
}

int vhost_start(struct vhost *vhost)
{
	u64 features = vhost->device->accepted & vhost->features;
	int ret = ioctl(vhost->fd, VHOST_SET_FEATURES, &features) ? -errno : 0;

	if (!ret)
		ret = set_memory(vhost);
	for (unsigned i = 0; !ret && i < VHOST_QUEUES; i++)
		ret = set_queue(vhost, i);
	/* A PCI device may not access memory before it is a bus master. */
	if (!ret && !vhost->device->paused)
		ret = vhost->run(vhost, true);
	vhost->started = !ret;
	if (ret)
		log_limited(&vhost->device->complaints, LOG_WARNING,
			    "%s: the host's kernel cannot serve it: %s", vhost->device->name,
			    strerror(-ret));
	return ret;
}

void vhost_stop(struct vhost *vhost)
{
	int ret = vhost->run(vhost, false);

	vhost->started = false;
	if (ret)
		log_debug("%s: it does not stop: %s", vhost->device->name, strerror(-ret));
	for (unsigned i = 0; i < VHOST_QUEUES; i++) {
		if (vhost->queues[i].serving)
			vhost->device->transport->return_doorbell(vhost->device, i);
		vhost->queues[i].serving = false;
		vhost->queues[i].base = 0;
	}
}

/* Where the kernel is in the rings. */
static int suspend(struct vhost *vhost)
{
	int ret = vhost->run(vhost, false);

	for (unsigned i = 0; !ret && i < VHOST_QUEUES; i++) {
		struct vhost_vring_state base = { i, 0 };

		if (!vhost->queues[i].serving)
			continue;
		ret = ioctl(vhost->fd, VHOST_GET_VRING_BASE, &base) ? -errno : 0;
		vhost->queues[i].base = base.num;
	}
	return ret;
}

static int go_on(struct vhost *vhost)
{
	int ret = 0;

	for (unsigned i = 0; !ret && i < VHOST_QUEUES; i++) {
		if (vhost->queues[i].serving)
			ret = set_queue(vhost, i);
	}
	return ret ? ret : vhost->run(vhost, true);
}

void vhost_pause(struct vhost *vhost, bool paused)
{
	int ret;

	/* One that has broken meanwhile stays where it is until its reset. */
	if (!vhost->started || (!paused && virtio_device_is_inert(vhost->device)))
		return;
	ret = paused ? suspend(vhost) : go_on(vhost);
	if (ret && paused)
		log_limited(&vhost->device->complaints, LOG_WARNING,
			    "%s: the host's kernel does not pause: %s", vhost->device->name,
			    strerror(-ret));
	else if (ret)
		virtio_device_broken(vhost->device, "the host's kernel does not go on");
}
