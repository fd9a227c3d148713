/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's sockets. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/parse.h"
#include "vsock_private.h"

#define DELAY_NS   100000000ull
#define ACCEPTS	   16	       /* under one hold of the lock */
#define FIRST_PORT 0x40000000u /* of the host's programs */
#define LAST_PORT  0x7fffffffu
#define ANY_PORT   0xffffffffull
#define GREETING   "CONNECT "

/* ---- programs that connect ---- */

static u32 free_port(struct vsock *vsock, u32 guest_port)
{
	u32 port;

	/* There are more of them than connections. */
	do {
		port = vsock->next_port;
		vsock->next_port = port == LAST_PORT ? FIRST_PORT : port + 1;
	} while (vsock_connection_find(vsock, guest_port, port));
	return port;
}

/* "CONNECT PORT", without its end. */
static bool parse_greeting(const char *line, u32 *port)
{
	u64 number;

	if (strncmp(line, GREETING, strlen(GREETING)) ||
	    parse_u64(line + strlen(GREETING), ANY_PORT - 1, &number))
		return false;
	*port = number;
	return true;
}

static void ask_guest(struct vsock_connection *connection)
{
	struct vsock *vsock = connection->vsock;
	struct virtio_device *device = &vsock->device;
	u32 port;

	/* A guest without a driver has nobody who could answer. */
	if (!parse_greeting(connection->line, &port) ||
	    !(device->status & VIRTIO_CONFIG_S_DRIVER_OK) || virtio_device_is_inert(device) ||
	    (vsock_has_messages(connection) && !virtio_has_feature(device, VSOCK_F_SEQPACKET))) {
		vsock_connection_drop(connection);
		return;
	}
	vsock_connection_name(connection, port, free_port(vsock, port));
	connection->state = VSOCK_ASKED;
	vsock_connection_watch(connection);
	vsock_connection_tell(connection, VSOCK_TELL_REQUEST);
	vsock_receive(vsock);
}

/* Byte by byte: what comes behind the line is the guest's. A message has no end of a line. */
static void read_greeting(struct vsock_connection *connection)
{
	bool whole = vsock_has_messages(connection);

	while (connection->line_len < VSOCK_LINE - 1) {
		char *at = connection->line + connection->line_len;
		ssize_t got = recv(connection->source.fd, at, whole ? VSOCK_LINE - 1 : 1,
				   MSG_DONTWAIT);

		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got <= 0)
			break;
		connection->line_len += got;
		if (!whole && *at != '\n')
			continue;
		connection->line[strcspn(connection->line, "\r\n")] = '\0';
		ask_guest(connection);
		return;
	}
	vsock_connection_drop(connection);
}

static void add_greeter(struct vsock_listener *listener, int fd)
{
	struct vsock *vsock = listener->vsock;
	struct vsock_connection *connection;

	if (vsock->greeter_count == VSOCK_GREETERS)
		vsock_connection_drop(
			list_entry(vsock->greeters.next, struct vsock_connection, node));
	connection = vsock_connection_create(vsock, VSOCK_GREETING, listener->type, fd);
	if (connection)
		vsock_connection_watch(connection);
	else
		close(fd);
}

static void on_accept_timer(struct loop_timer *timer)
{
	struct vsock *vsock = container_of(timer, struct vsock, accept_timer);

	for (unsigned i = 0; i < ARRAY_SIZE(vsock->listeners); i++)
		loop_modify(vsock->loop, &vsock->listeners[i].source, EPOLLIN);
}

static void on_listener(struct loop_source *source, u32 events)
{
	struct vsock_listener *listener = container_of(source, struct vsock_listener, source);
	struct vsock *vsock = listener->vsock;

	for (unsigned i = 0; i < ACCEPTS; i++) {
		int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			add_greeter(listener, fd);
		} else if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) {
			return;
		} else {
			/* No fd is left: it would be ready for ever. */
			loop_modify(vsock->loop, source, 0);
			loop_timer_arm(&vsock->accept_timer, DELAY_NS);
			return;
		}
	}
}

