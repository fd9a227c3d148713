/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device, whatever bus it sits on: feature bits, status, queues and
 * configuration space (virtio 1.4, "Basic Facilities of a Virtio Device").
 *
 * A device fills struct virtio_device, gives it to a transport (virtio/mmio.h)
 * and is called through its ops. It takes chains off its queues, gives them
 * back, and calls virtio_device_interrupt(). It does not know its transport.
 *
 * All calls with the VM lock held: on the main thread, on a vCPU's, or on one that polls a queue
 * (struct virtio_poll).
 */
#ifndef VIRTIO_DEVICE_H
#define VIRTIO_DEVICE_H

#include <linux/virtio_config.h>

#include "util/log.h"
#include "util/types.h"
#include "virtio/queue.h"

struct counters;
/* Not in every linux/virtio_config.h. */
#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA 38
#endif
#ifndef VIRTIO_F_NOTIF_CONFIG_DATA
#define VIRTIO_F_NOTIF_CONFIG_DATA 39
#endif

/* What virtio 1.1 and later brought to rings and kicks: what --packed=off leaves out. */
#define VIRTIO_NEW_RINGS                                                                           \
	(1ULL << VIRTIO_F_RING_PACKED | 1ULL << VIRTIO_F_IN_ORDER |                                \
	 1ULL << VIRTIO_F_NOTIFICATION_DATA | 1ULL << VIRTIO_F_NOTIF_CONFIG_DATA)

struct virtio_device;

struct virtio_device_ops {
	/*
	 * DRIVER_OK: features and queues are settled; begin. May be NULL. On
	 * -errno the device asks for a reset.
	 */
	int (*start)(struct virtio_device *device);
	/*
	 * Back to the state of power-on, for a device reset and at the end, also if
	 * never started. I/O that the host has is let go: when it ends, nothing of the
	 * guest's is touched. Must not block. At the end (device->ending) nothing is
	 * prepared for a next start. May be NULL.
	 */
	void (*reset)(struct virtio_device *device);
	/*
	 * Whether everything that reset(), queue_reset() or config_write() let go has ended, and
	 * uses none of the guest's memory: only then is the driver told. If it has not, the loop
	 * will handle the end, which nothing that the guest does can delay for ever. NULL: always.
	 */
	bool (*settled)(const struct virtio_device *device);
	/*
	 * Whether nothing is under way, at the host's or in wait for another device, of the chains
	 * that were taken: for a pause. A chain that waits for a reader or for input is not under
	 * way. As settled(), the loop will handle something before that changes. NULL: always.
	 */
	bool (*idle)(const struct virtio_device *device);
	/*
	 * virtio_device.paused has changed: for a device that does something by itself, without a
	 * kick. After a pause each queue is kicked. May be NULL.
	 */
	void (*pause)(struct virtio_device *device);
	/* The driver made chains available in queue @index, which is ready. */
	void (*kick)(struct virtio_device *device, unsigned index);
	/*
	 * virtio_device_broken() was called: for a device that is served by others than its kicks,
	 * who must use nothing of the guest's from now on. reset() still comes. May be NULL.
	 */
	void (*broken)(struct virtio_device *device);
	/* What the transport's interrupt_fd() answers may be another now. May be NULL. */
	void (*interrupts_moved)(struct virtio_device *device);
	/* The same as reset() for queue @index alone (VIRTIO_F_RING_RESET). May be NULL. */
	void (*queue_reset)(struct virtio_device *device, unsigned index);
	/*
	 * Configuration space. @offset + len lies within config_size; copies
	 * @len bytes. A NULL write means that nothing there can be written.
	 */
	void (*config_read)(struct virtio_device *device, u32 offset, void *data, u32 len);
	void (*config_write)(struct virtio_device *device, u32 offset, const void *data, u32 len);
	/* It is reset and off the bus: wait for I/O that is under way, which may block, and free.
	 */
	void (*destroy)(struct virtio_device *device);
};

/* What a transport does for its device. */
struct virtio_transport_ops {
	/* Interrupt the driver: VIRTIO_MMIO_INT_VRING or VIRTIO_MMIO_INT_CONFIG. */
	void (*interrupt)(struct virtio_device *device, u32 cause, unsigned queue);
	/* @who, the device or another, has a fault: those who follow the VM are told @why. */
	void (*fault)(struct virtio_device *device, const char *who, const char *why);
	/* Call ops->kick() from the loop, soon. */
	void (*kick_again)(struct virtio_device *device, unsigned queue);
	/*
	 * The eventfd by which kicks of a queue that is live come, the transport's: the host's
	 * kernel serves the queue from now on, and ops->kick() is called no more. -ENODEV: there
	 * is none. And back, before the queue's next begin.
	 */
	int (*take_doorbell)(struct virtio_device *device, unsigned queue);
	void (*return_doorbell)(struct virtio_device *device, unsigned queue);
	/*
	 * An eventfd, the transport's, that interrupts the driver for @queue when it is written,
	 * for the host's kernel to do that; ops->interrupts_moved() tells when to ask again. -1:
	 * there is none as things are, and only interrupt() does it. NULL: never.
	 */
	int (*interrupt_fd)(struct virtio_device *device, unsigned queue);
};

enum virtio_poll_mode {
	VIRTIO_POLL_OFF,
	VIRTIO_POLL_AUTO, /* when kicks come densely and there is a processor to spare */
	VIRTIO_POLL_ON,	  /* from each kick on, wherever there is more than one processor */
};

