/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Console Device": one port, no control queues. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>

#include "virtio/console.h"
#include "virtio/endian.h"
#include "virtio/place.h"
#include "vmm/terminal.h"

#define CONSOLE_QUEUE_SIZE 64
#define CONSOLE_COPY	   4096 /* bytes moved in one go */
#define CONSOLE_GOES	   8	/* and goes under one hold of the lock */

enum { RECEIVE, TRANSMIT, QUEUES }; /* "Virtqueues" of the console: port 0's */

/* A chain that is taken and not given back yet. */
struct console_chain {
	bool taken;
	u64 done; /* bytes of it that were transmitted */
	struct virtq_chain chain;
};

struct console {
	struct virtio_device device;
	struct virtq queues[QUEUES];
	struct terminal *terminal; /* borrowed */
	struct terminal_client client;
	struct console_chain current[QUEUES];
};

static struct console *console_of(struct virtio_device *device)
{
	return container_of(device, struct console, device);
}

static bool take(struct console *console, unsigned index)
{
	struct console_chain *current = &console->current[index];

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
	console->current[index].taken = false;
	virtio_device_push(&console->device, index, &console->current[index].chain, written);
}

/* One go of output. If the terminal is full, it calls us when it has room: the rest waits for that.
 */
static enum virtio_step transmit_some(struct virtio_device *device, unsigned index)
{
	struct console *console = console_of(device);
	struct console_chain *current = &console->current[index];
	char data[CONSOLE_COPY];
	size_t wrote = 0;
	s64 len;

	if (!take(console, index))
		return VIRTIO_IDLE;
	len = virtq_chain_read(&current->chain, current->done, data, sizeof(data));
	if (len > 0) {
		wrote = terminal_write(console->terminal, data, len);
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
	struct console_chain *current = &console->current[index];
	char data[CONSOLE_COPY];
	size_t len = 0;
	s64 written;

	if (!take(console, index))
		return VIRTIO_IDLE;
	if (current->chain.writable_len) {
		len = terminal_read(console->terminal, data,
				    MIN(sizeof(data), current->chain.writable_len));
		if (!len)
			return VIRTIO_IDLE;
	}
	written = virtq_chain_write(&current->chain, 0, data, len);
	give_back(console, index, written > 0 ? written : 0);
	return VIRTIO_DONE;
}

static void console_kick(struct virtio_device *device, unsigned index)
{
	virtio_device_serve(device, index, CONSOLE_GOES,
			    index == RECEIVE ? receive_some : transmit_some);
}

/* ---- the terminal's side ---- */

static void terminal_readable(struct terminal_client *client)
{
	console_kick(&container_of(client, struct console, client)->device, RECEIVE);
}

static void terminal_writable(struct terminal_client *client)
{
	console_kick(&container_of(client, struct console, client)->device, TRANSMIT);
}

static void terminal_resized(struct terminal_client *client, u16 columns, u16 rows)
{
	struct console *console = container_of(client, struct console, client);

	if (virtio_has_feature(&console->device, VIRTIO_CONSOLE_F_SIZE))
		virtio_device_config_changed(&console->device);
}

/* ---- the driver's side ---- */

static void console_queue_reset(struct virtio_device *device, unsigned index)
{
	console_of(device)->current[index].taken = false;
}

static void console_reset(struct virtio_device *device)
{
	console_queue_reset(device, RECEIVE);
	console_queue_reset(device, TRANSMIT);
}

static void console_config_read(struct virtio_device *device, u32 offset, void *data, u32 len)
{
	struct virtio_console_config config = { 0 };
	u16 columns, rows;

	terminal_size(console_of(device)->terminal, &columns, &rows);
	config.cols = cpu_to_virtio16(columns);
	config.rows = cpu_to_virtio16(rows);
	memcpy(data, (const char *)&config + offset, len);
}

static void console_destroy(struct virtio_device *device)
{
	struct console *console = console_of(device);

	terminal_set_client(console->terminal, NULL);
	free(console);
}

static const struct virtio_device_ops console_ops = {
	.reset = console_reset,
	.kick = console_kick,
	.queue_reset = console_queue_reset,
	.config_read = console_config_read,
	.destroy = console_destroy,
};

int virtio_console_create(struct virtio_device **device, struct terminal *terminal,
			  struct dma_space *space)
{
	struct console *console = calloc(1, sizeof(*console));
	u16 columns, rows;

	if (!console)
		return -ENOMEM;
	console->terminal = terminal;
	console->client = (struct terminal_client){
		.readable = terminal_readable,
		.writable = terminal_writable,
		.resized = terminal_resized,
	};
	virtq_init(&console->queues[RECEIVE], CONSOLE_QUEUE_SIZE);
	virtq_init(&console->queues[TRANSMIT], CONSOLE_QUEUE_SIZE);
	terminal_size(terminal, &columns, &rows);
	console->device = (struct virtio_device){
		.ops = &console_ops,
		.name = "virtio-console",
		.id = VIRTIO_ID_CONSOLE,
		/* A pipe has no size to speak of. */
		.features = (columns && rows ? 1ULL << VIRTIO_CONSOLE_F_SIZE : 0) |
			    1ULL << VIRTIO_F_IN_ORDER,
		.config_size = sizeof(struct virtio_console_config),
		.queue_count = QUEUES,
		.queues = console->queues,
		.space = space,
	};
	terminal_set_client(terminal, &console->client);
	*device = &console->device;
	return 0;
}

/* ---- on the command line ---- */

/* What the terminal is to the guest. */
enum console_kind { CONSOLE_SERIAL, CONSOLE_VIRTIO };

struct console_options {
	enum console_kind kind;
};

static bool console_is_asked(const void *state)
{
	return ((const struct console_options *)state)->kind == CONSOLE_VIRTIO;
}

static unsigned console_class_slots(const void *state)
{
	return console_is_asked(state);
}

static const char *console_class_words(const void *state)
{
	return console_is_asked(state) ? "console=hvc0" : "console=ttyS0";
}

static int console_class_prepare(void *state, struct device_plan *plan, struct error *err)
{
	plan->console_taken = console_is_asked(state);
	return 0;
}

static int console_class_create(void *state, struct device_host *host, struct error *err)
{
	const struct device_want want = { .name = "virtio-console" };
	struct virtio_device *device;
	struct device_place place;
	int ret;

	if (!console_is_asked(state))
		return 0;
	ret = device_place(host, &want, &place, err);
	if (ret)
		return ret;
	ret = virtio_console_create(&device, host->terminal, place.space);
	if (ret)
		return error_set(err, ret, "cannot make virtio-console: %s", strerror(-ret));
	return virtio_device_put(device, &place, err);
}

static const char *const console_kinds[] = {
	[CONSOLE_SERIAL] = "serial",
	[CONSOLE_VIRTIO] = "virtio",
	NULL,
};

static const struct option_spec console_options[] = {
	{ 0, "console", OPTION_CHOICE, .help = "what this terminal is to the guest",
	  .manual = "What this terminal is to the guest: ttyS0 or hvc0", .choices = console_kinds,
	  OPTION_FIELD(struct console_options, kind) },
	{ 0 },
};

const struct device_class virtio_console_class = {
	.name = "virtio-console",
	.options = console_options,
	.count = DEVICE_ALWAYS,
	.bus = DEVICE_BUS_ANY,
	.state_size = sizeof(struct console_options),
	.slots = console_class_slots,
	.kernel_words = console_class_words,
	.prepare = console_class_prepare,
	.create = console_class_create,
};
