/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-balloon and a driver that lies. Pages that were named, whole and in RAM, may read as
 * zeroes afterwards; all others keep what they have. Nothing may crash, hang, leak or touch a byte
 * that is not RAM.
 */
#include <stdlib.h>

#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "guard.h"
#include "input.h"
#include "shim.h"
#include "virtio/balloon.h"
#include "virtio/mmio.h"
#include "wire.h"

#define QUEUES 5
#define RINGS  0x10000
#define DATA   0x80000
#define PAGE   4096
#define FIRST  0x200000 /* of the pages that are followed: 2 MiB, and all of high RAM */
#define MARK   0x5a
#define LOW    ((WIRE_RAM - FIRST) / PAGE)
#define PAGES  (LOW + WIRE_RAM / PAGE)

static struct vm *vm;
static struct virtio_device *device;
static struct wire_queue queues[QUEUES];
static bool named[PAGES]; /* since the last look */
static bool all_named;	  /* by what is not followed */
static bool up;

static gpa_t address_of(unsigned page)
{
	return page < LOW ? FIRST + (gpa_t)page * PAGE : WIRE_HIGH + (gpa_t)(page - LOW) * PAGE;
}

static void name_range(gpa_t start, u64 len)
{
	struct range range;

	if (!range_make(start, len, &range))
		return;
	for (unsigned i = 0; i < PAGES; i++) {
		if (range_contains(range.start, range.last, address_of(i),
				   address_of(i) + PAGE - 1))
			named[i] = true;
	}
}

static void judge_pages(void)
{
	for (unsigned i = 0; i < PAGES; i++) {
		volatile u8 *host = memory_host(vm->memory, address_of(i), PAGE);

		fuzz_check(host[0] == MARK || (!host[0] && (named[i] || all_named)));
		if (host[0] != MARK)
			host[0] = MARK;
		named[i] = false;
	}
	all_named = false;
}

static void settle(void)
{
	do
		loop_poll(vm->loop, device->ops->idle(device) ? 0 : 10);
	while (!device->ops->idle(device));
	for (unsigned i = 0; up && i < QUEUES; i++) {
		while (queues[i].size && wire_has_used(&queues[i]) &&
		       wire_used(&queues[i], NULL, NULL))
			;
	}
}

static void bring_up(struct input *in)
{
	u64 features = input_u8(in) & 0x3f;

	wire_reg_write(vm, 0, VIRTIO_MMIO_STATUS, 0);
	/* Whatever was under way is over. */
	judge_pages();
	up = wire_negotiate(vm, 0, features & wire_features(vm, 0));
	for (unsigned i = 0; up && i < QUEUES; i++)
		wire_queue_init(&queues[i], vm, 0, i, 16, RINGS + i * 0x10000);
	wire_driver_ok(vm, 0);
}

static void inflate(struct input *in)
{
	unsigned count = 1 + input_u8(in) % 64, queue = input_u8(in) & 1;
	struct wire_segment segments[] = { { DATA, 4 * count - 2, false },
					   { DATA + 4 * count - 2, 2 + (input_u8(in) & 3),
					     false } };
	u32 pfn = input_u8(in) & 1 ? WIRE_HIGH / PAGE : FIRST / PAGE;

	for (unsigned i = 0; i < count; i++) {
		u8 how = input_u8(in);
		le32 raw;

		pfn = how == 0xff ? input_u32(in) : how & 0x80 ? pfn - 1 : pfn + (how & 7);
		raw = cpu_to_le32(pfn);
		wire_write(vm, DATA + 4 * i, &raw, sizeof(raw));
		if (!queue)
			name_range((gpa_t)pfn * PAGE, PAGE);
	}
	/* What is behind the list may be taken for a page's number in part. */
	if (!up)
		return;
	wire_add(&queues[queue], segments, 2);
	wire_kick(&queues[queue]);
}

static void report(struct input *in)
{
	u64 base = input_u8(in) & 1 ? WIRE_HIGH : FIRST;
	struct wire_segment segment = { base + input_u16(in) * 64, input_u32(in) % 0x200000,
					input_u8(in) & 7 };
	unsigned queue = 2 + input_below(in, 3);

	if (input_u8(in) == 0xff)
		segment.address = input_u64(in);
	if (!up || !segment.len)
		return;
	name_range(segment.address, segment.len);
	wire_add(&queues[queue], &segment, 1);
	wire_kick(&queues[queue]);
}

static void say_numbers(struct input *in)
{
	struct wire_segment segment = { DATA + 0x8000, 1 + input_u8(in), false };
	u8 bytes[64];

	input_bytes(in, bytes, sizeof(bytes));
	wire_write(vm, DATA + 0x8000, bytes, sizeof(bytes));
	if (!up)
		return;
	wire_add(&queues[2], &segment, 1);
	wire_kick(&queues[2]);
}

static void on_told(struct balloon_watch *watch, bool fresh)
{
	free(watch);
}

static void ask(struct input *in)
{
	struct balloon_watch *watch = calloc(1, sizeof(*watch));
	struct balloon_stats stats;

	fuzz_check(watch);
	list_init(&watch->node);
	watch->told = on_told;
	balloon_ask(device, watch);
	/* Nobody waits for long. */
	if (!list_empty(&watch->node)) {
		balloon_forget(watch);
		free(watch);
	}
	balloon_set_target(device, input_u32(in));
	balloon_get_stats(device, &stats);
	fuzz_check(stats.target <= 2 * WIRE_RAM);
}

static void configure(struct input *in)
{
	wire_config_write(vm, 0, input_u8(in) % 20, input_u32(in), 1 << input_u8(in) % 3);
	wire_config_read(vm, 0, input_u8(in) % 20, 4);
}

static void write_register(struct input *in)
{
	u32 offset = input_below(in, 0x40) * 4;

	/* Rings may be anywhere from now on. */
	up = false;
	all_named = true;
	wire_reg_write(vm, 0, offset, input_u32(in));
}

static void publish(struct input *in)
{
	struct wire_queue *queue = &queues[input_below(in, QUEUES)];

	if (!up)
		return;
	/* A descriptor of before. */
	all_named = true;
	wire_publish(queue, input_u8(in));
	wire_kick(queue);
}

static void step(struct input *in)
{
	static void (*const steps[])(struct input *) = {
		inflate, report,    say_numbers,    ask,     inflate,
		report,	 configure, write_register, publish, bring_up,
	};

	steps[input_below(in, ARRAY_SIZE(steps))](in);
	settle();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const struct virtio_balloon_options options = { .reporting = true, .deflate_on_oom = true };
	struct input in = { data, size };
	struct device_resource slot;

	vm = wire_create();
	guard_raise(vm->memory);
	for (unsigned i = 0; i < PAGES; i++)
		*(volatile u8 *)memory_host(vm->memory, address_of(i), PAGE) = MARK;
	fuzz_check(!virtio_balloon_create(&device, &options, vm->loop, vm->memory,
					  &vm->identity.space));
	wire_slot(0, &slot);
	fuzz_check(!virtio_mmio_create(vm, device, &slot, DEVICE_NO_ENDPOINT, false));
	for (unsigned i = 0; i < QUEUES; i++)
		queues[i] = (struct wire_queue){ .vm = vm, .index = i };
	bring_up(&in);
	while (in.left)
		step(&in);
	wire_reg_write(vm, 0, VIRTIO_MMIO_STATUS, 0);
	judge_pages();
	wire_destroy(vm);
	return 0;
}
