/* SPDX-License-Identifier: BSD-2-Clause */
/* --console and --port. */
#include <errno.h>
#include <string.h>

#include "util/parse.h"
#include "virtio/console.h"
#include "virtio/place.h"
#include "vmm/terminal.h"
#include "vmm/vm.h"

/* ---- the console ---- */

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
	.module = "virtio_console",
	.options = console_options,
	.count = DEVICE_ALWAYS,
	.bus = DEVICE_BUS_ANY,
	.state_size = sizeof(struct console_options),
	.slots = console_class_slots,
	.kernel_words = console_class_words,
	.prepare = console_class_prepare,
	.create = console_class_create,
};

/* ---- ports ---- */

#define CHANNEL "channel:"

struct port_state {
	char name[VIRTIO_CONSOLE_NAME];
	struct terminal_target target;
	bool is_channel; /* in the place of the target: this one of the plan's */
	u64 channel;
};

struct ports_state {
	struct port_state ports[VIRTIO_CONSOLE_PORTS];
	unsigned count;
	const struct device_plan *plan; /* has the channels */
};

/* It is a file's name in the guest. */
static bool is_good_name(const char *name, size_t len)
{
	const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return len && len < VIRTIO_CONSOLE_NAME && name[0] != '.' && strspn(name, letters) == len;
}

static int check_name(const struct ports_state *state, const char *value, size_t len,
		      struct error *err)
{
	if (value[len] != '=')
		return error_set(err, -EINVAL, "--port %s: NAME=pty, NAME=socket:PATH or NAME=FILE",
				 value);
	if (!is_good_name(value, len))
		return error_set(err, -EINVAL,
				 "--port %s: a name is 1 to %d letters, digits, '.', '_' and '-', "
				 "without a dot in front",
				 value, VIRTIO_CONSOLE_NAME - 1);
	for (unsigned n = 0; n < state->count; n++) {
		if (strlen(state->ports[n].name) == len &&
		    !strncmp(state->ports[n].name, value, len))
			return error_set(err, -EINVAL, "--port %s: there is a port of that name",
					 value);
	}
	if (state->count == VIRTIO_CONSOLE_PORTS)
		return error_set(err, -EINVAL, "--port %s: there are %d ports at most", value,
				 VIRTIO_CONSOLE_PORTS);
	return 0;
}

/* For the streams of a run for a command, which gives itself this option. */
static int set_channel(struct port_state *port, const char *value, struct error *err)
{
	port->is_channel = true;
	return parse_u64(value, UINT32_MAX, &port->channel)
		       ? error_set(err, -EINVAL, "--port %s=" CHANNEL "%s: which one is a number",
				   port->name, value)
		       : 0;
}

static int set_port(void *target, char *value, struct error *err)
{
	struct ports_state *state = target;
	size_t len = strcspn(value, "=");
	struct port_state *port;
	int ret = check_name(state, value, len, err);

	if (ret)
		return ret;
	port = &state->ports[state->count];
	memcpy(port->name, value, len);
	value += len + 1;
	if (!strncmp(value, CHANNEL, strlen(CHANNEL)))
		ret = set_channel(port, value + strlen(CHANNEL), err);
	else
		ret = terminal_target_set(&port->target, value, "--port", err);
	if (!ret && !port->is_channel && port->target.kind == TERMINAL_STDIO)
		return error_set(err, -EINVAL,
				 "--port %s=%s: standard input and output are the console's",
				 port->name, value);
	state->count += !ret;
	return ret;
}

/* An eventfd for each queue and each vector; and what each end takes. */
static unsigned ports_class_fds(const void *arg)
{
	const struct ports_state *state = arg;

	return 8 + 2 * 2 * (state->count + 2) + 5 * state->count;
}

/* All of the plan's, each once, or none: what a user has taken would be missed elsewhere. */
static bool channels_fit(const struct ports_state *state, const struct device_plan *plan)
{
	unsigned channels = plan->channels ? plan->channel_count : 0, seen = 0;

	for (unsigned n = 0; n < state->count; n++) {
		const struct port_state *port = &state->ports[n];

		if (!port->is_channel)
			continue;
		if (port->channel >= channels || seen & 1u << port->channel)
			return false;
		seen |= 1u << port->channel;
	}
	return !seen || seen == (1u << channels) - 1;
}

static const struct port_state *first_channel(const struct ports_state *state)
{
	for (unsigned n = 0; n < state->count; n++) {
		if (state->ports[n].is_channel)
			return &state->ports[n];
	}
	return NULL;
}

static int ports_class_prepare(void *arg, struct device_plan *plan, struct error *err)
{
	struct ports_state *state = arg;
	const struct port_state *port = first_channel(state);

	state->plan = plan;
	if (port && !channels_fit(state, plan))
		return error_set(err, -EINVAL,
				 "--port %s=" CHANNEL "%llu: only lkvm itself has such a "
				 "channel, for a command: NAME=socket:PATH is for others",
				 port->name, (unsigned long long)port->channel);
	plan->channels_taken = port;
	return 0;
}

static int ports_class_claim(void *arg, struct device_plan *plan, struct error *err)
{
	struct ports_state *state = arg;
	int ret = 0;

	for (unsigned n = 0; n < state->count && !ret; n++) {
		if (!state->ports[n].is_channel)
			ret = terminal_target_open(&state->ports[n].target, plan->keeper, "--port",
						   err);
	}
	return ret;
}

static int make_ends(struct ports_state *state, struct vm *vm, struct virtio_console_port *ports)
{
	int ret = 0;

	for (unsigned n = 0; n < state->count && !ret; n++) {
		struct port_state *port = &state->ports[n];

		ports[n] = (struct virtio_console_port){ .name = port->name, .loop = vm->loop };
		if (port->is_channel)
			ports[n].channel = &state->plan->channels[port->channel];
		else
			ret = vm_add_terminal(vm, port->name, &port->target, &ports[n].terminal);
	}
	return ret;
}

static int ports_class_create(void *arg, struct device_host *host, struct error *err)
{
	const struct device_want want = { .name = "virtio-serial" };
	struct virtio_console_port ports[VIRTIO_CONSOLE_PORTS];
	struct ports_state *state = arg;
	struct virtio_device *device;
	struct device_place place;
	int ret = device_place(host, &want, &place, err);

	if (ret)
		return ret;
	ret = make_ends(state, host->vm, ports);
	if (!ret)
		ret = virtio_console_create_ports(&device, ports, state->count, place.space);
	if (ret)
		return error_set(err, ret, "cannot make the ports: %s", strerror(-ret));
	return virtio_device_put(device, &place, err);
}

static void ports_class_release(void *arg)
{
	struct ports_state *state = arg;

	for (unsigned n = 0; n < state->count; n++)
		terminal_target_close(&state->ports[n].target);
}

static const struct option_spec ports_options[] = {
	{ 0, "port", OPTION_CALL, "NAME=FILE|pty|socket:PATH",
	  "a port of that name: /dev/virtio-ports/NAME in the guest",
	  "A port of that name for programs of the guest's: /dev/virtio-ports/NAME in Linux, "
	  "through "
	  "virtio-console. Up to 15. FILE, pty and socket:PATH are as for --serial",
	  .set = set_port, .many = true },
	{ 0 },
};

const struct device_class virtio_ports_class = {
	.name = "virtio-serial",
	.module = "virtio_console",
	.options = ports_options,
	.bus = DEVICE_BUS_ANY,
	.state_size = sizeof(struct ports_state),
	.fds = ports_class_fds,
	.prepare = ports_class_prepare,
	.claim = ports_class_claim,
	.create = ports_class_create,
	.release = ports_class_release,
};
