/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How rings are laid out in memory (virtio 1.4, "Virtqueues"). A layout is a file queue_*.c with an
 * ops table and a state that begins with struct virtq_ring; virtq_enable() chooses it by the
 * features that the driver accepted. Neither devices nor transports see the difference.
 */
#ifndef VIRTIO_QUEUE_RING_H
#define VIRTIO_QUEUE_RING_H

#include <assert.h>
#include <errno.h>

#include "virtio/queue.h"

/*
 * Called for a queue that is enabled and not broken. What answers -EFAULT (memory that the
 * device may not reach) or -EINVAL (the driver breaks the rules) breaks the queue.
 */
struct virtq_ring_ops {
	/*
	 * 1: *chain is filled and counted in ring->in_flight; its token is the layout's. 0: there
	 * is none, and the driver has been asked for a kick at the next one.
	 */
	int (*pop)(struct virtq_ring *ring, struct virtq_chain *chain);
	/* What pop would answer, without taking anything; a chain that breaks the rules counts. */
	int (*has_more)(struct virtq_ring *ring);
	/* Give back the chain of @token, which is in flight and is so no more: fill and flush. */
	int (*push)(struct virtq_ring *ring, u64 token, u32 written);
	/* Write what gives it back, but do not show it to the driver. */
	int (*fill)(struct virtq_ring *ring, u64 token, u32 written);
	/* Show all that was filled, at once. */
	int (*flush)(struct virtq_ring *ring);
	/*
	 * Where to see that chains may have come: a field of 2 bytes that differs from *@seen when
	 * they have. It is read without the VM lock. *@seen is what was seen there before, and is
	 * changed where the field is another one after each chain. NULL: not known now.
	 */
	const u16 *(*watch)(struct virtq_ring *ring, u16 *seen);
	/* 1: the driver wants an interrupt for what was pushed since this was last asked; or 0. */
	int (*should_interrupt)(struct virtq_ring *ring);
};

/* What begins each layout's state, which is one piece of memory. */
struct virtq_ring {
	const struct virtq_ring_ops *ops;
	struct dma_space *space; /* the device's, borrowed */
	u16 size;
	bool indirect;	/* VIRTIO_F_INDIRECT_DESC negotiated */
	bool event_idx; /* VIRTIO_F_EVENT_IDX negotiated */
	bool in_order;	/* VIRTIO_F_IN_ORDER negotiated: chains come back as they were taken */
	bool polled;	/* somebody watches it: where pop finds nothing, no kick is asked for */
	u32 in_flight;	/* chains popped, not pushed: never more than size */
	u16 popped;	/* the serial of the next chain to take */
	u16 returned;	/* and of the next to give back, where the order is kept */
};

/* A chain that was given back before its turn. */
struct virtq_parked {
	u64 token;
	u32 written;
	bool here;
};

/* How large a layout's state is. */
size_t virtq_split_size(void);
size_t virtq_packed_size(void);
/*
 * Begin at the start of @queue, whose size is not 0 and not above its maximum, with the state in
 * queue->ring: of the part that all layouts have, ->ops is the layout's and the rest @common.
 * -EINVAL: the layout cannot have this size, or its areas where they are.
 */
int virtq_split_begin(const struct virtq *queue, const struct virtq_ring *common);
int virtq_packed_begin(const struct virtq *queue, const struct virtq_ring *common);

/* ---- for transports ---- */

/*
 * Make room for the state of whatever layout a driver may choose: nothing that a guest does
 * depends on the host's memory later. @in_order: the device offers VIRTIO_F_IN_ORDER. -ENOMEM;
 * virtq_free() is harmless all the same.
 */
int virtq_allocate(struct virtq *queue, bool in_order);
void virtq_free(struct virtq *queue);

/*
 * The driver enables the queue: check size and alignment, and begin at the start of the rings.
 * -EINVAL: it cannot work. The areas are looked at only when used.
 */
int virtq_enable(struct virtq *queue, struct dma_space *space, u64 features);
/* It is not enabled any more, and keeps size and areas. What was taken from it is forgotten. */
void virtq_disable(struct virtq *queue);
/* As virtq_init() left it. */
void virtq_reset(struct virtq *queue);

/* ---- for device.c: on each request's path, and so inline ---- */

static inline bool virtq_usable(const struct virtq *queue)
{
	return queue->ready && !queue->broken;
}

/* What a layout answered; what breaks the queue is remembered. */
static inline int virtq_answer(struct virtq *queue, int ret)
{
	if (ret < 0)
		queue->broken = true;
	return ret;
}

/*
 * Take the next chain. 1: *chain is filled. 0: nothing there (and the driver has been
 * asked for a kick when something comes). -EFAULT, -EINVAL: the queue is broken.
 */
