/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Network Device", "Control Virtqueue". */
#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "net_private.h"
#include "virtio/endian.h"

#define COMMANDS 16 /* under one hold of the lock */

/* What of a command is behind its class and number. */
struct command {
	struct net *net;
	const struct virtq_chain *chain;
	u64 at; /* the next byte */
};

/* Copy the next @len bytes: 0, or -EINVAL where there are not as many. */
static int get(struct command *command, void *data, u64 len)
{
	if (virtq_chain_read(command->chain, command->at, data, len) != (s64)len)
		return -EINVAL;
	command->at += len;
	return 0;
}

static int get_u16(struct command *command, u16 *value)
{
	__virtio16 raw;
	int ret = get(command, &raw, sizeof(raw));

	*value = ret ? 0 : virtio16_to_cpu(raw);
	return ret;
}

/* ---- "Packet Receive Filtering" ---- */

static int set_mode(struct command *command, u8 number)
{
	struct net_filter *filter = &command->net->filter;
	bool *const modes[] = {
		[VIRTIO_NET_CTRL_RX_PROMISC] = &filter->promiscuous,
		[VIRTIO_NET_CTRL_RX_ALLMULTI] = &filter->all_multicast,
		[VIRTIO_NET_CTRL_RX_ALLUNI] = &filter->all_unicast,
		[VIRTIO_NET_CTRL_RX_NOMULTI] = &filter->no_multicast,
		[VIRTIO_NET_CTRL_RX_NOUNI] = &filter->no_unicast,
		[VIRTIO_NET_CTRL_RX_NOBCAST] = &filter->no_broadcast,
	};
	u8 on;

	if (number >= ARRAY_SIZE(modes) || get(command, &on, sizeof(on)) || on > 1)
		return -EINVAL;
	*modes[number] = on;
	return 0;
}

/* ---- "Setting MAC Address Filtering" ---- */

/* One of the two tables. What we have no room for makes us take all of its kind: *all. */
static int get_table(struct command *command, struct net_filter *filter, unsigned *count, bool *all)
{
	unsigned used = filter->unicasts + filter->multicasts;
	__virtio32 raw;
	u64 entries;

	if (get(command, &raw, sizeof(raw)))
		return -EINVAL;
	entries = virtio32_to_cpu(raw);
	if (entries * NET_MAC > command->chain->readable_len - command->at)
		return -EINVAL;
	*count = 0;
	*all = entries > NET_FILTER_MACS - used;
	if (*all) {
		command->at += entries * NET_MAC;
		return 0;
	}
	if (get(command, filter->macs[used], entries * NET_MAC))
		return -EINVAL;
	*count = entries;
	return 0;
}

/* Both tables, or, if one cannot be, none. */
static int set_tables(struct command *command)
{
	struct net_filter *filter = &command->net->filter;
	struct net_filter tables = *filter;

	tables.unicasts = tables.multicasts = 0;
	if (get_table(command, &tables, &tables.unicasts, &tables.unicast_overflow) ||
	    get_table(command, &tables, &tables.multicasts, &tables.multicast_overflow))
		return -EINVAL;
	*filter = tables;
	return 0;
}

static int set_address(struct command *command)
{
	u8 mac[NET_MAC];

	if (get(command, mac, sizeof(mac)))
		return -EINVAL;
	memcpy(command->net->filter.mac, mac, sizeof(mac));
	return 0;
}

static int set_mac(struct command *command, u8 number)
{
	switch (number) {
	case VIRTIO_NET_CTRL_MAC_TABLE_SET:
		return set_tables(command);
	case VIRTIO_NET_CTRL_MAC_ADDR_SET:
		return set_address(command);
	default:
		return -EINVAL;
	}
}

/* ---- "VLAN Filtering" ---- */

static int set_vlan(struct command *command, u8 number)
{
	u16 vlan;

	if (number > VIRTIO_NET_CTRL_VLAN_DEL || get_u16(command, &vlan) || vlan >= NET_VLANS)
		return -EINVAL;
	net_filter_set_vlan(&command->net->filter, vlan, number == VIRTIO_NET_CTRL_VLAN_ADD);
	return 0;
}

/* ---- "Automatic receive steering in multiqueue mode" ---- */

static int set_pairs(struct command *command, u8 number)
{
	struct net *net = command->net;
	u16 pairs;

	if (number != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET || get_u16(command, &pairs) || !pairs ||
	    pairs > net->backend->pairs)
		return -EINVAL;
	return net_use_pairs(net, pairs);
}

/* ---- "Offloads State Configuration" ---- */

static int set_offloads(struct command *command, u8 number)
{
	struct net *net = command->net;
	__virtio64 raw;
	u64 wanted;

	if (number != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET || get(command, &raw, sizeof(raw)))
		return -EINVAL;
	wanted = virtio64_to_cpu(raw);
	/* "A driver MUST NOT enable an offload for which the appropriate feature has not been
	 * negotiated". */
	if (wanted & ~(net->device.accepted & NET_GUEST_FEATURES))
		return -EINVAL;
	return net_give_offloads(net, net_guest_offloads(wanted));
}

/* ---- commands ---- */

static const struct {
	u8 class;
	u8 feature;
	int (*set)(struct command *command, u8 number);
} classes[] = {
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_F_CTRL_RX, set_mode },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_F_CTRL_VQ, set_mac },
	{ VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_F_CTRL_VLAN, set_vlan },
	{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_F_MQ, set_pairs },
	{ VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, set_offloads },
};

static int obey(struct net *net, const struct virtq_chain *chain)
{
	struct command command = { .net = net, .chain = chain };
	struct virtio_net_ctrl_hdr header;

	if (get(&command, &header, sizeof(header)))
		return -EINVAL;
	for (unsigned i = 0; i < ARRAY_SIZE(classes); i++) {
		if (classes[i].class == header.class &&
		    virtio_has_feature(&net->device, classes[i].feature))
			return classes[i].set(&command, header.cmd);
	}
	return -EINVAL;
}

static enum virtio_step serve(struct virtio_device *device, unsigned index)
{
	struct net *net = container_of(device, struct net, device);
	struct virtq_chain chain;
	u8 ack = VIRTIO_NET_OK;

	if (!virtio_device_pop(device, index, &chain))
		return VIRTIO_IDLE;
	net->commands++;
	/* Without a place for the answer it is no command. */
	if (!chain.writable_len || obey(net, &chain)) {
		ack = VIRTIO_NET_ERR;
		net->refused++;
	}
	virtio_device_push(device, index, &chain,
			   virtq_chain_write(&chain, 0, &ack, sizeof(ack)) > 0);
	return VIRTIO_DONE;
}

void net_control(struct net *net, unsigned index)
{
	virtio_device_serve(&net->device, index, COMMANDS, serve);
}
