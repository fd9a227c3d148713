/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver that keeps the rules, a device that gives chains back as it likes, and a model of what
 * each of them must see: on split and packed rings of any size, in order or not. What is taken is
 * what was added; what comes back, and when, and whether an interrupt is due, is what the
 * specification says ("Split Virtqueues", "Packed Virtqueues", "In-order use of descriptors").
 */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "../../virtio/queue_ring.h"
#include "../wire/echo.h"
#include "input.h"
#include "shim.h"

#define RINGS	 0x10000
#define TABLES	 0x100000 /* indirect, one for each chain that may be there: 1 KiB */
#define DATA	 0x200000
#define F(bit)	 (1ull << (bit))
#define SEGMENTS 16

/* A chain that was added, in the order of that. */
struct made {
	u16 head, count; /* descriptors in the ring */
	unsigned segments;
	struct wire_segment segment[SEGMENTS];
	u32 writable, written;
	bool taken, returned, shown; /* popped; pushed or filled; for the driver to see */
	struct virtq_chain chain;
};

struct stage {
	struct vm *vm;
	struct echo *echo;
	struct virtio_device *device;
	struct wire_queue queue;
	unsigned free;		 /* descriptors */
	struct made *made;	 /* a ring of VIRTQ_MAX_SIZE of them */
	u32 added, taken;	 /* counted for ever */
	u32 turn;		 /* chains that were given back in turn */
	u16 out[VIRTQ_MAX_SIZE]; /* chains in the order in which they came back */
	u32 filled, shown, seen; /* of those: counted for ever */
	/* Since the last question whether to interrupt: descriptors of a packed ring, or chains. */
	u32 unasked;
	u32 position; /* where that begins: 0 to twice the size of a packed ring, or an index */
	bool broken;
};

static bool has(const struct stage *stage, unsigned bit)
{
	return stage->queue.features >> bit & 1;
}

static struct made *made_at(struct stage *stage, u32 n)
{
	return &stage->made[n % VIRTQ_MAX_SIZE];
}

/* ---- the driver ---- */

static void make_segments(struct made *made, struct input *in)
{
	const unsigned readable = input_below(in, made->segments + 1);

	made->writable = 0;
	for (unsigned i = 0; i < made->segments; i++) {
		made->segment[i] = (struct wire_segment){
			.address = DATA + input_u16(in) * 8ull,
			.len = input_below(in, 200),
			.writable = i >= readable,
		};
		made->writable += i >= readable ? made->segment[i].len : 0;
	}
}

static void add(struct stage *stage, struct input *in)
{
	const u8 how = input_u8(in);
	const bool indirect = how & 1 && has(stage, VIRTIO_RING_F_INDIRECT_DESC);
	const unsigned most = MIN(indirect ? stage->queue.size : stage->free, SEGMENTS);
	struct made *made = made_at(stage, stage->added);

	if (!stage->free)
		return;
	*made = (struct made){ .segments = 1 + (how >> 1) % most };
	make_segments(made, in);
	made->count = indirect ? 1 : made->segments;
	made->head = indirect ? wire_add_indirect(&stage->queue, made->segment, made->segments,
						  TABLES + stage->added % VIRTQ_MAX_SIZE * 1024)
			      : wire_add(&stage->queue, made->segment, made->segments);
	stage->free -= made->count;
	stage->added++;
}

/* What the driver sees next is what the device showed next. */
static void collect(struct stage *stage, struct input *in)
{
	const struct made *made;
	u16 head;
	u32 len;

	fuzz_check(wire_has_used(&stage->queue) == (stage->seen != stage->shown));
	if (stage->seen == stage->shown)
		return;
	made = made_at(stage, stage->out[stage->seen++ % VIRTQ_MAX_SIZE]);
	fuzz_check(wire_used(&stage->queue, &head, &len));
	fuzz_check(head == made->head && len == made->written);
	stage->free += made->count;
}

static void set_event(struct stage *stage, struct input *in)
{
	const u16 value = input_u16(in);
	u16 fields[2] = { htole16(value), htole16(input_below(in, 4)) };

	if (wire_is_packed(&stage->queue))
		wire_write(stage->vm, stage->queue.avail, fields, sizeof(fields));
	else if (has(stage, VIRTIO_RING_F_EVENT_IDX))
		wire_write(stage->vm, stage->queue.avail + 4 + 2 * stage->queue.size, fields, 2);
	else
		wire_write(stage->vm, stage->queue.avail, &fields[1], 2);
}

