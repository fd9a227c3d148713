/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio 1.4, "Console Device": one port; or ports with names, and the two control queues by which
 * the driver learns of them (console_control.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>

#include "console_private.h"
#include "virtio/endian.h"
#include "vmm/terminal.h"

#define CONSOLE_COPY 4096 /* bytes moved in one go */
#define CONSOLE_GOES 8	  /* and goes under one hold of the lock */

static struct console *console_of(struct virtio_device *device)
{
	return container_of(device, struct console, device);
}

/* "Virtqueues": port 0's, the control queues, and then two of each further port. */
static struct console_port *port_of(struct console *console, unsigned index)
{
	return &console->ports[index < CONSOLE_CONTROL_RECEIVE ? 0 : index / 2 - 1];
}

static bool take(struct console *console, unsigned index)
{
	struct console_chain *current = &port_of(console, index)->current[index % 2];

	if (virtio_device_is_inert(&console->device))
		return false;
	if (!current->taken) {
		current->taken = virtio_device_pop(&console->device, index, &current->chain);
		current->done = 0;
	}
	return current->taken;
}

static void give_back(struct console *console, unsigned index, u32 written)
{
	struct console_chain *current = &port_of(console, index)->current[index % 2];

	current->taken = false;
	virtio_device_push(&console->device, index, &current->chain, written);
}

static size_t write_out(struct console_port *port, const void *data, size_t len)
{
	if (console_has_channel(port))
		return console_channel_write(port, data, len);
	return port->terminal ? terminal_write(port->terminal, data, len) : len;
}

static size_t read_in(struct console_port *port, void *data, size_t len)
{
	return console_has_channel(port) ? console_channel_read(port, data, len)
					 : terminal_read(port->terminal, data, len);
}

/* One go of output. If the terminal is full, it calls us when it has room: the rest waits for that.
 */
static enum virtio_step transmit_some(struct virtio_device *device, unsigned index)
{
	struct console *console = console_of(device);
	struct console_port *port = port_of(console, index);
	struct console_chain *current = &port->current[TRANSMIT];
	char data[CONSOLE_COPY];
	size_t wrote = 0;
	s64 len;

	if (!take(console, index)) {
		if (port->channel.closing && !device->paused && !virtio_device_is_inert(device))
			console_channel_end(port);
		return VIRTIO_IDLE;
	}
	len = virtq_chain_read(&current->chain, current->done, data, sizeof(data));
	if (len > 0) {
		wrote = write_out(port, data, len);
		current->done += wrote;
		if (wrote < (size_t)len)
			return VIRTIO_IDLE;
	}
	/* Memory that cannot be read is skipped; the DMA space has reported the fault. */
	if (len >= 0 && current->done < current->chain.readable_len)
		return VIRTIO_PART;
	give_back(console, index, 0);
	return VIRTIO_DONE;
}

/* One go of input: none is taken before there is a buffer for it. */
static enum virtio_step receive_some(struct virtio_device *device, unsigned index)
{
	struct console *console = console_of(device);
	struct console_port *port = port_of(console, index);
	struct console_chain *current = &port->current[RECEIVE];
	char data[CONSOLE_COPY];
	size_t len = 0;
	s64 written;

	if ((!port->terminal && !console_has_channel(port)) || !port->open || !take(console, index))
		return VIRTIO_IDLE;
	if (current->chain.writable_len) {
		len = read_in(port, data, MIN(sizeof(data), current->chain.writable_len));
		if (!len)
			return VIRTIO_IDLE;
	}
	written = virtq_chain_write(&current->chain, 0, data, len);
	give_back(console, index, written > 0 ? written : 0);
	return VIRTIO_DONE;
}

static void console_kick(struct virtio_device *device, unsigned index)
{
	struct console *console = console_of(device);
	bool multiport = virtio_has_feature(device, VIRTIO_CONSOLE_F_MULTIPORT);

	/* A driver that does without ports has queues for the first one alone. */
	if (index >= CONSOLE_CONTROL_RECEIVE && !multiport)
		return;
	if (index == CONSOLE_CONTROL_RECEIVE || index == CONSOLE_CONTROL_TRANSMIT)
		console_control_kick(console, index);
	else
		virtio_device_serve(device, index, CONSOLE_GOES,
				    index % 2 == RECEIVE ? receive_some : transmit_some);
}

/* ---- the terminal's side ---- */

static void kick_port(const struct console_port *port, unsigned which)
{
	console_kick(&port->console->device, console_queue(port, which));
}

static void terminal_readable(struct terminal_client *client)
{
	kick_port(container_of(client, struct console_port, client), RECEIVE);
}

static void terminal_writable(struct terminal_client *client)
{
	kick_port(container_of(client, struct console_port, client), TRANSMIT);
}

static void terminal_resized(struct terminal_client *client, u16 columns, u16 rows)
{
	struct console *console = container_of(client, struct console_port, client)->console;

	if (virtio_has_feature(&console->device, VIRTIO_CONSOLE_F_SIZE))
		virtio_device_config_changed(&console->device);
}

/* ---- the driver's side ---- */

static bool is_single(const struct console *console)
{
	return console->port_count == 1;
}

static void console_queue_reset(struct virtio_device *device, unsigned index)
{
	if (index != CONSOLE_CONTROL_RECEIVE && index != CONSOLE_CONTROL_TRANSMIT)
		port_of(console_of(device), index)->current[index % 2].taken = false;
}

/* What the driver had opened it opens again. */
static void console_reset(struct virtio_device *device)
{
	struct console *console = console_of(device);

	for (unsigned n = 0; n < console->port_count; n++) {
		struct console_port *port = &console->ports[n];

		port->current[RECEIVE].taken = port->current[TRANSMIT].taken = false;
		/* What a guest had opened is not for the next one. */
		if (port->open || port->channel.closing)
			console_channel_end(port);
		port->open = is_single(console);
		port->tell = 0;
	}
}

static void console_config_read(struct virtio_device *device, u32 offset, void *data, u32 len)
{
	struct virtio_console_config config = { 0 };
	struct console *console = console_of(device);
	u16 columns = 0, rows = 0;

	if (is_single(console))
		terminal_size(console->ports[0].terminal, &columns, &rows);
	else
		config.max_nr_ports = cpu_to_virtio32(console->port_count);
	config.cols = cpu_to_virtio16(columns);
	config.rows = cpu_to_virtio16(rows);
	memcpy(data, (const char *)&config + offset, len);
}

static void console_destroy(struct virtio_device *device)
{
	struct console *console = console_of(device);

	for (unsigned n = 0; n < console->port_count; n++) {
		console_channel_close(&console->ports[n]);
		if (console->ports[n].terminal)
			terminal_set_client(console->ports[n].terminal, NULL);
	}
	free(console);
}

static const struct virtio_device_ops console_ops = {
	.reset = console_reset,
	.kick = console_kick,
	.queue_reset = console_queue_reset,
	.config_read = console_config_read,
	.destroy = console_destroy,
};

static void init_port(struct console *console, unsigned n, const struct virtio_console_port *port)
{
	console->ports[n] = (struct console_port){
		.console = console,
		.name = port->name,
		.terminal = port->terminal,
		.client = { .readable = terminal_readable,
			    .writable = terminal_writable,
			    .resized = terminal_resized },
		.open = is_single(console),
	};
	if (port->channel)
		console_channel_init(&console->ports[n], port->channel, port->loop);
	if (port->terminal)
		terminal_set_client(port->terminal, &console->ports[n].client);
}

/* Port 0 is that of drivers that do without ports; with ports it is nowhere. */
static struct console *make(const char *name, unsigned port_count, struct dma_space *space)
{
	struct console *console = calloc(1, sizeof(*console));

	if (!console)
		return NULL;
	console->port_count = port_count;
	console->device = (struct virtio_device){
		.ops = &console_ops,
		.name = name,
		.id = VIRTIO_ID_CONSOLE,
		.features = 1ULL << VIRTIO_F_IN_ORDER,
		.config_size = sizeof(struct virtio_console_config),
		.queue_count = is_single(console) ? 2 : 2 * (port_count + 1),
		.queues = console->queues,
		.space = space,
	};
	for (unsigned i = 0; i < console->device.queue_count; i++)
		virtq_init(&console->queues[i], CONSOLE_QUEUE_SIZE);
	return console;
}

int virtio_console_create(struct virtio_device **device, struct terminal *terminal,
			  struct dma_space *space)
{
	const struct virtio_console_port port = { .terminal = terminal };
	struct console *console = make("virtio-console", 1, space);
	u16 columns, rows;

	if (!console)
		return -ENOMEM;
	init_port(console, 0, &port);
	terminal_size(terminal, &columns, &rows);
	/* A pipe has no size to speak of. */
	if (columns && rows)
		console->device.features |= 1ULL << VIRTIO_CONSOLE_F_SIZE;
	*device = &console->device;
	return 0;
}

int virtio_console_create_ports(struct virtio_device **device,
				const struct virtio_console_port *ports, unsigned count,
				struct dma_space *space)
{
	const struct virtio_console_port nowhere = { .name = "" };
	struct console *console = make("virtio-serial", count + 1, space);

	if (!console)
		return -ENOMEM;
	console->device.features |= 1ULL << VIRTIO_CONSOLE_F_MULTIPORT;
	init_port(console, 0, &nowhere);
	for (unsigned n = 0; n < count; n++)
		init_port(console, n + 1, &ports[n]);
	*device = &console->device;
	return 0;
}
