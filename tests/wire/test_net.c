/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-net's data path (virtio 1.4, "Network Device", "Device Operation"). */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "test.h"
#include "net_rig.h"
#include "virtio/endian.h"

#define F(bit)	(1ULL << (bit))
#define ALL	(~0ULL >> 1 & ~F(VIRTIO_NET_F_MQ))
#define MERGING F(VIRTIO_NET_F_MRG_RXBUF)
#define FEATURES                                                                                   \
	(F(VIRTIO_NET_F_MAC) | F(VIRTIO_NET_F_STATUS) | F(VIRTIO_NET_F_MRG_RXBUF) |                \
	 F(VIRTIO_NET_F_CTRL_VQ) | F(VIRTIO_NET_F_MTU))
#define F_USO 56

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

/* The frame in the next @expected used buffers, header in front; its length without that. */
static u32 received(unsigned pair, u16 expected)
{
	struct virtio_net_hdr_v1 header;
	u32 len, total = 0;
	u16 head;

	for (unsigned i = 0; i < expected; i++) {
		/* All of them are there at once. */
		assert_true(i == 0 || wire_has_used(&rig.rx[pair]));
		assert_true(wire_used(&rig.rx[pair], &head, &len));
		wire_read(rig.vm, NET_RX + 4096ull * (pair * NET_SIZE + head), got + total, len);
		total += len;
	}
	memcpy(&header, got, NET_HEADER);
	assert_int_equal(virtio16_to_cpu(header.num_buffers), expected);
	return total - NET_HEADER;
}

static bool nothing_received(unsigned pair)
{
	net_rig_settle(&rig);
	return !wire_has_used(&rig.rx[pair]);
}

/* ---- configuration ---- */

TEST_WITH(it_offers_no_offload_that_its_network_lacks, plain, teardown)
{
	u64 features = wire_features(rig.vm, 0);

	assert_int_equal(features & FEATURES, FEATURES);
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
	net_rig_start(&rig, FEATURES | F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_GUEST_TSO6), 1);
	assert_int_equal(rig.net->offloads, NET_CSUM | NET_TSO6);
	assert_int_equal(rig.net->starts, 1);
	/* "VIRTIO_NET_F_GUEST_TSO4 Requires VIRTIO_NET_F_GUEST_CSUM". */
	net_rig_start(&rig, FEATURES | F(VIRTIO_NET_F_GUEST_TSO4), 1);
	assert_int_equal(rig.net->offloads, 0);
}

TEST_WITH(the_configuration_has_mac_status_and_mtu, plain, teardown)
{
	net_rig_start(&rig, FEATURES, 1);
	for (unsigned i = 0; i < NET_MAC; i++)
		assert_int_equal(wire_config_read(rig.vm, 0, i, 1), net_rig_mac[i]);
	assert_int_equal(wire_config_read(rig.vm, 0, 6, 2), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(wire_config_read(rig.vm, 0, 8, 2), 1);
	assert_int_equal(wire_config_read(rig.vm, 0, 10, 2), 1500);
}

/* ---- receive ---- */

TEST_WITH(a_frame_is_received_behind_an_empty_header, plain, teardown)
{
	static const u8 zeros[10];

	net_rig_start(&rig, FEATURES, 1);
	net_rig_offer(&rig, 0, 4, 2048);
	net_frame(frame, 100, net_rig_mac, 1);
	net_rig_arrive(&rig, 0, frame, 100);
	assert_int_equal(received(0, 1), 100);
	assert_memory_equal(got, zeros, sizeof(zeros));
	assert_memory_equal(got + NET_HEADER, frame, 100);
	assert_true(wire_interrupts(WIRE_GSI) > 0);
}

TEST_WITH(a_long_frame_is_in_several_buffers_seen_at_once, plain, teardown)
{
	net_rig_start(&rig, FEATURES, 1);
	net_rig_offer(&rig, 0, 48, 512);
	net_frame(frame, 3000, net_rig_mac, 2);
	for (unsigned i = 0; i < 5; i++) {
		net_rig_arrive(&rig, 0, frame, 3000);
		assert_int_equal(received(0, 6), 3000);
		assert_memory_equal(got + NET_HEADER, frame, 3000);
		net_rig_offer(&rig, 0, 6, 512);
	}
}

TEST_WITH(the_networks_header_reaches_the_guest, with_header, teardown)
{
	struct virtio_net_hdr_v1 header = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = cpu_to_virtio16(1448),
		.csum_start = cpu_to_virtio16(34),
		.csum_offset = cpu_to_virtio16(16),
	};

	net_rig_start(&rig, ALL, 1);
	net_rig_offer(&rig, 0, NET_SIZE, 4096);
	memcpy(frame, &header, NET_HEADER);
	net_frame(frame + NET_HEADER, 60000, net_rig_mac, 3);
	net_rig_arrive(&rig, 0, frame, NET_HEADER + 60000);
	assert_int_equal(received(0, 15), 60000);
	header.num_buffers = cpu_to_virtio16(15);
	assert_memory_equal(got, &header, NET_HEADER);
	assert_memory_equal(got + NET_HEADER, frame + NET_HEADER, 60000);
}

