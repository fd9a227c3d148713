/* SPDX-License-Identifier: BSD-2-Clause */
/* Kicks: "Driver Notifications", by an eventfd that KVM signals or by a write that came to us. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "poller.h"
#include "transport.h"
#include "vmm/vm.h"

bool transport_live(const struct transport *transport)
{
	return transport->virtio->status & VIRTIO_CONFIG_S_DRIVER_OK &&
	       !virtio_device_is_inert(transport->virtio);
}

/*
 * A guest that sleeps loses its devices' queues, since Linux resets a device when it wakes, and
 * only some of its drivers set them up again: virtio_iommu does not. It then waits for an answer,
 * with interrupts off. Nothing else tells the user why the guest stands still.
 */
static void say_dead(struct transport *transport, unsigned index)
{
	struct virtio_device *virtio = transport->virtio;

	if (transport->said_dead)
		return;
	transport->said_dead = true;
	log_limited(
		&virtio->complaints, LOG_WARNING,
		"%s: the guest notifies queue %u, which it has not enabled since it reset the "
		"device, and may wait for ever: some of Linux's drivers do after the guest slept",
		virtio->name, index);
}

/*
 * "The driver MUST NOT send any buffer available notifications to the device before setting
 * DRIVER_OK", but Linux's virtio_balloon does, once, with the first of its numbers.
 */
static void note_early(struct transport *transport)
{
	transport->kicked_early |= !virtio_device_is_inert(transport->virtio);
}

bool transport_serve(struct transport *transport, unsigned index)
{
	transport->vm->activity++;
	transport->vm->progress++;
	if (!transport_live(transport))
		note_early(transport);
	if (!transport_live(transport) || transport->paused)
		return false;
	/* A queue that is not enabled means: no access to the queue. */
	if (transport->virtio->queues[index].ready) {
		transport->virtio->queues[index].kicks++;
		transport->virtio->ops->kick(transport->virtio, index);
	} else {
		say_dead(transport, index);
	}
	if (index == transport->virtio->poll.queue)
		poller_served(transport->poller);
	return transport_live(transport);
}

static void kicked(struct transport *transport, unsigned index)
{
	if (transport->poller && index == transport->virtio->poll.queue &&
	    transport_live(transport) && !transport->paused &&
	    transport->virtio->queues[index].ready)
		poller_kicked(transport->poller);
	transport_serve(transport, index);
}

/* A ring that is looked at for nothing costs a few loads, and no exit. */
static void kicked_any(struct transport *transport)
{
	for (unsigned i = 0; i < transport->virtio->queue_count; i++) {
		if (transport->virtio->queues[i].ready)
			kicked(transport, i);
	}
}

static void doorbell_rang(struct loop_source *source, u32 events)
{
	struct doorbell *doorbell = container_of(source, struct doorbell, source);
	u64 count;

	if (read(source->fd, &count, sizeof(count)) != sizeof(count))
		return;
	if (doorbell->shared)
		kicked_any(doorbell->transport);
	else
		kicked(doorbell->transport, doorbell->index);
}

static int doorbell_make(struct doorbell *doorbell)
{
	struct transport *transport = doorbell->transport;
	int ret, fd;

	if (doorbell->source.fd >= 0)
		return 0;
	fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	doorbell->source = (struct loop_source){ fd, EPOLLIN, doorbell_rang };
	ret = loop_add(transport->loop, &doorbell->source);
	if (ret) {
		doorbell->source.fd = -1;
		close(fd);
		return ret;
	}
	return 0;
}

int transport_seal(struct transport *transport)
{
	int ret = 0;

	for (unsigned i = 0; !ret && i < transport->virtio->queue_count; i++)
		ret = doorbell_make(&transport->doorbells[i]);
	return ret;
}

