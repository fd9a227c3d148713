/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine that pauses and goes on, with a disk on a real file and a console under load. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_ring.h>

#include "test.h"
#include "disk/disk.h"
#include "virtio/blk.h"
#include "virtio/console.h"
#include "virtio/mmio.h"
#include "vmm/terminal.h"
#include "wire.h"

#define BLK_RINGS 0x10000
#define TX_RINGS  0x30000
#define RX_RINGS  0x50000
#define HEADER	  0x70000
#define STATUS	  0x71000
#define TEXT	  0x72000
#define INPUT	  0x73000
#define DATA	  0x100000
#define DISK_SIZE (4 * MIB)
#define DEPTH	  16
#define BLOCK	  4096u
#define ROUNDS	  1000

/* ---- the fake terminal ---- */

struct terminal {
	struct terminal_client *client;
	u64 sum, count; /* of what was printed */
	unsigned typed; /* bytes that wait for the guest */
};

void terminal_set_client(struct terminal *terminal, struct terminal_client *client)
{
	terminal->client = client;
}

size_t terminal_read(struct terminal *terminal, void *data, size_t len)
{
	len = MIN(len, terminal->typed);
	memset(data, 'k', len);
	terminal->typed -= len;
	return len;
}

size_t terminal_write(struct terminal *terminal, const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		terminal->sum = terminal->sum * 31 + ((const u8 *)data)[i];
	terminal->count += len;
	return len;
}

void terminal_size(const struct terminal *terminal, u16 *columns, u16 *rows)
{
	*columns = *rows = 0;
}

/* ---- the machine ---- */

static struct bench {
	struct vm *vm;
	char path[64];
	int fd;
	struct terminal terminal;
	struct wire_queue blk, tx, rx;
	u64 sum; /* of what was sent to the console */
	unsigned blocks, texts;
} bench;

static void add(struct virtio_device *device, unsigned slot)
{
	struct device_resource place;

	wire_slot(slot, &place);
	assert_int_equal(virtio_mmio_create(bench.vm, device, &place, DEVICE_NO_ENDPOINT, false),
			 0);
}

static void add_disk(bool buffered)
{
	struct disk_options options = { .buffered = buffered };
	struct virtio_device *device;
	struct error err = { "" };
	struct disk *disk;

	strcpy(bench.path, "/var/tmp/lkvm-test-XXXXXX");
	bench.fd = mkstemp(bench.path);
	assert_true(bench.fd >= 0);
	assert_int_equal(ftruncate(bench.fd, DISK_SIZE), 0);
	assert_int_equal(disk_open(&disk, bench.path, &options, &err), 0);
	assert_int_equal(
		virtio_blk_create(&device, disk, NULL, bench.vm->loop, &bench.vm->identity.space),
		0);
	add(device, 0);
}

static int setup_as(bool buffered)
{
	struct virtio_device *device;

	memset(&bench, 0, sizeof(bench));
	bench.vm = wire_create();
	add_disk(buffered);
	assert_int_equal(virtio_console_create(&device, &bench.terminal, &bench.vm->identity.space),
			 0);
	add(device, 1);
	assert_true(wire_negotiate(bench.vm, 0, 0));
	wire_queue_init(&bench.blk, bench.vm, 0, 0, 64, BLK_RINGS);
	wire_driver_ok(bench.vm, 0);
	assert_true(wire_negotiate(bench.vm, 1, 0));
	wire_queue_init(&bench.rx, bench.vm, 1, 0, 16, RX_RINGS);
	wire_queue_init(&bench.tx, bench.vm, 1, 1, 16, TX_RINGS);
	wire_driver_ok(bench.vm, 1);
	return 0;
}

static int setup(void **state)
{
	return setup_as(false);
}

static int setup_buffered(void **state)
{
	return setup_as(true);
}

static int teardown(void **state)
{
	wire_destroy(bench.vm);
	close(bench.fd);
	unlink(bench.path);
	return 0;
}

