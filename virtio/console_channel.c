/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port whose other end is a socket that is connected already: with an end in both directions,
 * which a terminal's port has not. When the socket has no more to read, the guest is told that the
 * port is closed; when the guest closes it, the socket is closed behind the last of its output.
 *
 * The loop waits for the socket only while a queue does: what is ready and not wanted would wake it
 * for ever.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "console_private.h"

static void stop_waiting(struct console_channel *channel)
{
	if (channel->source.events)
		loop_remove(channel->loop, &channel->source);
	channel->source.events = 0;
}

static void wait_for(struct console_channel *channel, u32 event)
{
	u32 events = channel->source.events | event;
	int ret;

	if (channel->source.events) {
		ret = loop_modify(channel->loop, &channel->source, events);
	} else {
		channel->source.events = events;
		ret = loop_add(channel->loop, &channel->source);
	}
	channel->source.events = ret ? 0 : events;
}

static void on_event(struct loop_source *source, u32 events)
{
	struct console_port *port = container_of(source, struct console_port, channel.source);
	struct virtio_device *device = &port->console->device;
	u32 waited = source->events;

	stop_waiting(&port->channel);
	if (waited & EPOLLIN)
		device->ops->kick(device, console_queue(port, RECEIVE));
	if (waited & EPOLLOUT)
		device->ops->kick(device, console_queue(port, TRANSMIT));
}

void console_channel_init(struct console_port *port, int *fd, struct loop *loop)
{
	port->channel.loop = loop;
	port->channel.source = (struct loop_source){ *fd, 0, on_event };
	*fd = -1;
}

void console_channel_close(struct console_port *port)
{
	struct console_channel *channel = &port->channel;

	if (!channel->loop || channel->source.fd < 0)
		return;
	stop_waiting(channel);
	close(channel->source.fd);
	channel->source.fd = -1;
}

void console_channel_end(struct console_port *port)
{
	if (!port->channel.loop || port->channel.source.fd < 0)
		return;
	console_channel_close(port);
	port->tell |= 1u << CONSOLE_TELL_CLOSE;
	virtio_device_kick_again(&port->console->device, CONSOLE_CONTROL_RECEIVE);
}

size_t console_channel_write(struct console_port *port, const void *data, size_t len)
{
	struct console_channel *channel = &port->channel;
	ssize_t done;

	if (channel->source.fd < 0)
		return len;
	done = send(channel->source.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (done < 0 && errno != EAGAIN && errno != EINTR) {
		console_channel_end(port);
		return len;
	}
	done = MAX(done, 0);
	if ((size_t)done < len)
		wait_for(channel, EPOLLOUT);
	return done;
}

size_t console_channel_read(struct console_port *port, void *data, size_t len)
{
	struct console_channel *channel = &port->channel;
	ssize_t got;

	if (channel->source.fd < 0)
		return 0;
	got = recv(channel->source.fd, data, len, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		wait_for(channel, EPOLLIN);
	else if (got <= 0)
		console_channel_end(port);
	return MAX(got, 0);
}
