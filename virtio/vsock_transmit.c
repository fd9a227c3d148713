/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets of the guest's. Each header is copied once, and is judged by what is known here. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "vsock_private.h"

#define PACKETS 32 /* under one hold of the lock */
#define PIECES	32 /* of a packet's data in memory, to be sent without a copy */

#define SHUT_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

struct packet {
	const struct virtq_chain *chain; /* with the data behind the header */
	u64 src_cid, dst_cid;
	u32 guest_port, host_port;
	u32 len, flags, buf_alloc, fwd_cnt;
	u16 type, op;
};

static bool read_packet(const struct virtq_chain *chain, struct packet *packet)
{
	struct virtio_vsock_hdr header;

	if (virtq_chain_read(chain, 0, &header, VSOCK_HEADER) != VSOCK_HEADER)
		return false;
	*packet = (struct packet){
		.chain = chain,
		.src_cid = le64_to_cpu(header.src_cid),
		.dst_cid = le64_to_cpu(header.dst_cid),
		.guest_port = le32_to_cpu(header.src_port),
		.host_port = le32_to_cpu(header.dst_port),
		.len = le32_to_cpu(header.len),
		.flags = le32_to_cpu(header.flags),
		.buf_alloc = le32_to_cpu(header.buf_alloc),
		.fwd_cnt = le32_to_cpu(header.fwd_cnt),
		.type = le16_to_cpu(header.type),
		.op = le16_to_cpu(header.op),
	};
	return true;
}

/* It belongs to no connection. A reset is not answered by another. */
static void refuse(struct vsock *vsock, const struct packet *packet)
{
	const struct vsock_reset reset = { packet->dst_cid, packet->guest_port, packet->host_port,
					   packet->type };

	if (packet->op != VIRTIO_VSOCK_OP_RST)
		vsock_queue_reset(vsock, &reset);
}

/* The guest broke the rules: its connection ends, and nothing else. */
static void breaks_rules(struct vsock_connection *connection)
{
	connection->vsock->broken++;
	vsock_connection_reset(connection);
}

/* ---- credit ---- */

static void take_credit(struct vsock_connection *connection, const struct packet *packet)
{
	u32 out = connection->sent - connection->guest_forwarded;

	connection->guest_alloc = packet->buf_alloc;
	/* What it can have forwarded is what it was sent. Linux's counter may go back a little. */
	if (connection->sent - packet->fwd_cnt <= out)
		connection->guest_forwarded = packet->fwd_cnt;
	if (vsock_connection_credit(connection)) {
		connection->asked_for_credit = false;
		if (connection->readable || connection->message)
			vsock_connection_tell(connection, 0);
	}
}

/* ---- operations ---- */

static bool knows_type(const struct vsock *vsock, u16 type)
{
	const struct virtio_device *device = &vsock->device;

	if (type == VIRTIO_VSOCK_TYPE_SEQPACKET)
		return virtio_has_feature(device, VSOCK_F_SEQPACKET);
	/* "Feature bits": without a word of it there are streams. */
	return type == VIRTIO_VSOCK_TYPE_STREAM &&
	       (virtio_has_feature(device, VSOCK_F_STREAM) ||
		!virtio_has_feature(device, VSOCK_F_NO_IMPLIED_STREAM));
}

/* -1: nobody is there, as behind a port that was given and is taken. */
static int connect_given(struct vsock_connection *connection, const struct packet *packet)
{
	int fd = packet->type == VIRTIO_VSOCK_TYPE_STREAM
			 ? vsock_host_take_given(connection->vsock, packet->host_port)
			 : -1;

	if (fd >= 0)
		vsock_host_dialed(connection, fd);
	return fd;
}

static void op_request(struct vsock *vsock, const struct packet *packet)
{
	struct vsock_connection *connection;
	int ret;

	connection = vsock_connection_create(vsock, VSOCK_DIALING, packet->type, -1);
	if (!connection) {
		refuse(vsock, packet);
		return;
	}
	vsock_connection_name(connection, packet->guest_port, packet->host_port);
	take_credit(connection, packet);
	if (vsock_host_is_given(vsock, packet->host_port))
		ret = connect_given(connection, packet);
	else
		ret = *vsock->address.sun_path ? vsock_dial(connection) : -ECONNREFUSED;
	if (ret < 0)
		vsock_connection_reset(connection);
}

static void op_response(struct vsock_connection *connection)
{
	char line[24];
	int len = snprintf(line, sizeof(line), "OK %u\n", connection->host_port);

	if (connection->state != VSOCK_ASKED) {
		breaks_rules(connection);
		return;
	}
	connection->state = VSOCK_OPEN;
	connection->vsock->from_host++;
	/* It is the first that is sent there: only a host that has gone does not take it. */
	if (send(connection->source.fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT) != len) {
		vsock_connection_reset(connection);
		return;
	}
	connection->readable = true;
	vsock_connection_tell(connection, 0);
}

static void op_shutdown(struct vsock_connection *connection, const struct packet *packet)
{
	/* "These hints are permanent". */
	connection->guest_shut |= packet->flags & SHUT_BOTH;
	if (connection->guest_shut == SHUT_BOTH) {
		vsock_connection_finish(connection);
		return;
	}
	if (connection->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) {
		shutdown(connection->source.fd, SHUT_RD);
		connection->readable = false;
	}
	/* With what it sends all that was sent before is on its way. */
	vsock_connection_flush(connection);
}

