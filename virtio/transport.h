/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all transports have in common: status, features, queues, configuration space and
 * kicks ("Basic Facilities of a Virtio Device"). A transport has one of these inside, turns
 * its registers into these calls, and adds how the driver is interrupted.
 *
 * transport.c is the status machine, doorbell.c is kicks. VM lock held for all calls.
 */
#ifndef VIRTIO_TRANSPORT_H
#define VIRTIO_TRANSPORT_H

#include "virtio/device.h"
#include "vmm/loop.h"
#include "vmm/unasked.h"

struct poller;
struct transport;
struct vm;

/* How kicks of one queue reach the loop. */
struct doorbell {
	struct loop_source source; /* its fd: an eventfd, owned; -1 before transport_seal() */
	bool armed;		   /* KVM was asked to ring it */
	bool shared;		   /* it rings for every queue: which one was kicked is not known */
	unsigned index;		   /* the queue's */
	struct transport *transport;
	bool taken; /* somebody else listens to it: take_doorbell() */
};

struct transport {
	struct vm *vm;
	struct loop *loop;	      /* where kicks are waited for; borrowed */
	struct virtio_device *virtio; /* owned; its transport_state is this */
	/*
	 * The loop listens to the doorbell of @queue from now on: have KVM ring it. If that fails,
	 * kicks come to transport_notified(). Not called if kick_on_vcpu is set. Never NULL.
	 */
	void (*arm)(struct transport *transport, unsigned queue);
	u64 offered;	      /* features, the transport's included */
	u64 required;	      /* FEATURES_OK is refused without these */
	u64 driver_features;  /* as written, not yet accepted */
	bool accepts_unknown; /* the driver wrote a bit past the first 64 */
	bool said_dead;	      /* a kick of a queue that is not enabled, since the last reset */
	bool kicked_early;    /* a kick before DRIVER_OK, since the last reset */
	u32 paused;	      /* why no queue is served: transport_pause() */
	u32 device_features_sel, driver_features_sel, queue_sel;
	struct doorbell *doorbells; /* queue_count of them, owned */
	struct poller *poller;	    /* owned; NULL: no queue is polled */
	struct unasked unasked;	    /* what a reset leaves to be asked */
	u8 reset_status;	    /* what the driver reads until it has asked */
};

/* *@transport is all zero. @virtio: still the caller's. @endpoint: as virtio_mmio_create().
 * -ENOMEM, or -errno of a loop's timer. */
int transport_init(struct transport *transport, struct vm *vm, struct virtio_device *virtio,
		   u32 endpoint);
/* The device meets its transport, and is the transport's from here on. */
void transport_adopt(struct transport *transport, const struct virtio_transport_ops *ops);
/* The end: the device does nothing more, but something of it may still be under way. */
void transport_end(struct transport *transport);
/* The device was ended, or never adopted: listen to nothing. It is not destroyed. */
void transport_destroy(struct transport *transport);

/* ---- registers ---- */

/* The selected half of the features that are offered, or that the driver wrote. */
u32 transport_device_features(const struct transport *transport);
u32 transport_driver_features(const struct transport *transport);
void transport_write_features(struct transport *transport, u32 value);

/*
 * "Device Status Field": the driver adds bits, one step at a time. Not for 0, which is
 * transport_reset(): the transport has state of its own to reset.
 */
void transport_write_status(struct transport *transport, u8 value);
/*
 * Reset the device. It may vm_wait() for the host's I/O, and the device is inert meanwhile. True:
 * it is reset, and the caller resets the registers that are the transport's own. False: the VM
 * stops, or another vCPU, which wrote the same, has done all of it.
 */
bool transport_reset(struct transport *transport);
/*
 * As the driver reads it. It reads it until it is 0 ("Device Status Field"), where its transport
 * wants that, so that is when it has asked its IOMMU (vmm/unasked.h).
 */
u8 transport_read_status(struct transport *transport);

