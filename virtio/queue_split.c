/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Split Virtqueues", from the device's side. A chain's token has its head. */
#include <assert.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "queue_ring.h"
#include "util/range.h"
#include "virtio/endian.h"

/* "Virtqueues": flags and idx come before the ring, one event index behind it. */
#define RING_ENTRIES	 4
#define AVAIL_SIZE(size) (RING_ENTRIES + 2ULL * (size) + 2)
#define USED_SIZE(size)	 (RING_ENTRIES + sizeof(struct vring_used_elem) * (size) + 2)
#define DESC_SIZE(size)	 (sizeof(struct vring_desc) * (u64)(size))

struct split {
	struct virtq_ring ring;
	iova_t desc, avail, used;
	u16 next_avail; /* avail index of the next chain to take */
	u16 seen_avail; /* the driver's avail index when we last read it */
	u16 next_used;	/* used index as we wrote it last */
	u16 filled;	/* used elements from there on that the driver has not been shown */
	/* Chains behind those that one element will give back: only if the order is kept. */
	u16 batch;
	u64 batch_token; /* the last one's */
	u32 batch_written;
	bool unasked;  /* the driver has been told not to kick */
	u16 asked_at;  /* and with what avail_event */
	u16 signalled; /* used index when we last looked whether to interrupt */
	/*
	 * Host addresses of the rings, good while the space has this generation; NULL
	 * where a ring is in several places, or not in the TLB.
	 */
	u64 generation;
	bool found; /* all three */
	const struct vring_desc *host_desc;
	const u16 *host_avail;
	u16 *host_used;
};

static struct split *split_of(struct virtq_ring *ring)
{
	return container_of(ring, struct split, ring);
}

/* ---- access to the rings ---- */

static void look_rings_up(struct split *split)
{
	struct dma_space *space = split->ring.space;
	const u16 size = split->ring.size;

	split->generation = space->generation;
	split->host_desc = dma_tlb_host(space, split->desc, DESC_SIZE(size), DMA_READ);
	split->host_avail = dma_tlb_host(space, split->avail, AVAIL_SIZE(size), DMA_READ);
	split->host_used = dma_tlb_host(space, split->used, USED_SIZE(size), DMA_WRITE);
	split->found = split->host_desc && split->host_avail && split->host_used;
}

/* Have the rings at hand as far as the TLB knows them. */
static inline void find_rings(struct split *split)
{
	if (!split->found || split->generation != split->ring.space->generation)
		look_rings_up(split);
}

/* The driver writes these fields while we look: one load, not torn. @at: in bytes. */
static inline int avail_load(struct split *split, u32 at, u16 *value)
{
	const u16 *field = split->host_avail ? split->host_avail + at / 2
					     : dma_object(split->ring.space, split->avail + at,
							  sizeof(*field), DMA_READ);

	if (!field)
		return -EFAULT;
	*value = le16toh(__atomic_load_n(field, __ATOMIC_ACQUIRE));
	return 0;
}

static inline int used_store(struct split *split, u32 at, u16 value)
{
	u16 *field = split->host_used ? split->host_used + at / 2
				      : dma_object(split->ring.space, split->used + at,
						   sizeof(*field), DMA_WRITE);

	if (!field)
		return -EFAULT;
	__atomic_store_n(field, htole16(value), __ATOMIC_RELEASE);
	return 0;
}

/* A driver that sees an event index so far behind for more than half a round would kick. */
#define EVENT_BEHIND 0x4000

/*
 * "Available Buffer Notification Suppression": somebody watches the ring. An event index lies
 * behind and stays there, but that the driver catches up with it once in 65536 chains.
 */
static int ask_for_none(struct split *split)
{
	const u16 event = split->next_avail - 1;

	if (split->unasked &&
	    (!split->ring.event_idx || (u16)(event - split->asked_at) < EVENT_BEHIND))
		return 0;
	split->unasked = true;
	split->asked_at = event;
	if (split->ring.event_idx)
		return used_store(split, USED_SIZE(split->ring.size) - 2, event);
	return used_store(split, offsetof(struct vring_used, flags), VRING_USED_F_NO_NOTIFY);
}

static int ask_for_kick(struct split *split)
{
	split->unasked = false;
	if (split->ring.event_idx)
		return used_store(split, USED_SIZE(split->ring.size) - 2, split->next_avail);
	return used_store(split, offsetof(struct vring_used, flags), 0);
}

/*
 * Whether there are chains to take. When there are none, ask for a kick at the next one
 * ("Available Buffer Notification Suppression") and look once more: it may have come before the
 * driver could see that we ask.
 */
