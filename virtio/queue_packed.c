/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio 1.4, "Packed Virtqueues", from the device's side: one ring of descriptors, in which the
 * driver makes chains available and the device gives them back, each in its own order. Two bits of
 * a descriptor say which of the two it is, in the round that a wrap counter tells.
 *
 * A chain's token has its buffer ID, which is the driver's and means nothing to us, and how many
 * descriptors of the ring it takes.
 */
#include <assert.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "queue_ring.h"
#include "util/range.h"
#include "virtio/endian.h"

#define DESC_BYTES sizeof(struct vring_packed_desc)
#define F_AVAIL	   (1u << VRING_PACKED_DESC_F_AVAIL)
#define F_USED	   (1u << VRING_PACKED_DESC_F_USED)

static_assert(sizeof(struct vring_packed_desc) == 16, "\"Structure Size and Alignment\"");
static_assert(sizeof(struct vring_packed_desc_event) == 4, "\"Event Suppression Structure\"");

/* A place in the ring, and in which round. */
struct position {
	u16 at;
	bool wrap;
};

struct packed {
	struct virtq_ring ring;
	iova_t desc, driver, device;
	struct position next_avail; /* where the next chain begins */
	struct position next_used;  /* where the next one is given back */
	u32 taken; /* descriptors that the driver has not got back: never more than there are */
	/* What the driver has not been shown, because the first of it is not marked as used. */
	bool hidden;
	struct position hidden_at;
	u16 hidden_flags;
	u32 filled; /* descriptors from there on */
	/* Chains behind those that one descriptor will give back: only if the order is kept. */
	u32 batch;	 /* their descriptors */
	u64 batch_token; /* the last one's */
	u32 batch_written;
	/* Events. */
	bool unasked; /* the driver has been told not to kick */
	bool empty;   /* nothing was at next_avail, but these flags */
	u16 empty_flags;
	struct position signalled; /* next_used when we last looked whether to interrupt */
	u32 unsignalled;	   /* descriptors that were given back since */
	/*
	 * Host addresses of the ring, to read and to write, good while the space has this
	 * generation; NULL where it is in several places, or not in the TLB.
	 */
	u64 generation;
	bool found; /* both */
	const struct vring_packed_desc *host_desc;
	struct vring_packed_desc *host_used;
};

static struct packed *packed_of(struct virtq_ring *ring)
{
	return container_of(ring, struct packed, ring);
}

/* @count: never more than the ring has. */
static inline void advance(const struct packed *packed, struct position *position, u32 count)
{
	u32 at = position->at + count;

	if (at >= packed->ring.size) {
		at -= packed->ring.size;
		position->wrap = !position->wrap;
	}
	position->at = at;
}

/* ---- access to the ring ---- */

static void look_ring_up(struct packed *packed)
{
	struct dma_space *space = packed->ring.space;
	const u64 size = DESC_BYTES * packed->ring.size;

	packed->generation = space->generation;
	packed->host_desc = dma_tlb_host(space, packed->desc, size, DMA_READ);
	packed->host_used = dma_tlb_host(space, packed->desc, size, DMA_WRITE);
	packed->found = packed->host_desc && packed->host_used;
}

/* Have the ring at hand as far as the TLB knows it. */
static inline void find_ring(struct packed *packed)
{
	if (!packed->found || packed->generation != packed->ring.space->generation)
		look_ring_up(packed);
}

static iova_t desc_at(const struct packed *packed, u16 at)
{
	return packed->desc + DESC_BYTES * at;
}

/* Little endian, for one load or store that is not torn. */
static u16 *flags_of(const struct vring_packed_desc *desc)
{
	return (lkvm_force u16 *)&desc->flags;
}

/* The driver writes them while we look: one load, and what it wrote before is seen after. */
static inline int load_flags(struct packed *packed, u16 at, u16 *flags)
{
	const iova_t iova = desc_at(packed, at) + offsetof(struct vring_packed_desc, flags);
	const u16 *field = packed->host_desc
				   ? flags_of(&packed->host_desc[at])
				   : dma_object(packed->ring.space, iova, sizeof(*field), DMA_READ);

	if (!field)
		return -EFAULT;
	*flags = le16toh(__atomic_load_n(field, __ATOMIC_ACQUIRE));
	return 0;
}

/* A descriptor is aligned to its size, so it never lies on two pages. */
static inline struct vring_packed_desc *used_desc(struct packed *packed, u16 at)
{
	return packed->host_used
		       ? &packed->host_used[at]
		       : dma_object(packed->ring.space, desc_at(packed, at), DESC_BYTES, DMA_WRITE);
}