/* ---- connections ---- */

static void on_hangup(struct vsock_connection *connection)
{
	connection->hung_up = true;
	if (connection->state == VSOCK_ASKED)
		vsock_connection_reset(connection);
	else if (connection->state != VSOCK_OPEN)
		return;
	else if (connection->host_shut & VIRTIO_VSOCK_SHUTDOWN_SEND ||
		 connection->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)
		vsock_connection_hung_up(connection);
	else
		/* The end comes behind what has not been read. */
		connection->readable = true;
}

static void on_socket(struct loop_source *source, u32 events)
{
	struct vsock_connection *connection = container_of(source, struct vsock_connection, source);
	struct vsock *vsock = connection->vsock;

	if (connection->state == VSOCK_GREETING) {
		read_greeting(connection);
		return;
	}
	if (events & (EPOLLHUP | EPOLLERR))
		on_hangup(connection);
	if (events & EPOLLIN && connection->state == VSOCK_OPEN)
		connection->readable = true;
	if (connection->readable)
		vsock_connection_tell(connection, 0);
	if (connection->source.fd >= 0 && events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		/* It may be gone. */
		vsock_connection_flush(connection);
	else
		vsock_connection_watch(connection);
	vsock_receive(vsock);
}

void vsock_host_dialed(struct vsock_connection *connection, int fd)
{
	struct vsock *vsock = connection->vsock;

	if (fd >= 0 &&
	    (connection->state != VSOCK_DIALING || vsock_connection_give(connection, fd))) {
		close(fd);
		fd = -EIO;
	}
	if (connection->state != VSOCK_DIALING)
		return;
	if (fd < 0) {
		vsock_connection_reset(connection);
	} else {
		connection->state = VSOCK_OPEN;
		vsock->from_guest++;
		vsock_connection_tell(connection, VSOCK_TELL_RESPONSE);
	}
	vsock_receive(vsock);
}

/* ---- sockets that are there before the guest is ---- */

bool vsock_host_is_given(const struct vsock *vsock, u32 port)
{
	return vsock->given_port && port - vsock->given_port < VSOCK_MAX_GIVEN;
}

int vsock_host_take_given(struct vsock *vsock, u32 port)
{
	int *given = &vsock->given[port - vsock->given_port], fd = *given;

	*given = -1;
	return fd;
}

/* ---- life ---- */

static int listen_at(struct vsock *vsock, unsigned n, u16 type, int fd)
{
	struct vsock_listener *listener = &vsock->listeners[n];
	int ret;

	if (fd < 0)
		return 0;
	listener->vsock = vsock;
	listener->type = type;
	listener->source = (struct loop_source){ .fd = fd, EPOLLIN, on_listener };
	ret = loop_add(vsock->loop, &listener->source);
	listener->watched = !ret;
	return ret;
}

int vsock_host_create(struct vsock *vsock, const struct virtio_vsock_options *options)
{
	int ret = loop_timer_create(&vsock->accept_timer, vsock->loop, on_accept_timer);

	vsock->on_socket = on_socket;
	vsock->next_port = FIRST_PORT;
	if (!ret)
		ret = listen_at(vsock, 0, VIRTIO_VSOCK_TYPE_STREAM, options->stream_fd);
	if (!ret)
		ret = listen_at(vsock, 1, VIRTIO_VSOCK_TYPE_SEQPACKET, options->seqpacket_fd);
	return ret;
}

void vsock_host_destroy(struct vsock *vsock)
{
	for (unsigned i = 0; i < ARRAY_SIZE(vsock->listeners); i++) {
		if (vsock->listeners[i].watched)
			loop_remove(vsock->loop, &vsock->listeners[i].source);
	}
	for (unsigned i = 0; i < VSOCK_MAX_GIVEN; i++) {
		if (vsock->given[i] >= 0)
			close(vsock->given[i]);
	}
	loop_timer_destroy(&vsock->accept_timer);
}
