/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket's protocol against clients that say what they like, read when they like and
 * leave when they like, while the VM has events and its console output. Nothing may crash, hang or
 * leak; each line that comes back is an object, and only the last one has "ok" or "error".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../vmm/control_private.h"
#include "../../vmm/terminal_private.h"
#include "input.h"
#include "shim.h"
#include "util/listener.h"
#include "vmm/events.h"
#include "vmm/power.h"
#include "wire.h"

#define CLIENTS 4
#define STEPS	200

static const struct range ram = { 0, 0xffff };
static const struct vm_config config = { .name = "vm", .ram = &ram, .ram_count = 1 };

/* What is worth being said, and each of it cut anywhere. */
static const char *const lines[] = {
	"{\"command\":\"status\"}\n",
	"{\"command\":\"pause\",\"version\":1}\n",
	"{\"command\":\"resume\"}\n",
	"{\"command\":\"power-button\"}\n",
	"{\"command\":\"events\"}\n",
	"{\"command\":\"console\"}\n",
	"{\"command\":\"sysrq\",\"key\":\"t\"}\n",
	"{\"input\":\"ab\xc3\xbf\\u0000\"}\n",
	"{\"command\":\"stop\"}\n",
	"[[[[[[[[[[[[[[[[[[[[[[[[",
	"{\"a\":{\"a\":{\"a\":{\"a\":",
	"{\"command\":\"frob\",\"version\":2}\n",
	"\n",
	"                                                                                ",
};

struct peer {
	int fd;	   /* -1: not connected */
	bool done; /* the last line has come */
	size_t len;
	char line[CONTROL_LINE + 1];
};

struct bench {
	struct input in;
	struct vm *vm;
	struct control *control;
	struct keeper *keeper;
	struct terminal terminal;
	struct terminal_client device;
	struct power_button button;
	struct peer peers[CLIENTS];
	u8 typed[64];
};

static void press(struct power_button *button)
{
}

static void on_readable(struct terminal_client *client)
{
	struct bench *bench = container_of(client, struct bench, device);

	/* Sometimes the guest reads. */
	if (input_u8(&bench->in) & 1)
		terminal_read_typed(&bench->terminal, bench->typed, sizeof(bench->typed));
}

/* ---- what comes back ---- */

static void judge_line(struct peer *peer, const char *line)
{
	json_t *json = json_loads(line, JSON_ALLOW_NUL, NULL);

	fuzz_check(json_is_object(json));
	fuzz_check(!peer->done);
	peer->done = json_object_get(json, "ok") || json_object_get(json, "error");
	json_decref(json);
}

/* @most: bytes that are read. */
static void hear(struct peer *peer, size_t most)
{
	ssize_t got;

	while (most && peer->fd >= 0) {
		char *newline;

		got = recv(peer->fd, peer->line + peer->len,
			   MIN(most, sizeof(peer->line) - 1 - peer->len), MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			/* Nothing of a line is sent alone. */
			fuzz_check(got < 0 || !peer->len);
			close(peer->fd);
			peer->fd = -1;
			return;
		}
		most -= got;
		peer->len += got;
		peer->line[peer->len] = '\0';
		while ((newline = memchr(peer->line, '\n', peer->len))) {
			*newline = '\0';
			judge_line(peer, peer->line);
			peer->len -= newline + 1 - peer->line;
			memmove(peer->line, newline + 1, peer->len);
		}
		fuzz_check(peer->len < sizeof(peer->line) - 1);
	}
}

/* ---- the story ---- */

static void turn(struct bench *bench)
{
	for (unsigned i = 0; i < 1000 && loop_poll(bench->vm->loop, 0); i++)
		;
}

static void come(struct bench *bench, struct peer *peer)
{
	int fds[2];

	if (peer->fd >= 0)
		close(peer->fd);
	fuzz_check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
	*peer = (struct peer){ .fd = fds[0] };
	control_client_create(bench->control, fds[1]);
}

