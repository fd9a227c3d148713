/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-net (virtio 1.4, "Network Device"): configuration, transmission, pairs of queues, ends. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "test.h"
#include "net_rig.h"
#include "virtio/endian.h"

#define F(bit) (1ULL << (bit))
#define ALL    (~0ULL >> 1 & ~F(VIRTIO_NET_F_MQ))
#define F_USO  56

static struct net_rig rig;
static u8 frame[NET_MAX_FRAME], got[NET_HEADER + NET_MAX_FRAME + 1];

static int plain(void **state)
{
	net_rig_create(&rig, 1, false, 0);
	return 0;
}

static int with_header(void **state)
{
	net_rig_create(&rig, 1, true, NET_ALL_OFFLOADS);
	return 0;
}

static int four_pairs(void **state)
{
	net_rig_create(&rig, 4, false, 0);
	return 0;
}

static int teardown(void **state)
{
	net_rig_destroy(&rig);
	return 0;
}

/* ---- configuration ---- */

TEST_WITH(it_offers_no_offload_that_its_network_lacks, plain, teardown)
{
	u64 features = wire_features(rig.vm, 0);

	assert_int_equal(features & NET_RIG_FEATURES, NET_RIG_FEATURES);
	assert_int_equal(features & (F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_GUEST_CSUM) |
				     F(VIRTIO_NET_F_HOST_TSO4) | F(VIRTIO_NET_F_GUEST_TSO4) |
				     F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)),
			 0);
}

TEST_WITH(it_offers_every_offload_that_its_network_has, with_header, teardown)
{
	u64 offloads = F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_GUEST_CSUM) |
		       F(VIRTIO_NET_F_HOST_TSO4) | F(VIRTIO_NET_F_HOST_TSO6) |
		       F(VIRTIO_NET_F_HOST_ECN) | F(VIRTIO_NET_F_GUEST_TSO4) |
		       F(VIRTIO_NET_F_GUEST_TSO6) | F(VIRTIO_NET_F_GUEST_ECN) | F(54) | F(55) |
		       F(F_USO) | F(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);

	assert_int_equal(wire_features(rig.vm, 0) & offloads, offloads);
}

TEST_WITH(what_the_driver_takes_of_them_the_network_is_told, with_header, teardown)
{
	net_rig_start(&rig,
		      NET_RIG_FEATURES | F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_GUEST_TSO6),
		      1);
	assert_int_equal(rig.net->offloads, NET_CSUM | NET_TSO6);
	assert_int_equal(rig.net->starts, 1);
	/* "VIRTIO_NET_F_GUEST_TSO4 Requires VIRTIO_NET_F_GUEST_CSUM". */
	net_rig_start(&rig, NET_RIG_FEATURES | F(VIRTIO_NET_F_GUEST_TSO4), 1);
	assert_int_equal(rig.net->offloads, 0);
}

TEST_WITH(the_configuration_has_mac_status_and_mtu, plain, teardown)
{
	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	for (unsigned i = 0; i < NET_MAC; i++)
		assert_int_equal(wire_config_read(rig.vm, 0, i, 1), net_rig_mac[i]);
	assert_int_equal(wire_config_read(rig.vm, 0, 6, 2), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(wire_config_read(rig.vm, 0, 8, 2), 1);
	assert_int_equal(wire_config_read(rig.vm, 0, 10, 2), 1500);
}

/* ---- transmit ---- */

static const struct virtio_net_hdr_v1 no_header;

TEST_WITH(a_frame_is_sent_whole_however_it_is_cut, plain, teardown)
{
	static const u32 cuts[] = { 0, 1, 12, 13, 500, 1513 };

	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(cuts); i++) {
		net_frame(frame, 1514, net_rig_mac, i);
		net_rig_send(&rig, 0, &no_header, frame, 1514, cuts[i]);
		assert_int_equal(net_rig_sent(&rig, 0, got, sizeof(got)), 1514);
		assert_memory_equal(got, frame, 1514);
		assert_true(wire_used(&rig.tx[0], NULL, NULL));
	}
}

