/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/log.h"
#include "vsock_private.h"

#define SHUT_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

/* ---- life ---- */

struct vsock_connection *vsock_connection_create(struct vsock *vsock, enum vsock_state state,
						 u16 type, int fd)
{
	struct vsock_connection *connection;

	if (vsock->count == vsock->limit)
		return NULL;
	connection = calloc(1, sizeof(*connection));
	if (!connection)
		return NULL;
	connection->vsock = vsock;
	connection->state = state;
	connection->type = type;
	connection->source = (struct loop_source){ .fd = fd, .handle = vsock->on_socket };
	list_init(&connection->bucket);
	list_init(&connection->ready);
	list_add_tail(state == VSOCK_GREETING ? &vsock->greeters : &vsock->connections,
		      &connection->node);
	vsock->greeter_count += state == VSOCK_GREETING;
	vsock->count++;
	return connection;
}

static void close_socket(struct vsock_connection *connection)
{
	if (connection->source.fd < 0)
		return;
	if (connection->watched)
		loop_remove(connection->vsock->loop, &connection->source);
	connection->watched = connection->readable = false;
	close(connection->source.fd);
	connection->source.fd = -1;
}

void vsock_connection_free(struct vsock_connection *connection)
{
	connection->vsock->count--;
	free(connection);
}

void vsock_connection_drop(struct vsock_connection *connection)
{
	close_socket(connection);
	vsock_buffer_clear(&connection->out);
	free(connection->message);
	connection->message = NULL;
	list_del(&connection->ready);
	list_del(&connection->bucket);
	list_del(&connection->node);
	connection->vsock->greeter_count -= connection->state == VSOCK_GREETING;
	if (connection->dialing)
		connection->abandoned = true;
	else
		vsock_connection_free(connection);
}

static struct list_node *bucket_of(struct vsock *vsock, u32 guest_port, u32 host_port)
{
	u32 hash = (guest_port * 0x9e3779b1u) ^ (host_port * 0x85ebca6bu);

	return &vsock->buckets[(hash >> 16 ^ hash) % VSOCK_BUCKETS];
}

void vsock_connection_name(struct vsock_connection *connection, u32 guest_port, u32 host_port)
{
	struct vsock *vsock = connection->vsock;

	connection->guest_port = guest_port;
	connection->host_port = host_port;
	list_add(bucket_of(vsock, guest_port, host_port), &connection->bucket);
	if (connection->state != VSOCK_GREETING)
		return;
	list_del(&connection->node);
	list_add_tail(&vsock->connections, &connection->node);
	vsock->greeter_count--;
}

struct vsock_connection *vsock_connection_find(struct vsock *vsock, u32 guest_port, u32 host_port)
{
	struct list_node *bucket = bucket_of(vsock, guest_port, host_port), *node;

	list_for_each(node, bucket) {
		struct vsock_connection *connection = list_entry(node, struct vsock_connection,
								 bucket);

		if (connection->guest_port == guest_port && connection->host_port == host_port)
			return connection;
	}
	return NULL;
}

/* ---- the end ---- */

static void end(struct vsock_connection *connection)
{
	connection->state = VSOCK_OVER;
	connection->tell = 0;
	connection->readable = false;
	free(connection->message);
	connection->message = NULL;
	vsock_connection_tell(connection, VSOCK_TELL_RST);
}

void vsock_connection_reset(struct vsock_connection *connection)
{
	if (connection->state == VSOCK_GREETING || connection->state == VSOCK_DRAINING) {
		vsock_connection_drop(connection);
		return;
	}
	close_socket(connection);
	vsock_buffer_clear(&connection->out);
	end(connection);
}

void vsock_connection_finish(struct vsock_connection *connection)
{
	end(connection);
	vsock_connection_flush(connection);
}

void vsock_connection_forget(struct vsock_connection *connection)
{
	/* The guest may use the ports again. */
	list_del(&connection->bucket);
	list_del(&connection->ready);
	if (connection->source.fd < 0 ||
	    !vsock_buffer_can_send(&connection->out, vsock_has_messages(connection))) {
		vsock_connection_drop(connection);
		return;
	}
	connection->state = VSOCK_DRAINING;
	vsock_connection_watch(connection);
}

/* ---- to the guest ---- */

u32 vsock_connection_credit(const struct vsock_connection *connection)
{
	u32 out = connection->sent - connection->guest_forwarded;

	return out < connection->guest_alloc ? connection->guest_alloc - out : 0;
}