/* The selected queue, or NULL if the device has no such queue. */
struct virtq *transport_queue(struct transport *transport);
/*
 * Ignored while the queue is enabled, and before FEATURES_OK ("The driver MUST NOT"). With a size
 * or an address that cannot work the device asks for its reset.
 */
void transport_enable_queue(struct transport *transport, struct virtq *queue);
/*
 * The device lets go of this one queue. Both return, when, as transport_reset(). A queue that was
 * stopped keeps size and areas: enabled again, it begins at the start of its rings. A reset
 * forgets them ("Virtqueue Reset").
 */
bool transport_stop_queue(struct transport *transport, struct virtq *queue);
bool transport_reset_queue(struct transport *transport, struct virtq *queue);
/* As the driver reads it: a queue is enabled until its reset is over ("Virtqueue Reset"). */
bool transport_queue_enabled(const struct virtq *queue);
/*
 * A size that the queue cannot have becomes 0, for which transport_enable_queue() fails: above its
 * maximum, or no power of 2 unless the ring is packed.
 */
void transport_set_queue_size(const struct transport *transport, struct virtq *queue, u32 size);
/* Half of an address of the rings. */
void transport_set_low(u64 *value, u32 half);
void transport_set_high(u64 *value, u32 half);

/* Configuration space: 1, 2 or 4 bytes, aligned, within it; others read as 0 and write nothing. */
u64 transport_config_read(struct transport *transport, u64 offset, unsigned len);
void transport_config_write(struct transport *transport, u64 offset, u64 value, unsigned len);

/* ---- kicks ---- */

/* DRIVER_OK was set, nothing is broken. */
bool transport_live(const struct transport *transport);
/*
 * The queue that a kick with @value is for ("Driver Notifications"): with
 * VIRTIO_F_NOTIFICATION_DATA its upper half says how far the driver has come, which the ring says
 * as well and more reliably.
 */
u32 transport_kicked_queue(const struct transport *transport, u32 value);
/* A kick of queue @queue, which need not exist, came to us. */
void transport_notified(struct transport *transport, u32 queue);
/* Serve queue @queue, which exists, as after a kick. False: the device has stopped, or is paused.
 */
bool transport_serve(struct transport *transport, unsigned queue);
/* At DRIVER_OK: the loop looks at the queues if any was kicked before. */
void transport_serve_early(struct transport *transport);
/* For struct virtio_transport_ops. */
void transport_fault(struct virtio_device *virtio, const char *who, const char *why);
void transport_kick_again(struct virtio_device *virtio, unsigned queue);
int transport_take_doorbell(struct virtio_device *virtio, unsigned queue);
void transport_return_doorbell(struct virtio_device *virtio, unsigned queue);
/*
 * Serve no queue while there is a reason not to: @why is one from now on, or no longer. What was
 * kicked meanwhile is served after.
 */
#define TRANSPORT_NO_MASTER (1u << 0) /* it may not access memory */
#define TRANSPORT_VM_PAUSED (1u << 1)
void transport_pause(struct transport *transport, u32 why, bool paused);
/*
 * As long as @why is a reason not to serve queues: vm_wait() until what the host has of the device
 * is over. A driver that has taken its bus mastering away gives the memory to others.
 */
void transport_await_idle(struct transport *transport, u32 why);
/* For device_ops.settled. */
bool transport_settled(const struct transport *transport);

/* For device_ops.seal: make the doorbells of all queues. */
int transport_seal(struct transport *transport);
/*
 * Listen for kicks of a queue. It begins with the queue's first DRIVER_OK, because a queue that is
 * never used should cost nothing, and outlasts resets, because an ioevent is expensive to remove.
 * Idempotent. -errno: the host has no eventfd for it.
 */
int doorbell_open(struct doorbell *doorbell);
/* Forget kicks that were not served yet. */
void doorbell_silence(struct doorbell *doorbell);
void doorbell_close(struct doorbell *doorbell);

#endif