TEST_WITH(a_header_goes_to_a_network_that_has_them, with_header, teardown)
{
	struct virtio_net_hdr_v1 header = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN,
		.hdr_len = cpu_to_virtio16(54),
		.gso_size = cpu_to_virtio16(1448),
		.csum_start = cpu_to_virtio16(34),
		.csum_offset = cpu_to_virtio16(16),
	};

	net_rig_start(&rig, ALL, 1);
	net_frame(frame, 65000, net_rig_mac, 1);
	net_rig_send(&rig, 0, &header, frame, 65000, 0);
	assert_int_equal(net_rig_sent(&rig, 0, got, sizeof(got)), NET_HEADER + 65000);
	assert_memory_equal(got, &header, NET_HEADER);
	assert_memory_equal(got + NET_HEADER, frame, 65000);
}

/* What comes out for @header in front of a frame of 100 bytes: true if it does. */
static bool passes(struct virtio_net_hdr_v1 header)
{
	net_frame(frame, 100, net_rig_mac, 1);
	net_rig_send(&rig, 0, &header, frame, 100, 0);
	assert_true(wire_used(&rig.tx[0], NULL, NULL));
	return net_rig_sent(&rig, 0, got, sizeof(got)) > 0;
}

#define CSUM(start, offset)                                                                        \
	.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = cpu_to_virtio16(start),                \
	.csum_offset = cpu_to_virtio16(offset)
#define GSO(type, size) .gso_type = (type), .gso_size = cpu_to_virtio16(size)

TEST_WITH(a_header_that_lies_is_dropped_with_its_frame, with_header, teardown)
{
	const struct virtio_net_hdr_v1 lies[] = {
		{ CSUM(99, 0) },					 /* beyond the frame */
		{ CSUM(0, 99) },					 /* likewise */
		{ CSUM(0xffff, 0xffff) },				 /* likewise */
		{ GSO(VIRTIO_NET_HDR_GSO_TCPV4, 1000) },		 /* without checksum */
		{ CSUM(34, 16), GSO(VIRTIO_NET_HDR_GSO_TCPV4, 0) },	 /* no size */
		{ CSUM(34, 16), GSO(VIRTIO_NET_HDR_GSO_UDP, 1000) },	 /* not offered */
		{ CSUM(34, 16), GSO(2, 1000) },				 /* no type */
		{ CSUM(34, 16), GSO(VIRTIO_NET_HDR_GSO_ECN, 1000) },	 /* of nothing */
		{ CSUM(34, 16), GSO(5 | VIRTIO_NET_HDR_GSO_ECN, 1000) }, /* UDP has none */
		{ CSUM(34, 16), GSO(0x7f, 1000) },
	};

	net_rig_start(&rig, ALL, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++)
		assert_false(passes(lies[i]));
	assert_true(passes((struct virtio_net_hdr_v1){ CSUM(98, 0) }));
	assert_true(passes((struct virtio_net_hdr_v1){ CSUM(34, 6), GSO(5, 20) }));
	assert_false(wire_needs_reset(rig.vm, 0));
}

TEST_WITH(what_is_only_a_hint_is_put_right, with_header, teardown)
{
	struct virtio_net_hdr_v1 header = { CSUM(34, 16), GSO(VIRTIO_NET_HDR_GSO_TCPV6, 20),
					    .hdr_len = cpu_to_virtio16(0xffff) };

	net_rig_start(&rig, ALL, 1);
	header.flags |= 0xfe;
	header.num_buffers = cpu_to_virtio16(77);
	assert_true(passes(header));
	memcpy(&header, got, NET_HEADER);
	assert_int_equal(virtio16_to_cpu(header.hdr_len), 100);
	assert_int_equal(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(virtio16_to_cpu(header.num_buffers), 0);
}

TEST_WITH(an_offload_that_was_not_negotiated_is_dropped, with_header, teardown)
{
	net_rig_start(&rig, NET_RIG_FEATURES | F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_HOST_TSO4), 1);
	assert_true(passes((struct virtio_net_hdr_v1){ CSUM(34, 16) }));
	assert_true(passes(
		(struct virtio_net_hdr_v1){ CSUM(34, 16), GSO(VIRTIO_NET_HDR_GSO_TCPV4, 40) }));
	assert_false(passes(
		(struct virtio_net_hdr_v1){ CSUM(34, 16), GSO(VIRTIO_NET_HDR_GSO_TCPV6, 40) }));
	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	assert_false(passes((struct virtio_net_hdr_v1){ CSUM(34, 16) }));
}

