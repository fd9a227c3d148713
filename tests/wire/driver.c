/* SPDX-License-Identifier: BSD-2-Clause */
/* The fake driver: virtio-mmio version 2 and both layouts of rings, from the driver's side. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "cmocka_all.h"
#include "wire.h"

u64 wire_features(struct vm *vm, unsigned slot)
{
	u64 low;

	wire_reg_write(vm, slot, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	low = wire_reg_read(vm, slot, VIRTIO_MMIO_DEVICE_FEATURES);
	wire_reg_write(vm, slot, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	return low | (u64)wire_reg_read(vm, slot, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
}

u8 wire_status(struct vm *vm, unsigned slot)
{
	return wire_reg_read(vm, slot, VIRTIO_MMIO_STATUS);
}

bool wire_needs_reset(struct vm *vm, unsigned slot)
{
	return wire_status(vm, slot) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

u64 wire_wanted_features(u64 offered)
{
	const char *ring = getenv("WIRE_RING");
	u64 wanted = 0;

	if (!ring)
		return 0;
	if (!strncmp(ring, "packed", 6))
		wanted |= 1ULL << VIRTIO_F_RING_PACKED;
	if (strstr(ring, "ordered"))
		wanted |= 1ULL << VIRTIO_F_IN_ORDER;
	assert_true(wanted);
	return wanted & offered;
}

/* The driver knows what it has agreed on: a test has one machine at a time. */
static u64 negotiated[WIRE_SLOTS];

bool wire_negotiate(struct vm *vm, unsigned slot, u64 features)
{
	u32 status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	wire_reg_write(vm, slot, VIRTIO_MMIO_STATUS, 0);
	features |= 1ULL << VIRTIO_F_VERSION_1 | wire_wanted_features(wire_features(vm, slot));
	negotiated[slot] = features;
	wire_reg_write(vm, slot, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	wire_reg_write(vm, slot, VIRTIO_MMIO_STATUS, status);
	wire_reg_write(vm, slot, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	wire_reg_write(vm, slot, VIRTIO_MMIO_DRIVER_FEATURES, features);
	wire_reg_write(vm, slot, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	wire_reg_write(vm, slot, VIRTIO_MMIO_DRIVER_FEATURES, features >> 32);
	wire_reg_write(vm, slot, VIRTIO_MMIO_STATUS, status | VIRTIO_CONFIG_S_FEATURES_OK);
	return wire_status(vm, slot) & VIRTIO_CONFIG_S_FEATURES_OK;
}

void wire_driver_ok(struct vm *vm, unsigned slot)
{
	wire_reg_write(vm, slot, VIRTIO_MMIO_STATUS,
		       wire_status(vm, slot) | VIRTIO_CONFIG_S_DRIVER_OK);
}

bool wire_is_packed(const struct wire_queue *queue)
{
	return queue->features >> VIRTIO_F_RING_PACKED & 1;
}

static bool is_in_order(const struct wire_queue *queue)
{
	return queue->features >> VIRTIO_F_IN_ORDER & 1;
}

void wire_queue_init(struct wire_queue *queue, struct vm *vm, unsigned slot, unsigned index,
		     u16 size, gpa_t base)
{
	*queue = (struct wire_queue){
		.vm = vm,
		.slot = slot,
		.index = index,
		.features = negotiated[slot],
		.size = size,
		.desc = base,
		.avail = base + 0x4000,
		.used = base + 0x8000,
		.avail_wrap = true,
		.used_wrap = true,
	};
	wire_fill(vm, base, 0, 64 * KIB);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_SEL, index);
	assert_int_equal(wire_reg_read(vm, slot, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_true(wire_reg_read(vm, slot, VIRTIO_MMIO_QUEUE_NUM_MAX) >= size);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_NUM, size);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_DESC_LOW, queue->desc);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_DESC_HIGH, queue->desc >> 32);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_AVAIL_LOW, queue->avail);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, queue->avail >> 32);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_USED_LOW, queue->used);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_USED_HIGH, queue->used >> 32);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_READY, 1);
}

/* ---- descriptors ---- */

/* Descriptor @n, in either layout: @last is the split ring's next, or the packed one's ID. */
static void write_desc(struct wire_queue *queue, gpa_t table, u16 n,
		       const struct wire_segment *segment, u16 flags, u16 last)
{
	const struct vring_desc split = {
		.addr = htole64(segment->address),
		.len = htole32(segment->len),
		.flags = htole16(flags),
		.next = htole16(last),
	};
	const struct vring_packed_desc packed = {
		.addr = htole64(segment->address),
		.len = htole32(segment->len),
		.id = htole16(last),
		.flags = htole16(flags),
	};

	wire_write(queue->vm, table + n * sizeof(split),
		   wire_is_packed(queue) ? (const void *)&packed : &split, sizeof(split));
}

