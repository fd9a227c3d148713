/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-console with ports (virtio 1.4, "Console Device", "Multiport Device Operation"). */
#include <endian.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_mmio.h>

#include "test.h"
#include "virtio/console.h"
#include "virtio/mmio.h"
#include "vmm/terminal.h"
#include "wire.h"

#define RINGS(n)       (0x10000 * ((n) + 1))
#define DATA	       0x100000
#define RX_DATA	       0x200000
#define CONTROL_OUT    0x300000
#define CONTROL_IN     0x310000 /* buffers of CONTROL_BUFFER bytes */
#define SIZE	       16
#define MULTIPORT      (1ULL << VIRTIO_CONSOLE_F_MULTIPORT)
#define PORTS	       3
#define QUEUES	       (2 * (PORTS + 2))
#define CONTROL_BUFFER 128

enum { FIRST_RX, FIRST_TX, CONTROL_RX, CONTROL_TX };
/* Of port n, from 1. */
#define RX(n) (2 * (n) + 2)
#define TX(n) (2 * (n) + 3)

/* ---- the fake terminals ---- */

struct terminal {
	struct terminal_client *client;
	char out[64];
	size_t out_len, room;
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
	len = MIN(len, terminal->room - terminal->out_len);
	memcpy(terminal->out + terminal->out_len, data, len);
	terminal->out_len += len;
	return len;
}

void terminal_size(const struct terminal *terminal, u16 *columns, u16 *rows)
{
	*columns = *rows = 0;
}

/* ---- the machine ---- */

struct bench {
	struct vm *vm;
	struct terminal terminals[PORTS];
	struct wire_queue queues[QUEUES];
};

static void bring_up(struct bench *bench, u64 features)
{
	unsigned queues = features & MULTIPORT ? QUEUES : 2;

	assert_true(wire_negotiate(bench->vm, 0, features));
	for (unsigned i = 0; i < queues; i++)
		wire_queue_init(&bench->queues[i], bench->vm, 0, i, SIZE, RINGS(i));
	wire_driver_ok(bench->vm, 0);
}

static int setup(void **state)
{
	static struct bench bench;
	struct virtio_console_port ports[PORTS] = { { "one" }, { "org.second.0" }, { "3" } };
	struct virtio_device *device;
	struct device_resource slot;

	memset(&bench, 0, sizeof(bench));
	bench.vm = wire_create();
	for (unsigned n = 0; n < PORTS; n++) {
		bench.terminals[n] = (struct terminal){ .room = 64, .in = "" };
		ports[n].terminal = &bench.terminals[n];
	}
	assert_int_equal(
		virtio_console_create_ports(&device, ports, PORTS, &bench.vm->identity.space), 0);
	wire_slot(0, &slot);
	assert_int_equal(virtio_mmio_create(bench.vm, device, &slot, DEVICE_NO_ENDPOINT, false), 0);
	bring_up(&bench, MULTIPORT);
	*state = &bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	wire_destroy(bench->vm);
	for (unsigned n = 0; n < PORTS; n++)
		assert_null(bench->terminals[n].client);
	return 0;
}

static void poll(struct bench *bench)
{
	for (unsigned i = 0; i < 4; i++)
		loop_poll(bench->vm->loop, 0);
}

/* ---- control messages ---- */

static void tell(struct bench *bench, u32 id, u16 event, u16 value)
{
	struct virtio_console_control control = { htole32(id), htole16(event), htole16(value) };
	struct wire_segment segment = { CONTROL_OUT, sizeof(control), false };

	wire_write(bench->vm, CONTROL_OUT, &control, sizeof(control));
	wire_add(&bench->queues[CONTROL_TX], &segment, 1);
	wire_kick(&bench->queues[CONTROL_TX]);
	assert_true(wire_used(&bench->queues[CONTROL_TX], NULL, NULL));
}

static void offer_control(struct bench *bench, unsigned count, u32 len)
{
	for (unsigned i = 0; i < count; i++) {
		struct wire_segment segment = { CONTROL_IN, len, true };

		wire_add(&bench->queues[CONTROL_RX], &segment, 1);
	}
	wire_kick(&bench->queues[CONTROL_RX]);
	poll(bench);
}

/* One buffer is offered, and this comes in it. */
static void is_told(struct bench *bench, u32 id, u16 event, const char *text)
{
	struct virtio_console_control control;
	char got[CONTROL_BUFFER];
	u32 len;

	offer_control(bench, 1, CONTROL_BUFFER);
	assert_true(wire_used(&bench->queues[CONTROL_RX], NULL, &len));
	assert_int_equal(len, sizeof(control) + strlen(text));
	wire_read(bench->vm, CONTROL_IN, &control, sizeof(control));
	assert_int_equal(le32toh(control.id), id);
	assert_int_equal(le16toh(control.event), event);
	assert_int_equal(le16toh(control.value), 1);
	wire_read(bench->vm, CONTROL_IN + sizeof(control), got, strlen(text) + 1);
	assert_memory_equal(got, text, strlen(text));
}

