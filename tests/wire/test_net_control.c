/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-net's control queue and its filters (virtio 1.4, "Control Virtqueue"). */
#include <string.h>

#include "test.h"
#include "net_rig.h"
#include "virtio/endian.h"

#define F(bit) (1ULL << (bit))
#define ALL    (~0ULL >> 1)
#define OK     VIRTIO_NET_OK
#define ERR    VIRTIO_NET_ERR
#define COMMAND(class, command, data, len)                                                         \
	net_rig_command(&rig, VIRTIO_NET_CTRL_##class, VIRTIO_NET_CTRL_##command, data, len)

static struct net_rig rig;
static const u8 broadcast[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const u8 group[] = { 0x01, 0x00, 0x5e, 0, 0, 1 }, other_group[] = { 0x33, 0x33, 0, 0, 0, 9 };
static const u8 stranger[] = { 0x02, 0, 0, 0, 0, 1 }, other_stranger[] = { 0x02, 0, 0, 0, 0, 2 };
static const u8 on = 1, off;

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

static bool arrives_tagged(const u8 *to, int vlan)
{
	u8 frame[NET_HEADER + 64] = { 0 };

	net_frame(frame + NET_HEADER, 64, to, 0);
	if (vlan >= 0) {
		frame[NET_HEADER + 12] = 0x81;
		frame[NET_HEADER + 13] = 0;
		/* The priority bits mean nothing to the filter. */
		frame[NET_HEADER + 14] = 0xe0 | vlan >> 8;
		frame[NET_HEADER + 15] = vlan;
	}
	net_rig_arrive(&rig, 0, frame, sizeof(frame));
	net_rig_settle(&rig);
	if (!wire_has_used(&rig.rx[0]))
		return false;
	assert_true(wire_used(&rig.rx[0], NULL, NULL));
	return true;
}

static bool arrives(const u8 *to)
{
	return arrives_tagged(to, -1);
}

TEST_WITH(a_driver_that_sets_no_filter_gets_everything, setup, teardown)
{
	assert_true(arrives(net_rig_mac));
	assert_true(arrives(stranger));
	assert_true(arrives(group));
	assert_true(arrives(broadcast));
	assert_true(arrives_tagged(stranger, 5));
}

TEST_WITH(without_promiscuity_its_own_frames_and_broadcasts_come, setup, teardown)
{
	assert_int_equal(COMMAND(RX, RX_PROMISC, &off, 1), OK);
	assert_true(arrives(net_rig_mac));
	assert_true(arrives(broadcast));
	assert_false(arrives(stranger));
	assert_false(arrives(group));
}

TEST_WITH(each_mode_does_what_it_says, setup, teardown)
{
	COMMAND(RX, RX_PROMISC, &off, 1);
	assert_int_equal(COMMAND(RX, RX_ALLMULTI, &on, 1), OK);
	assert_true(arrives(group));
	assert_false(arrives(stranger));
	assert_int_equal(COMMAND(RX, RX_ALLUNI, &on, 1), OK);
	assert_true(arrives(stranger));
	assert_int_equal(COMMAND(RX, RX_NOMULTI, &on, 1), OK);
	assert_false(arrives(group));
	assert_true(arrives(broadcast));
	assert_int_equal(COMMAND(RX, RX_NOBCAST, &on, 1), OK);
	assert_false(arrives(broadcast));
	assert_int_equal(COMMAND(RX, RX_NOUNI, &on, 1), OK);
	assert_false(arrives(net_rig_mac));
	assert_int_equal(COMMAND(RX, RX_PROMISC, &on, 1), OK);
	assert_true(arrives(group));
}

/* Two tables as the driver lays them out; their length. */
static u32 tables(u8 *data, const u8 *unicast, const u8 *multicast)
{
	u32 one = htole32(1), none = 0;
	u8 *at = data;

	memcpy(at, unicast ? &one : &none, 4);
	at += 4;
	if (unicast)
		memcpy(at, unicast, NET_MAC);
	at += unicast ? NET_MAC : 0;
	memcpy(at, multicast ? &one : &none, 4);
	at += 4;
	if (multicast)
		memcpy(at, multicast, NET_MAC);
	at += multicast ? NET_MAC : 0;
	return at - data;
}

TEST_WITH(addresses_of_the_tables_come_and_no_others, setup, teardown)
{
	u8 data[64];

	COMMAND(RX, RX_PROMISC, &off, 1);
	assert_int_equal(COMMAND(MAC, MAC_TABLE_SET, data, tables(data, stranger, group)), OK);
	assert_true(arrives(stranger));
	assert_true(arrives(group));
	assert_false(arrives(other_stranger));
	assert_false(arrives(other_group));
	assert_int_equal(COMMAND(MAC, MAC_TABLE_SET, data, tables(data, NULL, other_group)), OK);
	assert_false(arrives(stranger));
	assert_true(arrives(other_group));
}

TEST_WITH(a_table_without_room_lets_all_of_its_kind_through, setup, teardown)
{
	u8 data[4 + 4 + 200 * NET_MAC] = { 0 };
	u32 count = htole32(200);

	COMMAND(RX, RX_PROMISC, &off, 1);
	memcpy(data + 4, &count, 4);
	assert_int_equal(COMMAND(MAC, MAC_TABLE_SET, data, sizeof(data)), OK);
	assert_true(arrives(group));
	assert_false(arrives(stranger));
	assert_int_equal(COMMAND(MAC, MAC_TABLE_SET, data, tables(data, NULL, NULL)), OK);
	assert_false(arrives(group));
}

TEST_WITH(a_table_that_lies_about_its_length_changes_nothing, setup, teardown)
{
	u8 data[64];
	u32 lie, len;

	COMMAND(RX, RX_PROMISC, &off, 1);
	assert_int_equal(COMMAND(MAC, MAC_TABLE_SET, data, tables(data, stranger, group)), OK);
	static const u32 lies[] = { 2, 64, 65, 0x2aaaaaab, 0xffffffff };
	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		len = tables(data, NULL, other_group);
		lie = htole32(lies[i]);
		memcpy(data + 4, &lie, 4);
		assert_int_equal(COMMAND(MAC, MAC_TABLE_SET, data, len), ERR);
		memcpy(data, &lie, 4);
		assert_int_equal(COMMAND(MAC, MAC_TABLE_SET, data, len), ERR);
	}
	assert_int_equal(COMMAND(MAC, MAC_TABLE_SET, data, 3), ERR);
	assert_true(arrives(stranger));
	assert_true(arrives(group));
	assert_false(arrives(other_group));
}

TEST_WITH(the_guest_may_change_its_address, setup, teardown)
{
	COMMAND(RX, RX_PROMISC, &off, 1);
	assert_int_equal(COMMAND(MAC, MAC_ADDR_SET, stranger, 5), ERR);
	assert_int_equal(COMMAND(MAC, MAC_ADDR_SET, stranger, 6), OK);
	assert_true(arrives(stranger));
	assert_false(arrives(net_rig_mac));
	assert_int_equal(wire_config_read(rig.vm, 0, 5, 1), stranger[5]);
	/* Until the next reset. */
	net_rig_start(&rig, ALL, 1);
	assert_int_equal(wire_config_read(rig.vm, 0, 5, 1), net_rig_mac[5]);
}

TEST_WITH(vlans_that_were_added_come_and_no_others, setup, teardown)
{
	const u8 five[] = { 5, 0 }, last[] = { 0xff, 0x0f }, beyond[] = { 0x00, 0x10 };

	COMMAND(RX, RX_PROMISC, &off, 1);
	assert_true(arrives(net_rig_mac));
	assert_false(arrives_tagged(net_rig_mac, 5));
	assert_int_equal(COMMAND(VLAN, VLAN_ADD, five, 2), OK);
	assert_int_equal(COMMAND(VLAN, VLAN_ADD, last, 2), OK);
	assert_true(arrives_tagged(net_rig_mac, 5));
	assert_true(arrives_tagged(net_rig_mac, 4095));
	assert_false(arrives_tagged(net_rig_mac, 6));
	assert_int_equal(COMMAND(VLAN, VLAN_DEL, five, 2), OK);
	assert_false(arrives_tagged(net_rig_mac, 5));
	assert_int_equal(COMMAND(VLAN, VLAN_ADD, beyond, 2), ERR);
	assert_int_equal(COMMAND(VLAN, VLAN_ADD, five, 1), ERR);
}

TEST_WITH(pairs_from_one_to_the_most_can_be_chosen, setup, teardown)
{
	static const u16 bad[] = { 0, 9, 0x100, 0xffff };
	u8 data[2] = { 0, 0 };

	for (unsigned i = 1; i <= 8; i++) {
		data[0] = i;
		assert_int_equal(COMMAND(MQ, MQ_VQ_PAIRS_SET, data, 2), OK);
		assert_int_equal(rig.net->pairs, i);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		data[0] = bad[i];
		data[1] = bad[i] >> 8;
		assert_int_equal(COMMAND(MQ, MQ_VQ_PAIRS_SET, data, 2), ERR);
	}
	rig.net->refuses = true;
	data[0] = 2;
	data[1] = 0;
	assert_int_equal(COMMAND(MQ, MQ_VQ_PAIRS_SET, data, 2), ERR);
	assert_int_equal(rig.net->pairs, 8);
}

static u8 set_offloads(u64 features)
{
	le64 data = cpu_to_le64(features);

	return COMMAND(GUEST_OFFLOADS, GUEST_OFFLOADS_SET, &data, 8);
}

TEST_WITH(offloads_can_be_switched_among_those_negotiated, setup, teardown)
{
	net_rig_start(&rig, ALL & ~F(VIRTIO_NET_F_GUEST_TSO6), 1);
	assert_int_equal(set_offloads(0), OK);
	assert_int_equal(rig.net->offloads, 0);
	assert_int_equal(set_offloads(F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_GUEST_TSO4)), OK);
	assert_int_equal(rig.net->offloads, NET_CSUM | NET_TSO4);
	assert_int_equal(set_offloads(F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_GUEST_TSO6)),
			 ERR);
	assert_int_equal(set_offloads(F(VIRTIO_NET_F_CSUM)), ERR);
	assert_int_equal(set_offloads(F(63)), ERR);
	assert_int_equal(rig.net->offloads, NET_CSUM | NET_TSO4);
}