TEST_WITH(a_verified_checksum_is_not_said_to_a_driver_without_the_word, with_header, teardown)
{
	struct virtio_net_hdr_v1 header = { .flags = VIRTIO_NET_HDR_F_DATA_VALID };

	net_rig_start(&rig, FEATURES, 1);
	net_rig_offer(&rig, 0, 16, 2048);
	memcpy(frame, &header, NET_HEADER);
	net_frame(frame + NET_HEADER, 60, net_rig_mac, 3);
	net_rig_arrive(&rig, 0, frame, NET_HEADER + 60);
	assert_int_equal(received(0, 1), 60);
	assert_int_equal(got[0], 0);
}

TEST_WITH(without_merging_a_frame_too_long_for_a_buffer_is_lost_alone, plain, teardown)
{
	net_rig_start(&rig, FEATURES & ~MERGING, 1);
	net_rig_offer(&rig, 0, 2, 1526);
	net_frame(frame, 1515, net_rig_mac, 4);
	net_rig_arrive(&rig, 0, frame, 1515);
	assert_true(nothing_received(0));
	net_rig_arrive(&rig, 0, frame, 1514);
	assert_int_equal(received(0, 1), 1514);
	assert_memory_equal(got + NET_HEADER, frame, 1514);
}

TEST_WITH(a_frame_that_needs_more_buffers_waits_for_them, plain, teardown)
{
	net_rig_start(&rig, FEATURES, 1);
	net_rig_offer(&rig, 0, 2, 512);
	net_frame(frame, 1400, net_rig_mac, 5);
	net_rig_arrive(&rig, 0, frame, 1400);
	net_frame(frame + 1400, 60, net_rig_mac, 6);
	net_rig_arrive(&rig, 0, frame + 1400, 60);
	assert_true(nothing_received(0));
	net_rig_offer(&rig, 0, 2, 512);
	assert_int_equal(received(0, 3), 1400);
	assert_memory_equal(got + NET_HEADER, frame, 1400);
	assert_int_equal(received(0, 1), 60);
	assert_memory_equal(got + NET_HEADER, frame + 1400, 60);
}

TEST_WITH(a_frame_longer_than_all_buffers_together_is_lost_alone, plain, teardown)
{
	net_rig_start(&rig, FEATURES, 1);
	net_rig_offer(&rig, 0, NET_SIZE, 32);
	net_frame(frame, NET_SIZE * 32, net_rig_mac, 7);
	net_rig_arrive(&rig, 0, frame, NET_SIZE * 32);
	assert_true(nothing_received(0));
	net_rig_arrive(&rig, 0, frame, 64);
	assert_int_equal(received(0, 3), 64);
}

/* The buffers are fewer than the ring has entries, but it has no room for another. */
TEST_WITH(a_frame_longer_than_all_buffers_of_several_descriptors_is_lost_alone, plain, teardown)
{
	struct wire_segment segments[5];
	u32 len;

	net_rig_start(&rig, FEATURES, 1);
	for (unsigned i = 0; i < NET_SIZE / 5; i++) {
		for (unsigned n = 0; n < 5; n++)
			segments[n] = (struct wire_segment){ NET_RX + 4096 * i + 32 * n, 32, true };
		wire_add(&rig.rx[0], segments, 5);
	}
	wire_kick(&rig.rx[0]);
	net_frame(frame, NET_SIZE * 32, net_rig_mac, 7);
	net_rig_arrive(&rig, 0, frame, NET_SIZE * 32);
	assert_true(nothing_received(0));
	net_rig_arrive(&rig, 0, frame, 64);
	assert_true(wire_used(&rig.rx[0], NULL, &len));
	assert_int_equal(len, NET_HEADER + 64);
}