/*
 * That a thread watches a queue of the device's instead of waiting for kicks, as long as requests
 * follow each other (virtio/poller.h). ops->kick() may then come on that thread.
 */
struct virtio_poll {
	/* The device's, constant. */
	enum virtio_poll_mode mode;
	unsigned queue;
	u32 limit_us; /* the longest wait for the next request: 1 or more unless off */
	/* Counters for people. */
	u64 found;    /* times that there was something new, without a kick */
	u64 sessions; /* times that polling began */
	u64 crowded;  /* times that it ended, or did not begin, as processors were short */
};

struct virtio_device {
	/* Set by the device before it meets its transport, then constant. */
	const struct virtio_device_ops *ops;
	const char *name; /* for people: "virtio-blk 0"; the device's */
	u32 id;		  /* VIRTIO_ID_* */
	/*
	 * Offered, without those of the transport. VIRTIO_F_IN_ORDER is for one that is done with
	 * the chains of a queue in the order in which it takes them, or nearly: one that is done
	 * earlier is shown to the driver late.
	 */
	u64 features;
	u64 lacks; /* features of the transport that it cannot have */
	u32 config_size;
	unsigned queue_count;
	struct virtq *queues;	 /* the device's array */
	struct dma_space *space; /* through which it reaches memory */
	/*
	 * Its steps fill, and do not push: virtio_device_serve() shows all that they filled at the
	 * end of a turn, at once.
	 */
	bool batched;
	/*
	 * Kicks are served within the exit, on the vCPU thread that makes them, and not by the
	 * loop: for a device whose driver spins until it is served.
	 */
	bool kick_on_vcpu;
	struct virtio_poll poll;

	/* The transport's. */
	const struct virtio_transport_ops *transport; /* NULL: none yet */
	void *transport_state;
	u64 accepted; /* features, once FEATURES_OK */
	u8 status;
	bool resetting; /* its reset has begun and is not over: status is still the old one */
	bool ending;	/* and is its last: the device is about to be destroyed */
	bool paused;	/* no chain is taken: virtio_device_pop() finds none until it is kicked */
	u32 generation; /* of the configuration space */
	struct log_limit complaints;
};

static inline bool virtio_has_feature(const struct virtio_device *device, unsigned bit)
{
	return device->accepted >> bit & 1;
}

/* Chains were pushed to queue @index: interrupt the driver if it wants that. */
void virtio_device_interrupt(struct virtio_device *device, unsigned index);

/* The configuration changed: new generation, and an interrupt. */
void virtio_device_config_changed(struct virtio_device *device);

/*
 * The driver broke the rules, or we cannot go on: DEVICE_NEEDS_RESET, a
 * configuration interrupt, one (limited) log line with @why. The device does
 * nothing more until its reset.
 */
void virtio_device_broken(struct virtio_device *device, const char *why);
/* Tell those who follow the VM of a fault of @who, the device or one that it serves. */
void virtio_device_fault(struct virtio_device *device, const char *who, const char *why);
/* Whether it is broken or being reset: it does nothing until the reset is over. */
bool virtio_device_is_inert(const struct virtio_device *device);

/*
 * Have ops->kick() called again from the loop, soon: for a device that has done its share under the
 * lock and lets others have their turn. virtio_device_serve() does it by itself.
 */
void virtio_device_kick_again(struct virtio_device *device, unsigned index);

/*
 * Take the next chain of queue @index. False: there is none, and the driver has been asked for a
 * kick when one comes; none comes from a device that is broken or not started.
 */
bool virtio_device_pop(struct virtio_device *device, unsigned index, struct virtq_chain *chain);
/* Whether virtio_device_pop() would find one. As with that, the driver may have been asked for a
 * kick. */
bool virtio_device_has_more(struct virtio_device *device, unsigned index);
/*
 * Give @chain, which came from queue @index, back with @written bytes in its writable part. Chains
 * may be given back in any order. Ignored once the device is broken or the queue is being reset.
 */
void virtio_device_push(struct virtio_device *device, unsigned index,
			const struct virtq_chain *chain, u32 written);
/*
 * The same in two steps, for chains that the driver must see at once or not at all, such as those
 * of one packet, or that were done in one batch: fill each, then flush. Until then it sees none of
 * them.
 */
void virtio_device_fill(struct virtio_device *device, unsigned index,
			const struct virtq_chain *chain, u32 written);
void virtio_device_flush(struct virtio_device *device, unsigned index);

/* Tell what its queues counted. */
void virtio_device_count(const struct virtio_device *device, struct counters *counters);

/* What one step of serving a queue came to. */
enum virtio_step {
	VIRTIO_IDLE, /* nothing to do before the next kick, or before something else that calls us
		      */
	VIRTIO_DONE, /* a chain is behind us */
	VIRTIO_PART, /* of a chain that was taken: the step is to be called again for the rest */
};

/*
 * For a device's kick(): up to @budget steps on queue @index, one interrupt for all that they
 * pushed, and another kick soon if the budget ended them, so that others have their turn: the
 * driver may keep the queue full faster than it can be served. Returns the steps made.
 */
unsigned virtio_device_serve(struct virtio_device *device, unsigned index, unsigned budget,
			     enum virtio_step (*step)(struct virtio_device *device,
						      unsigned index));

#endif