/* ---- the device ---- */

static void take(struct stage *stage, struct input *in)
{
	struct made *made = made_at(stage, stage->taken);
	bool there = virtio_device_pop(stage->device, 0, &made->chain);
	unsigned readable = 0;

	fuzz_check(there == (stage->taken != stage->added));
	if (!there)
		return;
	for (unsigned i = 0; i < made->segments; i++) {
		readable += !made->segment[i].writable;
		fuzz_check(made->chain.segments[i].iova == made->segment[i].address);
		fuzz_check(made->chain.segments[i].len == made->segment[i].len);
	}
	fuzz_check(made->chain.readable == readable);
	fuzz_check(virtq_chain_segments(&made->chain) == made->segments);
	fuzz_check(made->chain.writable_len == made->writable);
	made->taken = true;
	stage->taken++;
}

static void came_back(struct stage *stage, u32 n)
{
	stage->out[stage->filled++ % VIRTQ_MAX_SIZE] = n % VIRTQ_MAX_SIZE;
}

static void show(struct stage *stage)
{
	for (; stage->shown != stage->filled; stage->shown++) {
		const struct made *made = made_at(stage, stage->out[stage->shown % VIRTQ_MAX_SIZE]);

		stage->unasked += wire_is_packed(&stage->queue) ? made->count : 1;
	}
}

/* One of those that were taken, often the oldest. */
static void give_back(struct stage *stage, struct input *in)
{
	const u8 how = input_u8(in), which = how >> 2;
	const u32 oldest = stage->turn;
	struct made *made;
	u32 n = oldest;

	if (!has(stage, VIRTIO_F_IN_ORDER) || which & 1)
		n += which % MAX(stage->taken - oldest, 1u);
	made = made_at(stage, n);
	if (n == stage->taken || made->returned)
		return;
	made->written = how & 2 ? made->writable : MIN(made->writable, input_u8(in));
	made->returned = true;
	if (how & 1)
		virtio_device_push(stage->device, 0, &made->chain, made->written);
	else
		virtio_device_fill(stage->device, 0, &made->chain, made->written);
	if (!has(stage, VIRTIO_F_IN_ORDER))
		came_back(stage, n);
	for (; stage->turn != stage->taken && made_at(stage, stage->turn)->returned;
	     stage->turn++) {
		if (has(stage, VIRTIO_F_IN_ORDER))
			came_back(stage, stage->turn);
	}
	if (how & 1)
		show(stage);
}

static void flush(struct stage *stage, struct input *in)
{
	virtio_device_flush(stage->device, 0);
	show(stage);
}

/* ---- interrupts ---- */

/* "Used Buffer Notification Suppression": the event is among what was shown since. */
static bool split_is_due(const struct stage *stage)
{
	u16 flags, event;

	wire_read(stage->vm, stage->queue.avail, &flags, sizeof(flags));
	if (!has(stage, VIRTIO_RING_F_EVENT_IDX))
		return !(le16toh(flags) & VRING_AVAIL_F_NO_INTERRUPT);
	wire_read(stage->vm, stage->queue.avail + 4 + 2 * stage->queue.size, &event, sizeof(event));
	for (u32 i = 0; i < stage->unasked; i++) {
		if ((u16)(stage->position + i) == le16toh(event))
			return true;
	}
	return false;
}

static bool packed_is_due(const struct stage *stage)
{
	const u32 size = stage->queue.size;
	u16 event[2], off;
	bool wrap;

	wire_read(stage->vm, stage->queue.avail, event, sizeof(event));
	if ((le16toh(event[1]) & 3) != VRING_PACKED_EVENT_FLAG_DESC ||
	    !has(stage, VIRTIO_RING_F_EVENT_IDX))
		return (le16toh(event[1]) & 3) != VRING_PACKED_EVENT_FLAG_DISABLE;
	off = le16toh(event[0]) & 0x7fff;
	wrap = le16toh(event[0]) >> 15;
	for (u32 i = 0; i < stage->unasked; i++) {
		const u32 at = (stage->position + i) % (2 * size);

		if (at % size == off && (at < size) == wrap)
			return true;
	}
	/* The ring has no such place: one too many is better than none. */
	return off >= size;
}

