/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The split virtqueue, device side (virtio 1.4, "Split Virtqueues"): every
 * access to rings, descriptors and indirect tables goes through the device's
 * DMA space, and everything read is the guest's word: copied once, then checked.
 *
 * When a ring breaks the rules, the queue stops: virtq_pop() answers -errno once
 * and the device is told through virtio_device_broken(); nothing of that queue
 * is touched again before a reset.
 *
 * VM lock held for all calls.
 */
#ifndef VIRTIO_QUEUE_H
#define VIRTIO_QUEUE_H

#include "util/types.h"
#include "vmm/dma.h"

#define VIRTQ_MAX_SIZE 256

struct vring_desc;

/*
 * A descriptor chain taken off the ring: a copy, so the guest cannot change it.
 * The driver-readable segments come first (the device refuses others).
 */
struct virtq_chain {
	u16 head;
	u16 readable;	  /* segments [0, readable) */
	u16 writable;	  /* segments [readable, readable + writable) */
	u64 readable_len; /* bytes; at most 2^32 - 1 together, see virtq_pop() */
	u64 writable_len;
	struct dma_segment segments[VIRTQ_MAX_SIZE];
};

struct virtq {
	struct dma_space *space; /* the device's, borrowed */
	u16 max;		 /* size offered; power of two, <= VIRTQ_MAX_SIZE */
	u16 size;		 /* size the driver chose */
	bool ready;
	bool stopping; /* being reset: what was taken from it is still under way */
	bool broken;
	bool indirect;	/* VIRTIO_F_INDIRECT_DESC negotiated */
	bool event_idx; /* VIRTIO_F_EVENT_IDX negotiated */
	iova_t desc, avail, used;
	u16 next_avail; /* avail index of the next chain to take */
	u16 seen_avail; /* avail index up to which the driver was seen to have come */
	u16 next_used;	/* used index as we wrote it last */
	u16 signalled;	/* used index at the last virtq_should_interrupt() */
	u32 in_flight;	/* popped, not pushed: never more than size */
	/*
	 * Host addresses of the rings while the space's generation is this; NULL
	 * where a ring is in several places, or was not met yet.
	 */
	u64 generation;
	const struct vring_desc *host_desc;
	const u16 *host_avail;
	u16 *host_used;
};

void virtq_init(struct virtq *queue, u16 max);
/* Back to "not ready", keeping max. */
void virtq_reset(struct virtq *queue);

/*
 * The driver set QueueReady: check size and alignment. -EINVAL: cannot work.
 * The addresses are looked at only when used.
 */
int virtq_enable(struct virtq *queue, struct dma_space *space, u64 features);

/*
 * Take the next chain. 1: *chain is filled. 0: nothing there (and the driver has been
 * asked for a kick when something comes). -EFAULT, -EINVAL: the queue is broken.
 */
int virtq_pop(struct virtq *queue, struct virtq_chain *chain);

/*
 * Whether virtq_pop() would find something, if only that the queue is broken. As with that, when
 * there is nothing the driver has been asked for a kick.
 */
bool virtq_has_more(struct virtq *queue);

/* Give the chain back with @written bytes in its writable part. -errno: broken. */
int virtq_push(struct virtq *queue, u16 head, u32 written);

/*
 * Whether the driver wants an interrupt for what was pushed since the last call.
 * False too if the driver's answer cannot be read: the queue is then broken.
 */
bool virtq_should_interrupt(struct virtq *queue);

/*
 * Copy from the readable (into the writable) bytes of a chain, beginning at
 * @offset of that part. Returns how many bytes there were, <= len; -EFAULT if
 * memory is refused.
 */
s64 virtq_chain_read(struct virtq *queue, const struct virtq_chain *chain, u64 offset, void *data,
		     u64 len);
s64 virtq_chain_write(struct virtq *queue, const struct virtq_chain *chain, u64 offset,
		      const void *data, u64 len);

/*
 * Host addresses of @len bytes at @offset of the readable (DMA_READ) or the
 * writable (DMA_WRITE) part. As dma_map_iov(); -EINVAL if the part is shorter.
 */
int virtq_chain_iov(struct virtq *queue, const struct virtq_chain *chain, enum dma_access access,
		    u64 offset, u64 len, struct iovec *iov, unsigned max);

#endif
