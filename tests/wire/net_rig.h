/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-net with a network that the test is: packet sockets whose other ends are in peer[]. With
 * a header or without, with any offloads; what the device asks of it is written down.
 */
#ifndef TESTS_WIRE_NET_RIG_H
#define TESTS_WIRE_NET_RIG_H

#include <linux/virtio_net.h>

#include "virtio/net.h"
#include "wire.h"

#define NET_RINGS 0x10000  /* 64 KiB for each queue */
#define NET_RX	  0x200000 /* buffers, 4 KiB apart; those of pair n 64 further */
#define NET_TX	  0x300000
#define NET_CTL	  0x3f0000
#define NET_SIZE  64

/* What a driver without offloads takes. */
#define NET_RIG_FEATURES                                                                           \
	(1ull << VIRTIO_NET_F_MAC | 1ull << VIRTIO_NET_F_STATUS | 1ull << VIRTIO_NET_F_MRG_RXBUF | \
	 1ull << VIRTIO_NET_F_CTRL_VQ | 1ull << VIRTIO_NET_F_MTU)

struct fake_net {
	struct net_backend backend;
	int peer[NET_MAX_PAIRS];
	u32 offloads;	/* last set, or ~0 */
	unsigned pairs; /* last set, or 0 */
	unsigned starts;
	bool refuses; /* set_offloads() and set_pairs() fail */
	bool *closed;
};

struct fake_net *fake_net_create(unsigned pairs, bool header, u32 offloads);

struct net_rig {
	struct vm *vm;
	struct fake_net *net;
	bool closed;
	unsigned pairs;
	struct wire_queue rx[NET_MAX_PAIRS], tx[NET_MAX_PAIRS], control;
	u16 added[NET_MAX_PAIRS]; /* buffers, for the next one's place */
};

/* The device in slot 0 of a machine of its own; not started. */
void net_rig_create(struct net_rig *rig, unsigned pairs, bool header, u32 offloads);
void net_rig_destroy(struct net_rig *rig);
/* Negotiate what is offered of @features, with queues for @pairs pairs and control, and begin. */
void net_rig_start(struct net_rig *rig, u64 features, unsigned pairs);
/* Serve the loop until it has nothing to do. */
void net_rig_settle(struct net_rig *rig);

/* Receive buffers of @len bytes; kick. */
void net_rig_offer(struct net_rig *rig, unsigned pair, unsigned count, u32 len);
/* The network sends: with a header in front if it has one. Whole. */
void net_rig_arrive(struct net_rig *rig, unsigned pair, const void *data, size_t len);
/*
 * The frame in the next @buffers used buffers, with its header, at @got; its length without that.
 * Asserts that they come at once and that the header has their number.
 */
u32 net_rig_received(struct net_rig *rig, unsigned pair, u16 buffers, u8 *got);
bool net_rig_received_nothing(struct net_rig *rig, unsigned pair);
/* The guest sends a frame behind @header, cut after @cut bytes of both (0: one piece). */
void net_rig_send(struct net_rig *rig, unsigned pair, const struct virtio_net_hdr_v1 *header,
		  const void *frame, u32 len, u32 cut);
/* What comes out of the network's end: its length, or -1. */
ssize_t net_rig_sent(struct net_rig *rig, unsigned pair, void *data, size_t len);
/* A control command; its answer. */
u8 net_rig_command(struct net_rig *rig, u8 class, u8 command, const void *data, u32 len);

/* A frame: to, from, type, then bytes that count up from @seed. */
void net_frame(u8 *frame, size_t len, const u8 *to, u8 seed);
extern const u8 net_rig_mac[NET_MAC];

#endif