static void say(struct peer *peer, const void *data, size_t len)
{
	if (peer->fd >= 0 && len)
		send(peer->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void say_bytes(struct bench *bench, struct peer *peer)
{
	u8 bytes[256];
	size_t len = input_u8(&bench->in);

	input_bytes(&bench->in, bytes, len);
	say(peer, bytes, len);
}

static void say_line(struct bench *bench, struct peer *peer)
{
	const char *line = lines[input_u8(&bench->in) % ARRAY_SIZE(lines)];
	size_t len = strlen(line), cut = input_u8(&bench->in);

	say(peer, line, cut ? MIN(cut, len) : len);
}

static void write_output(struct bench *bench)
{
	u8 bytes[4096];
	size_t len = (size_t)input_u8(&bench->in) * 16;

	memset(bytes, input_u8(&bench->in), sizeof(bytes));
	terminal_feed_taps(&bench->terminal, bytes, len);
}

static void step(struct bench *bench)
{
	u8 what = input_u8(&bench->in);
	struct peer *peer = &bench->peers[what % CLIENTS];

	switch (what / CLIENTS % 8) {
	case 0:
		come(bench, peer);
		break;
	case 1:
		say_bytes(bench, peer);
		break;
	case 2:
		say_line(bench, peer);
		break;
	case 3:
		hear(peer, input_u16(&bench->in));
		break;
	case 4:
		turn(bench);
		break;
	case 5:
		vm_event(bench->vm, what & 0x80 ? "fault" : "paused", "device", "%u", what);
		break;
	case 6:
		write_output(bench);
		break;
	case 7:
		if (peer->fd >= 0)
			shutdown(peer->fd, SHUT_WR);
		break;
	}
}

static void begin(struct bench *bench)
{
	static const struct keeper_kind *const keeper_kinds[] = { &listener_file_along_kind, NULL };

	bench->vm = wire_create();
	bench->vm->config = &config;
	bench->button.press = press;
	bench->vm->power_button = &bench->button;
	list_init(&bench->terminal.taps);
	bench->device.readable = on_readable;
	bench->terminal.client = &bench->device;
	fuzz_check(!vm_events_create(bench->vm));
	fuzz_check(!keeper_create(&bench->keeper, keeper_kinds));
	fuzz_check(!control_create(&bench->control, bench->vm->loop, bench->keeper, "vm", false));
	control_add(bench->control, vm_commands, bench->vm);
	control_add(bench->control, terminal_commands, &bench->terminal);
	for (unsigned i = 0; i < CLIENTS; i++)
		bench->peers[i].fd = -1;
}

/* All who read to the end hear the end; all who leave are forgotten. */
static void end(struct bench *bench, bool vm_ends)
{
	if (vm_ends)
		control_finish(bench->control);
	turn(bench);
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct peer *peer = &bench->peers[i];

		hear(peer, SIZE_MAX);
		if (peer->fd >= 0)
			close(peer->fd);
	}
	turn(bench);
	fuzz_check(!bench->control->client_count && !bench->control->follower_count);
	fuzz_check(list_empty(&bench->terminal.taps));
	control_destroy(bench->control);
	keeper_destroy(bench->keeper);
	vm_events_destroy(bench->vm);
	wire_destroy(bench->vm);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct bench bench;
	static const char way[] = "./././././././././././././././././././././././././././././"
				  "./././././././././././././././././././././././././";
	char folder[200];

	/* In memory, so that no process is left at it; and too long, so that nothing is made. */
	snprintf(folder, sizeof(folder), "/dev/shm/%s", way);
	setenv("XDG_RUNTIME_DIR", folder, 1);
	memset(&bench, 0, sizeof(bench));
	bench.in = (struct input){ data, size };
	begin(&bench);
	for (unsigned i = 0; i < STEPS && bench.in.left; i++)
		step(&bench);
	end(&bench, size & 1);
	return 0;
}
