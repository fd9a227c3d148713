/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-vsock on the fake machine: a guest that sends and receives packets, a host in a folder. */
#ifndef TESTS_WIRE_VSOCK_RIG_H
#define TESTS_WIRE_VSOCK_RIG_H

#include <linux/virtio_vsock.h>

#include "virtio/vsock.h"
#include "wire.h"

#define STREAM	  VIRTIO_VSOCK_TYPE_STREAM
#define SEQPACKET VIRTIO_VSOCK_TYPE_SEQPACKET
#define CID	  7
#define GUEST	  1000	   /* the guest's port */
#define HOST	  52	   /* and the host's, of most connections */
#define CREDIT	  0x10000u /* that the device gives */

#define VSOCK_FEATURES 7 /* all that it has of its own */

#define RIG_BUFFER   4096 /* of the guest's, for a packet */
#define RIG_BUFFERS  16
#define RIG_TX_DATA  0x200000 /* a packet of the guest's */
#define RIG_RX_DATA  0x180000 /* buffers */
#define RIG_PACKET   (64 * KIB + 64)
#define GUEST_CREDIT 0x40000u

/* A packet's header, in our byte order, and its data. */
struct vsock_packet {
	u64 src_cid, dst_cid;
	u32 src_port, dst_port, len, flags, buf_alloc, fwd_cnt;
	u16 type, op;
	u8 data[RIG_PACKET];
};

struct vsock_rig {
	struct vm *vm;
	unsigned slot;
	gpa_t rings; /* of the three queues, 64 KiB each */
	struct virtio_device *device;
	struct wire_queue rx, tx, event;
	char folder[64], path[80];
	unsigned offered;	    /* buffers, free-running */
	struct vsock_packet packet; /* the last that was received, or is to be sent */
};

/* The folder and its sockets, and the device: not on a transport yet. */
void vsock_rig_device(struct vsock_rig *rig, struct vm *vm, unsigned connections,
		      struct dma_space *space);
/* And on virtio-mmio in a machine of its own, up. */
void vsock_rig_create(struct vsock_rig *rig, unsigned connections, u64 features);
void vsock_rig_up(struct vsock_rig *rig, u64 features);
void vsock_rig_destroy(struct vsock_rig *rig);
/*
 * Fixtures: *state is a rig that is up, with buffers offered. For 64 connections, for few (4), and
 * for 64 without the device's own features.
 */
int vsock_rig_setup(void **state);
int vsock_rig_setup_few(void **state);
int vsock_rig_setup_plain(void **state);
int vsock_rig_teardown(void **state);
/* The folder alone. */
void vsock_rig_clean(struct vsock_rig *rig);

/* Run the loop until nothing more comes of it. */
void vsock_rig_settle(struct vsock_rig *rig);
void vsock_rig_offer(struct vsock_rig *rig, unsigned buffers);

/* A packet of the guest's, as it is; and one that is right: of @op, with @len bytes. */
void vsock_rig_send_raw(struct vsock_rig *rig, const struct vsock_packet *packet, u32 len);
void vsock_rig_send(struct vsock_rig *rig, u16 type, u16 op, u32 guest_port, u32 host_port,
		    u32 flags, const void *data, u32 len);
/* The device's next packet; false: there is none within a moment. Its buffer is offered again. */
bool vsock_rig_receive(struct vsock_rig *rig, struct vsock_packet *packet);
/* It must be there, and of @op. */
void vsock_rig_expect(struct vsock_rig *rig, struct vsock_packet *packet, u16 op);
void vsock_rig_silent(struct vsock_rig *rig);
/* The same into rig->packet, and from @host_port to @guest_port, of @type. */
void vsock_rig_answered(struct vsock_rig *rig, u16 type, u16 op, u32 guest_port, u32 host_port);
/* On the stream from GUEST to HOST: a packet without data, and text. */
void vsock_rig_say(struct vsock_rig *rig, u16 op, u32 flags);
void vsock_rig_write_text(struct vsock_rig *rig, const char *text);

/* A program of the host's that listens for the guest's connections to @port; and its end of one. */
int vsock_rig_listen(struct vsock_rig *rig, u32 port, int type);
int vsock_rig_accept(int listener);
/* The guest connects from GUEST to HOST: the host's end. */
int vsock_rig_connect_guest(struct vsock_rig *rig, u16 type);
/* One that connects, with a line; not blocking from then on. */
int vsock_rig_connect(struct vsock_rig *rig, int type, const char *line);
/* Reads exactly @text there. */
void vsock_rig_reads(struct vsock_rig *rig, int fd, const char *text);
/* The end of the file, or a reset, comes next. */
void vsock_rig_ends(struct vsock_rig *rig, int fd);

#endif