TEST_WITH(what_no_class_or_command_is_is_answered_with_an_error, setup, teardown)
{
	u8 data[16] = { 1 };

	for (unsigned class = 0; class < 256; class ++) {
		for (unsigned command = class < 8 ? 6 : 0; command < 256; command += 50)
			assert_int_equal(net_rig_command(&rig, class, command, data, 16), ERR);
	}
	assert_int_equal(COMMAND(RX, RX_PROMISC, NULL, 0), ERR);
	data[0] = 2;
	assert_int_equal(COMMAND(RX, RX_PROMISC, data, 1), ERR);
}

TEST_WITH(a_class_that_was_not_negotiated_is_answered_with_an_error, setup, teardown)
{
	net_rig_start(&rig, F(VIRTIO_NET_F_CTRL_VQ), 1);
	assert_int_equal(COMMAND(RX, RX_PROMISC, &on, 1), ERR);
	assert_int_equal(set_offloads(0), ERR);
}

TEST_WITH(a_command_without_room_for_its_answer_is_given_back, setup, teardown)
{
	const u8 bytes[] = { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 0 };
	static const struct wire_segment bad[] = { { NET_CTL, 3, false },
						   { NET_CTL, 1, false },
						   { 0xf0000000, 3, false } };
	u32 len;

	wire_write(rig.vm, NET_CTL, bytes, sizeof(bytes));
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		wire_add(&rig.control, &bad[i], 1);
		wire_kick(&rig.control);
		assert_true(wire_used(&rig.control, NULL, &len));
		assert_int_equal(len, 0);
	}
	/* It was none: everything still comes. */
	assert_true(arrives(stranger));
}
