/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-vsock: answers to packets of no connection, when the guest has no room for them. */
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"
#include "vsock_rig.h"

#define NOBODY 99 /* nobody listens there, and nothing is connected */
#define RESETS 64 /* that the device keeps for a guest without buffers */
#define FREED  8

static struct vsock_rig rig;

static int setup(void **state)
{
	vsock_rig_create(&rig, 4, VSOCK_FEATURES);
	return 0;
}

static int teardown(void **state)
{
	vsock_rig_destroy(&rig);
	return 0;
}

/* A packet to no connection, in the ring and told; it may have to wait. */
static void send_astray(void)
{
	const struct virtio_vsock_hdr header = {
		.src_cid = cpu_to_le64(CID),
		.dst_cid = cpu_to_le64(2),
		.src_port = cpu_to_le32(GUEST),
		.dst_port = cpu_to_le32(NOBODY),
		.type = cpu_to_le16(STREAM),
		.op = cpu_to_le16(VIRTIO_VSOCK_OP_RW),
	};
	const struct wire_segment segment = { RIG_TX_DATA, sizeof(header), false };

	wire_write(rig.vm, RIG_TX_DATA, &header, sizeof(header));
	wire_add(&rig.tx, &segment, 1);
	wire_kick(&rig.tx);
	vsock_rig_settle(&rig);
}

/* Until the device keeps as many answers as it can, and does not take the next packet. */
static void fill(void)
{
	for (unsigned i = 0; i < RESETS; i++) {
		send_astray();
		assert_true(wire_used(&rig.tx, NULL, NULL));
	}
	send_astray();
	assert_false(wire_has_used(&rig.tx));
}

/* Buffers whose kick is still on its way. */
static void add_buffers(void)
{
	for (unsigned i = 0; i < FREED; i++) {
		const struct wire_segment segment = { RIG_RX_DATA + i * RIG_BUFFER, RIG_BUFFER,
						      true };

		wire_add(&rig.rx, &segment, 1);
	}
}

/* Take what the device has put into the guest's buffers. */
static unsigned drain(void)
{
	unsigned count = 0;

	while (wire_has_used(&rig.rx)) {
		assert_true(wire_used(&rig.rx, NULL, NULL));
		count++;
	}
	return count;
}

TEST_WITH(a_packet_that_waits_for_room_goes_on_when_the_guest_adds_buffers, setup, teardown)
{
	fill();
	add_buffers();
	wire_kick(&rig.rx);
	vsock_rig_settle(&rig);
	assert_int_equal(drain(), FREED);
	assert_true(wire_used(&rig.tx, NULL, NULL));
}

TEST_WITH(a_packet_that_waits_goes_on_whoever_makes_the_room, setup, teardown)
{
	int fd;

	vsock_rig_offer(&rig, 1);
	fd = vsock_rig_connect_guest(&rig, STREAM);
	/* It takes the buffer that was offered once more. */
	send_astray();
	assert_true(wire_used(&rig.tx, NULL, NULL));
	assert_int_equal(drain(), 1);
	fill();
	add_buffers();
	/* The host's program is heard before the guest's kick is. */
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
	vsock_rig_settle(&rig);
	assert_int_equal(drain(), FREED);
	wire_kick(&rig.rx);
	vsock_rig_settle(&rig);
	assert_true(wire_used(&rig.tx, NULL, NULL));
	close(fd);
}
