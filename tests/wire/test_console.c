/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-console on a terminal that the test is (virtio 1.4, "Console Device"). */
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>

#include "test.h"
#include "virtio/console.h"
#include "virtio/mmio.h"
#include "vmm/terminal.h"
#include "wire.h"

#define RX_RINGS 0x10000
#define TX_RINGS 0x30000
#define DATA	 0x100000
#define RX_DATA	 0x200000
#define SIZE	 16
#define F_SIZE	 (1ULL << VIRTIO_CONSOLE_F_SIZE)

/* ---- the fake terminal ---- */

struct terminal {
	struct terminal_client *client;
	u16 columns, rows;
	char out[256 * 1024];
	size_t out_len, out_room; /* out_room: what it takes before it is full */
	const char *in;
};

void terminal_set_client(struct terminal *terminal, struct terminal_client *client)
{
	terminal->client = client;
}

size_t terminal_read(struct terminal *terminal, void *data, size_t len)
{
	len = MIN(len, strlen(terminal->in));
	memcpy(data, terminal->in, len);
	terminal->in += len;
	return len;
}

size_t terminal_write(struct terminal *terminal, const void *data, size_t len)
{
	len = MIN(len, terminal->out_room);
	assert_true(terminal->out_len + len <= sizeof(terminal->out));
	memcpy(terminal->out + terminal->out_len, data, len);
	terminal->out_len += len;
	terminal->out_room -= len;
	return len;
}

void terminal_size(const struct terminal *terminal, u16 *columns, u16 *rows)
{
	*columns = terminal->columns;
	*rows = terminal->rows;
}

/* ---- the machine ---- */

struct bench {
	struct vm *vm;
	struct terminal terminal;
	struct wire_queue rx, tx;
};

static void bring_up(struct bench *bench, u64 features)
{
	assert_true(wire_negotiate(bench->vm, 0, features));
	wire_queue_init(&bench->rx, bench->vm, 0, 0, SIZE, RX_RINGS);
	wire_queue_init(&bench->tx, bench->vm, 0, 1, SIZE, TX_RINGS);
	wire_driver_ok(bench->vm, 0);
}

static int setup_sized(void **state, u16 columns, u16 rows)
{
	static struct bench bench;
	struct virtio_device *device;
	struct device_resource slot;

	memset(&bench, 0, sizeof(bench));
	bench.terminal.in = "";
	bench.terminal.out_room = sizeof(bench.terminal.out);
	bench.terminal.columns = columns;
	bench.terminal.rows = rows;
	bench.vm = wire_create();
	assert_int_equal(virtio_console_create(&device, &bench.terminal, &bench.vm->identity.space),
			 0);
	assert_non_null(bench.terminal.client);
	wire_slot(0, &slot);
	assert_int_equal(virtio_mmio_create(bench.vm, device, &slot, DEVICE_NO_ENDPOINT, false), 0);
	bring_up(&bench, wire_features(bench.vm, 0) & F_SIZE);
	*state = &bench;
	return 0;
}

static int setup(void **state)
{
	return setup_sized(state, 80, 25);
}

static int setup_pipe(void **state)
{
	return setup_sized(state, 0, 0);
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	wire_destroy(bench->vm);
	assert_null(bench->terminal.client);
	return 0;
}

static void poll(struct bench *bench)
{
	for (unsigned i = 0; i < 4; i++)
		loop_poll(bench->vm->loop, 0);
}

static void send(struct bench *bench, const char *text)
{
	struct wire_segment segment = { DATA, strlen(text), false };

	wire_write(bench->vm, DATA, text, segment.len);
	wire_add(&bench->tx, &segment, 1);
	wire_kick(&bench->tx);
}

static void printed(struct bench *bench, const char *text)
{
	assert_int_equal(bench->terminal.out_len, strlen(text));
	assert_memory_equal(bench->terminal.out, text, strlen(text));
}

static void type(struct bench *bench, const char *text)
{
	bench->terminal.in = text;
	bench->terminal.client->readable(bench->terminal.client);
}

static void offer(struct bench *bench, u64 address, u32 len, bool writable)
{
	struct wire_segment segment = { address, len, writable };

	wire_add(&bench->rx, &segment, 1);
	wire_kick(&bench->rx);
	poll(bench);
}