TEST_WITH(what_is_no_frame_is_dropped_and_given_back, plain, teardown)
{
	static const struct wire_segment bad[] = {
		{ NET_TX, 5, false },		    /* not even a header */
		{ NET_TX, NET_HEADER, false },	    /* no frame */
		{ NET_TX, NET_HEADER + 13, false }, /* no type in it */
		{ NET_TX, NET_HEADER + NET_MAX_FRAME + 1, false },
		{ NET_TX, 2000, true },		  /* nothing to read */
		{ 0xf0000000, 2000, false },	  /* no RAM */
		{ WIRE_RAM - 1000, 2000, false }, /* off its edge */
	};

	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		wire_add(&rig.tx[0], &bad[i], 1);
		wire_kick(&rig.tx[0]);
		assert_true(wire_used(&rig.tx[0], NULL, NULL));
		assert_int_equal(net_rig_sent(&rig, 0, got, sizeof(got)), -1);
	}
	assert_true(passes(no_header));
}

TEST_WITH(a_full_network_stops_the_guest_and_nothing_is_lost, plain, teardown)
{
	unsigned sent = 0, seen = 0, size = 20000;

	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	while (sent < NET_SIZE) {
		net_frame(frame, size, net_rig_mac, sent++);
		wire_write(rig.vm, NET_TX, &no_header, NET_HEADER);
		net_rig_send(&rig, 0, &no_header, frame, size, 0);
		net_rig_settle(&rig);
		if (!wire_has_used(&rig.tx[0]))
			break;
		assert_true(wire_used(&rig.tx[0], NULL, NULL));
	}
	assert_in_range(sent, 2, NET_SIZE - 1);
	/* It waits, and the loop rests. */
	assert_int_equal(loop_poll(rig.vm->loop, 20), 0);
	while (net_rig_sent(&rig, 0, got, sizeof(got)) == size) {
		net_frame(frame, size, net_rig_mac, seen++);
		assert_memory_equal(got, frame, size);
	}
	assert_int_equal(seen, sent);
	assert_true(wire_used(&rig.tx[0], NULL, NULL));
}

TEST(a_flood_from_the_guest_leaves_others_their_turn)
{
	struct wire_segment segment = { NET_TX, NET_HEADER + 60, false };
	unsigned seen = 0;

	net_rig_create(&rig, 1, false, 0);
	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	net_frame(frame, 60, net_rig_mac, 1);
	wire_write(rig.vm, NET_TX, &no_header, NET_HEADER);
	wire_write(rig.vm, NET_TX + NET_HEADER, frame, 60);
	for (unsigned i = 0; i < NET_SIZE; i++)
		wire_add(&rig.tx[0], &segment, 1);
	wire_kick(&rig.tx[0]);
	for (unsigned i = 0; i < 32; i++) {
		assert_true(loop_poll(rig.vm->loop, 0) >= 0);
		while (recv(rig.net->peer[0], got, sizeof(got), 0) > 0) {
			seen++;
			assert_true(wire_used(&rig.tx[0], NULL, NULL));
			wire_add(&rig.tx[0], &segment, 1);
		}
		/* A turn for each poll, whatever is in the ring. */
		assert_true(seen <= 64 * (i + 1));
	}
	assert_true(seen > 64);
	net_rig_destroy(&rig);
}

