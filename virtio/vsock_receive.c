/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets to the guest. Each connection that may have one is in a list, and has a packet in its
 * turn; so none keeps the others from the guest's buffers.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "vsock_private.h"

#define PACKETS 64 /* under one hold of the lock */
#define PIECES	32 /* of a packet's data in memory */
#define LONGEST 0x10000u

bool vsock_has_room_for_reset(const struct vsock *vsock)
{
	return vsock->reset_count < VSOCK_RESETS;
}

void vsock_queue_reset(struct vsock *vsock, const struct vsock_reset *reset)
{
	unsigned at = (vsock->reset_first + vsock->reset_count++) % VSOCK_RESETS;

	vsock->resets[at] = *reset;
}

/* ---- buffers ---- */

static bool take_buffer(struct vsock *vsock)
{
	if (!vsock->has_buffer)
		vsock->has_buffer = virtio_device_pop(&vsock->device, VSOCK_RX, &vsock->buffer);
	return vsock->has_buffer;
}

static bool write_header(struct vsock *vsock, const struct virtio_vsock_hdr *header)
{
	return virtq_chain_write(&vsock->buffer, 0, header, VSOCK_HEADER) == VSOCK_HEADER;
}

/* What every packet of a connection's says. */
static struct virtio_vsock_hdr header_of(const struct vsock_connection *connection, u16 op)
{
	return (struct virtio_vsock_hdr){
		.src_cid = cpu_to_le64(VSOCK_HOST_CID),
		.dst_cid = cpu_to_le64(connection->vsock->cid),
		.src_port = cpu_to_le32(connection->host_port),
		.dst_port = cpu_to_le32(connection->guest_port),
		.type = cpu_to_le16(connection->type),
		.op = cpu_to_le16(op),
		.buf_alloc = cpu_to_le32(VSOCK_BUFFER),
		.fwd_cnt = cpu_to_le32(connection->forwarded),
	};
}

/* ---- packets without data ---- */

/* What comes of a step: nothing was written; a packet was; the buffer is of no use. */
enum packet { NO_PACKET, PACKET, BAD_BUFFER };

static enum packet send_reset(struct vsock *vsock)
{
	const struct vsock_reset *reset = &vsock->resets[vsock->reset_first];
	struct virtio_vsock_hdr header = {
		.src_cid = cpu_to_le64(reset->cid),
		.dst_cid = cpu_to_le64(vsock->cid),
		.src_port = cpu_to_le32(reset->host_port),
		.dst_port = cpu_to_le32(reset->guest_port),
		.type = cpu_to_le16(reset->type),
		.op = cpu_to_le16(VIRTIO_VSOCK_OP_RST),
	};

	if (!write_header(vsock, &header))
		return BAD_BUFFER;
	/* The guest's next packet waits for this room, and no kick of the guest's may come. */
	if (!vsock_has_room_for_reset(vsock))
		virtio_device_kick_again(&vsock->device, VSOCK_TX);
	vsock->reset_first = (vsock->reset_first + 1) % VSOCK_RESETS;
	vsock->reset_count--;
	return PACKET;
}

static enum packet send_op(struct vsock_connection *connection, u8 tell, u16 op)
{
	struct virtio_vsock_hdr header = header_of(connection, op);

	if (op == VIRTIO_VSOCK_OP_SHUTDOWN)
		header.flags = cpu_to_le32(connection->host_shut);
	if (!write_header(connection->vsock, &header))
		return BAD_BUFFER;
	connection->tell &= ~tell;
	connection->told = connection->forwarded;
	/* It says the same. */
	connection->tell &= ~VSOCK_TELL_CREDIT;
	return PACKET;
}

/* ---- data ---- */

/* The host sends no more. */
static void end_of_host(struct vsock_connection *connection)
{
	struct pollfd fd = { .fd = connection->source.fd, .events = POLLRDHUP };

	connection->readable = false;
	if (poll(&fd, 1, 0) < 0)
		fd.revents = POLLHUP;
	/* A message without a byte looks like the end. The guest has no such messages. */
	if (!(fd.revents & (POLLRDHUP | POLLHUP | POLLERR)))
		return;
	connection->host_shut |= VIRTIO_VSOCK_SHUTDOWN_SEND;
	if (fd.revents & (POLLHUP | POLLERR))
		connection->host_shut |= VIRTIO_VSOCK_SHUTDOWN_RCV;
	vsock_connection_tell(connection, VSOCK_TELL_SHUTDOWN);
}