static void received(struct bench *bench, const char *text)
{
	char data[64];
	u32 len;

	assert_true(wire_used(&bench->rx, NULL, &len));
	assert_int_equal(len, strlen(text));
	wire_read(bench->vm, RX_DATA, data, len);
	assert_memory_equal(data, text, len);
}

/* ---- output ---- */

TEST_WITH(what_the_guest_writes_is_printed, setup, teardown)
{
	struct bench *bench = *state;
	u32 len;

	assert_int_equal(wire_reg_read(bench->vm, 0, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_CONSOLE);
	send(bench, "hello ");
	assert_true(wire_used(&bench->tx, NULL, &len));
	assert_int_equal(len, 0);
	send(bench, "world\n");
	assert_true(wire_used(&bench->tx, NULL, &len));
	printed(bench, "hello world\n");
}

TEST_WITH(output_is_held_back_while_the_terminal_is_full, setup, teardown)
{
	struct bench *bench = *state;

	bench->terminal.out_room = 3;
	send(bench, "abcdefgh");
	poll(bench);
	printed(bench, "abc");
	assert_false(wire_has_used(&bench->tx));
	bench->terminal.out_room = 2;
	bench->terminal.client->writable(bench->terminal.client);
	printed(bench, "abcde");
	assert_false(wire_has_used(&bench->tx));
	bench->terminal.out_room = 1000;
	bench->terminal.client->writable(bench->terminal.client);
	printed(bench, "abcdefgh");
	assert_true(wire_used(&bench->tx, NULL, NULL));
}

TEST_WITH(long_output_is_not_cut, setup, teardown)
{
	struct bench *bench = *state;
	struct wire_segment parts[] = { { DATA, 100000, false }, { DATA + 100000, 100001, false } };

	for (unsigned i = 0; i < 201; i++)
		wire_fill(bench->vm, DATA + 1000 * i, i, i < 200 ? 1000 : 1001);
	wire_add(&bench->tx, parts, 2);
	wire_kick(&bench->tx);
	assert_true(wire_used(&bench->tx, NULL, NULL));
	assert_int_equal(bench->terminal.out_len, 200001);
	for (unsigned i = 0; i < 200001; i++)
		assert_int_equal((u8)bench->terminal.out[i], MIN(i / 1000, 200u) & 0xff);
}

TEST_WITH(output_outside_ram_is_nothing, setup, teardown)
{
	struct bench *bench = *state;
	struct wire_segment bad = { 2 * GIB, 100, false }, odd = { DATA, 100, true };

	wire_add(&bench->tx, &bad, 1);
	wire_add(&bench->tx, &odd, 1);
	wire_kick(&bench->tx);
	assert_true(wire_used(&bench->tx, NULL, NULL));
	assert_true(wire_used(&bench->tx, NULL, NULL));
	assert_int_equal(bench->terminal.out_len, 0);
	send(bench, "x");
	assert_true(wire_used(&bench->tx, NULL, NULL));
	printed(bench, "x");
}

TEST_WITH(a_reset_forgets_output_that_was_held_back, setup, teardown)
{
	struct bench *bench = *state;

	bench->terminal.out_room = 3;
	send(bench, "abcdefgh");
	poll(bench);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_STATUS, 0);
	bench->terminal.out_room = 1000;
	bench->terminal.client->writable(bench->terminal.client);
	printed(bench, "abc");
	bring_up(bench, 0);
	send(bench, "d");
	assert_true(wire_used(&bench->tx, NULL, NULL));
	printed(bench, "abcd");
}

TEST_WITH(a_queue_reset_forgets_output_that_was_held_back, setup, teardown)
{
	struct bench *bench = *state;

	bench->terminal.out_room = 3;
	send(bench, "abcdefgh");
	poll(bench);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_SEL, 1);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_READY, 0);
	bench->terminal.out_room = 1000;
	bench->terminal.client->writable(bench->terminal.client);
	assert_false(wire_has_used(&bench->tx));
	printed(bench, "abc");
	wire_queue_init(&bench->tx, bench->vm, 0, 1, SIZE, TX_RINGS);
	send(bench, "d");
	assert_true(wire_used(&bench->tx, NULL, NULL));
	printed(bench, "abcd");
}