/* ---- load ---- */

static u8 pattern(unsigned block)
{
	return 1 + block % 255;
}

/* Write block @bench.blocks of the disk, round and round. */
static void write_block(void)
{
	unsigned n = bench.blocks % DEPTH;
	struct virtio_blk_outhdr header = {
		.type = htole32(VIRTIO_BLK_T_OUT),
		.sector = htole64(bench.blocks % (DISK_SIZE / BLOCK) * (BLOCK / 512)),
	};
	struct wire_segment parts[] = { { HEADER + 16 * n, 16, false },
					{ DATA + BLOCK * n, BLOCK, false },
					{ STATUS + n, 1, true } };

	wire_write(bench.vm, parts[0].address, &header, sizeof(header));
	wire_fill(bench.vm, parts[1].address, pattern(bench.blocks), BLOCK);
	wire_fill(bench.vm, parts[2].address, 0xee, 1);
	wire_add(&bench.blk, parts, 3);
	bench.blocks++;
}

static void print(void)
{
	char text[24];
	struct wire_segment segment = { TEXT + 32 * (bench.texts % 8), sizeof(text), false };

	for (unsigned i = 0; i < sizeof(text); i++) {
		text[i] = bench.texts * 7 + i;
		bench.sum = bench.sum * 31 + (u8)text[i];
	}
	wire_write(bench.vm, segment.address, text, sizeof(text));
	wire_add(&bench.tx, &segment, 1);
	bench.texts++;
}

static void give_input_buffer(void)
{
	struct wire_segment segment = { INPUT, 8, true };

	wire_add(&bench.rx, &segment, 1);
	wire_kick(&bench.rx);
}

/* ---- pausing ---- */

struct watch {
	struct vm_pause_watch watch;
	unsigned paused, resumed;
};

static void told(struct vm_pause_watch *pause_watch, bool paused)
{
	struct watch *watch = container_of(pause_watch, struct watch, watch);

	*(paused ? &watch->paused : &watch->resumed) += 1;
}

static void pause_and_wait(struct watch *watch)
{
	unsigned before = watch->paused;

	watch->watch.told = told;
	vm_pause(bench.vm, VM_PAUSE_USER, &watch->watch);
	for (unsigned i = 0; i < 10000 && watch->paused == before; i++)
		loop_poll(bench.vm->loop, 100);
	assert_int_equal(watch->paused, before + 1);
	assert_true(vm_is_paused(bench.vm));
}

static u64 sum_of_ram(void)
{
	static u8 page[BLOCK];
	u64 sum = 0;

	for (gpa_t at = 0; at < WIRE_RAM; at += BLOCK) {
		wire_read(bench.vm, at, page, BLOCK);
		for (unsigned i = 0; i < BLOCK; i += 8)
			sum = sum * 31 + *(u64 *)(page + i);
	}
	return sum;
}

static void collect(unsigned blocks, unsigned texts)
{
	for (unsigned i = 0; i < blocks; i++)
		assert_true(wire_used(&bench.blk, NULL, NULL));
	for (unsigned i = 0; i < texts; i++)
		assert_true(wire_used(&bench.tx, NULL, NULL));
	for (unsigned i = 0; i < DEPTH; i++) {
		u8 status;

		wire_read(bench.vm, STATUS + i, &status, 1);
		assert_int_equal(status, VIRTIO_BLK_S_OK);
	}
}

static void check_disk(void)
{
	static u8 data[BLOCK];
	unsigned first = bench.blocks - MIN(bench.blocks, DISK_SIZE / BLOCK);

	for (unsigned block = first; block < bench.blocks; block++) {
		u64 offset = block % (DISK_SIZE / BLOCK) * BLOCK;

		assert_int_equal(pread(bench.fd, data, BLOCK, offset), BLOCK);
		for (unsigned i = 0; i < BLOCK; i++)
			assert_int_equal(data[i], pattern(block));
	}
}