static void interrupt(struct stage *stage, struct input *in)
{
	const bool packed = wire_is_packed(&stage->queue);
	const unsigned before = wire_interrupts(WIRE_GSI);
	bool due;

	/* "idx" counts chains; what skips some may be shown between two questions. */
	due = stage->unasked && (packed ? packed_is_due(stage) : split_is_due(stage));
	virtio_device_interrupt(stage->device, 0);
	fuzz_check(wire_interrupts(WIRE_GSI) - before == due);
	stage->position += stage->unasked;
	if (packed)
		stage->position %= 2 * stage->queue.size;
	stage->unasked = 0;
}

/* ---- the stage ---- */

static void step(struct stage *stage, struct input *in)
{
	static void (*const steps[])(struct stage *, struct input *) = {
		add,   add,	take,	 take,	    give_back, give_back,
		flush, collect, collect, interrupt, set_event,
	};

	steps[input_below(in, ARRAY_SIZE(steps))](stage, in);
	fuzz_check(!wire_needs_reset(stage->vm, 0));
	fuzz_check(stage->echo->queues[0].ring->in_flight <= stage->queue.size);
}

/* The last act: everything comes back, and in the end the ring is broken. */
static void finish(struct stage *stage, struct input *in)
{
	while (stage->taken != stage->added)
		take(stage, in);
	for (u32 n = stage->turn; n != stage->taken; n++) {
		struct made *made = made_at(stage, n);

		if (made->returned)
			continue;
		made->returned = true;
		made->written = made->writable;
		virtio_device_fill(stage->device, 0, &made->chain, made->written);
		if (!has(stage, VIRTIO_F_IN_ORDER))
			came_back(stage, n);
	}
	for (; has(stage, VIRTIO_F_IN_ORDER) && stage->turn != stage->taken; stage->turn++)
		came_back(stage, stage->turn);
	flush(stage, in);
	while (stage->seen != stage->shown)
		collect(stage, in);
	collect(stage, in);
	fuzz_check(stage->free == stage->queue.size);
	wire_break_ring(&stage->queue);
	fuzz_check(!virtio_device_pop(stage->device, 0, &stage->made[0].chain));
	fuzz_check(wire_needs_reset(stage->vm, 0));
}

static void stage_create(struct stage *stage, struct input *in)
{
	static struct made made[VIRTQ_MAX_SIZE];
	static const u16 sizes[] = { 1, 2, 4, 8, 16, 64, 256, 1024 };
	const u8 how = input_u8(in);
	u16 size = sizes[input_below(in, ARRAY_SIZE(sizes))];
	u64 features = 0;
	struct device_resource slot;

	*stage = (struct stage){ .vm = wire_create(), .made = made };
	stage->echo = echo_alloc(stage->vm);
	stage->device = &stage->echo->device;
	stage->device->features |= F(VIRTIO_F_IN_ORDER);
	wire_slot(0, &slot);
	fuzz_check(!virtio_mmio_create(stage->vm, stage->device, &slot, DEVICE_NO_ENDPOINT, false));
	if (how & 1)
		features |= F(VIRTIO_F_RING_PACKED);
	if (how & 2)
		features |= F(VIRTIO_F_IN_ORDER);
	if (how & 4)
		features |= F(VIRTIO_RING_F_INDIRECT_DESC);
	if (how & 8)
		features |= F(VIRTIO_RING_F_EVENT_IDX);
	if (how & 1 && how & 16)
		size = 1 + (size * 7 + how) % 100;
	fuzz_check(wire_negotiate(stage->vm, 0, features));
	wire_queue_init(&stage->queue, stage->vm, 0, 0, size, RINGS);
	stage->queue.keep_used_event = true;
	wire_driver_ok(stage->vm, 0);
	stage->free = size;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	struct stage stage;

	stage_create(&stage, &in);
	while (in.left)
		step(&stage, &in);
	finish(&stage, &in);
	wire_destroy(stage.vm);
	return 0;
}
