/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Packet Receive Filtering", "Setting MAC Address Filtering", "VLAN Filtering". */
#include <string.h>

#include "net_private.h"

#define VLAN_TYPE 12 /* where in a frame the tag's type is, and then the tag */
#define VLAN_TAG  14
#define VLAN_ID	  0x0fff
#define IS_GROUP  1 /* in a MAC address's first byte */

static const u8 broadcast[NET_MAC] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* Drivers that never set a filter want all that comes. */
void net_filter_reset(struct net_filter *filter, const u8 *mac)
{
	memset(filter, 0, sizeof(*filter));
	filter->promiscuous = true;
	memcpy(filter->mac, mac, NET_MAC);
}

void net_filter_set_vlan(struct net_filter *filter, u16 vlan, bool wanted)
{
	u8 bit = 1 << vlan % 8;

	if (wanted)
		filter->vlans[vlan / 8] |= bit;
	else
		filter->vlans[vlan / 8] &= ~bit;
}

static bool wants_vlan(const struct net_filter *filter, const u8 *frame, size_t len)
{
	u16 vlan;

	if (!filter->by_vlan || len < VLAN_TAG + 2 || frame[VLAN_TYPE] != 0x81 ||
	    frame[VLAN_TYPE + 1] != 0)
		return true;
	vlan = (frame[VLAN_TAG] << 8 | frame[VLAN_TAG + 1]) & VLAN_ID;
	return filter->vlans[vlan / 8] >> vlan % 8 & 1;
}

static bool in_table(const struct net_filter *filter, unsigned first, unsigned count, const u8 *mac)
{
	for (unsigned i = first; i < first + count; i++) {
		if (!memcmp(filter->macs[i], mac, NET_MAC))
			return true;
	}
	return false;
}

static bool wants_group(const struct net_filter *filter, const u8 *mac)
{
	if (!memcmp(mac, broadcast, NET_MAC))
		return !filter->no_broadcast;
	if (filter->no_multicast)
		return false;
	return filter->all_multicast || filter->multicast_overflow ||
	       in_table(filter, filter->unicasts, filter->multicasts, mac);
}

bool net_filter_wants(const struct net_filter *filter, const u8 *frame, size_t len)
{
	if (len < NET_MIN_FRAME)
		return false;
	if (filter->promiscuous)
		return true;
	if (!wants_vlan(filter, frame, len))
		return false;
	if (frame[0] & IS_GROUP)
		return wants_group(filter, frame);
	if (filter->no_unicast)
		return false;
	return filter->all_unicast || filter->unicast_overflow ||
	       !memcmp(frame, filter->mac, NET_MAC) || in_table(filter, 0, filter->unicasts, frame);
}