/* ---- pairs ---- */

TEST_WITH(each_pair_has_frames_of_its_own, four_pairs, teardown)
{
	const u8 pairs[2] = { 4, 0 };

	net_rig_start(&rig, NET_RIG_FEATURES | F(VIRTIO_NET_F_MQ), 4);
	assert_int_equal(wire_config_read(rig.vm, 0, 8, 2), 4);
	assert_int_equal(rig.net->pairs, 1);
	for (unsigned i = 0; i < 4; i++) {
		net_rig_offer(&rig, i, 8, 2048);
		net_frame(frame, 100 + i, net_rig_mac, i);
		net_rig_arrive(&rig, i, frame, 100 + i);
	}
	/* "the device MUST NOT queue packets on receive queues greater than" the pairs in use. */
	assert_true(net_rig_received_nothing(&rig, 1));
	assert_int_equal(net_rig_command(&rig, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
					 pairs, 2),
			 VIRTIO_NET_OK);
	assert_int_equal(rig.net->pairs, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(net_rig_received(&rig, i, 1, got), 100 + i);
		net_rig_send(&rig, i, &no_header, frame, 200 + i, 0);
		assert_int_equal(net_rig_sent(&rig, i, got, sizeof(got)), 200 + i);
	}
}

TEST_WITH(a_driver_without_pairs_has_its_control_queue_behind_the_first, four_pairs, teardown)
{
	const u8 on = 1;

	net_rig_start(&rig, NET_RIG_FEATURES | F(VIRTIO_NET_F_CTRL_RX), 1);
	assert_int_equal(rig.control.index, 2);
	assert_int_equal(
		net_rig_command(&rig, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &on, 1),
		VIRTIO_NET_OK);
}

/* ---- ends ---- */

TEST_WITH(a_network_that_goes_takes_the_link_down, plain, teardown)
{
	unsigned before;

	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	net_rig_offer(&rig, 0, 8, 2048);
	net_rig_settle(&rig);
	before = wire_config_read(rig.vm, 0, 6, 2);
	assert_int_equal(before, VIRTIO_NET_S_LINK_UP);
	close(rig.net->peer[0]);
	rig.net->peer[0] = -1;
	net_rig_settle(&rig);
	assert_int_equal(wire_config_read(rig.vm, 0, 6, 2), 0);
	assert_true(wire_reg_read(rig.vm, 0, VIRTIO_MMIO_INTERRUPT_STATUS) &
		    VIRTIO_MMIO_INT_CONFIG);
	/* What is sent is lost, but the driver has its buffers back, after a reset too. */
	net_rig_send(&rig, 0, &no_header, frame, 60, 0);
	assert_true(wire_used(&rig.tx[0], NULL, NULL));
	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	net_rig_send(&rig, 0, &no_header, frame, 60, 0);
	assert_true(wire_used(&rig.tx[0], NULL, NULL));
	assert_int_equal(loop_poll(rig.vm->loop, 20), 0);
}

TEST_WITH(a_network_that_goes_while_it_is_full_gives_the_buffers_back, plain, teardown)
{
	unsigned sent = 0;

	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	do {
		net_rig_send(&rig, 0, &no_header, frame, 20000, 0);
		net_rig_settle(&rig);
		assert_true(sent++ < NET_SIZE);
	} while (wire_has_used(&rig.tx[0]) && wire_used(&rig.tx[0], NULL, NULL));
	close(rig.net->peer[0]);
	rig.net->peer[0] = -1;
	assert_true(wire_used(&rig.tx[0], NULL, NULL));
}

