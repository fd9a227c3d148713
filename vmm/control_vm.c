/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands of every VM that are answered at once. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "control_private.h"
#include "vmm/power.h"
#include "vmm/terminal.h"
#include "vmm/vm.h"

static u64 memory_size(const struct vm_config *config)
{
	u64 size = 0;

	for (unsigned i = 0; i < config->ram_count; i++)
		size += config->ram[i].last - config->ram[i].start + 1;
	return size;
}

static u64 uptime(const struct vm *vm)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - vm->born;
}

/* The rest of the answer has room in that. */
#define PORTS_ROOM (CONTROL_LINE - 1024)

static json_t *describe_port(const struct terminal *terminal)
{
	const struct terminal_target *target = terminal_target(terminal);
	json_t *port = json_pack("{ss,ss}", "name", terminal_name(terminal), "kind",
				 terminal_kind_name(target->kind));

	/* A path that is not UTF-8 is left out. */
	json_object_set_new(port, "path", json_string(target->path));
	return port;
}

/* Where a guest's ports are on the host, those that are somewhere, and as many as a line holds. */
static json_t *list_ports(const struct vm *vm)
{
	json_t *ports = json_array();
	struct list_node *node;
	size_t size = 0;

	list_for_each(node, &vm->terminals) {
		const struct terminal *terminal = terminal_of_node(node);
		json_t *port;

		if (!terminal_target(terminal)->path)
			continue;
		port = describe_port(terminal);
		size += json_dumpb(port, NULL, 0, 0) + 2;
		if (size < PORTS_ROOM)
			json_array_append(ports, port);
		json_decref(port);
	}
	return ports;
}

static int command_status(void *arg, struct control_client *client, json_t *request,
			  struct error *err)
{
	const struct vm *vm = arg;
	const struct vm_config *config = vm->config;

	control_send(client,
		     json_pack("{ss,si,ss,sb,si,sI,sI,ss,so}", "name", config->name, "pid",
			       (int)getpid(), "state", vm_is_paused(vm) ? "paused" : "running",
			       "panicked", (int)atomic_load(&vm->panicked), "cpus",
			       (int)config->cpus, "memory", (json_int_t)memory_size(config),
			       "uptime", (json_int_t)uptime(vm), "console",
			       config->console ? config->console : "none", "ports",
			       list_ports(vm)));
	return 0;
}

static int command_resume(void *arg, struct control_client *client, json_t *request,
			  struct error *err)
{
	vm_resume(arg, VM_PAUSE_USER);
	control_send(client, json_pack("{sb}", "paused", (int)vm_is_paused(arg)));
	return 0;
}

/* The answer goes out before the loop ends. */
static int command_stop(void *arg, struct control_client *client, json_t *request,
			struct error *err)
{
	vm_stop(arg, VM_POWEROFF);
	return 0;
}

static int command_power_button(void *arg, struct control_client *client, json_t *request,
				struct error *err)
{
	struct vm *vm = arg;

	if (!vm->power_button)
		return error_set(err, -ENODEV, "this machine has no power button");
	vm->power_button->press(vm->power_button);
	control_send(client, json_pack("{sb}", "paused", (int)vm_is_paused(arg)));
	return 0;
}

const struct control_command vm_commands[] = {
	{ "status", command_status },
	{ "pause", control_pause },
	{ "resume", command_resume },
	{ "stop", command_stop },
	{ "events", control_events },
	{ "power-button", command_power_button },
	{ 0 },
};