/* A read came to nothing. */
static enum packet read_failed(struct vsock_connection *connection, ssize_t got)
{
	if (got == -EAGAIN || got == -EINTR)
		connection->readable = got == -EINTR;
	else if (got)
		vsock_connection_reset(connection);
	else
		end_of_host(connection);
	return NO_PACKET;
}

/* Where @len bytes of data go, as many of them as PIECES pieces are; their number or -EFAULT. */
static int data_iov(struct vsock *vsock, u32 *len, struct iovec *iov)
{
	for (; *len; *len /= 2) {
		int count = virtq_chain_iov(&vsock->buffer, DMA_WRITE, VSOCK_HEADER, *len, iov,
					    PIECES);

		if (count != -ENOSPC)
			return count;
	}
	return -EFAULT;
}

static u32 data_room(const struct vsock_connection *connection)
{
	u64 room = connection->vsock->buffer.writable_len - VSOCK_HEADER;

	return MIN(MIN(room, LONGEST), vsock_connection_credit(connection));
}

static enum packet finish_data(struct vsock_connection *connection, struct virtio_vsock_hdr *header,
			       u32 len)
{
	header->len = cpu_to_le32(len);
	/* It could be written a moment ago, and nobody else had the lock. */
	write_header(connection->vsock, header);
	connection->vsock->written += len;
	connection->sent += len;
	connection->told = connection->forwarded;
	connection->tell &= ~VSOCK_TELL_CREDIT;
	connection->asked_for_credit = false;
	return PACKET;
}

static enum packet send_bytes(struct vsock_connection *connection)
{
	struct virtio_vsock_hdr header = header_of(connection, VIRTIO_VSOCK_OP_RW);
	struct iovec iov[PIECES];
	u32 len = data_room(connection);
	int count = data_iov(connection->vsock, &len, iov);
	ssize_t got;

	if (count < 0 || !write_header(connection->vsock, &header))
		return BAD_BUFFER;
	got = readv(connection->source.fd, iov, count);
	if (got <= 0)
		return read_failed(connection, got < 0 ? -errno : 0);
	/* There was no more: the loop will say when there is. */
	if (got < len)
		connection->readable = false;
	return finish_data(connection, &header, got);
}

/* The host's next message, whole. */
static ssize_t take_message(struct vsock_connection *connection)
{
	ssize_t len;

	connection->message = malloc(VSOCK_BUFFER);
	if (!connection->message)
		return -ENOMEM;
	len = recv(connection->source.fd, connection->message, VSOCK_BUFFER,
		   MSG_DONTWAIT | MSG_TRUNC);
	if (len < 0)
		len = -errno;
	/* The guest could never put a longer one together than it has room for. */
	if (len > (ssize_t)VSOCK_BUFFER || len > (s64)connection->guest_alloc)
		len = -EMSGSIZE;
	if (len <= 0) {
		free(connection->message);
		connection->message = NULL;
		return len;
	}
	connection->message_len = len;
	connection->message_done = 0;
	return len;
}

static enum packet send_message_part(struct vsock_connection *connection)
{
	struct virtio_vsock_hdr header = header_of(connection, VIRTIO_VSOCK_OP_RW);
	struct vsock *vsock = connection->vsock;
	u32 left, len;

	if (!connection->message) {
		ssize_t got = take_message(connection);

		if (got <= 0)
			return read_failed(connection, got);
	}
	left = connection->message_len - connection->message_done;
	len = MIN(left, data_room(connection));
	if (len == left)
		header.flags = cpu_to_le32(VIRTIO_VSOCK_SEQ_EOM);
	if (!write_header(vsock, &header) ||
	    virtq_chain_write(&vsock->buffer, VSOCK_HEADER,
			      connection->message + connection->message_done, len) != len)
		return BAD_BUFFER;
	connection->message_done += len;
	if (len == left) {
		free(connection->message);
		connection->message = NULL;
	}
	return finish_data(connection, &header, len);
}

