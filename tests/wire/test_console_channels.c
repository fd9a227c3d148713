/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports of virtio-console whose other ends are sockets, each side of which hears of the other's
 * end. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_console.h>
#include <linux/virtio_mmio.h>

#include "test.h"
#include "virtio/console.h"
#include "virtio/mmio.h"
#include "wire.h"

#define RINGS(n)       (0x10000 * ((n) + 1))
#define DATA	       0x100000
#define RX_DATA	       0x200000
#define CONTROL_OUT    0x300000
#define CONTROL_IN     0x310000
#define SIZE	       16
#define MULTIPORT      (1ULL << VIRTIO_CONSOLE_F_MULTIPORT)
#define PORTS	       2
#define QUEUES	       (2 * (PORTS + 2))
#define CONTROL_BUFFER 128
#define PIECE	       0x8000

enum { CONTROL_RX = 2, CONTROL_TX };
/* Of port n, from 1. */
#define RX(n) (2 * (n) + 2)
#define TX(n) (2 * (n) + 3)

struct bench {
	struct vm *vm;
	int ours[PORTS + 1]; /* of port n; -1: closed */
	struct wire_queue queues[QUEUES];
};

static void bring_up(struct bench *bench)
{
	assert_true(wire_negotiate(bench->vm, 0, MULTIPORT));
	for (unsigned i = 0; i < QUEUES; i++)
		wire_queue_init(&bench->queues[i], bench->vm, 0, i, SIZE, RINGS(i));
	wire_driver_ok(bench->vm, 0);
}

