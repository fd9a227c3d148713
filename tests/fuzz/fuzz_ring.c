/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver that writes what it likes, where it likes: to the registers of two devices,
 * and to the memory in which their rings are. Nothing may crash, hang, leak, or touch
 * a byte that is not RAM.
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "../../virtio/queue_ring.h"
#include "../wire/echo.h"
#include "fake_disk.h"
#include "guard.h"
#include "input.h"
#include "shim.h"
#include "virtio/blk.h"

enum { SLOT_ECHO, SLOT_BLK, SLOTS };

#define QUEUES 3 /* two of the echo's, and the disk's */
#define RINGS  0x10000
#define DATA   0x80000

struct stage {
	struct vm *vm;
	struct echo *echo;
	struct disk *disk;
	unsigned echoes_gone;
	unsigned fail_next; /* for alloc_fail(), in the next step */
	struct wire_queue queues[QUEUES];
};

static struct wire_queue *take_queue(struct stage *stage, struct input *in)
{
	return &stage->queues[input_below(in, QUEUES)];
}

/* Among the buffers, among the rings, at RAM's edges, or anywhere. */
static gpa_t take_address(struct input *in)
{
	u64 offset = input_u16(in);

	switch (input_below(in, 8)) {
	case 0:
		return RINGS + offset * 4;
	case 1:
		return WIRE_RAM - 0x40 + offset % 0x80;
	case 2:
		return WIRE_HIGH - 0x40 + offset % 0x80;
	case 3:
		return UINT64_MAX - offset;
	case 4:
		return input_u64(in);
	case 5:
		return WIRE_HIGH + WIRE_RAM - 0x400 + offset % 0x440;
	default:
		return DATA + offset * 16;
	}
}

static u32 take_len(struct input *in)
{
	switch (input_below(in, 8)) {
	case 0:
		return input_u32(in);
	case 1:
		return input_u16(in);
	case 2:
	case 3:
		return input_u8(in) * 512;
	case 4:
		return 16;
	default:
		return input_u8(in);
	}
}

/* ---- bytes ---- */

static void write_register(struct stage *stage, struct input *in)
{
	unsigned slot = input_below(in, SLOTS);
	u32 offset = input_below(in, 0x40) * 4;

	wire_reg_write(stage->vm, slot, offset, input_u32(in));
}

static void read_register(struct stage *stage, struct input *in)
{
	wire_reg_read(stage->vm, input_below(in, SLOTS), input_below(in, 0x40) * 4);
}

/* Any width, any alignment, also across the end. */
static void access_bus(struct stage *stage, struct input *in)
{
	u64 address = WIRE_MMIO + input_u16(in) % 0x410;
	unsigned len = 1 + input_below(in, 8);
	u64 value;

	vm_lock(stage->vm);
	if (input_u8(in) & 1) {
		bus_read(stage->vm->mmio, address, &value, len);
	} else {
		value = input_u64(in);
		bus_write(stage->vm->mmio, address, &value, len);
	}
	vm_unlock(stage->vm);
}

static void write_memory(struct stage *stage, struct input *in)
{
	gpa_t address = take_address(in);
	unsigned len = 1 + input_below(in, 64);
	u8 bytes[64];

	input_bytes(in, bytes, len);
	/* What is no RAM is not written. */
	memory_write(stage->vm->memory, address, bytes, len);
}

/* ---- half-way sensible ---- */

/* As drivers do it, with some features. */
static void bring_up(struct stage *stage, struct input *in)
{
	unsigned slot = input_below(in, SLOTS);
	u64 offered = wire_features(stage->vm, slot);
	u64 mask = (u64)input_u8(in) << 28, features;

	mask |= input_u16(in);
	/* Of the old ones those that are not masked, of the new ones those that are. */
	features = offered & ~mask & ~VIRTIO_NEW_RINGS;
	features |= offered & mask & VIRTIO_NEW_RINGS;
	if (mask & 1u << 15)
		features |= offered & 1ull << VIRTIO_F_NOTIFICATION_DATA;

	if (!wire_negotiate(stage->vm, slot, features))
		return;
	for (unsigned i = 0; i < QUEUES; i++) {
		unsigned index = slot == SLOT_ECHO ? i : 0;

		if (slot == (i < ECHO_QUEUES ? SLOT_ECHO : SLOT_BLK))
			wire_queue_init(&stage->queues[i], stage->vm, slot, index,
					1u << input_below(in, slot == SLOT_ECHO ? 11 : 7),
					RINGS * (i + 1));
	}
	wire_driver_ok(stage->vm, slot);
}

