/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio 1.4, "Packet Transmission": what a driver may say of a frame. The host's kernel checks
 * it once more, but another back end may not.
 */
#include "net_private.h"
#include "virtio/endian.h"

/* Which offloads a back end must take to be given @type; 0: there is no such type. */
static u32 needed_for(u8 type)
{
	u32 ecn = type & VIRTIO_NET_HDR_GSO_ECN ? NET_ECN : 0;

	switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return NET_TSO4 | ecn;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return NET_TSO6 | ecn;
	case NET_GSO_UDP_L4:
		/* One feature is for both versions of IP. */
		return ecn ? 0 : NET_USO4 | NET_USO6;
	default:
		return 0;
	}
}

static bool check_segments(struct virtio_net_hdr_v1 *header, u64 len, u32 offloads)
{
	u32 needed = needed_for(header->gso_type);

	if (header->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		header->gso_size = header->hdr_len = cpu_to_virtio16(0);
		return true;
	}
	/* "The driver MUST also set VIRTIO_NET_HDR_F_NEEDS_CSUM". */
	if (!needed || needed & ~offloads || !(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
	    !virtio16_to_cpu(header->gso_size))
		return false;
	/* A hint alone: "the device MUST NOT rely on hdr_len to be correct". */
	header->hdr_len = cpu_to_virtio16(MIN(virtio16_to_cpu(header->hdr_len), len));
	return true;
}

static bool check_checksum(struct virtio_net_hdr_v1 *header, u64 len, u32 offloads)
{
	u32 start = virtio16_to_cpu(header->csum_start);
	u32 offset = virtio16_to_cpu(header->csum_offset);

	/* The other flags are the device's. */
	header->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	if (!header->flags) {
		header->csum_start = header->csum_offset = cpu_to_virtio16(0);
		return true;
	}
	return offloads & NET_CSUM && start + offset + 2 <= len;
}

bool net_header_check(struct virtio_net_hdr_v1 *header, u64 len, u32 offloads)
{
	header->num_buffers = cpu_to_virtio16(0);
	return check_checksum(header, len, offloads) && check_segments(header, len, offloads);
}
