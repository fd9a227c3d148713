/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Split Virtqueues": rings, from the device's side. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "util/range.h"
#include "virtio/endian.h"
#include "virtio/queue.h"

/* "Virtqueues": flags and idx come before the ring, one event index behind it. */
#define RING_ENTRIES	 4
#define AVAIL_SIZE(size) (RING_ENTRIES + 2ULL * (size) + 2)
#define USED_SIZE(size)	 (RING_ENTRIES + sizeof(struct vring_used_elem) * (size) + 2)
#define DESC_SIZE(size)	 (sizeof(struct vring_desc) * (u64)(size))

void virtq_init(struct virtq *queue, u16 max)
{
	assert(max && max <= VIRTQ_MAX_SIZE && is_aligned(max, max));
	*queue = (struct virtq){ .max = max };
}

void virtq_reset(struct virtq *queue)
{
	virtq_init(queue, queue->max);
}

/* A ring that wraps round the end of the address space would come out at 0, in RAM. */
static bool ring_placed_well(iova_t start, u64 len, u64 align)
{
	struct range range;

	return is_aligned(start, align) && range_make(start, len, &range);
}

int virtq_enable(struct virtq *queue, struct dma_space *space, u64 features)
{
	u16 size = queue->size;

	if (!size || size > queue->max || !is_aligned(size, size))
		return -EINVAL;
	if (!ring_placed_well(queue->desc, DESC_SIZE(size), 16) ||
	    !ring_placed_well(queue->avail, AVAIL_SIZE(size), 2) ||
	    !ring_placed_well(queue->used, USED_SIZE(size), 4))
		return -EINVAL;
	queue->space = space;
	queue->indirect = features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	queue->event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1;
	queue->ready = true;
	return 0;
}

static int broken(struct virtq *queue, int code)
{
	queue->broken = true;
	return code;
}

/* Have the rings at hand as far as the TLB knows them. */
static inline void find_rings(struct virtq *queue)
{
	struct dma_space *space = queue->space;

	if (queue->generation == space->generation && queue->host_desc && queue->host_avail &&
	    queue->host_used)
		return;
	queue->generation = space->generation;
	queue->host_desc = dma_tlb_host(space, queue->desc, DESC_SIZE(queue->size), DMA_READ);
	queue->host_avail = dma_tlb_host(space, queue->avail, AVAIL_SIZE(queue->size), DMA_READ);
	queue->host_used = dma_tlb_host(space, queue->used, USED_SIZE(queue->size), DMA_WRITE);
}

/* The driver writes these fields while we look: one load, not torn. @at: in bytes. */
static int avail_load(struct virtq *queue, u32 at, u16 *value)
{
	const u16 *field = queue->host_avail ? queue->host_avail + at / 2
					     : dma_object(queue->space, queue->avail + at,
							  sizeof(*field), DMA_READ);

	if (!field)
		return -EFAULT;
	*value = le16toh(__atomic_load_n(field, __ATOMIC_ACQUIRE));
	return 0;
}

static int used_store(struct virtq *queue, u32 at, u16 value)
{
	u16 *field = queue->host_used ? queue->host_used + at / 2
				      : dma_object(queue->space, queue->used + at, sizeof(*field),
						   DMA_WRITE);

	if (!field)
		return -EFAULT;
	__atomic_store_n(field, htole16(value), __ATOMIC_RELEASE);
	return 0;
}

/*
 * Whether there are chains to take. When there are none, "Used Buffer Notification
 * Suppression"'s twin: ask for a kick at the next one, then look once more, as it may
 * have come before the driver could see that we ask.
 */