static void set_desc(struct stage *stage, struct input *in)
{
	struct wire_queue *queue = take_queue(stage, in);
	u16 n = input_u8(in);
	u64 address = take_address(in);
	u32 len = take_len(in);
	u16 flags = input_u8(in) & 7;

	if (queue->size)
		wire_set_desc(queue, n % queue->size, address, len, flags, input_u8(in));
}

/* A chain of any shape, through an indirect table or not. */
static void add_chain(struct stage *stage, struct input *in)
{
	struct wire_queue *queue = take_queue(stage, in);
	unsigned count = 1 + input_below(in, 16);
	struct wire_segment segments[16];
	u8 how = input_u8(in);

	if (!queue->size)
		return;
	for (unsigned i = 0; i < count; i++) {
		segments[i].address = take_address(in);
		segments[i].len = take_len(in);
		segments[i].writable = input_u8(in) & 1;
	}
	if (how & 1)
		wire_add_indirect(queue, segments, count, DATA - 0x10000 + (how >> 1) * 16);
	else
		wire_add(queue, segments, MIN(count, queue->size));
	if (how & 2)
		wire_kick(queue);
}

/* A request as virtio-blk wants it, but for a value or two. */
static void add_blk(struct stage *stage, struct input *in)
{
	struct wire_queue *queue = &stage->queues[QUEUES - 1];
	static const u8 types[] = {
		VIRTIO_BLK_T_IN,
		VIRTIO_BLK_T_OUT,
		VIRTIO_BLK_T_IN,
		VIRTIO_BLK_T_OUT,
		VIRTIO_BLK_T_FLUSH,
		VIRTIO_BLK_T_GET_ID,
		10,
		12,
		VIRTIO_BLK_T_DISCARD,
		VIRTIO_BLK_T_WRITE_ZEROES,
	};
	gpa_t header = DATA + (queue->avail_idx % 256) * 64;
	struct {
		le32 type, reserved;
		le64 sector;
		u8 more[16];
	} bytes = { .type = cpu_to_le32(types[input_below(in, ARRAY_SIZE(types))]) };
	u32 size = input_u8(in) & 1 ? 16 : 32;
	struct wire_segment segments[3] = { { header, size, false } };

	if (queue->size < 4)
		return;
	bytes.sector = cpu_to_le64(120 + input_below(in, 12));
	input_bytes(in, bytes.more, sizeof(bytes.more));
	wire_write(stage->vm, header, &bytes, sizeof(bytes));
	segments[1].address = take_address(in);
	segments[1].len = input_u8(in) & 3 ? input_u8(in) % 8 * 512 : take_len(in);
	segments[1].writable = input_u8(in) & 1;
	segments[2] = (struct wire_segment){ header + 48, 1, true };
	wire_add(queue, segments, 3);
	wire_kick(queue);
}

static void publish(struct stage *stage, struct input *in)
{
	struct wire_queue *queue = take_queue(stage, in);

	if (!queue->size)
		return;
	wire_publish(queue, input_u8(in));
	queue->avail_idx += input_below(in, 2) ? input_u8(in) : 0;
	wire_kick(queue);
}

static void reset_queue(struct stage *stage, struct input *in)
{
	struct wire_queue *queue = take_queue(stage, in);

	wire_reg_write(stage->vm, queue->slot, VIRTIO_MMIO_QUEUE_SEL, queue->index);
	wire_reg_write(stage->vm, queue->slot, input_u8(in) & 1 ? 0x0c0 : VIRTIO_MMIO_QUEUE_READY,
		       input_u8(in) & 1);
}