/* Past the buffer, where nothing waits in it. What the host does not take, or -errno. */
static s64 send_at_once(struct vsock_connection *connection, const struct packet *packet)
{
	bool messages = vsock_has_messages(connection);
	struct iovec iov[PIECES];
	struct msghdr message = { .msg_iov = iov };
	ssize_t sent;
	int count;

	if (connection->out.len || (messages && !(packet->flags & VIRTIO_VSOCK_SEQ_EOM)))
		return packet->len;
	count = virtq_chain_iov(packet->chain, DMA_READ, VSOCK_HEADER, packet->len, iov, PIECES);
	if (count < 0)
		return count == -ENOSPC ? (s64)packet->len : count;
	message.msg_iovlen = count;
	sent = sendmsg(connection->source.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0)
		return errno == EAGAIN || errno == EINTR ? (s64)packet->len : -errno;
	vsock_connection_forwarded(connection, sent);
	return packet->len - sent;
}

static void keep(struct vsock_connection *connection, const struct packet *packet, u32 left)
{
	int ret = vsock_buffer_add(&connection->out, packet->chain,
				   VSOCK_HEADER + packet->len - left, left);

	if (ret) {
		breaks_rules(connection);
		return;
	}
	if (vsock_has_messages(connection) && packet->flags & VIRTIO_VSOCK_SEQ_EOM)
		vsock_buffer_end_message(&connection->out);
	vsock_connection_watch(connection);
}

static bool data_is_lawful(const struct vsock_connection *connection, const struct packet *packet)
{
	u32 waiting = connection->received - connection->forwarded;

	return packet->len <= packet->chain->readable_len - VSOCK_HEADER &&
	       packet->len <= VSOCK_BUFFER - waiting &&
	       !(connection->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND);
}

static void op_data(struct vsock_connection *connection, const struct packet *packet)
{
	s64 left;

	if (!data_is_lawful(connection, packet)) {
		breaks_rules(connection);
		return;
	}
	connection->received += packet->len;
	if (connection->host_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) {
		vsock_connection_forwarded(connection, packet->len);
		return;
	}
	/* Nothing but perhaps the end of a message. */
	left = packet->len ? send_at_once(connection, packet) : 0;
	if (left == -EFAULT) {
		breaks_rules(connection);
	} else if (left < 0) {
		vsock_connection_forwarded(connection, packet->len);
		vsock_connection_unwritable(connection, left);
	} else if (left || !packet->len) {
		keep(connection, packet, left);
	}
}

static void serve_open(struct vsock_connection *connection, const struct packet *packet)
{
	switch (packet->op) {
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		op_shutdown(connection, packet);
		break;
	case VIRTIO_VSOCK_OP_RW:
		op_data(connection, packet);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		vsock_connection_tell(connection, VSOCK_TELL_CREDIT);
		break;
	default:
		breaks_rules(connection);
	}
}

static void serve_connection(struct vsock_connection *connection, const struct packet *packet)
{
	/* It was told, or will be: what was sent before it heard of it means nothing. */
	if (connection->state == VSOCK_OVER) {
		if (packet->op == VIRTIO_VSOCK_OP_RST)
			vsock_connection_forget(connection);
		return;
	}
	if (packet->op == VIRTIO_VSOCK_OP_RST) {
		vsock_connection_drop(connection);
		return;
	}
	take_credit(connection, packet);
	if (packet->op == VIRTIO_VSOCK_OP_RESPONSE)
		op_response(connection);
	else if (connection->state != VSOCK_OPEN)
		breaks_rules(connection);
	else
		serve_open(connection, packet);
}

static void serve_packet(struct vsock *vsock, const struct packet *packet)
{
	struct vsock_connection *connection;

	/* It is nobody that an answer could go to. */
	if (packet->src_cid != vsock->cid)
		return;
	connection = packet->dst_cid == VSOCK_HOST_CID
			     ? vsock_connection_find(vsock, packet->guest_port, packet->host_port)
			     : NULL;
	if (connection && connection->type == packet->type)
		serve_connection(connection, packet);
	else if (connection || packet->dst_cid != VSOCK_HOST_CID ||
		 !knows_type(vsock, packet->type) || packet->op != VIRTIO_VSOCK_OP_REQUEST)
		refuse(vsock, packet);
	else
		op_request(vsock, packet);
}

static enum virtio_step transmit_step(struct virtio_device *device, unsigned index)
{
	struct vsock *vsock = vsock_of(device);
	struct virtq_chain chain;
	struct packet packet;

	/* The guest has to make room for answers first: "Receive and Transmit". */
	if (!vsock_has_room_for_reset(vsock) || !virtio_device_pop(device, index, &chain))
		return VIRTIO_IDLE;
	if (read_packet(&chain, &packet))
		serve_packet(vsock, &packet);
	virtio_device_push(device, index, &chain, 0);
	return VIRTIO_DONE;
}

void vsock_transmit(struct vsock *vsock)
{
	virtio_device_serve(&vsock->device, VSOCK_TX, PACKETS, transmit_step);
}
