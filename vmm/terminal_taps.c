/* SPDX-License-Identifier: BSD-2-Clause */
/* Others than standard input and output: who listens to the console, and types there. */
#include <errno.h>
#include <string.h>

#include "terminal_private.h"

void terminal_add_tap(struct terminal *terminal, struct terminal_tap *tap)
{
	list_add_tail(&terminal->taps, &tap->node);
}

void terminal_remove_tap(struct terminal_tap *tap)
{
	list_del(&tap->node);
}

void terminal_feed_taps(struct terminal *terminal, const void *data, size_t len)
{
	struct list_node *node;

	list_for_each(node, &terminal->taps) {
		struct terminal_tap *tap = list_entry(node, struct terminal_tap, node);

		tap->output(tap, data, len);
	}
}

size_t terminal_type(struct terminal *terminal, const void *data, size_t len)
{
	struct terminal_typed *typed = &terminal->typed;

	memmove(typed->data, typed->data + typed->start, typed->count);
	typed->start = 0;
	len = MIN(len, sizeof(typed->data) - typed->count);
	memcpy(typed->data + typed->count, data, len);
	typed->count += len;
	if (typed->count && terminal->client)
		terminal->client->readable(terminal->client);
	return len;
}

size_t terminal_read_typed(struct terminal *terminal, void *data, size_t len)
{
	struct terminal_typed *typed = &terminal->typed;

	len = MIN(len, typed->count);
	memcpy(data, typed->data + typed->start, len);
	typed->start += len;
	typed->count -= len;
	return len;
}

int terminal_sysrq(struct terminal *terminal, u8 key)
{
	/* Linux, drivers/tty/hvc/hvc_console.c: ^O, and the key. */
	const u8 keys[] = { 0x0f, key };

	if (!terminal->client)
		return -ENODEV;
	if (terminal->client->sysrq)
		return terminal->client->sysrq(terminal->client, key);
	return terminal_type(terminal, keys, sizeof(keys)) == sizeof(keys) ? 0 : -EBUSY;
}