/* "Descriptor Ring": the bits of what is available, in the round of @wrap. */
static u16 available(bool wrap)
{
	return wrap ? 1 << VRING_PACKED_DESC_F_AVAIL : 1 << VRING_PACKED_DESC_F_USED;
}

void wire_set_desc(struct wire_queue *queue, u16 n, u64 address, u32 len, u16 flags, u16 next)
{
	const struct wire_segment segment = { address, len, false };

	/* In this round it is not available, nor is it used. */
	if (wire_is_packed(queue))
		flags |= available(!queue->avail_wrap);
	write_desc(queue, queue->desc, n, &segment, flags, next);
}

/* ---- making available ---- */

static void note(struct wire_queue *queue, u16 head, const struct wire_segment *segments,
		 unsigned count, u16 in_ring)
{
	struct wire_chain *chain = &queue->chains[head % VIRTQ_MAX_SIZE];

	*chain = (struct wire_chain){ .count = in_ring };
	for (unsigned i = 0; i < count; i++)
		chain->writable += segments[i].writable ? segments[i].len : 0;
	queue->order[(queue->first + queue->pending++) % VIRTQ_MAX_SIZE] = head;
}

static void publish_split(struct wire_queue *queue, u16 head)
{
	u16 entry = htole16(head), idx;

	wire_write(queue->vm, queue->avail + 4 + 2 * (queue->avail_idx % queue->size), &entry,
		   sizeof(entry));
	idx = htole16(++queue->avail_idx);
	wire_write(queue->vm, queue->avail + 2, &idx, sizeof(idx));
}

/* Descriptor @at becomes available, as its flags are but for that; @count of them are behind us. */
static void publish_packed(struct wire_queue *queue, u16 at, u16 count)
{
	const gpa_t flags_at = queue->desc + at * sizeof(struct vring_packed_desc) +
			       offsetof(struct vring_packed_desc, flags);
	u16 flags;

	wire_read(queue->vm, flags_at, &flags, sizeof(flags));
	flags = (le16toh(flags) & 7) | available(queue->avail_wrap);
	flags = htole16(flags);
	wire_write(queue->vm, flags_at, &flags, sizeof(flags));
	queue->avail_at += count;
	if (queue->avail_at >= queue->size) {
		queue->avail_at -= queue->size;
		queue->avail_wrap = !queue->avail_wrap;
	}
	queue->avail_idx++;
}

void wire_publish(struct wire_queue *queue, u16 head)
{
	note(queue, head, NULL, 0, 1);
	if (wire_is_packed(queue))
		publish_packed(queue, queue->avail_at, 1);
	else
		publish_split(queue, head);
}

void wire_break_ring(struct wire_queue *queue)
{
	if (wire_is_packed(queue))
		wire_set_desc(queue, queue->avail_at, 0, 16,
			      VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 0);
	wire_publish(queue, queue->size);
}

static u16 segment_flags(const struct wire_segment *segments, unsigned i, unsigned count)
{
	return (segments[i].writable ? VRING_DESC_F_WRITE : 0) |
	       (i + 1 < count ? VRING_DESC_F_NEXT : 0);
}

/* The place of the chain's first descriptor, unless another in flight has that for its ID. */
static u16 take_id(struct wire_queue *queue)
{
	unsigned id = queue->avail_at;

	while (queue->chains[id % VIRTQ_MAX_SIZE].count)
		id++;
	return id % VIRTQ_MAX_SIZE;
}

static u16 add_packed(struct wire_queue *queue, const struct wire_segment *segments, unsigned count)
{
	const u16 head = queue->avail_at, id = take_id(queue);

	for (unsigned i = 0; i < count; i++) {
		const unsigned at = head + i;
		const bool wrap = queue->avail_wrap ^ (at >= queue->size);

		/* "MUST NOT make the first descriptor available before all subsequent ones". */
		write_desc(queue, queue->desc, at % queue->size, &segments[i],
			   segment_flags(segments, i, count) | available(i ? wrap : !wrap), id);
	}
	note(queue, id, segments, count, count);
	publish_packed(queue, head, count);
	return id;
}

u16 wire_add(struct wire_queue *queue, const struct wire_segment *segments, unsigned count)
{
	u16 head = queue->next_desc % queue->size;

	assert_true(count && count <= queue->size);
	if (wire_is_packed(queue))
		return add_packed(queue, segments, count);
	for (unsigned i = 0; i < count; i++) {
		u16 n = queue->next_desc++ % queue->size;

		write_desc(queue, queue->desc, n, &segments[i], segment_flags(segments, i, count),
			   (n + 1) % queue->size);
	}
	note(queue, head, segments, count, count);
	publish_split(queue, head);
	return head;
}