int doorbell_open(struct doorbell *doorbell)
{
	int ret = doorbell_make(doorbell);

	if (ret || doorbell->armed)
		return ret;
	doorbell->armed = true;
	if (!doorbell->transport->virtio->kick_on_vcpu)
		doorbell->transport->arm(doorbell->transport, doorbell->index);
	return 0;
}

void doorbell_silence(struct doorbell *doorbell)
{
	u64 count;

	/* It is non-blocking: nothing to read is fine. */
	if (doorbell->source.fd >= 0 && read(doorbell->source.fd, &count, sizeof(count)) < 0) {
	}
}

/*
 * The ioevent is left to KVM, which has its own hold on the eventfd and drops it with the
 * VM: to remove one costs a grace period, 8 ms measured, and devices live as long as the VM.
 */
void doorbell_close(struct doorbell *doorbell)
{
	if (doorbell->source.fd < 0)
		return;
	if (!doorbell->taken)
		loop_remove(doorbell->transport->loop, &doorbell->source);
	close(doorbell->source.fd);
	doorbell->source.fd = -1;
}

/* The loop will serve the queue. */
static void doorbell_ring(struct doorbell *doorbell)
{
	u64 one = 1;

	/* Can fail only by overflow, and then it has rung already. */
	if (doorbell->source.fd >= 0 && write(doorbell->source.fd, &one, sizeof(one)) < 0) {
	}
}

u32 transport_kicked_queue(const struct transport *transport, u32 value)
{
	return virtio_has_feature(transport->virtio, VIRTIO_F_NOTIFICATION_DATA) ? value & 0xffff
										 : value;
}

void transport_notified(struct transport *transport, u32 queue)
{
	if (queue >= transport->virtio->queue_count)
		return;
	if (!transport_live(transport))
		note_early(transport);
	else if (transport->virtio->kick_on_vcpu)
		kicked(transport, queue);
	else
		doorbell_ring(&transport->doorbells[queue]);
}

void transport_kick_again(struct virtio_device *virtio, unsigned queue)
{
	struct transport *transport = virtio->transport_state;

	doorbell_ring(&transport->doorbells[queue]);
}

void transport_serve_early(struct transport *transport)
{
	for (unsigned i = 0; transport->kicked_early && i < transport->virtio->queue_count; i++) {
		if (transport->virtio->queues[i].ready)
			doorbell_ring(&transport->doorbells[i]);
	}
	transport->kicked_early = false;
}

void transport_pause(struct transport *transport, u32 why, bool paused)
{
	u32 old = transport->paused;

	transport->paused = paused ? old | why : old & ~why;
	transport->virtio->paused = transport->paused;
	if (!old == !transport->paused)
		return;
	if (transport->paused)
		poller_stop(transport->poller);
	if (transport->virtio->ops->pause)
		transport->virtio->ops->pause(transport->virtio);
	/* Kicks may have come and gone unserved: a ring that is looked at for nothing is no harm.
	 */
	for (unsigned i = 0; !transport->paused && i < transport->virtio->queue_count; i++) {
		if (transport->virtio->queues[i].ready)
			doorbell_ring(&transport->doorbells[i]);
	}
}

int transport_take_doorbell(struct virtio_device *virtio, unsigned queue)
{
	struct transport *transport = virtio->transport_state;
	struct doorbell *doorbell = &transport->doorbells[queue];

	if (doorbell->source.fd < 0)
		return -ENODEV;
	if (!doorbell->taken)
		loop_remove(transport->loop, &doorbell->source);
	doorbell->taken = true;
	return doorbell->source.fd;
}

void transport_return_doorbell(struct virtio_device *virtio, unsigned queue)
{
	struct transport *transport = virtio->transport_state;
	struct doorbell *doorbell = &transport->doorbells[queue];

	if (doorbell->taken && loop_add(transport->loop, &doorbell->source))
		log_warning("%s: kicks of queue %u are lost: the loop has no room", virtio->name,
			    queue);
	doorbell->taken = false;
}
