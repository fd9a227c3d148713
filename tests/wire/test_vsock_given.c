/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets that are there before the guest: it gets each once, by its port. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"
#include "virtio/mmio.h"
#include "vsock_rig.h"

#define PORT 300u

struct given {
	struct vsock_rig rig;
	int ours[2];
};

static int set_up(void **state)
{
	static struct given given;
	struct virtio_vsock_options options = { .cid = CID,
						.connections = 64,
						.stream_fd = -1,
						.seqpacket_fd = -1,
						.given_count = 2,
						.given_port = PORT };
	struct device_resource slot;
	int theirs[2];

	memset(&given, 0, sizeof(given));
	for (unsigned i = 0; i < 2; i++) {
		int ends[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
		given.ours[i] = ends[0];
		theirs[i] = ends[1];
	}
	options.given = theirs;
	given.rig.vm = wire_create();
	given.rig.rings = 0x10000;
	assert_int_equal(virtio_vsock_create(&given.rig.device, &options, given.rig.vm->loop,
					     &given.rig.vm->identity.space),
			 0);
	assert_int_equal(theirs[0], -1);
	assert_int_equal(theirs[1], -1);
	wire_slot(0, &slot);
	assert_int_equal(virtio_mmio_create(given.rig.vm, given.rig.device, &slot,
					    DEVICE_NO_ENDPOINT, false),
			 0);
	vsock_rig_up(&given.rig, VSOCK_FEATURES);
	vsock_rig_offer(&given.rig, RIG_BUFFERS);
	*state = &given;
	return 0;
}

static int tear_down(void **state)
{
	struct given *given = *state;

	for (unsigned i = 0; i < 2; i++) {
		if (given->ours[i] >= 0)
			close(given->ours[i]);
	}
	wire_destroy(given->rig.vm);
	return 0;
}

static void ask(struct given *given, u16 type, u32 from, u32 port, u16 answer)
{
	vsock_rig_send(&given->rig, type, VIRTIO_VSOCK_OP_REQUEST, from, port, 0, NULL, 0);
	vsock_rig_answered(&given->rig, type, answer, from, port);
}

TEST_WITH(a_given_socket_is_the_guests_at_its_port, set_up, tear_down)
{
	struct given *given = *state;

	ask(given, STREAM, GUEST, PORT + 1, VIRTIO_VSOCK_OP_RESPONSE);
	ask(given, STREAM, GUEST, PORT, VIRTIO_VSOCK_OP_RESPONSE);
	vsock_rig_send(&given->rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, PORT, 0, "first", 5);
	vsock_rig_send(&given->rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, PORT + 1, 0, "second", 6);
	vsock_rig_reads(&given->rig, given->ours[0], "first");
	vsock_rig_reads(&given->rig, given->ours[1], "second");
	assert_int_equal(send(given->ours[0], "back", 4, 0), 4);
	vsock_rig_answered(&given->rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, PORT);
	assert_memory_equal(given->rig.packet.data, "back", 4);
}

TEST_WITH(a_given_socket_is_given_once, set_up, tear_down)
{
	struct given *given = *state;

	ask(given, STREAM, GUEST, PORT, VIRTIO_VSOCK_OP_RESPONSE);
	ask(given, STREAM, GUEST + 1, PORT, VIRTIO_VSOCK_OP_RST);
	vsock_rig_send(&given->rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, PORT, 0, NULL, 0);
	vsock_rig_ends(&given->rig, given->ours[0]);
	ask(given, STREAM, GUEST + 2, PORT, VIRTIO_VSOCK_OP_RST);
}

TEST_WITH(only_a_stream_to_its_port_gets_a_given_socket, set_up, tear_down)
{
	struct given *given = *state;

	ask(given, SEQPACKET, GUEST, PORT, VIRTIO_VSOCK_OP_RST);
	ask(given, STREAM, GUEST, PORT + 2, VIRTIO_VSOCK_OP_RST);
	ask(given, STREAM, GUEST, PORT + VSOCK_MAX_GIVEN, VIRTIO_VSOCK_OP_RST);
	ask(given, STREAM, GUEST, PORT - 1, VIRTIO_VSOCK_OP_RST);
	ask(given, STREAM, GUEST, PORT, VIRTIO_VSOCK_OP_RESPONSE);
}

TEST_WITH(a_given_socket_that_its_owner_closed_ends, set_up, tear_down)
{
	struct given *given = *state;

	ask(given, STREAM, GUEST, PORT, VIRTIO_VSOCK_OP_RESPONSE);
	close(given->ours[0]);
	given->ours[0] = -1;
	vsock_rig_answered(&given->rig, STREAM, VIRTIO_VSOCK_OP_SHUTDOWN, GUEST, PORT);
}

TEST_WITH(a_reset_takes_what_was_given, set_up, tear_down)
{
	struct given *given = *state;

	ask(given, STREAM, GUEST, PORT, VIRTIO_VSOCK_OP_RESPONSE);
	wire_reg_write(given->rig.vm, 0, 0x70, 0);
	vsock_rig_ends(&given->rig, given->ours[0]);
	vsock_rig_up(&given->rig, VSOCK_FEATURES);
	vsock_rig_offer(&given->rig, RIG_BUFFERS);
	ask(given, STREAM, GUEST, PORT, VIRTIO_VSOCK_OP_RST);
	/* What was not asked for before is there still. */
	ask(given, STREAM, GUEST, PORT + 1, VIRTIO_VSOCK_OP_RESPONSE);
}
