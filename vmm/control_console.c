/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "console" and "sysrq": the guest's console by the control socket. Bytes are characters U+0000 to
 * U+00FF of JSON's texts. A reader that is too slow loses output, and is told how much: the VM does
 * not wait for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control_private.h"
#include "vmm/terminal.h"

#define RING_SIZE 0x8000
/* Bytes of a line: each is six characters at most. */
#define LINE_BYTES 512

struct console {
	struct terminal_tap tap;
	struct terminal *terminal; /* borrowed */
	struct control_client *client;
	bool greeted;
	u64 lost, input_lost; /* since the client was last told */
	size_t start, count;
	u8 ring[RING_SIZE];
};

/* What does not fit is lost, and so is the rest until the client has what was before. */
static void on_output(struct terminal_tap *tap, const void *data, size_t len)
{
	struct console *console = container_of(tap, struct console, tap);
	size_t room = console->lost ? 0 : RING_SIZE - console->count;
	size_t taken = MIN(len, room);

	for (size_t i = 0; i < taken; i++)
		console->ring[(console->start + console->count++) % RING_SIZE] = ((
			const u8 *)data)[i];
	console->lost += len - taken;
	control_wake(console->client);
}

/* ---- bytes and texts ---- */

static size_t put_byte(char *text, u8 byte)
{
	if (byte < 0x80) {
		text[0] = byte;
		return 1;
	}
	text[0] = 0xc0 | byte >> 6;
	text[1] = 0x80 | (byte & 0x3f);
	return 2;
}

/* Jansson has checked that it is UTF-8. -EPROTO: a character that is no byte. */
static int get_bytes(const json_t *text, u8 *bytes, size_t *count)
{
	const u8 *from = (const u8 *)json_string_value(text);
	size_t len = json_string_length(text);

	*count = 0;
	for (size_t i = 0; i < len; i++) {
		if (from[i] < 0x80) {
			bytes[(*count)++] = from[i];
		} else if ((from[i] & 0xfc) == 0xc0 && i + 1 < len) {
			bytes[(*count)++] = from[i] << 6 | (from[i + 1] & 0x3f);
			i++;
		} else {
			return -EPROTO;
		}
	}
	return 0;
}

/* ---- the stream ---- */

static void say_output(struct console *console)
{
	char text[2 * LINE_BYTES];
	size_t len = 0;

	for (unsigned i = 0; i < LINE_BYTES && console->count; i++) {
		len += put_byte(text + len, console->ring[console->start]);
		console->start = (console->start + 1) % RING_SIZE;
		console->count--;
	}
	control_send(console->client, json_pack("{so}", "output", json_stringn(text, len)));
}

static void say_lost(struct console *console, const char *what, u64 *count)
{
	control_send(console->client, json_pack("{sI}", what, (json_int_t)*count));
	*count = 0;
}

static enum control_more console_more(void *state, struct control_client *client)
{
	struct console *console = state;

	if (!console->greeted)
		control_send(client, json_pack("{sb}", "console", 1));
	console->greeted = true;
	while (control_has_room(client)) {
		if (console->input_lost)
			say_lost(console, "input_lost", &console->input_lost);
		else if (console->count)
			say_output(console);
		else if (console->lost)
			say_lost(console, "lost", &console->lost);
		else
			return CONTROL_PAUSE;
	}
	return CONTROL_AGAIN;
}

static void console_end(void *state)
{
	struct console *console = state;

	terminal_remove_tap(&console->tap);
	free(console);
}

static int console_input(void *state, const json_t *input)
{
	const json_t *text = json_object_get(input, "input");
	struct console *console = state;
	u8 bytes[CONTROL_REQUEST];
	size_t count;

	if (!json_is_string(text) || get_bytes(text, bytes, &count))
		return -EPROTO;
	console->input_lost += count - terminal_type(console->terminal, bytes, count);
	if (console->input_lost)
		control_wake(console->client);
	return 0;
}

static const struct control_stream console_stream = {
	.more = console_more,
	.end = console_end,
	.input = console_input,
	.follows = true,
};

static int command_console(void *arg, struct control_client *client, json_t *request,
			   struct error *err)
{
	struct console *console = calloc(1, sizeof(*console));
	int ret;

	if (!console)
		return -ENOMEM;
	ret = control_stream(client, &console_stream, console, err);
	if (ret) {
		free(console);
		return ret;
	}
	console->tap.output = on_output;
	console->terminal = arg;
	console->client = client;
	terminal_add_tap(arg, &console->tap);
	return 0;
}

static int command_sysrq(void *arg, struct control_client *client, json_t *request,
			 struct error *err)
{
	const char *key = json_string_value(json_object_get(request, "key"));
	int ret;

	if (!key || strlen(key) != 1 || key[0] < '!' || key[0] > '~')
		return error_set(err, -EINVAL, "a SysRq key is one character of ASCII");
	ret = terminal_sysrq(arg, key[0]);
	if (ret == -ENODEV)
		return error_set(err, ret, "no console is there to send it to");
	return ret ? error_set(err, ret, "the guest does not read its console now") : 0;
}

const struct control_command terminal_commands[] = {
	{ "console", command_console },
	{ "sysrq", command_sysrq },
	{ 0 },
};