static int chains_available(struct split *split)
{
	bool asked = false;

	if (split->seen_avail != split->next_avail)
		return 1;
	for (;;) {
		u16 idx;

		if (avail_load(split, offsetof(struct vring_avail, idx), &idx))
			return -EFAULT;
		/* "The Virtqueue Available Ring": never more than the queue has entries. */
		if ((u16)(idx - split->next_avail) > split->ring.size)
			return -EINVAL;
		split->seen_avail = idx;
		if (idx != split->next_avail)
			return 1;
		if (split->ring.polled)
			return ask_for_none(split);
		/* Flags say it once; an event index each time. */
		if (asked || (!split->ring.event_idx && !split->unasked))
			return 0;
		if (ask_for_kick(split))
			return -EFAULT;
		asked = true;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
}

/* ---- taking ---- */

/* Where descriptors are read from: the queue's table, or an indirect one. */
struct table {
	iova_t start;
	const struct vring_desc *host; /* NULL: not known, or in several places */
	u32 entries;
};

/* A descriptor, copied, in host numbers. */
struct desc {
	iova_t addr;
	u32 len;
	u16 flags, next;
};

/*
 * As two numbers and not field by field: a compiler that copies all 16 bytes at once and then
 * takes them apart makes the processor wait for its own store, 10 ns each time.
 */
static void unpack_desc(const void *raw, struct desc *desc)
{
	le64 addr, rest;

	static_assert(sizeof(struct vring_desc) == sizeof(addr) + sizeof(rest), "le64 addr, "
										"le32 len, "
										"le16 flags, next");
	memcpy(&addr, raw, sizeof(addr));
	memcpy(&rest, (const char *)raw + sizeof(addr), sizeof(rest));
	dma_copied();
	desc->addr = le64_to_cpu(addr);
	desc->len = le64_to_cpu(rest);
	desc->flags = le64_to_cpu(rest) >> 32;
	desc->next = le64_to_cpu(rest) >> 48;
}

static int read_desc(struct split *split, const struct table *table, u16 n, struct desc *desc)
{
	struct vring_desc raw;

	if (n >= table->entries)
		return -EINVAL;
	if (table->host) {
		unpack_desc(&table->host[n], desc);
		return 0;
	}
	if (dma_read(split->ring.space, table->start + n * sizeof(raw), &raw, sizeof(raw)))
		return -EFAULT;
	unpack_desc(&raw, desc);
	return 0;
}

/*
 * "Indirect Descriptors": only where negotiated, not within another, the last
 * of its chain; its own WRITE flag says nothing.
 */
static int enter_table(struct split *split, struct table *table, struct virtq_chain *chain,
		       const struct desc *desc)
{
	struct range range;

	if (!split->ring.indirect || chain->in_ring || desc->flags & VRING_DESC_F_NEXT)
		return -EINVAL;
	if (desc->len % sizeof(struct vring_desc) || !range_make(desc->addr, desc->len, &range))
		return -EINVAL;
	*table = (struct table){
		.start = desc->addr,
		.host = dma_tlb_host(split->ring.space, desc->addr, desc->len, DMA_READ),
		.entries = desc->len / sizeof(struct vring_desc),
	};
	chain->in_ring = virtq_chain_segments(chain) + 1;
	return 0;
}

static int read_chain(struct split *split, u16 head, struct virtq_chain *chain)
{
	struct table table = { .start = split->desc,
			       .host = split->host_desc,
			       .entries = split->ring.size };
	u16 next = head;

	virtq_chain_begin(chain, &split->ring);
	for (;;) {
		struct desc desc;
		int ret = read_desc(split, &table, next, &desc);

		if (ret)
			return ret;
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			ret = enter_table(split, &table, chain, &desc);
			next = 0;
		} else {
			ret = virtq_chain_add(chain, &split->ring, desc.addr, desc.len,
					      desc.flags & VRING_DESC_F_WRITE);
			next = desc.next;
			if (!ret && !(desc.flags & VRING_DESC_F_NEXT))
				return 0;
		}
		if (ret)
			return ret;
	}
}

static int split_pop(struct virtq_ring *ring, struct virtq_chain *chain)
{
	struct split *split = split_of(ring);
	u16 head;
	int ret;

	find_rings(split);
	ret = chains_available(split);
	if (ret <= 0)
		return ret;
	/* More chains are taken than the queue has descriptors: some head came twice. */
	if (ring->in_flight >= ring->size)
		return -EINVAL;
	if (avail_load(split, RING_ENTRIES + 2 * (split->next_avail & (ring->size - 1)), &head))
		return -EFAULT;
	ret = read_chain(split, head, chain);
	if (ret)
		return ret;
	chain->token = virtq_token(chain, head);
	split->next_avail++;
	virtq_chain_taken(ring);
	return 1;
}

static int split_has_more(struct virtq_ring *ring)
{
	struct split *split = split_of(ring);

	find_rings(split);
	return chains_available(split);
}

/* The field is the same one for ever, and what was seen there stays right. */
static const u16 *split_watch(struct virtq_ring *ring, u16 *seen)
{
	struct split *split = split_of(ring);

	find_rings(split);
	return split->host_avail ? split->host_avail + offsetof(struct vring_avail, idx) / 2 : NULL;
}