u16 wire_add_indirect(struct wire_queue *queue, const struct wire_segment *segments, unsigned count,
		      gpa_t table)
{
	const bool packed = wire_is_packed(queue);
	const u16 at = packed ? queue->avail_at : queue->next_desc++ % queue->size;
	const u16 head = packed ? take_id(queue) : at;

	for (unsigned i = 0; i < count; i++) {
		u16 flags = segment_flags(segments, i, count);

		if (packed)
			flags &= VRING_DESC_F_WRITE;
		write_desc(queue, table, i, &segments[i], flags, i + 1 < count ? i + 1 : 0);
	}
	wire_set_desc(queue, at, table, count * sizeof(struct vring_desc), VRING_DESC_F_INDIRECT,
		      packed ? head : 0);
	note(queue, head, segments, count, 1);
	if (packed)
		publish_packed(queue, at, 1);
	else
		publish_split(queue, head);
	return head;
}

u32 wire_kick_value(const struct wire_queue *queue)
{
	u32 next = wire_is_packed(queue) ? queue->avail_at | (u32)queue->avail_wrap << 15
					 : queue->avail_idx;

	return queue->features >> VIRTIO_F_NOTIFICATION_DATA & 1 ? queue->index | next << 16
								 : queue->index;
}

void wire_kick(struct wire_queue *queue)
{
	wire_reg_write(queue->vm, queue->slot, VIRTIO_MMIO_QUEUE_NOTIFY, wire_kick_value(queue));
}

/* ---- getting back ---- */

static bool has_used_packed(struct wire_queue *queue)
{
	struct vring_packed_desc desc;
	u16 flags;

	wire_read(queue->vm, queue->desc + queue->used_at * sizeof(desc), &desc, sizeof(desc));
	flags = le16toh(desc.flags);
	return (flags >> VRING_PACKED_DESC_F_AVAIL & 1) == queue->used_wrap &&
	       (flags >> VRING_PACKED_DESC_F_USED & 1) == queue->used_wrap;
}

bool wire_has_used(struct wire_queue *queue)
{
	u16 idx;

	if (queue->in_batch)
		return true;
	if (wire_is_packed(queue))
		return has_used_packed(queue);
	wire_read(queue->vm, queue->used + 2, &idx, sizeof(idx));
	return le16toh(idx) != queue->last_used;
}

static u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static void read_used(struct wire_queue *queue, u32 *id, u32 *len)
{
	struct vring_packed_desc desc;
	struct vring_used_elem elem;

	if (wire_is_packed(queue)) {
		wire_read(queue->vm, queue->desc + queue->used_at * sizeof(desc), &desc,
			  sizeof(desc));
		*id = le16toh(desc.id);
		*len = le32toh(desc.len);
		return;
	}
	wire_read(queue->vm, queue->used + 4 + sizeof(elem) * (queue->last_used % queue->size),
		  &elem, sizeof(elem));
	*id = le32toh(elem.id);
	*len = le32toh(elem.len);
}

/* "In-order use of descriptors": what is skipped counts as written in full. */
static void read_in_order(struct wire_queue *queue, u32 *id, u32 *len)
{
	if (!queue->in_batch)
		read_used(queue, &queue->batch_last, &queue->batch_len);
	assert_true(queue->pending);
	*id = queue->order[queue->first++ % VIRTQ_MAX_SIZE];
	queue->first %= VIRTQ_MAX_SIZE;
	queue->pending--;
	queue->in_batch = *id != queue->batch_last;
	*len = queue->in_batch ? queue->chains[*id % VIRTQ_MAX_SIZE].writable : queue->batch_len;
}

/* The chain @id is ours again. */
static void pass_used(struct wire_queue *queue, u32 id)
{
	u16 event;

	queue->last_used++;
	if (wire_is_packed(queue)) {
		queue->used_at += queue->chains[id % VIRTQ_MAX_SIZE].count;
		if (queue->used_at >= queue->size) {
			queue->used_at -= queue->size;
			queue->used_wrap = !queue->used_wrap;
		}
		queue->chains[id % VIRTQ_MAX_SIZE].count = 0;
	} else if (!queue->keep_used_event) {
		event = htole16(queue->last_used);
		wire_write(queue->vm, queue->avail + 4 + 2 * queue->size, &event, sizeof(event));
	}
}

bool wire_used(struct wire_queue *queue, u16 *head, u32 *len)
{
	u64 deadline = now_ms() + 5000;
	u32 id, written;

	while (!wire_has_used(queue)) {
		/* A stopped device will never answer: do not wait for it. */
		if (now_ms() > deadline || wire_needs_reset(queue->vm, queue->slot))
			return false;
		loop_poll(queue->vm->loop, 10);
	}
	if (is_in_order(queue))
		read_in_order(queue, &id, &written);
	else
		read_used(queue, &id, &written);
	pass_used(queue, id);
	if (head)
		*head = id;
	if (len)
		*len = written;
	return true;
}