/* ---- input ---- */

TEST_WITH(what_the_user_types_arrives, setup, teardown)
{
	struct bench *bench = *state;

	offer(bench, RX_DATA, 64, true);
	assert_false(wire_has_used(&bench->rx));
	type(bench, "ls\n");
	received(bench, "ls\n");
	offer(bench, RX_DATA, 64, true);
	type(bench, "again\n");
	received(bench, "again\n");
}

TEST_WITH(input_waits_for_a_buffer, setup, teardown)
{
	struct bench *bench = *state;

	type(bench, "abcdef");
	assert_string_equal(bench->terminal.in, "abcdef");
	offer(bench, RX_DATA, 4, true);
	received(bench, "abcd");
	assert_string_equal(bench->terminal.in, "ef");
	offer(bench, RX_DATA, 4, true);
	received(bench, "ef");
}

TEST_WITH(input_before_the_driver_waits, setup, teardown)
{
	struct bench *bench = *state;

	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_STATUS, 0);
	type(bench, "early");
	assert_string_equal(bench->terminal.in, "early");
	bring_up(bench, 0);
	offer(bench, RX_DATA, 64, true);
	received(bench, "early");
}

TEST_WITH(buffers_that_take_nothing_come_back, setup, teardown)
{
	struct bench *bench = *state;
	u32 len;

	offer(bench, RX_DATA, 64, false);
	assert_true(wire_used(&bench->rx, NULL, &len));
	assert_int_equal(len, 0);
	offer(bench, 2 * GIB, 64, true);
	type(bench, "lost");
	assert_true(wire_used(&bench->rx, NULL, &len));
	assert_int_equal(len, 0);
	assert_false(wire_needs_reset(bench->vm, 0));
}

TEST_WITH(a_buffer_from_before_a_reset_is_not_written, setup, teardown)
{
	struct bench *bench = *state;
	char byte;

	offer(bench, RX_DATA, 64, true);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_STATUS, 0);
	type(bench, "x");
	wire_read(bench->vm, RX_DATA, &byte, 1);
	assert_int_equal(byte, 0);
	assert_string_equal(bench->terminal.in, "x");
}

TEST_WITH(a_broken_console_takes_no_input_until_it_is_reset, setup, teardown)
{
	struct bench *bench = *state;

	offer(bench, RX_DATA, 64, true);
	wire_break_ring(&bench->tx);
	wire_kick(&bench->tx);
	poll(bench);
	assert_true(wire_needs_reset(bench->vm, 0));
	type(bench, "kept");
	assert_string_equal(bench->terminal.in, "kept");
	bring_up(bench, 0);
	offer(bench, RX_DATA, 64, true);
	received(bench, "kept");
}

/* ---- size ---- */

TEST_WITH(the_window_size_is_in_configuration_space, setup, teardown)
{
	struct bench *bench = *state;
	u32 generation = wire_reg_read(bench->vm, 0, VIRTIO_MMIO_CONFIG_GENERATION);

	assert_int_equal(wire_config_read(bench->vm, 0, 0, 2), 80);
	assert_int_equal(wire_config_read(bench->vm, 0, 2, 2), 25);
	bench->terminal.columns = 132;
	bench->terminal.client->resized(bench->terminal.client, 132, 25);
	assert_int_equal(wire_config_read(bench->vm, 0, 0, 2), 132);
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
	assert_int_equal(wire_reg_read(bench->vm, 0, VIRTIO_MMIO_INTERRUPT_STATUS),
			 VIRTIO_MMIO_INT_CONFIG);
	assert_int_not_equal(wire_reg_read(bench->vm, 0, VIRTIO_MMIO_CONFIG_GENERATION),
			     generation);
}

TEST_WITH(a_driver_that_does_not_care_hears_of_no_size, setup, teardown)
{
	struct bench *bench = *state;

	bring_up(bench, 0);
	bench->terminal.client->resized(bench->terminal.client, 132, 25);
	assert_int_equal(wire_interrupts(WIRE_GSI), 0);
}

TEST_WITH(a_pipe_has_no_size, setup_pipe, teardown)
{
	struct bench *bench = *state;

	assert_false(wire_features(bench->vm, 0) & F_SIZE);
}