void vsock_connection_tell(struct vsock_connection *connection, u8 tell)
{
	connection->tell |= tell;
	if (list_empty(&connection->ready))
		list_add_tail(&connection->vsock->ready, &connection->ready);
}

/* ---- the host's socket ---- */

static u32 wanted_events(const struct vsock_connection *connection)
{
	u32 events = 0;

	if (connection->state == VSOCK_GREETING)
		return EPOLLIN;
	/* What is known to be readable is read when the guest has room for it. */
	if (connection->state == VSOCK_OPEN && !connection->readable && !connection->message &&
	    !(connection->host_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) &&
	    !(connection->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV))
		events |= EPOLLIN;
	if (vsock_buffer_can_send(&connection->out, vsock_has_messages(connection)))
		events |= EPOLLOUT;
	return events;
}

void vsock_connection_watch(struct vsock_connection *connection)
{
	struct loop *loop = connection->vsock->loop;
	u32 events = wanted_events(connection);
	int ret = 0;

	if (connection->source.fd < 0)
		return;
	/* A hangup is reported whatever is asked for. */
	if (!events && connection->hung_up) {
		if (connection->watched)
			loop_remove(loop, &connection->source);
		connection->watched = false;
		return;
	}
	if (!connection->watched) {
		connection->source.events = events;
		ret = loop_add(loop, &connection->source);
		connection->watched = !ret;
	} else if (events != connection->source.events) {
		ret = loop_modify(loop, &connection->source, events);
	}
	if (ret)
		vsock_connection_reset(connection);
}

int vsock_connection_give(struct vsock_connection *connection, int fd)
{
	int ret;

	connection->source.fd = fd;
	connection->source.events = EPOLLIN;
	ret = loop_add(connection->vsock->loop, &connection->source);
	connection->watched = !ret;
	if (ret)
		connection->source.fd = -1;
	return ret;
}

void vsock_connection_forwarded(struct vsock_connection *connection, u32 len)
{
	connection->forwarded += len;
	/* "Buffer Space Management": not for every packet, but before the guest has to wait. */
	if (connection->state == VSOCK_OPEN &&
	    connection->forwarded - connection->told >= VSOCK_BUFFER / 4)
		vsock_connection_tell(connection, VSOCK_TELL_CREDIT);
}

/* The host reads no more: what the guest sends goes nowhere, as in a pipe. */
static void throw_away(struct vsock_connection *connection)
{
	u32 len = connection->out.len;

	vsock_buffer_clear(&connection->out);
	vsock_connection_forwarded(connection, len);
}

void vsock_connection_unwritable(struct vsock_connection *connection, int error)
{
	if (error != -EPIPE || connection->state != VSOCK_OPEN) {
		vsock_connection_reset(connection);
		return;
	}
	throw_away(connection);
	if (!(connection->host_shut & VIRTIO_VSOCK_SHUTDOWN_RCV))
		vsock_connection_tell(connection, VSOCK_TELL_SHUTDOWN);
	connection->host_shut |= VIRTIO_VSOCK_SHUTDOWN_RCV;
}

void vsock_connection_hung_up(struct vsock_connection *connection)
{
	throw_away(connection);
	connection->readable = false;
	if (connection->host_shut != SHUT_BOTH)
		vsock_connection_tell(connection, VSOCK_TELL_SHUTDOWN);
	connection->host_shut = SHUT_BOTH;
}

static void sent_all(struct vsock_connection *connection)
{
	switch (connection->state) {
	case VSOCK_DRAINING:
		vsock_connection_drop(connection);
		break;
	case VSOCK_OVER:
		close_socket(connection);
		break;
	default:
		if (connection->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND)
			shutdown(connection->source.fd, SHUT_WR);
		vsock_connection_watch(connection);
	}
}

void vsock_connection_flush(struct vsock_connection *connection)
{
	bool messages = vsock_has_messages(connection);
	s64 sent;

	if (connection->source.fd < 0)
		return;
	sent = vsock_buffer_send(&connection->out, connection->source.fd, messages);
	if (sent < 0) {
		vsock_connection_unwritable(connection, sent);
		return;
	}
	vsock_connection_forwarded(connection, sent);
	if (vsock_buffer_can_send(&connection->out, messages))
		vsock_connection_watch(connection);
	else
		sent_all(connection);
}