/* A buffer is offered and stays with the device; returns with it there. */
static void is_told_nothing(struct bench *bench)
{
	offer_control(bench, 1, CONTROL_BUFFER);
	assert_false(wire_has_used(&bench->queues[CONTROL_RX]));
}

static void bring_up_port(struct bench *bench, u32 id, const char *name)
{
	tell(bench, id, VIRTIO_CONSOLE_PORT_READY, 1);
	is_told(bench, id, VIRTIO_CONSOLE_PORT_NAME, name);
	is_told(bench, id, VIRTIO_CONSOLE_PORT_OPEN, "");
}

static void bring_up_ports(struct bench *bench)
{
	tell(bench, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (unsigned n = 1; n <= PORTS; n++)
		is_told(bench, n, VIRTIO_CONSOLE_PORT_ADD, "");
	bring_up_port(bench, 1, "one");
	bring_up_port(bench, 2, "org.second.0");
	bring_up_port(bench, 3, "3");
}

/* ---- data ---- */

static void send(struct bench *bench, unsigned queue, const char *text)
{
	struct wire_segment segment = { DATA + 0x1000 * queue, strlen(text), false };

	wire_write(bench->vm, segment.address, text, segment.len);
	wire_add(&bench->queues[queue], &segment, 1);
	wire_kick(&bench->queues[queue]);
	poll(bench);
}

static void offer(struct bench *bench, unsigned queue)
{
	struct wire_segment segment = { RX_DATA, 64, true };

	wire_add(&bench->queues[queue], &segment, 1);
	wire_kick(&bench->queues[queue]);
	poll(bench);
}

static void type(struct bench *bench, unsigned n, const char *text)
{
	struct terminal *terminal = &bench->terminals[n - 1];

	terminal->in = text;
	terminal->client->readable(terminal->client);
}

static void received(struct bench *bench, unsigned queue, const char *text)
{
	char data[64];
	u32 len;

	assert_true(wire_used(&bench->queues[queue], NULL, &len));
	assert_int_equal(len, strlen(text));
	wire_read(bench->vm, RX_DATA, data, len);
	assert_memory_equal(data, text, len);
}

static void printed(struct bench *bench, unsigned n, const char *text)
{
	const struct terminal *terminal = &bench->terminals[n - 1];

	assert_int_equal(terminal->out_len, strlen(text));
	assert_memory_equal(terminal->out, text, strlen(text));
}

/* ---- tests ---- */

TEST_WITH(a_driver_is_told_of_each_port_and_its_name, setup, teardown)
{
	struct bench *bench = *state;

	assert_int_equal(wire_config_read(bench->vm, 0, 4, 4), PORTS + 1);
	is_told_nothing(bench);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_STATUS, 0);
	bring_up(bench, MULTIPORT);
	bring_up_ports(bench);
	is_told_nothing(bench);
}

TEST_WITH(a_driver_that_is_not_ready_is_told_nothing, setup, teardown)
{
	struct bench *bench = *state;

	tell(bench, 0, VIRTIO_CONSOLE_DEVICE_READY, 0);
	tell(bench, 1, VIRTIO_CONSOLE_PORT_READY, 0);
	is_told_nothing(bench);
}

TEST_WITH(each_ports_output_goes_to_its_own_end, setup, teardown)
{
	struct bench *bench = *state;

	bring_up_ports(bench);
	send(bench, TX(1), "to one");
	send(bench, TX(3), "to three");
	send(bench, TX(1), ", more");
	printed(bench, 1, "to one, more");
	printed(bench, 2, "");
	printed(bench, 3, "to three");
}

TEST_WITH(input_waits_until_the_guest_has_opened_the_port, setup, teardown)
{
	struct bench *bench = *state;

	bring_up_ports(bench);
	offer(bench, RX(2));
	offer(bench, RX(3));
	type(bench, 2, "hello");
	assert_false(wire_has_used(&bench->queues[RX(2)]));
	tell(bench, 2, VIRTIO_CONSOLE_PORT_OPEN, 1);
	received(bench, RX(2), "hello");
	offer(bench, RX(2));
	type(bench, 2, "again");
	received(bench, RX(2), "again");
	tell(bench, 2, VIRTIO_CONSOLE_PORT_OPEN, 0);
	offer(bench, RX(2));
	type(bench, 2, "later");
	assert_false(wire_has_used(&bench->queues[RX(2)]));
	assert_false(wire_has_used(&bench->queues[RX(3)]));
	tell(bench, 2, VIRTIO_CONSOLE_PORT_OPEN, 1);
	received(bench, RX(2), "later");
}

