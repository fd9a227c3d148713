/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames and commands of virtio-net that are cut short, or of other kinds. */
#include <string.h>

#include "net_rig.h"
#include "test.h"
#include "virtio/endian.h"

#define F(bit) (1ULL << (bit))
#define ALL    (~0ULL >> 1)
#define OK     VIRTIO_NET_OK
#define ERR    VIRTIO_NET_ERR
#define COMMAND(class, command, data, len)                                                         \
	net_rig_command(&rig, VIRTIO_NET_CTRL_##class, VIRTIO_NET_CTRL_##command, data, len)

static struct net_rig rig;
static const u8 off;

static int setup(void **state)
{
	net_rig_create(&rig, 8, true, NET_ALL_OFFLOADS);
	net_rig_start(&rig, ALL, 1);
	net_rig_offer(&rig, 0, 60, 2048);
	return 0;
}

static int teardown(void **state)
{
	net_rig_destroy(&rig);
	return 0;
}

static bool arrives(const u8 *frame, size_t len)
{
	u8 data[NET_HEADER + 64] = { 0 };

	memcpy(data + NET_HEADER, frame, len);
	net_rig_arrive(&rig, 0, data, NET_HEADER + len);
	net_rig_settle(&rig);
	if (!wire_has_used(&rig.rx[0]))
		return false;
	assert_true(wire_used(&rig.rx[0], NULL, NULL));
	return true;
}

TEST_WITH(a_frame_without_a_whole_ethernet_header_is_none, setup, teardown)
{
	u8 frame[64];

	net_frame(frame, sizeof(frame), net_rig_mac, 0);
	assert_false(arrives(frame, 13));
	assert_true(arrives(frame, 14));
	COMMAND(RX, RX_PROMISC, &off, 1);
	assert_false(arrives(frame, 6));
	assert_true(arrives(frame, 14));
}

TEST_WITH(a_frame_that_ends_within_its_vlan_tag_has_none, setup, teardown)
{
	const u16 vlan = htole16(5);
	u8 frame[64];

	COMMAND(RX, RX_PROMISC, &off, 1);
	assert_int_equal(COMMAND(VLAN, VLAN_ADD, &vlan, 2), OK);
	net_frame(frame, sizeof(frame), net_rig_mac, 0);
	memcpy(frame + 12, "\x81\x00\x00\x06", 4);
	assert_false(arrives(frame, 64));
	assert_false(arrives(frame, 16));
	assert_true(arrives(frame, 15));
	/* Only half of the type is a tag's. */
	frame[13] = 1;
	assert_true(arrives(frame, 64));
}

/* Of each command that has more than one byte behind its name, one too few. */
TEST_WITH(commands_that_are_cut_short_change_nothing, setup, teardown)
{
	static const u8 data[16] = { 2 };

	assert_int_equal(COMMAND(MQ, MQ_VQ_PAIRS_SET, data, 1), ERR);
	assert_int_equal(COMMAND(MQ, MQ_VQ_PAIRS_SET, data, 0), ERR);
	assert_int_equal(rig.net->pairs, 1);
	rig.net->offloads = ~0u;
	assert_int_equal(COMMAND(GUEST_OFFLOADS, GUEST_OFFLOADS_SET, data, 7), ERR);
	assert_int_equal(rig.net->offloads, ~0u);
	assert_int_equal(COMMAND(VLAN, VLAN_ADD, data, 1), ERR);
	assert_int_equal(COMMAND(MAC, MAC_ADDR_SET, data, 5), ERR);
	assert_int_equal(COMMAND(MAC, MAC_TABLE_SET, data, 3), ERR);
	/* Two addresses are announced, and there is one. */
	assert_int_equal(COMMAND(MAC, MAC_TABLE_SET, data, 10), ERR);
}

TEST_WITH(a_command_without_a_whole_name_is_an_error, setup, teardown)
{
	const struct wire_segment segments[] = { { NET_CTL, 1, false }, { NET_CTL + 16, 1, true } };
	u8 answer = 0xee;

	wire_write(rig.vm, NET_CTL, "\0", 1);
	wire_write(rig.vm, NET_CTL + 16, &answer, 1);
	wire_add(&rig.control, segments, 2);
	wire_kick(&rig.control);
	assert_true(wire_used(&rig.control, NULL, NULL));
	wire_read(rig.vm, NET_CTL + 16, &answer, 1);
	assert_int_equal(answer, ERR);
}

TEST_WITH(what_the_network_refuses_is_an_error_of_the_command, setup, teardown)
{
	const u16 pairs = htole16(2);
	const u64 offloads = htole64(F(VIRTIO_NET_F_GUEST_CSUM));

	rig.net->refuses = true;
	assert_int_equal(COMMAND(MQ, MQ_VQ_PAIRS_SET, &pairs, 2), ERR);
	assert_int_equal(COMMAND(GUEST_OFFLOADS, GUEST_OFFLOADS_SET, &offloads, 8), ERR);
	rig.net->refuses = false;
	assert_int_equal(COMMAND(MQ, MQ_VQ_PAIRS_SET, &pairs, 2), OK);
	assert_int_equal(rig.net->pairs, 2);
}