static int chains_available(struct virtq *queue)
{
	bool asked = false;

	if (queue->seen_avail != queue->next_avail)
		return 1;
	for (;;) {
		u16 idx;

		if (avail_load(queue, offsetof(struct vring_avail, idx), &idx))
			return -EFAULT;
		/* "The Virtqueue Available Ring": never more than the queue has entries. */
		if ((u16)(idx - queue->next_avail) > queue->size)
			return -EINVAL;
		queue->seen_avail = idx;
		if (idx != queue->next_avail)
			return 1;
		if (asked || !queue->event_idx)
			return 0;
		if (used_store(queue, USED_SIZE(queue->size) - 2, queue->next_avail))
			return -EFAULT;
		asked = true;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
}

/* Where descriptors are read from: the queue's table, or an indirect one. */
struct table {
	iova_t start;
	const struct vring_desc *host; /* NULL: not known, or in several places */
	u32 entries;
	bool indirect;
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

static int read_desc(struct virtq *queue, const struct table *table, u16 n, struct desc *desc)
{
	struct vring_desc raw;

	if (n >= table->entries)
		return -EINVAL;
	if (table->host) {
		unpack_desc(&table->host[n], desc);
		return 0;
	}
	if (dma_read(queue->space, table->start + n * sizeof(raw), &raw, sizeof(raw)))
		return -EFAULT;
	unpack_desc(&raw, desc);
	return 0;
}

/*
 * "Indirect Descriptors": only where negotiated, not within another, the last
 * of its chain; its own WRITE flag says nothing.
 */
static int enter_table(struct virtq *queue, struct table *table, const struct desc *desc)
{
	struct range range;

	if (!queue->indirect || table->indirect || desc->flags & VRING_DESC_F_NEXT)
		return -EINVAL;
	if (desc->len % sizeof(struct vring_desc) || !range_make(desc->addr, desc->len, &range))
		return -EINVAL;
	*table = (struct table){
		.start = desc->addr,
		.host = dma_tlb_host(queue->space, desc->addr, desc->len, DMA_READ),
		.entries = desc->len / sizeof(struct vring_desc),
		.indirect = true,
	};
	return 0;
}

static int add_segment(struct virtq *queue, struct virtq_chain *chain, const struct desc *desc)
{
	unsigned count = chain->readable + chain->writable;

	/* "The Virtqueue Descriptor Table": no longer than the queue. This ends loops, too. */
	if (count == queue->size)
		return -EINVAL;
	chain->segments[count].iova = desc->addr;
	chain->segments[count].len = desc->len;
	if (desc->flags & VRING_DESC_F_WRITE) {
		chain->writable++;
		chain->writable_len += desc->len;
	} else {
		/* "Message Framing": what the device reads comes first. */
		if (chain->writable)
			return -EINVAL;
		chain->readable++;
		chain->readable_len += desc->len;
	}
	return chain->readable_len + chain->writable_len > UINT32_MAX ? -EINVAL : 0;
}

static int read_chain(struct virtq *queue, u16 head, struct virtq_chain *chain)
{
	struct table table = { .start = queue->desc,
			       .host = queue->host_desc,
			       .entries = queue->size };
	u16 next = head;

	chain->head = head;
	chain->readable = chain->writable = 0;
	chain->readable_len = chain->writable_len = 0;
	for (;;) {
		struct desc desc;
		int ret = read_desc(queue, &table, next, &desc);

		if (ret)
			return ret;
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			ret = enter_table(queue, &table, &desc);
			next = 0;
		} else {
			ret = add_segment(queue, chain, &desc);
			next = desc.next;
			if (!ret && !(desc.flags & VRING_DESC_F_NEXT))
				return 0;
		}
		if (ret)
			return ret;
	}
}

int virtq_pop(struct virtq *queue, struct virtq_chain *chain)
{
	u16 head;
	int ret;

	if (!queue->ready || queue->broken)
		return 0;
	find_rings(queue);
	ret = chains_available(queue);
	if (ret <= 0)
		return ret ? broken(queue, ret) : 0;
	/* More chains out than the queue has descriptors: some head is there twice. */
	if (queue->in_flight >= queue->size)
		return broken(queue, -EINVAL);
	if (avail_load(queue, RING_ENTRIES + 2 * (queue->next_avail & (queue->size - 1)), &head))
		return broken(queue, -EFAULT);
	ret = read_chain(queue, head, chain);
	if (ret)
		return broken(queue, ret);
	queue->next_avail++;
	queue->in_flight++;
	return 1;
}

bool virtq_has_more(struct virtq *queue)
{
	if (!queue->ready || queue->broken)
		return false;
	find_rings(queue);
	return chains_available(queue);
}

int virtq_push(struct virtq *queue, u16 head, u32 written)
{
	struct vring_used_elem *elem;
	u32 at = RING_ENTRIES + sizeof(*elem) * (queue->next_used & (queue->size - 1));

	if (!queue->ready || queue->broken)
		return 0;
	assert(queue->in_flight);
	find_rings(queue);
	elem = queue->host_used
		       ? (void *)(queue->host_used + at / 2)
		       : dma_object(queue->space, queue->used + at, sizeof(*elem), DMA_WRITE);
	if (!elem)
		return broken(queue, -EFAULT);
	/* "The Virtqueue Used Ring": the device sets len prior to updating the used idx. */
	elem->id = cpu_to_virtio32(head);
	elem->len = cpu_to_virtio32(written);
	queue->next_used++;
	queue->in_flight--;
	if (used_store(queue, offsetof(struct vring_used, idx), queue->next_used))
		return broken(queue, -EFAULT);
	return 0;
}

bool virtq_should_interrupt(struct virtq *queue)
{
	u16 old = queue->signalled, answer;
	u32 at;

	if (!queue->ready || queue->broken || old == queue->next_used)
		return false;
	/* The driver may look at used->idx after it has set what we read now. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	find_rings(queue);
	at = queue->event_idx ? AVAIL_SIZE(queue->size) - 2 : offsetof(struct vring_avail, flags);
	if (avail_load(queue, at, &answer)) {
		queue->broken = true;
		return false;
	}
	queue->signalled = queue->next_used;
	if (!queue->event_idx)
		return !(answer & VRING_AVAIL_F_NO_INTERRUPT);
	return (u16)(queue->next_used - answer - 1) < (u16)(queue->next_used - old);
}
