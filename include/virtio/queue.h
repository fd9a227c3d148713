/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtqueue, device side (virtio 1.4, "Virtqueues"), whatever the layout of its ring. Every
 * access to rings, descriptors, indirect tables and buffers goes through the device's DMA space,
 * and everything read is the guest's word: copied once, then checked.
 *
 * A device takes chains and gives them back with virtio_device_pop(), virtio_device_push() and
 * virtio_device_serve() of virtio/device.h, and looks into them with virtq_chain_*(). A
 * transport lays the queue out. The rings themselves are behind virtq->ring: their layouts,
 * and the functions that use them, are in virtio/queue_ring.h and seen by nobody outside virtio/.
 *
 * When a ring breaks the rules, the queue stops, and its device with it
 * (virtio_device_broken()): nothing of that queue is touched again before a reset.
 *
 * VM lock held for all calls.
 */
#ifndef VIRTIO_QUEUE_H
#define VIRTIO_QUEUE_H

#include "util/types.h"
#include "vmm/dma.h"

/* The most entries that a queue may have; a device offers fewer where it has no use for them. */
#define VIRTQ_MAX_SIZE 1024

/*
 * The most segments of a chain. "A driver MUST NOT create a descriptor chain longer than the
 * Queue Size of the device", indirect tables included, so this follows from VIRTQ_MAX_SIZE.
 */
#define VIRTQ_MAX_SEGMENTS VIRTQ_MAX_SIZE

/*
 * A descriptor chain taken off a ring: a copy, so the guest cannot change it. Until it is given
 * back it is the device's, which may move it; of @segments only the first
 * virtq_chain_segments() count. After a reset of its queue it must not be given back.
 */
struct virtq_chain {
	struct dma_space *space; /* through which the segments are reached; borrowed */
	u64 token;		 /* tells the ring which chain this is; the ring's alone */
	/* The driver-readable segments come first (the ring refuses others). */
	u16 readable;	  /* segments [0, readable) */
	u16 writable;	  /* segments [readable, readable + writable) */
	u32 in_ring;	  /* descriptors of the ring, if it has an indirect table; 0: it has none */
	u64 readable_len; /* bytes; at most 2^32 - 1 together */
	u64 writable_len;
	u16 serial; /* in the order in which chains were taken; the ring's alone */
	struct dma_segment segments[VIRTQ_MAX_SEGMENTS];
};

/* A layout's state, and what is the same for all layouts: virtio/queue_ring.h. */
struct virtq_ring;
struct virtq_parked;

/* Lives inside the device's context. */
struct virtq {
	/* The device's, by virtq_init(). */
	u16 max; /* size offered; power of two, <= VIRTQ_MAX_SIZE; any size up to it if packed */
	/* The transport's, while the queue is not enabled. */
	u16 size;	    /* size the driver chose */
	iova_t desc_area;   /* where the rings are: "Virtqueues". Of a split queue the */
	iova_t driver_area; /* descriptor table, the available ring and the used ring; of a packed
			     */
	iova_t device_area; /* one the descriptors, and the driver's and our event suppression */
	bool stopping;	    /* being reset: what was taken from it is still under way */
	/* For everybody to read. */
	bool ready;  /* enabled: chains may come */
	bool broken; /* none will come before a reset */
	/* Counted since power-on. What the host's kernel does, where it serves a queue, is not. */
	u64 kicks, chains, interrupts;
	/* queue*.c's alone: owned; NULL before the device meets its transport. */
	struct virtq_ring *ring;
	struct virtq_parked
		*parked; /* max of them; NULL: the device does not offer to keep order */
};

/* Before the device meets its transport, which enables and resets the queue from then on. */
void virtq_init(struct virtq *queue, u16 max);

/* ---- chains ---- */

static inline unsigned virtq_chain_segments(const struct virtq_chain *chain)
{
	return chain->readable + chain->writable;
}

/* How many descriptors of the ring it takes: an indirect table is one, however long. */
static inline unsigned virtq_chain_descriptors(const struct virtq_chain *chain)
{
	return chain->in_ring ? chain->in_ring : virtq_chain_segments(chain);
}

/*
 * Copy from the readable (into the writable) bytes of a chain, beginning at
 * @offset of that part. Returns how many bytes there were, <= len; -EFAULT if
 * memory is refused.
 */
s64 virtq_chain_read(const struct virtq_chain *chain, u64 offset, void *data, u64 len);
s64 virtq_chain_write(const struct virtq_chain *chain, u64 offset, const void *data, u64 len);

/*
 * Host addresses of @len bytes at @offset of the readable (DMA_READ) or the
 * writable (DMA_WRITE) part. As dma_map_iov(); -EINVAL if the part is shorter.
 */
int virtq_chain_iov(const struct virtq_chain *chain, enum dma_access access, u64 offset, u64 len,
		    struct iovec *iov, unsigned max);

#endif
