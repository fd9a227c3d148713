/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that watches a queue, so that the driver need not kick: for a driver that spins until it
 * is served, as Linux's virtio_iommu does, the exit of a kick is most of what a request costs.
 *
 * The thread sleeps while the queue is quiet. When kicks come densely it begins: the driver is
 * asked for no more kicks, and the thread looks at the field of the ring that changes when chains
 * come, without a lock. What it does on a change is what a kick would have done, under the VM
 * lock. When nothing has come for a while it ends: the driver is asked for kicks again, and after
 * that the queue is looked at once more, so that nothing which came in between is lost.
 *
 * What the thread reads without the lock is a hint and no more. Its address may be stale, because
 * the queue's DMA space changed since the last change was served: it is then still RAM, which lives
 * as long as the VM. A reset or a pause does not wait for the thread to sleep, but until it does
 * not look at the guest's memory any more, and that is at once.
 */
#ifndef VIRTIO_POLLER_H
#define VIRTIO_POLLER_H

#include "util/types.h"

struct poller;
struct transport;

/* Serve @queue as after a kick. False: its device has stopped. VM lock held. */
typedef bool poller_serve(struct transport *transport, unsigned queue);

/* For the queue that the device's struct virtio_poll names. No thread yet. -ENOMEM. */
int poller_create(struct poller **poller, struct transport *transport, poller_serve *serve);
/* The device is off its bus. Waits for the thread: VM lock not held. NULL is fine. */
void poller_destroy(struct poller *poller);

/* A kick of the queue came, and is about to be served. VM lock held. */
void poller_kicked(struct poller *poller);
/*
 * The queue was served, by whoever: what is to be looked at may be elsewhere, or another value. VM
 * lock held. NULL is fine.
 */
void poller_served(struct poller *poller);
/*
 * Look at the queue no more, until it is kicked again. When this returns nobody looks. The driver
 * is asked for kicks at the next time that the queue is found empty, so somebody must serve it
 * soon, or reset it. VM lock held. NULL is fine.
 */
void poller_stop(struct poller *poller);

#endif
