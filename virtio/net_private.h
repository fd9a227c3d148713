/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-net, from the wire up:
 *
 *   net_filter.c   which frames the guest wants
 *   net_header.c   what may stand in the header of a frame that the guest sends
 *   net_pairs.c    offloads, pairs in use, the link
 *   net_receive.c  back end to guest
 *   net_transmit.c guest to back end
 *   net_control.c  the control queue
 *   net_vhost.c    the queues served by the host's kernel
 *   net.c          the device
 */
#ifndef VIRTIO_NET_PRIVATE_H
#define VIRTIO_NET_PRIVATE_H

#include <linux/virtio_net.h>

#include "net/net.h"
#include "virtio/device.h"
#include "virtio/net.h"
#include "vmm/loop.h"

/* Since virtio 1.2; not in every host's headers. */
#define NET_F_GUEST_USO4 54
#define NET_F_GUEST_USO6 55
#define NET_F_HOST_USO	 56
#define NET_GSO_UDP_L4	 5

/* Of one pair alone, and of many: Linux fills all of them with buffers. */
#define NET_QUEUE_SIZE	 1024
#define NET_QUEUES_SIZE	 256
#define NET_CONTROL_SIZE 64
#define NET_QUEUES	 (2 * NET_MAX_PAIRS + 1)

/* Under one hold of the lock: others want it, too. */
#define NET_TURN_FRAMES 64
#define NET_TURN_BYTES	(256 * KIB)

/* ---- which frames the guest wants ---- */

#define NET_FILTER_MACS 64
#define NET_VLANS	4096

struct net_filter {
	bool promiscuous;
	bool all_multicast, all_unicast;
	bool no_multicast, no_unicast, no_broadcast;
	bool by_vlan; /* VLAN tags are looked at */
	u8 mac[NET_MAC];
	unsigned unicasts, multicasts;		   /* how many of macs[], in this order */
	bool unicast_overflow, multicast_overflow; /* a table that had no room: all are wanted */
	u8 macs[NET_FILTER_MACS][NET_MAC];
	u8 vlans[NET_VLANS / 8];
};

/* As after a reset: everything. @mac: NET_MAC bytes. */
void net_filter_reset(struct net_filter *filter, const u8 *mac);
/* @frame: its first @len bytes; 18 are enough. */
bool net_filter_wants(const struct net_filter *filter, const u8 *frame, size_t len);
void net_filter_set_vlan(struct net_filter *filter, u16 vlan, bool wanted);

/* ---- headers ---- */

/*
 * Whether a back end that takes @offloads may be given a frame of @len bytes behind @header, the
 * guest's, copied: what it does not say the frame need not have. What means nothing is cleared.
 */
bool net_header_check(struct virtio_net_hdr_v1 *header, u64 len, u32 offloads);

/* ---- the device ---- */

struct net_counters {
	u64 packets, bytes;
	u64 drops;
};

/* Buffers that were taken off the receive queue and are still empty. */
#define NET_WINDOW 128

struct net_window {
	struct virtq_chain *chains; /* NET_WINDOW of them, owned; [first, first + count) */
	u32 rooms[NET_WINDOW];	    /* bytes that count of each; 0: no room for anything */
	u16 pieces[NET_WINDOW];	    /* of iov */
	unsigned first, count;
	u64 room; /* the sum */
	/* Where they are, as long as the space's generation is this. */
	u64 generation;
	struct iovec iov[NET_IOV];
	unsigned iov_first, iov_count;
};

struct net;

struct net_pair {
	struct net *net;
	unsigned index;
	struct loop_source source; /* the back end's fd; in the loop while watched is set */
	bool watched;
	bool hungry; /* the guest has buffers: look for frames */
	bool full;   /* the back end is: wait until it is not */
	struct net_window window;
	/* A frame, header and all, that came while there were too few buffers for a long one. */
	u8 *kept; /* NET_HEADER + NET_MAX_FRAME bytes, owned; NULL until needed */
	u64 kept_len;
	/* What is being sent. */
	bool taken;
	struct virtq_chain chain;
	struct virtio_net_hdr_v1 header;
	struct net_counters received, sent;
	u64 filtered; /* frames that the guest did not want */
};

struct vhost;

struct net {
	struct virtio_device device;
	struct vhost *vhost; /* owned; NULL: we serve the queues */
	struct virtq queues[NET_QUEUES];
	struct net_backend *backend; /* owned */
	struct loop *loop;	     /* the VM's */
	char name[32];
	u8 mac[NET_MAC];
	u16 mtu;	  /* to tell the guest; 0: none */
	bool link;	  /* the back end lives */
	unsigned pairs;	  /* in use; 0: the driver is not there */
	u32 offloads_out; /* that the guest may leave to us */
	u32 offloads_in;  /* that we may leave to the guest, at most */
	bool mergeable;
	struct net_filter filter;
	struct net_pair pair[NET_MAX_PAIRS];
	u64 commands, refused;
};

static inline unsigned net_rx_queue(const struct net_pair *pair)
{
	return 2 * pair->index;
}

static inline unsigned net_tx_queue(const struct net_pair *pair)
{
	return 2 * pair->index + 1;
}

/* The control queue's number, which depends on whether the driver knows of more pairs than one. */
unsigned net_control_queue(const struct net *net);

/* Turns of a pair. Each ends with what is pushed being told to the driver. */
void net_receive(struct net_pair *pair);
void net_transmit(struct net_pair *pair);
/* Forget what was taken off the queue. */
void net_receive_reset(struct net_pair *pair);
void net_transmit_reset(struct net_pair *pair);
/* Wait for what hungry and full say; for nothing. */
void net_watch(struct net_pair *pair);
void net_unwatch(struct net_pair *pair);
/* The back end said -EPIPE: no more frames, link down. */
void net_link_lost(struct net *net);

/* net->vhost, of vhost.h; and its end, NULL is fine. */
int net_vhost_create(struct net *net);
void net_vhost_destroy(struct net *net);

void net_control(struct net *net, unsigned index);
/* Serve @pairs pairs from now on. -errno: the back end cannot. */
int net_use_pairs(struct net *net, unsigned pairs);

/* The features by which a driver takes offloads of frames that it receives, and what they mean. */
#define NET_GUEST_FEATURES                                                                         \
	(1ULL << VIRTIO_NET_F_GUEST_CSUM | 1ULL << VIRTIO_NET_F_GUEST_TSO4 |                       \
	 1ULL << VIRTIO_NET_F_GUEST_TSO6 | 1ULL << VIRTIO_NET_F_GUEST_ECN |                        \
	 1ULL << NET_F_GUEST_USO4 | 1ULL << NET_F_GUEST_USO6)
u32 net_guest_offloads(u64 features);
/* Those of frames that the driver sends; and the features for what a back end can do, both ways. */
u32 net_host_offloads(u64 features);
u64 net_offload_features(u32 offloads);
/* Have frames come with these. -errno: as before. */
int net_give_offloads(struct net *net, u32 offloads);

#endif