TEST_WITH(a_reset_forgets_what_was_under_way, plain, teardown)
{
	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	net_rig_offer(&rig, 0, 2, 512);
	net_frame(frame, 1400, net_rig_mac, 5);
	net_rig_arrive(&rig, 0, frame, 1400);
	net_rig_settle(&rig);
	wire_reg_write(rig.vm, 0, VIRTIO_MMIO_STATUS, 0);
	net_rig_arrive(&rig, 0, frame, 100);
	net_rig_settle(&rig);
	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	net_rig_offer(&rig, 0, 16, 2048);
	assert_int_equal(net_rig_received(&rig, 0, 1, got), 100);
	assert_memory_equal(got + NET_HEADER, frame, 100);
}

TEST_WITH(a_queue_that_is_reset_alone_begins_anew, plain, teardown)
{
	net_rig_start(&rig, NET_RIG_FEATURES | F(VIRTIO_F_RING_RESET), 1);
	net_rig_offer(&rig, 0, 16, 2048);
	net_rig_settle(&rig);
	wire_reg_write(rig.vm, 0, VIRTIO_MMIO_QUEUE_SEL, 0);
	wire_reg_write(rig.vm, 0, 0x0c0, 1); /* QueueReset */
	net_frame(frame, 100, net_rig_mac, 5);
	net_rig_arrive(&rig, 0, frame, 100);
	net_rig_settle(&rig);
	assert_false(wire_has_used(&rig.rx[0]));
	rig.added[0] = 0;
	wire_queue_init(&rig.rx[0], rig.vm, 0, 0, NET_SIZE, NET_RINGS);
	net_rig_offer(&rig, 0, 16, 2048);
	assert_int_equal(net_rig_received(&rig, 0, 1, got), 100);
	net_rig_send(&rig, 0, &no_header, frame, 60, 0);
	assert_int_equal(net_rig_sent(&rig, 0, got, sizeof(got)), 60);
}

static void pause_machine(void)
{
	vm_lock(rig.vm);
	vm_pause(rig.vm, VM_PAUSE_USER, NULL);
	vm_unlock(rig.vm);
	for (unsigned i = 0; i < 1000 && !vm_is_paused(rig.vm); i++)
		loop_poll(rig.vm->loop, 1);
	assert_true(vm_is_paused(rig.vm));
}

TEST_WITH(a_paused_machine_moves_no_frame_and_loses_none, plain, teardown)
{
	u8 before[2048], after[2048];

	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	net_rig_offer(&rig, 0, 16, 2048);
	net_rig_settle(&rig);
	net_frame(frame, 100, net_rig_mac, 5);
	for (unsigned i = 0; i < 20; i++) {
		pause_machine();
		wire_read(rig.vm, NET_RX + 4096ull * (i % 16), before, sizeof(before));
		net_rig_arrive(&rig, 0, frame, 100);
		net_rig_send(&rig, 0, &no_header, frame, 60, 0);
		/* A frame is there, and nothing is called for it. */
		for (unsigned n = 0; n < 10; n++)
			loop_poll(rig.vm->loop, 0);
		assert_int_equal(loop_poll(rig.vm->loop, 5), 0);
		assert_false(wire_has_used(&rig.rx[0]) || wire_has_used(&rig.tx[0]));
		wire_read(rig.vm, NET_RX + 4096ull * (i % 16), after, sizeof(after));
		assert_memory_equal(before, after, sizeof(before));
		vm_lock(rig.vm);
		vm_resume(rig.vm, VM_PAUSE_USER);
		vm_unlock(rig.vm);
		assert_int_equal(net_rig_received(&rig, 0, 1, got), 100);
		assert_true(wire_used(&rig.tx[0], NULL, NULL));
		assert_int_equal(net_rig_sent(&rig, 0, got, sizeof(got)), 60);
		net_rig_offer(&rig, 0, 1, 2048);
	}
}

TEST_WITH(a_network_that_refuses_what_it_offered_stops_the_device, with_header, teardown)
{
	rig.net->refuses = true;
	net_rig_start(&rig, ALL, 1);
	assert_true(wire_needs_reset(rig.vm, 0));
	rig.net->refuses = false;
	net_rig_start(&rig, ALL, 1);
	assert_false(wire_needs_reset(rig.vm, 0));
}
