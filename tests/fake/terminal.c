/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "fake_terminal.h"

void terminal_set_client(struct terminal *terminal, struct terminal_client *client)
{
	terminal->client = client;
}

size_t terminal_write(struct terminal *terminal, const void *data, size_t len)
{
	len = MIN(len, terminal->room - terminal->output_len);
	memcpy(terminal->output + terminal->output_len, data, len);
	terminal->output_len += len;
	return len;
}

size_t terminal_read(struct terminal *terminal, void *data, size_t len)
{
	len = MIN(len, strlen(terminal->input));
	memcpy(data, terminal->input, len);
	terminal->input += len;
	return len;
}