/* ---- giving back ---- */

/* A field of a used element. */
static inline int used_store32(struct split *split, u32 at, u32 value)
{
	__virtio32 *field = split->host_used ? (void *)(split->host_used + at / 2)
					     : dma_object(split->ring.space, split->used + at,
							  sizeof(*field), DMA_WRITE);

	if (!field)
		return -EFAULT;
	*field = cpu_to_virtio32(value);
	return 0;
}

/* The next element, which gives @count chains back, of which @token is the last. */
static inline int write_used(struct split *split, u64 token, u32 written, u16 count)
{
	const u16 slot = (split->next_used + split->filled) & (split->ring.size - 1);
	const u32 at = RING_ENTRIES + sizeof(struct vring_used_elem) * slot;

	/* The ring is aligned to 4, not to an element's 8: its two fields may be on two pages. */
	if (used_store32(split, at + offsetof(struct vring_used_elem, id), (u16)token) ||
	    used_store32(split, at + offsetof(struct vring_used_elem, len), written))
		return -EFAULT;
	split->filled += count;
	return 0;
}

static int end_batch(struct split *split)
{
	const u16 count = split->batch;

	split->batch = 0;
	return count ? write_used(split, split->batch_token, split->batch_written, count) : 0;
}

/*
 * "In-Order Use of Descriptors": one element is enough for a batch, the last chain's. It can be
 * written only when the next chain is not in the batch.
 */
static int add_to_batch(struct split *split, u64 token, u32 written)
{
	if (split->batch && split->batch_written != virtq_token_writable(split->batch_token) &&
	    end_batch(split))
		return -EFAULT;
	split->batch++;
	split->batch_token = token;
	split->batch_written = written;
	return 0;
}

static inline int split_fill(struct virtq_ring *ring, u64 token, u32 written)
{
	struct split *split = split_of(ring);
	int ret;

	find_rings(split);
	ret = ring->in_order ? add_to_batch(split, token, written)
			     : write_used(split, token, written, 1);
	if (!ret)
		ring->in_flight--;
	return ret;
}

/* "The Virtqueue Used Ring": the device sets len prior to updating the used idx. */
static inline int show(struct split *split)
{
	if (end_batch(split))
		return -EFAULT;
	if (!split->filled)
		return 0;
	split->next_used += split->filled;
	split->filled = 0;
	return used_store(split, offsetof(struct vring_used, idx), split->next_used);
}

static int split_flush(struct virtq_ring *ring)
{
	find_rings(split_of(ring));
	return show(split_of(ring));
}

static int split_push(struct virtq_ring *ring, u64 token, u32 written)
{
	int ret = split_fill(ring, token, written);

	return ret ? ret : show(split_of(ring));
}

static int split_should_interrupt(struct virtq_ring *ring)
{
	struct split *split = split_of(ring);
	u16 old = split->signalled, answer;
	u32 at;

	if (old == split->next_used)
		return 0;
	/* The driver may look at used->idx after it has set what we read now. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	find_rings(split);
	at = ring->event_idx ? AVAIL_SIZE(ring->size) - 2 : offsetof(struct vring_avail, flags);
	if (avail_load(split, at, &answer))
		return -EFAULT;
	split->signalled = split->next_used;
	if (!ring->event_idx)
		return !(answer & VRING_AVAIL_F_NO_INTERRUPT);
	return (u16)(split->next_used - answer - 1) < (u16)(split->next_used - old);
}

/* ---- life ---- */

static const struct virtq_ring_ops split_ops = {
	.pop = split_pop,
	.has_more = split_has_more,
	.watch = split_watch,
	.push = split_push,
	.fill = split_fill,
	.flush = split_flush,
	.should_interrupt = split_should_interrupt,
};

/* A ring that wraps round the end of the address space would come out at 0, in RAM. */
static bool ring_placed_well(iova_t start, u64 len, u64 align)
{
	struct range range;

	return is_aligned(start, align) && range_make(start, len, &range);
}

size_t virtq_split_size(void)
{
	return sizeof(struct split);
}

int virtq_split_begin(const struct virtq *queue, const struct virtq_ring *common)
{
	struct split *split = split_of(queue->ring);

	/* "Queue Size value is always a power of 2", of a split queue. */
	if (!is_aligned(queue->size, queue->size))
		return -EINVAL;
	if (!ring_placed_well(queue->desc_area, DESC_SIZE(queue->size), 16) ||
	    !ring_placed_well(queue->driver_area, AVAIL_SIZE(queue->size), 2) ||
	    !ring_placed_well(queue->device_area, USED_SIZE(queue->size), 4))
		return -EINVAL;
	*split = (struct split){
		.ring = *common,
		.desc = queue->desc_area,
		.avail = queue->driver_area,
		.used = queue->device_area,
	};
	split->ring.ops = &split_ops;
	return 0;
}
