/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vhost=1: the host's kernel serves the queues, and its AF_VSOCK sockets are the other end. What is
 * left for the device is its configuration space.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>

#include "util/reach.h"
#include "virtio/vsock.h"
#include "vhost.h"

#define QUEUES	   3
#define QUEUE_SIZE 256
#define EVENT_SIZE 16

struct kernel_vsock {
	struct virtio_device device;
	struct virtq queues[QUEUES];
	struct vhost vhost; /* its fd is ours */
	u32 cid;
};

static struct kernel_vsock *kernel_of(const struct virtio_device *device)
{
	return container_of(device, struct kernel_vsock, device);
}

static int run(struct vhost *vhost, bool on)
{
	int running = on;

	return ioctl(vhost->fd, VHOST_VSOCK_SET_RUNNING, &running) ? -errno : 0;
}

/* ---- the driver's side ---- */

static int kernel_start(struct virtio_device *device)
{
	return vhost_start(&kernel_of(device)->vhost);
}

static void kernel_reset(struct virtio_device *device)
{
	vhost_stop(&kernel_of(device)->vhost);
}

/* "DEVICE_NEEDS_RESET": the kernel does not see that bit. */
static void kernel_broken(struct virtio_device *device)
{
	vhost_stop(&kernel_of(device)->vhost);
}

static void kernel_pause(struct virtio_device *device)
{
	vhost_pause(&kernel_of(device)->vhost, device->paused);
}

/* The kernel has the doorbells of its queues, and nothing is told by the other one. */
static void kernel_kick(struct virtio_device *device, unsigned index)
{
}

static void kernel_queue_reset(struct virtio_device *device, unsigned index)
{
	vhost_stop(&kernel_of(device)->vhost);
}

static void kernel_interrupts_moved(struct virtio_device *device)
{
	vhost_interrupts_moved(&kernel_of(device)->vhost);
}

static void kernel_config_read(struct virtio_device *device, u32 offset, void *data, u32 len)
{
	const struct virtio_vsock_config config = {
		.guest_cid = cpu_to_le64(kernel_of(device)->cid),
	};

	memcpy(data, (const char *)&config + offset, len);
}

static void kernel_destroy(struct virtio_device *device)
{
	struct kernel_vsock *vsock = kernel_of(device);

	vhost_destroy(&vsock->vhost);
	close(vsock->vhost.fd);
	free(vsock);
}

static const struct virtio_device_ops kernel_ops = {
	.start = kernel_start,
	.reset = kernel_reset,
	.pause = kernel_pause,
	.broken = kernel_broken,
	.kick = kernel_kick,
	.queue_reset = kernel_queue_reset,
	.interrupts_moved = kernel_interrupts_moved,
	.config_read = kernel_config_read,
	.destroy = kernel_destroy,
};

/* ---- life ---- */

int virtio_vsock_open_kernel(u32 cid)
{
	u64 address = cid;
	int fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC), error;

	reach_add_host_kernel();
	if (fd < 0)
		return -errno;
	if (!ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &address))
		return fd;
	error = errno;
	close(fd);
	return -error;
}

int virtio_vsock_create_kernel(struct virtio_device **device, u32 cid, int fd, struct loop *loop,
			       struct dma_space *space)
{
	struct kernel_vsock *vsock = calloc(1, sizeof(*vsock));
	int ret = -ENOMEM;

	if (vsock) {
		vsock->cid = cid;
		ret = vhost_create(&vsock->vhost, fd, &vsock->device, loop, run);
	}
	if (ret) {
		free(vsock);
		close(fd);
		return ret;
	}
	virtq_init(&vsock->queues[0], QUEUE_SIZE);
	virtq_init(&vsock->queues[1], QUEUE_SIZE);
	virtq_init(&vsock->queues[2], EVENT_SIZE);
	vsock->device = (struct virtio_device){
		.ops = &kernel_ops,
		.name = "virtio-vsock",
		.id = VIRTIO_ID_VSOCK,
		.features = vsock->vhost.features & 1ULL << VIRTIO_VSOCK_F_SEQPACKET,
		/* As of every vhost. */
		.lacks = 1ULL << VIRTIO_F_RING_RESET | VIRTIO_NEW_RINGS,
		.config_size = sizeof(struct virtio_vsock_config),
		.queue_count = QUEUES,
		.queues = vsock->queues,
		.space = space,
	};
	*device = &vsock->device;
	return 0;
}
