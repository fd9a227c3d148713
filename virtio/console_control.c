/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio 1.4, "Console Device", "Multiport Device Operation": the driver says that it is there, is
 * told of each port, says that it has made it, and is then told its name. What it is to be told is
 * a few bits for each port, so however it asks there is nothing to be stored.
 *
 * The other end of a port is always open to the guest: whether somebody is there or not its writes
 * are taken (vmm/terminal.h). A channel's is until that has ended.
 */
#include <stdio.h>
#include <string.h>

#include <linux/virtio_console.h>

#include "console_private.h"
#include "virtio/endian.h"

#define CONTROL_GOES 16 /* messages under one hold of the lock */

struct message {
	struct virtio_console_control control;
	char name[VIRTIO_CONSOLE_NAME];
};

/* ---- to the driver ---- */

static struct console_port *port_to_tell(struct console *console)
{
	for (unsigned n = 1; n < console->port_count; n++) {
		if (console->ports[n].tell)
			return &console->ports[n];
	}
	return NULL;
}

static size_t write_message(const struct console_port *port, unsigned tell, struct message *message)
{
	static const u16 events[CONSOLE_TELLS] = {
		[CONSOLE_TELL_ADD] = VIRTIO_CONSOLE_PORT_ADD,
		[CONSOLE_TELL_NAME] = VIRTIO_CONSOLE_PORT_NAME,
		[CONSOLE_TELL_OPEN] = VIRTIO_CONSOLE_PORT_OPEN,
		[CONSOLE_TELL_CLOSE] = VIRTIO_CONSOLE_PORT_OPEN,
	};
	size_t len = tell == CONSOLE_TELL_NAME ? strlen(port->name) : 0;

	message->control.id = cpu_to_virtio32(port - port->console->ports);
	message->control.event = cpu_to_virtio16(events[tell]);
	message->control.value = cpu_to_virtio16(tell != CONSOLE_TELL_CLOSE);
	memcpy(message->name, port->name, len);
	return sizeof(message->control) + len;
}

static enum virtio_step tell_one(struct virtio_device *device, unsigned index)
{
	struct console_port *port = port_to_tell(container_of(device, struct console, device));
	struct virtq_chain chain;
	struct message message;
	unsigned tell = 0;
	size_t len;

	if (!port || !virtio_device_pop(device, index, &chain))
		return VIRTIO_IDLE;
	while (!(port->tell >> tell & 1))
		tell++;
	port->tell &= ~(1u << tell);
	len = write_message(port, tell, &message);
	if (chain.writable_len < len) {
		virtio_device_broken(device, "a buffer for control messages holds none");
		return VIRTIO_IDLE;
	}
	virtq_chain_write(&chain, 0, &message, len);
	virtio_device_push(device, index, &chain, len);
	return VIRTIO_DONE;
}

static void tell_driver(struct console *console)
{
	virtio_device_serve(&console->device, CONSOLE_CONTROL_RECEIVE, CONTROL_GOES, tell_one);
}

/* ---- from it ---- */

static void add_ports(struct console *console)
{
	for (unsigned n = 1; n < console->port_count; n++)
		console->ports[n].tell |= 1u << CONSOLE_TELL_ADD;
}

/* Input that has waited for this comes soon. */
static void open_port(struct console_port *port, bool open)
{
	/* The guest's last output is in the ring by now. */
	if (port->open && !open && console_has_channel(port)) {
		port->channel.closing = true;
		virtio_device_kick_again(&port->console->device, console_queue(port, TRANSMIT));
	}
	port->open = open;
	if (open)
		virtio_device_kick_again(&port->console->device, console_queue(port, RECEIVE));
}

/* Events that no driver has for us are ignored, and so are ports that there are not. */
static void handle(struct console *console, const struct virtio_console_control *control)
{
	u32 id = virtio32_to_cpu(control->id);
	bool value = control->value != 0;
	struct console_port *port = id && id < console->port_count ? &console->ports[id] : NULL;

	switch (virtio16_to_cpu(control->event)) {
	case VIRTIO_CONSOLE_DEVICE_READY:
		if (value)
			add_ports(console);
		break;
	case VIRTIO_CONSOLE_PORT_READY:
		if (port && value)
			port->tell |= 1u << CONSOLE_TELL_NAME |
				      1u << (console_channel_has_ended(port) ? CONSOLE_TELL_CLOSE
									     : CONSOLE_TELL_OPEN);
		break;
	case VIRTIO_CONSOLE_PORT_OPEN:
		if (port)
			open_port(port, value);
		break;
	}
}

static enum virtio_step hear_one(struct virtio_device *device, unsigned index)
{
	struct console *console = container_of(device, struct console, device);
	struct virtio_console_control control;
	struct virtq_chain chain;

	if (!virtio_device_pop(device, index, &chain))
		return VIRTIO_IDLE;
	if (chain.readable_len < sizeof(control)) {
		virtio_device_broken(device, "a control message is too short");
		return VIRTIO_IDLE;
	}
	/* What cannot be read says nothing; the DMA space has reported the fault. */
	if (virtq_chain_read(&chain, 0, &control, sizeof(control)) == sizeof(control))
		handle(console, &control);
	virtio_device_push(device, index, &chain, 0);
	return VIRTIO_DONE;
}

void console_control_kick(struct console *console, unsigned index)
{
	if (index == CONSOLE_CONTROL_TRANSMIT)
		virtio_device_serve(&console->device, index, CONTROL_GOES, hear_one);
	tell_driver(console);
}