static bool may_send_data(const struct vsock_connection *connection)
{
	return connection->state == VSOCK_OPEN && connection->source.fd >= 0 &&
	       !(connection->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) &&
	       (connection->readable || connection->message);
}

static enum packet send_data(struct vsock_connection *connection)
{
	if (!may_send_data(connection))
		return NO_PACKET;
	if (vsock_connection_credit(connection))
		return vsock_has_messages(connection) ? send_message_part(connection)
						      : send_bytes(connection);
	if (connection->asked_for_credit)
		return NO_PACKET;
	connection->asked_for_credit = true;
	connection->tell |= VSOCK_TELL_WANTS_CREDIT;
	return NO_PACKET;
}

/* ---- one connection's turn ---- */

/* What follows nothing else that the guest is to be told; 0: nothing. */
static u16 first_op(const struct vsock_connection *connection, u8 *tell)
{
	static const struct {
		u8 tell;
		u16 op;
	} order[] = {
		{ VSOCK_TELL_RST, VIRTIO_VSOCK_OP_RST },
		{ VSOCK_TELL_REQUEST, VIRTIO_VSOCK_OP_REQUEST },
		{ VSOCK_TELL_RESPONSE, VIRTIO_VSOCK_OP_RESPONSE },
		{ VSOCK_TELL_SHUTDOWN, VIRTIO_VSOCK_OP_SHUTDOWN },
		{ VSOCK_TELL_CREDIT, VIRTIO_VSOCK_OP_CREDIT_UPDATE },
		{ VSOCK_TELL_WANTS_CREDIT, VIRTIO_VSOCK_OP_CREDIT_REQUEST },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		*tell = order[i].tell;
		if (connection->tell & order[i].tell)
			return order[i].op;
	}
	return 0;
}

static enum packet next_packet(struct vsock_connection *connection)
{
	enum packet packet;
	u8 tell;
	u16 op = first_op(connection, &tell);

	if (op)
		return send_op(connection, tell, op);
	packet = send_data(connection);
	/* That it is out of credit, or that the host's end has come, turned out just now. */
	if (packet == NO_PACKET && (op = first_op(connection, &tell)))
		return send_op(connection, tell, op);
	return packet;
}

/* After its turn: it is behind the others if it may have more. */
static void requeue(struct vsock_connection *connection)
{
	list_del(&connection->ready);
	if (connection->tell ||
	    (may_send_data(connection) &&
	     (vsock_connection_credit(connection) || !connection->asked_for_credit)))
		vsock_connection_tell(connection, 0);
	vsock_connection_watch(connection);
}

static enum packet turn(struct vsock *vsock)
{
	struct vsock_connection *connection;
	enum packet packet;

	if (vsock->reset_count)
		return send_reset(vsock);
	connection = list_entry(vsock->ready.next, struct vsock_connection, ready);
	packet = next_packet(connection);
	if (packet == PACKET && connection->state == VSOCK_OVER)
		vsock_connection_forget(connection);
	else if (packet != BAD_BUFFER)
		requeue(connection);
	return packet;
}

static enum virtio_step receive_step(struct virtio_device *device, unsigned index)
{
	struct vsock *vsock = vsock_of(device);
	enum packet packet = NO_PACKET;

	while (packet == NO_PACKET) {
		if ((!vsock->reset_count && list_empty(&vsock->ready)) || !take_buffer(vsock))
			return VIRTIO_IDLE;
		vsock->written = VSOCK_HEADER;
		/* One that no data fits into is of no use for any packet. */
		packet = vsock->buffer.writable_len > VSOCK_HEADER ? turn(vsock) : BAD_BUFFER;
	}
	vsock->has_buffer = false;
	virtio_device_push(device, index, &vsock->buffer, packet == PACKET ? vsock->written : 0);
	return VIRTIO_DONE;
}

void vsock_receive(struct vsock *vsock)
{
	virtio_device_serve(&vsock->device, VSOCK_RX, PACKETS, receive_step);
}