static inline int store_flags(struct packed *packed, u16 at, u16 flags)
{
	struct vring_packed_desc *desc = used_desc(packed, at);

	if (!desc)
		return -EFAULT;
	__atomic_store_n(flags_of(desc), htole16(flags), __ATOMIC_RELEASE);
	return 0;
}

/* "Event Suppression Structure Format": position and flags at once, in either direction. */
static int load_event(struct packed *packed, u16 *off_wrap, u16 *flags)
{
	const u32 *event = dma_object(packed->ring.space, packed->driver, sizeof(*event), DMA_READ);
	u32 value;

	if (!event)
		return -EFAULT;
	value = le32toh(__atomic_load_n(event, __ATOMIC_ACQUIRE));
	*off_wrap = value;
	*flags = value >> 16 & 3;
	return 0;
}

static int store_event(struct packed *packed, u16 off_wrap, u16 flags)
{
	u32 *event = dma_object(packed->ring.space, packed->device, sizeof(*event), DMA_WRITE);

	if (!event)
		return -EFAULT;
	__atomic_store_n(event, htole32((u32)flags << 16 | off_wrap), __ATOMIC_RELEASE);
	return 0;
}

/* ---- kicks ---- */

/* Somebody watches the ring. */
static int ask_for_none(struct packed *packed)
{
	if (packed->unasked)
		return 0;
	packed->unasked = true;
	return store_event(packed, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
}

static int ask_for_kick(struct packed *packed)
{
	const struct position *next = &packed->next_avail;

	packed->unasked = false;
	if (packed->ring.event_idx)
		return store_event(packed, next->at | next->wrap << VRING_PACKED_EVENT_F_WRAP_CTR,
				   VRING_PACKED_EVENT_FLAG_DESC);
	return store_event(packed, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
}

/* "Driver and Device Ring Wrap Counters": available, and not used, in this round. */
static bool is_available(u16 flags, bool wrap)
{
	return !!(flags & F_AVAIL) == wrap && !!(flags & F_USED) != wrap;
}

/*
 * Whether there is a chain to take. When there is none, ask for a kick at the next one ("Driver
 * Notifications") and look once more: it may have come before the driver could see that we ask.
 */
static int chain_available(struct packed *packed)
{
	bool asked = false;

	for (;;) {
		u16 flags;

		if (load_flags(packed, packed->next_avail.at, &flags))
			return -EFAULT;
		if (is_available(flags, packed->next_avail.wrap))
			return 1;
		packed->empty = true;
		packed->empty_flags = flags;
		if (packed->ring.polled)
			return ask_for_none(packed);
		/* The flags say it once; a position each time. */
		if (asked || (!packed->ring.event_idx && !packed->unasked))
			return 0;
		if (ask_for_kick(packed))
			return -EFAULT;
		asked = true;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
}

/* ---- taking ---- */

/* A descriptor, copied, in host numbers. */
struct desc {
	iova_t addr;
	u32 len;
	u16 id, flags;
};

/* As two numbers: the compiler then does not wait for a store of its own (see queue_split.c). */
static void unpack_desc(const void *raw, struct desc *desc)
{
	le64 addr, rest;

	memcpy(&addr, raw, sizeof(addr));
	memcpy(&rest, (const char *)raw + sizeof(addr), sizeof(rest));
	dma_copied();
	desc->addr = le64_to_cpu(addr);
	desc->len = le64_to_cpu(rest);
	desc->id = le64_to_cpu(rest) >> 32;
	desc->flags = le64_to_cpu(rest) >> 48;
}

/* Descriptor @n of the table at @start, whose host address is @host, or not known: NULL. */
static inline int read_desc(struct packed *packed, iova_t start,
			    const struct vring_packed_desc *host, u32 n, struct desc *desc)
{
	struct vring_packed_desc raw;

	if (host) {
		unpack_desc(&host[n], desc);
		return 0;
	}
	if (dma_read(packed->ring.space, start + n * sizeof(raw), &raw, sizeof(raw)))
		return -EFAULT;
	unpack_desc(&raw, desc);
	return 0;
}

/*
 * "Indirect Flag: Scatter-Gather Support": all of the table is the chain, so that no flag gives it
 * another shape: "VIRTQ_DESC_F_WRITE [...] is the only valid flag for descriptors in the indirect
 * table. Others are reserved and are ignored by the device".
 */
static int read_table(struct packed *packed, const struct desc *table, struct virtq_chain *chain)
{
	const u32 count = table->len / DESC_BYTES;
	const struct vring_packed_desc *host;
	struct range range;

	if (!count || table->len % DESC_BYTES || !range_make(table->addr, table->len, &range))
		return -EINVAL;
	chain->in_ring = 1;
	host = dma_tlb_host(packed->ring.space, table->addr, table->len, DMA_READ);
	for (u32 n = 0; n < count; n++) {
		struct desc desc;
		int ret = read_desc(packed, table->addr, host, n, &desc);

		if (!ret)
			ret = virtq_chain_add(chain, &packed->ring, desc.addr, desc.len,
					      desc.flags & VRING_DESC_F_WRITE);
		if (ret)
			return ret;
	}
	return 0;
}

/* The ring's descriptor @desc, the @n-th of its chain. */
static int add_desc(struct packed *packed, const struct desc *desc, u32 n,
		    struct virtq_chain *chain)
{
	if (!(desc->flags & VRING_DESC_F_INDIRECT))
		return virtq_chain_add(chain, &packed->ring, desc->addr, desc->len,
				       desc->flags & VRING_DESC_F_WRITE);
	/* Only where negotiated, and never "in a scatter-gather list linked by DESC_F_NEXT". */
	if (!packed->ring.indirect || n || desc->flags & VRING_DESC_F_NEXT)
		return -EINVAL;
	return read_table(packed, desc, chain);
}

/*
 * The chain at next_avail: it may go on at the ring's begin. *@count: its descriptors in the ring.
 * It cannot have those that are in flight, so it ends.
 */
static int read_chain(struct packed *packed, struct virtq_chain *chain, u32 *count, u16 *id)
{
	struct position position = packed->next_avail;
	struct desc desc;
	u32 n = 0;

	virtq_chain_begin(chain, &packed->ring);
	do {
		int ret = -EINVAL;

		if (packed->taken + n < packed->ring.size)
			ret = read_desc(packed, packed->desc, packed->host_desc, position.at,
					&desc);
		if (!ret)
			ret = add_desc(packed, &desc, n, chain);
		if (ret)
			return ret;
		advance(packed, &position, 1);
		n++;
	} while (desc.flags & VRING_DESC_F_NEXT);
	*count = n;
	/* "Buffer ID is included in the last descriptor in the list". */
	*id = desc.id;
	return 0;
}

static int packed_pop(struct virtq_ring *ring, struct virtq_chain *chain)
{
	struct packed *packed = packed_of(ring);
	u32 count;
	u16 id;
	int ret;

	find_ring(packed);
	ret = chain_available(packed);
	if (ret <= 0)
		return ret;
	ret = read_chain(packed, chain, &count, &id);
	if (ret)
		return ret;
	chain->token = virtq_token(chain, count << 16 | id);
	advance(packed, &packed->next_avail, count);
	packed->taken += count;
	packed->empty = false;
	virtq_chain_taken(ring);
	return 1;
}

static int packed_has_more(struct virtq_ring *ring)
{
	find_ring(packed_of(ring));
	return chain_available(packed_of(ring));
}

/*
 * The flags of the next descriptor. If pop has not looked at them, the device has stopped for a
 * reason of its own and will go on by itself: then it is a change of what is there now that counts.
 */
static const u16 *packed_watch(struct virtq_ring *ring, u16 *seen)
{
	struct packed *packed = packed_of(ring);
	u16 flags;

	find_ring(packed);
	if (!packed->host_desc || load_flags(packed, packed->next_avail.at, &flags))
		return NULL;
	*seen = htole16(packed->empty ? packed->empty_flags : flags);
	return flags_of(&packed->host_desc[packed->next_avail.at]);
}

/* ---- giving back ---- */

static u32 token_count(u64 token)
{
	return token >> 16 & 0xffff;
}

/*
 * The next descriptor, which gives back chains of @count descriptors, of which @token is the last.
 * The first one stays hidden, and behind it all others: the driver looks at one after the other.
 */
static inline int write_used(struct packed *packed, u64 token, u32 written, u32 count)
{
	const struct position at = packed->next_used;
	struct vring_packed_desc *desc = used_desc(packed, at.at);
	u16 flags = at.wrap ? F_AVAIL | F_USED : 0;

	if (!desc)
		return -EFAULT;
	/* "Element Length": with it the length counts. */
	if (virtq_token_writable(token))
		flags |= VRING_DESC_F_WRITE;
	desc->id = cpu_to_le16(token);
	desc->len = cpu_to_le32(written);
	if (packed->hidden) {
		__atomic_store_n(flags_of(desc), htole16(flags), __ATOMIC_RELEASE);
	} else {
		packed->hidden = true;
		packed->hidden_at = at;
		packed->hidden_flags = flags;
	}
	packed->filled += count;
	advance(packed, &packed->next_used, count);
	return 0;
}

static int end_batch(struct packed *packed)
{
	const u32 count = packed->batch;

	packed->batch = 0;
	return count ? write_used(packed, packed->batch_token, packed->batch_written, count) : 0;
}

/*
 * "In-order use of descriptors": one used descriptor is enough for a batch, with the last chain's
 * ID. It can be written only when the next chain is not in the batch.
 */
static int add_to_batch(struct packed *packed, u64 token, u32 written)
{
	if (packed->batch && packed->batch_written != virtq_token_writable(packed->batch_token) &&
	    end_batch(packed))
		return -EFAULT;
	packed->batch += token_count(token);
	packed->batch_token = token;
	packed->batch_written = written;
	return 0;
}

static inline int packed_fill(struct virtq_ring *ring, u64 token, u32 written)
{
	struct packed *packed = packed_of(ring);
	int ret;

	find_ring(packed);
	ret = ring->in_order ? add_to_batch(packed, token, written)
			     : write_used(packed, token, written, token_count(token));
	if (!ret)
		ring->in_flight--;
	return ret;
}

static inline int show(struct packed *packed)
{
	if (end_batch(packed))
		return -EFAULT;
	if (!packed->hidden)
		return 0;
	packed->hidden = false;
	packed->unsignalled += packed->filled;
	packed->taken -= packed->filled;
	packed->filled = 0;
	return store_flags(packed, packed->hidden_at.at, packed->hidden_flags);
}

static int packed_flush(struct virtq_ring *ring)
{
	find_ring(packed_of(ring));
	return show(packed_of(ring));
}

static int packed_push(struct virtq_ring *ring, u64 token, u32 written)
{
	int ret = packed_fill(ring, token, written);

	return ret ? ret : show(packed_of(ring));
}

/* Descriptors from where we last signalled to @off_wrap; one that the ring does not have: 0. */
static u32 distance(const struct packed *packed, u16 off_wrap)
{
	const u32 size = packed->ring.size;
	const u32 off = off_wrap & ~(1u << VRING_PACKED_EVENT_F_WRAP_CTR);
	const bool wrap = off_wrap >> VRING_PACKED_EVENT_F_WRAP_CTR;
	u32 from = packed->signalled.at, to = off;

	if (off >= size)
		return 0;
	if (wrap != packed->signalled.wrap)
		to += size;
	return to >= from ? to - from : to + 2 * size - from;
}

static int packed_should_interrupt(struct virtq_ring *ring)
{
	struct packed *packed = packed_of(ring);
	u16 off_wrap, flags;
	int ret;

	if (!packed->unsignalled)
		return 0;
	/* The driver may look at the ring after it has set what we read now. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (load_event(packed, &off_wrap, &flags))
		return -EFAULT;
	if (flags == VRING_PACKED_EVENT_FLAG_DESC && ring->event_idx)
		ret = distance(packed, off_wrap) < packed->unsignalled;
	else
		ret = flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	/* What is filled and hidden is behind this: it counts from here on. */
	packed->signalled = packed->hidden ? packed->hidden_at : packed->next_used;
	packed->unsignalled = 0;
	return ret;
}

/* ---- life ---- */

static const struct virtq_ring_ops packed_ops = {
	.pop = packed_pop,
	.has_more = packed_has_more,
	.watch = packed_watch,
	.push = packed_push,
	.fill = packed_fill,
	.flush = packed_flush,
	.should_interrupt = packed_should_interrupt,
};

/* An area that wraps round the end of the address space would come out at 0, in RAM. */
static bool area_placed_well(iova_t start, u64 len, u64 align)
{
	struct range range;

	return is_aligned(start, align) && range_make(start, len, &range);
}

size_t virtq_packed_size(void)
{
	return sizeof(struct packed);
}

int virtq_packed_begin(const struct virtq *queue, const struct virtq_ring *common)
{
	struct packed *packed = packed_of(queue->ring);
	const struct position begin = { 0, true };

	if (!area_placed_well(queue->desc_area, DESC_BYTES * queue->size, 16) ||
	    !area_placed_well(queue->driver_area, sizeof(u32), 4) ||
	    !area_placed_well(queue->device_area, sizeof(u32), 4))
		return -EINVAL;
	*packed = (struct packed){
		.ring = *common,
		.desc = queue->desc_area,
		.driver = queue->driver_area,
		.device = queue->device_area,
		.next_avail = begin,
		.next_used = begin,
		.signalled = begin,
	};
	packed->ring.ops = &packed_ops;
	return 0;
}
