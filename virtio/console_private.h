/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VIRTIO_CONSOLE_PRIVATE_H
#define VIRTIO_CONSOLE_PRIVATE_H

#include "virtio/console.h"
#include "vmm/loop.h"
#include "vmm/terminal.h"

#define CONSOLE_QUEUE_SIZE 64

enum { RECEIVE, TRANSMIT }; /* queues of a port: from the driver's sight, as in the specification */
enum { CONSOLE_CONTROL_RECEIVE = 2, CONSOLE_CONTROL_TRANSMIT }; /* "Virtqueues" */

/* A chain that is taken and not given back yet. */
struct console_chain {
	bool taken;
	u64 done; /* bytes of it that were transmitted */
	struct virtq_chain chain;
};

/* What the driver is to be told of a port: bits, in the order in which it is. */
enum {
	CONSOLE_TELL_ADD,
	CONSOLE_TELL_NAME,
	CONSOLE_TELL_OPEN,
	CONSOLE_TELL_CLOSE, /* of a channel, once */
	CONSOLE_TELLS,
};

struct console_channel {
	struct loop *loop;	   /* borrowed; NULL: the port has none */
	struct loop_source source; /* owned fd; -1: it has ended. In the loop if it has events */
	bool closing;		   /* it ends behind the output that the guest has made */
};

struct console_port {
	struct console *console;
	const char *name;	   /* borrowed */
	struct terminal *terminal; /* borrowed; NULL: output goes nowhere */
	struct terminal_client client;
	struct console_channel channel; /* in the place of the terminal */
	struct console_chain current[2];
	bool open; /* the driver takes input */
	u8 tell;
};

struct console {
	struct virtio_device device;
	struct virtq queues[2 * (VIRTIO_CONSOLE_PORTS + 2)];
	struct console_port ports[VIRTIO_CONSOLE_PORTS + 1];
	unsigned port_count;
};

static inline bool console_has_channel(const struct console_port *port)
{
	return port->channel.loop;
}

/* @fd: of struct virtio_console_port. */
void console_channel_init(struct console_port *port, int *fd, struct loop *loop);
/* As terminal_write() and terminal_read(): the queue is kicked when there is more to be done. */
size_t console_channel_write(struct console_port *port, const void *data, size_t len);
size_t console_channel_read(struct console_port *port, void *data, size_t len);
/* Close it, and tell the driver. Nothing where there is no channel, or none any more. */
void console_channel_end(struct console_port *port);
/* The same without a word. */
void console_channel_close(struct console_port *port);
static inline bool console_channel_has_ended(const struct console_port *port)
{
	return port->channel.loop && port->channel.source.fd < 0;
}

/* A control queue was kicked. */
void console_control_kick(struct console *console, unsigned index);
/* The number of its queue RECEIVE or TRANSMIT. */
static inline unsigned console_queue(const struct console_port *port, unsigned which)
{
	unsigned n = port - port->console->ports;

	return (n ? 2 * (n + 1) : 0) + which;
}

#endif