static int setup(void **state)
{
	static struct bench bench;
	struct virtio_console_port ports[PORTS] = { { "one" }, { "two" } };
	int theirs[PORTS];
	struct virtio_device *device;
	struct device_resource slot;

	memset(&bench, 0, sizeof(bench));
	bench.vm = wire_create();
	bench.ours[0] = -1;
	for (unsigned n = 0; n < PORTS; n++) {
		int ends[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		bench.ours[n + 1] = ends[0];
		theirs[n] = ends[1];
		ports[n].channel = &theirs[n];
		ports[n].loop = bench.vm->loop;
	}
	assert_int_equal(
		virtio_console_create_ports(&device, ports, PORTS, &bench.vm->identity.space), 0);
	assert_int_equal(theirs[0], -1);
	wire_slot(0, &slot);
	assert_int_equal(virtio_mmio_create(bench.vm, device, &slot, DEVICE_NO_ENDPOINT, false), 0);
	bring_up(&bench);
	*state = &bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	wire_destroy(bench->vm);
	for (unsigned n = 1; n <= PORTS; n++) {
		char byte;

		/* The device has closed each. */
		if (bench->ours[n] < 0)
			continue;
		while (recv(bench->ours[n], &byte, 1, MSG_DONTWAIT) > 0)
			;
		assert_int_not_equal(send(bench->ours[n], "x", 1, MSG_NOSIGNAL), 1);
		close(bench->ours[n]);
	}
	return 0;
}

static int poll(struct bench *bench)
{
	int handled = 0;

	for (unsigned i = 0; i < 8; i++)
		handled += loop_poll(bench->vm->loop, 0);
	return handled;
}

/* ---- control messages ---- */

static void tell(struct bench *bench, u32 id, u16 event, u16 value)
{
	struct virtio_console_control control = { htole32(id), htole16(event), htole16(value) };
	struct wire_segment segment = { CONTROL_OUT, sizeof(control), false };

	wire_write(bench->vm, CONTROL_OUT, &control, sizeof(control));
	wire_add(&bench->queues[CONTROL_TX], &segment, 1);
	wire_kick(&bench->queues[CONTROL_TX]);
	poll(bench);
	assert_true(wire_used(&bench->queues[CONTROL_TX], NULL, NULL));
}

static void offer_control(struct bench *bench)
{
	struct wire_segment segment = { CONTROL_IN, CONTROL_BUFFER, true };

	wire_add(&bench->queues[CONTROL_RX], &segment, 1);
	wire_kick(&bench->queues[CONTROL_RX]);
	poll(bench);
}

/* In the buffer that was offered last. */
static void was_told(struct bench *bench, u32 id, u16 event, u16 value)
{
	struct virtio_console_control control;
	u32 len;

	assert_true(wire_used(&bench->queues[CONTROL_RX], NULL, &len));
	wire_read(bench->vm, CONTROL_IN, &control, sizeof(control));
	assert_int_equal(le32toh(control.id), id);
	assert_int_equal(le16toh(control.event), event);
	assert_int_equal(le16toh(control.value), value);
}

static void is_told(struct bench *bench, u32 id, u16 event, u16 value)
{
	offer_control(bench);
	was_told(bench, id, event, value);
}

static void open_ports(struct bench *bench)
{
	tell(bench, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (unsigned n = 1; n <= PORTS; n++)
		is_told(bench, n, VIRTIO_CONSOLE_PORT_ADD, 1);
	for (unsigned n = 1; n <= PORTS; n++) {
		tell(bench, n, VIRTIO_CONSOLE_PORT_READY, 1);
		is_told(bench, n, VIRTIO_CONSOLE_PORT_NAME, 1);
		is_told(bench, n, VIRTIO_CONSOLE_PORT_OPEN, 1);
		tell(bench, n, VIRTIO_CONSOLE_PORT_OPEN, 1);
	}
}

/* ---- data ---- */

static void send_len(struct bench *bench, unsigned n, const void *data, u32 len)
{
	struct wire_segment segment = { DATA, len, false };

	wire_write(bench->vm, segment.address, data, len);
	wire_add(&bench->queues[TX(n)], &segment, 1);
	wire_kick(&bench->queues[TX(n)]);
	poll(bench);
}

static void offer(struct bench *bench, unsigned n)
{
	struct wire_segment segment = { RX_DATA, 64, true };

	wire_add(&bench->queues[RX(n)], &segment, 1);
	wire_kick(&bench->queues[RX(n)]);
	poll(bench);
}

static void received(struct bench *bench, unsigned n, const char *text)
{
	char data[64];
	u32 len;

	assert_true(wire_used(&bench->queues[RX(n)], NULL, &len));
	assert_int_equal(len, strlen(text));
	wire_read(bench->vm, RX_DATA, data, len);
	assert_memory_equal(data, text, len);
}

static void reads(struct bench *bench, unsigned n, const char *text)
{
	char data[64];

	assert_int_equal(recv(bench->ours[n], data, sizeof(data), MSG_DONTWAIT), strlen(text));
	assert_memory_equal(data, text, strlen(text));
}

static void type(struct bench *bench, unsigned n, const char *text)
{
	assert_int_equal(send(bench->ours[n], text, strlen(text), 0), strlen(text));
	poll(bench);
}

/* ---- tests ---- */

TEST_WITH(bytes_go_both_ways_each_in_its_channel, setup, teardown)
{
	struct bench *bench = *state;

	open_ports(bench);
	send_len(bench, 1, "out", 3);
	assert_true(wire_used(&bench->queues[TX(1)], NULL, NULL));
	reads(bench, 1, "out");
	offer(bench, 2);
	type(bench, 2, "in");
	received(bench, 2, "in");
	assert_int_equal(recv(bench->ours[2], (char[1]){ 0 }, 1, MSG_DONTWAIT), -1);
}

TEST_WITH(input_before_the_guest_opens_the_port_waits, setup, teardown)
{
	struct bench *bench = *state;

	offer(bench, 1);
	type(bench, 1, "early");
	shutdown(bench->ours[1], SHUT_WR);
	assert_false(wire_has_used(&bench->queues[RX(1)]));
	open_ports(bench);
	received(bench, 1, "early");
}

TEST_WITH(the_end_of_input_is_told_behind_the_last_of_it, setup, teardown)
{
	struct bench *bench = *state;

	open_ports(bench);
	type(bench, 1, "last");
	shutdown(bench->ours[1], SHUT_WR);
	offer_control(bench);
	assert_false(wire_has_used(&bench->queues[CONTROL_RX]));
	offer(bench, 1);
	received(bench, 1, "last");
	assert_false(wire_has_used(&bench->queues[CONTROL_RX]));
	offer(bench, 1);
	was_told(bench, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	assert_false(wire_has_used(&bench->queues[RX(1)]));
}

TEST_WITH(a_reader_that_goes_away_is_told_and_output_goes_nowhere, setup, teardown)
{
	struct bench *bench = *state;

	open_ports(bench);
	offer(bench, 1);
	close(bench->ours[1]);
	bench->ours[1] = -1;
	poll(bench);
	is_told(bench, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	send_len(bench, 1, "nobody", 6);
	assert_true(wire_used(&bench->queues[TX(1)], NULL, NULL));
	send_len(bench, 2, "other", 5);
	reads(bench, 2, "other");
}

TEST_WITH(the_guests_end_comes_behind_the_last_of_its_output, setup, teardown)
{
	struct bench *bench = *state;
	static char piece[PIECE], got[PIECE];
	size_t total = 0, sent = 0;
	ssize_t len;

	open_ports(bench);
	memset(piece, 'x', sizeof(piece));
	/* More than the socket takes. */
	for (unsigned i = 0; i < SIZE - 1; i++, sent += sizeof(piece))
		send_len(bench, 1, piece, sizeof(piece));
	tell(bench, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	while ((len = recv(bench->ours[1], got, sizeof(got), MSG_DONTWAIT)) > 0) {
		for (ssize_t i = 0; i < len; i++)
			assert_int_equal(got[i], 'x');
		total += len;
		poll(bench);
	}
	assert_int_equal(len, 0);
	assert_int_equal(total, sent);
	is_told(bench, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
}

TEST_WITH(a_reader_that_stops_holds_the_guest_back_and_wakes_nobody, setup, teardown)
{
	struct bench *bench = *state;
	static char piece[PIECE];
	unsigned used = 0;

	open_ports(bench);
	for (unsigned i = 0; i < SIZE - 1; i++)
		send_len(bench, 1, piece, sizeof(piece));
	while (wire_used(&bench->queues[TX(1)], NULL, NULL))
		used++;
	assert_true(used < SIZE - 1);
	/* Nor does input that there is no buffer for. */
	type(bench, 2, "waits");
	poll(bench);
	assert_int_equal(poll(bench), 0);
	offer(bench, 2);
	received(bench, 2, "waits");
}

TEST_WITH(what_a_guest_had_opened_is_not_for_the_next_one, setup, teardown)
{
	struct bench *bench = *state;

	tell(bench, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	tell(bench, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	tell(bench, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_STATUS, 0);
	poll(bench);
	assert_int_equal(recv(bench->ours[1], (char[1]){ 0 }, 1, MSG_DONTWAIT), 0);
	assert_int_equal(recv(bench->ours[2], (char[1]){ 0 }, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	bring_up(bench);
	tell(bench, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	is_told(bench, 1, VIRTIO_CONSOLE_PORT_ADD, 1);
	is_told(bench, 2, VIRTIO_CONSOLE_PORT_ADD, 1);
	tell(bench, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	is_told(bench, 1, VIRTIO_CONSOLE_PORT_NAME, 1);
	is_told(bench, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	tell(bench, 2, VIRTIO_CONSOLE_PORT_READY, 1);
	is_told(bench, 2, VIRTIO_CONSOLE_PORT_NAME, 1);
	is_told(bench, 2, VIRTIO_CONSOLE_PORT_OPEN, 1);
}

TEST_WITH(a_port_that_is_opened_and_closed_for_ever_costs_nothing, setup, teardown)
{
	struct bench *bench = *state;

	open_ports(bench);
	for (unsigned i = 0; i < 200; i++)
		tell(bench, 1, VIRTIO_CONSOLE_PORT_OPEN, i % 2);
	is_told(bench, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	offer_control(bench);
	assert_false(wire_has_used(&bench->queues[CONTROL_RX]));
	send_len(bench, 1, "nobody", 6);
	assert_true(wire_used(&bench->queues[TX(1)], NULL, NULL));
	assert_false(wire_needs_reset(bench->vm, 0));
}