static inline int virtq_pop(struct virtq *queue, struct virtq_chain *chain)
{
	if (!virtq_usable(queue))
		return 0;
	return virtq_answer(queue, queue->ring->ops->pop(queue->ring, chain));
}

/*
 * Whether virtq_pop() would find something, if only that the queue is broken. As with that, when
 * there is nothing the driver has been asked for a kick.
 */
static inline bool virtq_has_more(struct virtq *queue)
{
	return virtq_usable(queue) && queue->ring->ops->has_more(queue->ring);
}

/* Write what gives @chain back, when its turn has come: virtq_fill() where the order is kept. */
int virtq_fill_in_turn(struct virtq *queue, const struct virtq_chain *chain, u32 written);

/*
 * Give @chain back with @written bytes in its writable part, but do not show it to the driver, so
 * that it sees several chains at once or not at all. -errno: broken.
 */
static inline int virtq_fill(struct virtq *queue, const struct virtq_chain *chain, u32 written)
{
	if (!virtq_usable(queue))
		return 0;
	assert(queue->ring->in_flight);
	if (queue->ring->in_order)
		return virtq_answer(queue, virtq_fill_in_turn(queue, chain, written));
	return virtq_answer(queue, queue->ring->ops->fill(queue->ring, chain->token, written));
}

/* The same, and show it, and what was filled before. */
static inline int virtq_push(struct virtq *queue, const struct virtq_chain *chain, u32 written)
{
	int ret;

	if (!virtq_usable(queue))
		return 0;
	assert(queue->ring->in_flight);
	if (!queue->ring->in_order)
		return virtq_answer(queue,
				    queue->ring->ops->push(queue->ring, chain->token, written));
	ret = virtq_fill_in_turn(queue, chain, written);
	if (!ret)
		ret = queue->ring->ops->flush(queue->ring);
	return virtq_answer(queue, ret);
}

static inline int virtq_flush(struct virtq *queue)
{
	if (!virtq_usable(queue))
		return 0;
	return virtq_answer(queue, queue->ring->ops->flush(queue->ring));
}

/*
 * 1: the driver wants an interrupt for what was pushed since the last call; 0; -errno: broken, as
 * the driver's answer cannot be read.
 */
static inline int virtq_should_interrupt(struct virtq *queue)
{
	if (!virtq_usable(queue))
		return 0;
	return virtq_answer(queue, queue->ring->ops->should_interrupt(queue->ring));
}

/* ---- for who polls ---- */

/* As the layout's watch. */
static inline const u16 *virtq_watch(struct virtq *queue, u16 *seen)
{
	return virtq_usable(queue) ? queue->ring->ops->watch(queue->ring, seen) : NULL;
}

/*
 * The driver is told when the queue is next found empty: that it need not kick, or that it must.
 * A queue begins as one that is not polled.
 */
static inline void virtq_set_polled(struct virtq *queue, bool polled)
{
	queue->ring->polled = polled;
}

/* ---- what layouts do with a chain ---- */

/* *@chain is complete, and the device's. */
static inline void virtq_chain_taken(struct virtq_ring *ring)
{
	ring->popped++;
	ring->in_flight++;
}

/*
 * A token: in its upper half the bytes of the chain's writable part. "In-order use of descriptors":
 * a chain whose return is skipped counts as one that was written in full.
 */
static inline u64 virtq_token(const struct virtq_chain *chain, u32 low)
{
	return chain->writable_len << 32 | low;
}

static inline u32 virtq_token_writable(u64 token)
{
	return token >> 32;
}

static inline void virtq_chain_begin(struct virtq_chain *chain, const struct virtq_ring *ring)
{
	chain->space = ring->space;
	chain->serial = ring->popped;
	/* One store of eight bytes. */
	chain->readable = chain->writable = chain->in_ring = 0;
	chain->readable_len = chain->writable_len = 0;
}

/* The next segment, as the driver describes it. -EINVAL: it breaks the rules. */
static inline int virtq_chain_add(struct virtq_chain *chain, const struct virtq_ring *ring,
				  iova_t iova, u32 len, bool writable)
{
	const unsigned count = virtq_chain_segments(chain);

	/* "The Virtqueue Descriptor Table": no longer than the queue. This ends loops, too. */
	if (count == ring->size)
		return -EINVAL;
	chain->segments[count].iova = iova;
	chain->segments[count].len = len;
	if (writable) {
		chain->writable++;
		chain->writable_len += len;
	} else {
		/* "Message Framing": what the device reads comes first. */
		if (chain->writable)
			return -EINVAL;
		chain->readable++;
		chain->readable_len += len;
	}
	return chain->readable_len + chain->writable_len > UINT32_MAX ? -EINVAL : 0;
}

#endif