TEST_WITH(a_thousand_pauses_under_load_lose_nothing, setup, teardown)
{
	struct watch watch = { 0 };

	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < DEPTH; i++)
			write_block();
		print();
		/* What is kicked before the pause, and what is only there, differ each time. */
		if (round % 3)
			wire_kick(&bench.blk);
		if (round % 2)
			wire_kick(&bench.tx);
		for (unsigned i = 0; i < round % 4; i++)
			loop_poll(bench.vm->loop, 0);
		pause_and_wait(&watch);
		if (!(round % 3))
			wire_kick(&bench.blk);
		if (!(round % 2))
			wire_kick(&bench.tx);
		vm_resume(bench.vm, VM_PAUSE_USER);
		collect(DEPTH, 1);
	}
	assert_int_equal(watch.paused, ROUNDS);
	assert_int_equal(bench.terminal.count, 24 * ROUNDS);
	assert_int_equal(bench.terminal.sum, bench.sum);
	check_disk();
}
TEST_AGAIN(a_thousand_pauses_under_load_lose_nothing, setup_buffered, teardown)

TEST_WITH(nothing_of_the_guests_changes_while_it_is_paused, setup, teardown)
{
	struct watch watch = { 0 };
	u64 before;

	give_input_buffer();
	for (unsigned i = 0; i < DEPTH; i++)
		write_block();
	wire_kick(&bench.blk);
	loop_poll(bench.vm->loop, 0);
	pause_and_wait(&watch);
	before = sum_of_ram();
	/* The driver's kicks, and somebody who types. */
	print();
	before = sum_of_ram();
	wire_kick(&bench.tx);
	bench.terminal.typed = 3;
	bench.terminal.client->readable(bench.terminal.client);
	for (unsigned i = 0; i < 20; i++)
		loop_poll(bench.vm->loop, 1);
	assert_int_equal(sum_of_ram(), before);
	assert_int_equal(bench.terminal.count, 0);
	vm_resume(bench.vm, VM_PAUSE_USER);
	collect(DEPTH, 1);
	assert_true(wire_used(&bench.rx, NULL, NULL));
	assert_int_equal(bench.terminal.typed, 0);
}

TEST_WITH(the_machine_goes_on_when_nobody_wants_a_pause_any_more, setup, teardown)
{
	struct watch watch = { 0 };

	pause_and_wait(&watch);
	vm_pause(bench.vm, VM_PAUSE_HOST, NULL);
	vm_resume(bench.vm, VM_PAUSE_USER);
	assert_true(vm_is_paused(bench.vm));
	vm_resume(bench.vm, VM_PAUSE_HOST);
	assert_false(vm_is_paused(bench.vm));
	vm_resume(bench.vm, VM_PAUSE_HOST);
	pause_and_wait(&watch);
	vm_resume(bench.vm, VM_PAUSE_USER);
}

TEST_WITH(a_pause_that_is_taken_back_is_said, setup, teardown)
{
	struct watch watch = { .watch.told = told }, other = { .watch.told = told };

	for (unsigned i = 0; i < DEPTH; i++)
		write_block();
	wire_kick(&bench.blk);
	loop_poll(bench.vm->loop, 0);
	vm_pause(bench.vm, VM_PAUSE_USER, &watch.watch);
	if (!watch.paused) {
		vm_pause(bench.vm, VM_PAUSE_USER, &other.watch);
		vm_pause_forget(&other.watch);
		vm_resume(bench.vm, VM_PAUSE_USER);
		assert_int_equal(watch.resumed, 1);
		assert_int_equal(other.paused + other.resumed, 0);
	}
	vm_resume(bench.vm, VM_PAUSE_USER);
	collect(DEPTH, 0);
}

TEST_WITH(a_machine_may_end_while_it_is_paused, setup, teardown)
{
	struct watch watch = { 0 };

	for (unsigned i = 0; i < DEPTH; i++)
		write_block();
	wire_kick(&bench.blk);
	pause_and_wait(&watch);
}