/* The devices have their moods, too. */
static void upset_devices(struct stage *stage, struct input *in)
{
	u8 what = input_u8(in);

	stage->echo->keep = what & 1;
	stage->echo->budget = what >> 1 & 3;
	stage->echo->start_result = what & 8 ? -EIO : 0;
	if (what & 16)
		stage->fail_next = 1 + (what >> 5);
}

/* The echo gives chains back unseen from now on, or not; and shows those that it has. */
static void flush(struct stage *stage, struct input *in)
{
	u8 what = input_u8(in);

	stage->echo->fill = what & 1;
	if (what & 2)
		virtio_device_flush(&stage->echo->device, what >> 2 & 1);
	if (what & 8)
		virtio_device_interrupt(&stage->echo->device, what >> 2 & 1);
}

static void complete(struct stage *stage, struct input *in)
{
	static const int results[] = { 0, 0, -EIO, -EOPNOTSUPP };
	unsigned count = 1 + input_below(in, 8);
	int result = results[input_below(in, ARRAY_SIZE(results))];

	vm_lock(stage->vm);
	stage->disk->fault = result;
	fake_disk_complete(stage->disk, count);
	stage->disk->fault = 0;
	vm_unlock(stage->vm);
}

static void step(struct stage *stage, struct input *in)
{
	static void (*const steps[])(struct stage *, struct input *) = {
		write_register, read_register, access_bus,    write_memory, bring_up, set_desc,
		add_chain,	add_blk,       add_blk,	      publish,	    complete, complete,
		add_chain,	reset_queue,   upset_devices, flush,
	};

	alloc_fail(stage->fail_next);
	stage->fail_next = 0;
	/* A reset serves the loop until the disk is done: whatever it finds there. */
	fake_disk_hold(stage->disk, false);
	steps[input_below(in, ARRAY_SIZE(steps))](stage, in);
	fake_disk_hold(stage->disk, true);
	/* One turn is enough: a device that wants another comes back after the next step. */
	loop_poll(stage->vm->loop, 0);
	alloc_failed();
	for (unsigned i = 0; i < ECHO_QUEUES; i++) {
		const struct virtq_ring *ring = stage->echo->queues[i].ring;

		fuzz_check(ring->in_flight <= ring->size);
	}
}

/* ---- the stage ---- */

static void put_blk(struct stage *stage)
{
	struct virtio_device *device;
	struct device_resource slot;

	fuzz_check(!virtio_blk_create(&device, stage->disk, NULL, stage->vm->loop,
				      &stage->vm->identity.space));
	wire_slot(SLOT_BLK, &slot);
	fuzz_check(!virtio_mmio_create(stage->vm, device, &slot, DEVICE_NO_ENDPOINT, false));
}

static void put_echo(struct stage *stage, u8 how)
{
	struct device_resource slot;

	stage->echo = echo_alloc(stage->vm);
	stage->echo->device.kick_on_vcpu = how & 2;
	if (how & 32)
		stage->echo->device.features |= 1ull << VIRTIO_F_IN_ORDER;
	wire_slot(SLOT_ECHO, &slot);
	fuzz_check(!virtio_mmio_create(stage->vm, &stage->echo->device, &slot,
				       how & 8 ? 7 : DEVICE_NO_ENDPOINT, false));
}

static void stage_create(struct stage *stage, struct input *in)
{
	u8 how = input_u8(in);

	*stage = (struct stage){ .vm = wire_create() };
	guard_raise(stage->vm->memory);
	if (how & 1)
		wire_allow_ioevents();
	put_echo(stage, how);
	stage->echo->destroyed = &stage->echoes_gone;
	stage->disk = fake_disk_create(64 * KIB, how & 4, how & 16, NULL);
	stage->disk->pace = 1;
	stage->disk->hold = true;
	put_blk(stage);
	for (unsigned i = 0; i < QUEUES; i++) {
		stage->queues[i].vm = stage->vm;
		stage->queues[i].slot = i < ECHO_QUEUES ? SLOT_ECHO : SLOT_BLK;
		stage->queues[i].index = i < ECHO_QUEUES ? i : 0;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	struct stage stage;

	stage_create(&stage, &in);
	while (in.left)
		step(&stage, &in);
	wire_destroy(stage.vm);
	fuzz_check(stage.echoes_gone == 1);
	return 0;
}