/* A table is one descriptor of the ring, however long it is. */
TEST_WITH(buffers_in_tables_are_waited_for_while_the_ring_has_room, plain, teardown)
{
	u32 len, total = 0;

	net_rig_start(&rig, FEATURES | 1ull << VIRTIO_RING_F_INDIRECT_DESC, 1);
	net_frame(frame, NET_SIZE * 16, net_rig_mac, 7);
	for (unsigned i = 0; i < NET_SIZE; i++) {
		const struct wire_segment halves[] = { { NET_RX + 4096 * i, 16, true },
						       { NET_RX + 4096 * i + 64, 16, true } };

		wire_add_indirect(&rig.rx[0], halves, 2, NET_TX + 64 * i);
		wire_kick(&rig.rx[0]);
		if (i == NET_SIZE / 4)
			net_rig_arrive(&rig, 0, frame, NET_SIZE * 16);
		if (i < NET_SIZE / 2)
			assert_true(nothing_received(0));
	}
	while (total < NET_HEADER + NET_SIZE * 16) {
		assert_true(wire_used(&rig.rx[0], NULL, &len));
		total += len;
	}
	assert_int_equal(total, NET_HEADER + NET_SIZE * 16);
}

TEST_WITH(without_buffers_frames_wait_and_the_loop_rests, plain, teardown)
{
	net_rig_start(&rig, FEATURES, 1);
	net_rig_offer(&rig, 0, 1, 2048);
	net_frame(frame, 60, net_rig_mac, 8);
	for (unsigned i = 0; i < 3; i++)
		net_rig_arrive(&rig, 0, frame, 60);
	assert_int_equal(received(0, 1), 60);
	net_rig_settle(&rig);
	/* Frames are there, and nothing is called for them. */
	assert_int_equal(loop_poll(rig.vm->loop, 20), 0);
	net_rig_offer(&rig, 0, 2, 2048);
	assert_int_equal(received(0, 1), 60);
	assert_int_equal(received(0, 1), 60);
}

TEST_WITH(a_flood_from_the_network_leaves_others_their_turn, plain, teardown)
{
	unsigned before = 0;

	net_rig_start(&rig, FEATURES, 1);
	net_rig_offer(&rig, 0, NET_SIZE, 2048);
	net_frame(frame, 60, net_rig_mac, 9);
	for (unsigned i = 0; i < 80; i++)
		net_rig_arrive(&rig, 0, frame, 60);
	/* The kick, then frames. */
	while (!wire_has_used(&rig.rx[0]))
		assert_true(loop_poll(rig.vm->loop, 0) > 0 && ++before < 10);
	while (wire_has_used(&rig.rx[0])) {
		received(0, 1);
		before++;
	}
	assert_in_range(before, 1, 64 + 10);
	net_rig_offer(&rig, 0, 32, 2048);
	net_rig_settle(&rig);
	for (unsigned i = 64; i < 80; i++)
		assert_int_equal(received(0, 1), 60);
}

TEST_WITH(buffers_that_cannot_be_written_are_given_back_empty, plain, teardown)
{
	static const struct wire_segment bad[] = {
		{ 0xf0000000, 2048, true },	  /* no RAM */
		{ WIRE_RAM - 1024, 2048, true },  /* off its edge */
		{ UINT64_MAX - 100, 2048, true }, /* round the end */
		{ NET_RX, 2048, false },	  /* not to be written */
		{ NET_RX, 11, true },		  /* no room for a header */
	};
	u32 len;

	net_rig_start(&rig, FEATURES, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		wire_add(&rig.rx[0], &bad[i], 1);
	net_frame(frame, 60, net_rig_mac, 10);
	net_rig_arrive(&rig, 0, frame, 60);
	wire_kick(&rig.rx[0]);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(wire_used(&rig.rx[0], NULL, &len));
		assert_int_equal(len, 0);
	}
	assert_false(wire_needs_reset(rig.vm, 0));
	rig.added[0] = ARRAY_SIZE(bad);
	net_rig_offer(&rig, 0, 1, 2048);
	assert_int_equal(received(0, 1), 60);
}

TEST_WITH(a_frame_shorter_than_its_addresses_is_not_received, plain, teardown)
{
	net_rig_start(&rig, FEATURES, 1);
	net_rig_offer(&rig, 0, 16, 2048);
	net_frame(frame, 60, net_rig_mac, 11);
	net_rig_arrive(&rig, 0, frame, 13);
	net_rig_arrive(&rig, 0, frame, 14);
	assert_int_equal(received(0, 1), 14);
	assert_true(nothing_received(0));
}

