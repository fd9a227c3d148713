/* SPDX-License-Identifier: BSD-2-Clause */
/* --console and --port. */
#include <errno.h>
#include <string.h>

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

struct port_state {
	char name[VIRTIO_CONSOLE_NAME];
	struct terminal_target target;
};

struct ports_state {
	struct port_state ports[VIRTIO_CONSOLE_PORTS];
	unsigned count;
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
	ret = terminal_target_set(&port->target, value + len + 1, "--port", err);
	if (!ret && port->target.kind == TERMINAL_STDIO)
		return error_set(err, -EINVAL,
				 "--port %s: standard input and output are the console's", value);
	state->count += !ret;
	return ret;
}

/* An eventfd for each queue and each vector; and what each end takes. */
static unsigned ports_class_fds(const void *arg)
{
	const struct ports_state *state = arg;

	return 8 + 2 * 2 * (state->count + 2) + 5 * state->count;
}

static int ports_class_claim(void *arg, struct device_plan *plan, struct error *err)
{
	struct ports_state *state = arg;
	int ret = 0;

	for (unsigned n = 0; n < state->count && !ret; n++)
		ret = terminal_target_open(&state->ports[n].target, plan->keeper, "--port", err);
	return ret;
}

static int make_terminals(struct ports_state *state, struct vm *vm,
			  struct virtio_console_port *ports)
{
	int ret = 0;

	for (unsigned n = 0; n < state->count && !ret; n++) {
		ports[n].name = state->ports[n].name;
		ret = vm_add_terminal(vm, ports[n].name, &state->ports[n].target,
				      &ports[n].terminal);
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
	ret = make_terminals(state, host->vm, ports);
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
	.claim = ports_class_claim,
	.create = ports_class_create,
	.release = ports_class_release,
};
