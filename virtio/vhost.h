/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues that the host's kernel serves (Linux, vhost): only where the device's addresses are the
 * guest's own, as the kernel is told them once. Kicks go from KVM to the kernel by the doorbells,
 * and interrupts back by the vectors' eventfds. Where the transport has none of these, interrupts
 * come through the loop.
 *
 * All under the VM lock.
 */
#ifndef VIRTIO_VHOST_H
#define VIRTIO_VHOST_H

#include "virtio/device.h"
#include "vmm/loop.h"

#define VHOST_QUEUES 2

struct vhost;

struct vhost_queue {
	struct vhost *vhost;
	unsigned index;
	struct loop_source call; /* an eventfd: the kernel has given chains back; owned */
	bool serving, direct;	 /* direct: its interrupts do not come through the loop */
	u16 base;		 /* of the next chain to take, when it begins */
};

/* Lives inside its device, whose queues 0 and 1 are served. */
struct vhost {
	int fd; /* of /dev/vhost-*; borrowed */
	u64 features;
	struct virtio_device *device;
	struct loop *loop; /* borrowed */
	/*
	 * All rings are known to the kernel: let it serve those that are @serving, or let go of
	 * all, after which it uses nothing of the guest's. 0 or -errno.
	 */
	int (*run)(struct vhost *vhost, bool on);
	bool started; /* it serves, or would if the device were not paused */
	struct vhost_queue queues[VHOST_QUEUES];
};

/* The features that the kernel has; 0: it does not say. */
u64 vhost_features(int fd);
/* Take @fd, with @run, for @device. -errno: nothing was made. */
int vhost_create(struct vhost *vhost, int fd, struct virtio_device *device, struct loop *loop,
		 int (*run)(struct vhost *vhost, bool on));
/* Zeroed is fine. */
void vhost_destroy(struct vhost *vhost);
/*
 * The driver is up: serve what is ready, or, if the device is paused, from vhost_pause() on.
 * -errno, with a line in the log.
 */
int vhost_start(struct vhost *vhost);
/* The kernel has let go of the guest's memory when this returns. It begins anew after it. */
void vhost_stop(struct vhost *vhost);
/* Let go of it, to go on from there. Nothing where it has not been started. */
void vhost_pause(struct vhost *vhost, bool paused);
/* For ops->interrupts_moved(). */
void vhost_interrupts_moved(struct vhost *vhost);
/* Whether interrupts go from the kernel to KVM, as of the last start. */
bool vhost_is_direct(const struct vhost *vhost);

#endif