/* ---- transmit ---- */

static const struct virtio_net_hdr_v1 no_header;

TEST_WITH(a_frame_is_sent_whole_however_it_is_cut, plain, teardown)
{
	static const u32 cuts[] = { 0, 1, 12, 13, 500, 1513 };

	net_rig_start(&rig, FEATURES, 1);
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
	net_rig_start(&rig, FEATURES | F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_HOST_TSO4), 1);
	assert_true(passes((struct virtio_net_hdr_v1){ CSUM(34, 16) }));
	assert_true(passes(
		(struct virtio_net_hdr_v1){ CSUM(34, 16), GSO(VIRTIO_NET_HDR_GSO_TCPV4, 40) }));
	assert_false(passes(
		(struct virtio_net_hdr_v1){ CSUM(34, 16), GSO(VIRTIO_NET_HDR_GSO_TCPV6, 40) }));
	net_rig_start(&rig, FEATURES, 1);
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

	net_rig_start(&rig, FEATURES, 1);
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

	net_rig_start(&rig, FEATURES, 1);
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
	net_rig_start(&rig, FEATURES, 1);
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

	net_rig_start(&rig, FEATURES | F(VIRTIO_NET_F_MQ), 4);
	assert_int_equal(wire_config_read(rig.vm, 0, 8, 2), 4);
	assert_int_equal(rig.net->pairs, 1);
	for (unsigned i = 0; i < 4; i++) {
		net_rig_offer(&rig, i, 8, 2048);
		net_frame(frame, 100 + i, net_rig_mac, i);
		net_rig_arrive(&rig, i, frame, 100 + i);
	}
	/* "the device MUST NOT queue packets on receive queues greater than" the pairs in use. */
	assert_true(nothing_received(1));
	assert_int_equal(net_rig_command(&rig, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
					 pairs, 2),
			 VIRTIO_NET_OK);
	assert_int_equal(rig.net->pairs, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(received(i, 1), 100 + i);
		net_rig_send(&rig, i, &no_header, frame, 200 + i, 0);
		assert_int_equal(net_rig_sent(&rig, i, got, sizeof(got)), 200 + i);
	}
}

TEST_WITH(a_driver_without_pairs_has_its_control_queue_behind_the_first, four_pairs, teardown)
{
	const u8 on = 1;

	net_rig_start(&rig, FEATURES | F(VIRTIO_NET_F_CTRL_RX), 1);
	assert_int_equal(rig.control.index, 2);
	assert_int_equal(
		net_rig_command(&rig, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &on, 1),
		VIRTIO_NET_OK);
}

/* ---- ends ---- */

TEST_WITH(a_network_that_goes_takes_the_link_down, plain, teardown)
{
	unsigned before;

	net_rig_start(&rig, FEATURES, 1);
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
	net_rig_start(&rig, FEATURES, 1);
	net_rig_send(&rig, 0, &no_header, frame, 60, 0);
	assert_true(wire_used(&rig.tx[0], NULL, NULL));
	assert_int_equal(loop_poll(rig.vm->loop, 20), 0);
}

TEST_WITH(a_network_that_goes_while_it_is_full_gives_the_buffers_back, plain, teardown)
{
	unsigned sent = 0;

	net_rig_start(&rig, FEATURES, 1);
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
	net_rig_start(&rig, FEATURES, 1);
	net_rig_offer(&rig, 0, 2, 512);
	net_frame(frame, 1400, net_rig_mac, 5);
	net_rig_arrive(&rig, 0, frame, 1400);
	net_rig_settle(&rig);
	wire_reg_write(rig.vm, 0, VIRTIO_MMIO_STATUS, 0);
	net_rig_arrive(&rig, 0, frame, 100);
	net_rig_settle(&rig);
	net_rig_start(&rig, FEATURES, 1);
	net_rig_offer(&rig, 0, 16, 2048);
	assert_int_equal(received(0, 1), 100);
	assert_memory_equal(got + NET_HEADER, frame, 100);
}

TEST_WITH(a_queue_that_is_reset_alone_begins_anew, plain, teardown)
{
	net_rig_start(&rig, FEATURES | F(VIRTIO_F_RING_RESET), 1);
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
	assert_int_equal(received(0, 1), 100);
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

	net_rig_start(&rig, FEATURES, 1);
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
		assert_int_equal(received(0, 1), 100);
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