TEST_WITH(a_port_whose_reader_stops_holds_up_itself_alone, setup, teardown)
{
	struct bench *bench = *state;

	bring_up_ports(bench);
	bench->terminals[0].room = 4;
	send(bench, TX(1), "abcdefgh");
	assert_false(wire_has_used(&bench->queues[TX(1)]));
	send(bench, TX(2), "goes on");
	assert_true(wire_used(&bench->queues[TX(2)], NULL, NULL));
	printed(bench, 2, "goes on");
	bench->terminals[0].room = 64;
	bench->terminals[0].client->writable(bench->terminals[0].client);
	assert_true(wire_used(&bench->queues[TX(1)], NULL, NULL));
	printed(bench, 1, "abcdefgh");
}

TEST_WITH(after_a_reset_ports_are_closed_and_told_anew, setup, teardown)
{
	struct bench *bench = *state;

	bring_up_ports(bench);
	tell(bench, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	tell(bench, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_STATUS, 0);
	bring_up(bench, MULTIPORT);
	offer(bench, RX(1));
	type(bench, 1, "kept");
	assert_false(wire_has_used(&bench->queues[RX(1)]));
	bring_up_ports(bench);
	tell(bench, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	received(bench, RX(1), "kept");
}

TEST_WITH(a_driver_that_does_without_ports_has_one_that_is_nowhere, setup, teardown)
{
	struct bench *bench = *state;

	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_STATUS, 0);
	bring_up(bench, 0);
	send(bench, FIRST_TX, "nowhere");
	assert_true(wire_used(&bench->queues[FIRST_TX], NULL, NULL));
	offer(bench, FIRST_RX);
	type(bench, 1, "kept");
	assert_false(wire_has_used(&bench->queues[FIRST_RX]));
	for (unsigned n = 1; n <= PORTS; n++)
		printed(bench, n, "");
}

/* ---- hostile drivers ---- */

TEST_WITH(messages_of_ports_and_events_that_there_are_not_change_nothing, setup, teardown)
{
	struct bench *bench = *state;
	static const u32 ids[] = { 0, PORTS + 1, 0x7fffffff, 0xffffffff };

	bring_up_ports(bench);
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		tell(bench, ids[i], VIRTIO_CONSOLE_PORT_READY, 1);
		tell(bench, ids[i], VIRTIO_CONSOLE_PORT_OPEN, 1);
	}
	for (unsigned event = 0; event < 0x10000; event += event < 16 ? 1 : 4099) {
		if (event != VIRTIO_CONSOLE_DEVICE_READY && event != VIRTIO_CONSOLE_PORT_READY)
			tell(bench, 1, event, 1);
	}
	is_told_nothing(bench);
	assert_false(wire_needs_reset(bench->vm, 0));
}

TEST_WITH(however_often_it_is_ready_there_is_one_message_for_each_thing, setup, teardown)
{
	struct bench *bench = *state;

	for (unsigned i = 0; i < 1000; i++) {
		tell(bench, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
		tell(bench, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	}
	is_told(bench, 1, VIRTIO_CONSOLE_PORT_ADD, "");
	is_told(bench, 1, VIRTIO_CONSOLE_PORT_NAME, "one");
	is_told(bench, 1, VIRTIO_CONSOLE_PORT_OPEN, "");
	is_told(bench, 2, VIRTIO_CONSOLE_PORT_ADD, "");
	is_told(bench, 3, VIRTIO_CONSOLE_PORT_ADD, "");
	is_told_nothing(bench);
}

TEST_WITH(a_short_message_stops_the_device, setup, teardown)
{
	struct bench *bench = *state;
	struct wire_segment segment = { CONTROL_OUT, 7, false };

	wire_add(&bench->queues[CONTROL_TX], &segment, 1);
	wire_kick(&bench->queues[CONTROL_TX]);
	poll(bench);
	assert_true(wire_needs_reset(bench->vm, 0));
	bring_up(bench, MULTIPORT);
	bring_up_ports(bench);
}

TEST_WITH(a_buffer_that_holds_no_message_stops_the_device, setup, teardown)
{
	struct bench *bench = *state;

	tell(bench, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	offer_control(bench, 1, 7);
	assert_true(wire_needs_reset(bench->vm, 0));
	bring_up(bench, MULTIPORT);
	bring_up_ports(bench);
}

TEST_WITH(messages_outside_ram_say_nothing, setup, teardown)
{
	struct bench *bench = *state;
	struct wire_segment segment = { 2 * GIB, 8, false };

	wire_add(&bench->queues[CONTROL_TX], &segment, 1);
	wire_kick(&bench->queues[CONTROL_TX]);
	assert_true(wire_used(&bench->queues[CONTROL_TX], NULL, NULL));
	is_told_nothing(bench);
}

TEST_WITH(a_broken_ring_of_one_port_stops_the_device_and_a_reset_brings_all_back, setup, teardown)
{
	struct bench *bench = *state;

	bring_up_ports(bench);
	wire_break_ring(&bench->queues[TX(2)]);
	wire_kick(&bench->queues[TX(2)]);
	poll(bench);
	assert_true(wire_needs_reset(bench->vm, 0));
	bring_up(bench, MULTIPORT);
	bring_up_ports(bench);
	send(bench, TX(2), "x");
	printed(bench, 2, "x");
}
