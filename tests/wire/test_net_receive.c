/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Network Device": "Setting Up Receive Buffers", "Processing of Incoming Packets". */
#include <string.h>

#include <linux/virtio_ring.h>

#include "test.h"
#include "net_rig.h"
#include "virtio/endian.h"

#define F(bit)	(1ULL << (bit))
#define ALL	(~0ULL >> 1 & ~F(VIRTIO_NET_F_MQ))
#define MERGING F(VIRTIO_NET_F_MRG_RXBUF)

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

static int teardown(void **state)
{
	net_rig_destroy(&rig);
	return 0;
}

TEST_WITH(a_frame_is_received_behind_an_empty_header, plain, teardown)
{
	static const u8 zeros[10];

	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	net_rig_offer(&rig, 0, 4, 2048);
	net_frame(frame, 100, net_rig_mac, 1);
	net_rig_arrive(&rig, 0, frame, 100);
	assert_int_equal(net_rig_received(&rig, 0, 1, got), 100);
	assert_memory_equal(got, zeros, sizeof(zeros));
	assert_memory_equal(got + NET_HEADER, frame, 100);
	assert_true(wire_interrupts(WIRE_GSI) > 0);
}

TEST_WITH(a_long_frame_is_in_several_buffers_seen_at_once, plain, teardown)
{
	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	net_rig_offer(&rig, 0, 48, 512);
	net_frame(frame, 3000, net_rig_mac, 2);
	for (unsigned i = 0; i < 5; i++) {
		net_rig_arrive(&rig, 0, frame, 3000);
		assert_int_equal(net_rig_received(&rig, 0, 6, got), 3000);
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
	assert_int_equal(net_rig_received(&rig, 0, 15, got), 60000);
	header.num_buffers = cpu_to_virtio16(15);
	assert_memory_equal(got, &header, NET_HEADER);
	assert_memory_equal(got + NET_HEADER, frame + NET_HEADER, 60000);
}

TEST_WITH(a_verified_checksum_is_not_said_to_a_driver_without_the_word, with_header, teardown)
{
	struct virtio_net_hdr_v1 header = { .flags = VIRTIO_NET_HDR_F_DATA_VALID };

	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	net_rig_offer(&rig, 0, 16, 2048);
	memcpy(frame, &header, NET_HEADER);
	net_frame(frame + NET_HEADER, 60, net_rig_mac, 3);
	net_rig_arrive(&rig, 0, frame, NET_HEADER + 60);
	assert_int_equal(net_rig_received(&rig, 0, 1, got), 60);
	assert_int_equal(got[0], 0);
}

TEST_WITH(without_merging_a_frame_too_long_for_a_buffer_is_lost_alone, plain, teardown)
{
	net_rig_start(&rig, NET_RIG_FEATURES & ~MERGING, 1);
	net_rig_offer(&rig, 0, 2, 1526);
	net_frame(frame, 1515, net_rig_mac, 4);
	net_rig_arrive(&rig, 0, frame, 1515);
	assert_true(net_rig_received_nothing(&rig, 0));
	net_rig_arrive(&rig, 0, frame, 1514);
	assert_int_equal(net_rig_received(&rig, 0, 1, got), 1514);
	assert_memory_equal(got + NET_HEADER, frame, 1514);
}

TEST_WITH(a_frame_that_needs_more_buffers_waits_for_them, plain, teardown)
{
	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	net_rig_offer(&rig, 0, 2, 512);
	net_frame(frame, 1400, net_rig_mac, 5);
	net_rig_arrive(&rig, 0, frame, 1400);
	net_frame(frame + 1400, 60, net_rig_mac, 6);
	net_rig_arrive(&rig, 0, frame + 1400, 60);
	assert_true(net_rig_received_nothing(&rig, 0));
	net_rig_offer(&rig, 0, 2, 512);
	assert_int_equal(net_rig_received(&rig, 0, 3, got), 1400);
	assert_memory_equal(got + NET_HEADER, frame, 1400);
	assert_int_equal(net_rig_received(&rig, 0, 1, got), 60);
	assert_memory_equal(got + NET_HEADER, frame + 1400, 60);
}

TEST_WITH(a_frame_longer_than_all_buffers_together_is_lost_alone, plain, teardown)
{
	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	net_rig_offer(&rig, 0, NET_SIZE, 32);
	net_frame(frame, NET_SIZE * 32, net_rig_mac, 7);
	net_rig_arrive(&rig, 0, frame, NET_SIZE * 32);
	assert_true(net_rig_received_nothing(&rig, 0));
	net_rig_arrive(&rig, 0, frame, 64);
	assert_int_equal(net_rig_received(&rig, 0, 3, got), 64);
}

/* The buffers are fewer than the ring has entries, but it has no room for another. */
TEST_WITH(a_frame_longer_than_all_buffers_of_several_descriptors_is_lost_alone, plain, teardown)
{
	struct wire_segment segments[5];
	u32 len;

	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	for (unsigned i = 0; i < NET_SIZE / 5; i++) {
		for (unsigned n = 0; n < 5; n++)
			segments[n] = (struct wire_segment){ NET_RX + 4096 * i + 32 * n, 32, true };
		wire_add(&rig.rx[0], segments, 5);
	}
	wire_kick(&rig.rx[0]);
	net_frame(frame, NET_SIZE * 32, net_rig_mac, 7);
	net_rig_arrive(&rig, 0, frame, NET_SIZE * 32);
	assert_true(net_rig_received_nothing(&rig, 0));
	net_rig_arrive(&rig, 0, frame, 64);
	assert_true(wire_used(&rig.rx[0], NULL, &len));
	assert_int_equal(len, NET_HEADER + 64);
}

/* A table is one descriptor of the ring, however long it is. */
TEST_WITH(buffers_in_tables_are_waited_for_while_the_ring_has_room, plain, teardown)
{
	u32 len, total = 0;

	net_rig_start(&rig, NET_RIG_FEATURES | 1ull << VIRTIO_RING_F_INDIRECT_DESC, 1);
	net_frame(frame, NET_SIZE * 16, net_rig_mac, 7);
	for (unsigned i = 0; i < NET_SIZE; i++) {
		const struct wire_segment halves[] = { { NET_RX + 4096 * i, 16, true },
						       { NET_RX + 4096 * i + 64, 16, true } };

		wire_add_indirect(&rig.rx[0], halves, 2, NET_TX + 64 * i);
		wire_kick(&rig.rx[0]);
		if (i == NET_SIZE / 4)
			net_rig_arrive(&rig, 0, frame, NET_SIZE * 16);
		if (i < NET_SIZE / 2)
			assert_true(net_rig_received_nothing(&rig, 0));
	}
	while (total < NET_HEADER + NET_SIZE * 16) {
		assert_true(wire_used(&rig.rx[0], NULL, &len));
		total += len;
	}
	assert_int_equal(total, NET_HEADER + NET_SIZE * 16);
}

TEST_WITH(without_buffers_frames_wait_and_the_loop_rests, plain, teardown)
{
	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	net_rig_offer(&rig, 0, 1, 2048);
	net_frame(frame, 60, net_rig_mac, 8);
	for (unsigned i = 0; i < 3; i++)
		net_rig_arrive(&rig, 0, frame, 60);
	assert_int_equal(net_rig_received(&rig, 0, 1, got), 60);
	net_rig_settle(&rig);
	/* Frames are there, and nothing is called for them. */
	assert_int_equal(loop_poll(rig.vm->loop, 20), 0);
	net_rig_offer(&rig, 0, 2, 2048);
	assert_int_equal(net_rig_received(&rig, 0, 1, got), 60);
	assert_int_equal(net_rig_received(&rig, 0, 1, got), 60);
}

TEST_WITH(a_flood_from_the_network_leaves_others_their_turn, plain, teardown)
{
	unsigned before = 0;

	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	net_rig_offer(&rig, 0, NET_SIZE, 2048);
	net_frame(frame, 60, net_rig_mac, 9);
	for (unsigned i = 0; i < 80; i++)
		net_rig_arrive(&rig, 0, frame, 60);
	/* The kick, then frames. */
	while (!wire_has_used(&rig.rx[0]))
		assert_true(loop_poll(rig.vm->loop, 0) > 0 && ++before < 10);
	while (wire_has_used(&rig.rx[0])) {
		net_rig_received(&rig, 0, 1, got);
		before++;
	}
	assert_in_range(before, 1, 64 + 10);
	net_rig_offer(&rig, 0, 32, 2048);
	net_rig_settle(&rig);
	for (unsigned i = 64; i < 80; i++)
		assert_int_equal(net_rig_received(&rig, 0, 1, got), 60);
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

	net_rig_start(&rig, NET_RIG_FEATURES, 1);
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
	assert_int_equal(net_rig_received(&rig, 0, 1, got), 60);
}

TEST_WITH(a_frame_shorter_than_its_addresses_is_not_received, plain, teardown)
{
	net_rig_start(&rig, NET_RIG_FEATURES, 1);
	net_rig_offer(&rig, 0, 16, 2048);
	net_frame(frame, 60, net_rig_mac, 11);
	net_rig_arrive(&rig, 0, frame, 13);
	net_rig_arrive(&rig, 0, frame, 14);
	assert_int_equal(net_rig_received(&rig, 0, 1, got), 14);
	assert_true(net_rig_received_nothing(&rig, 0));
}
