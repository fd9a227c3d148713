/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the machine counted, and "stat", which tells it to others. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine.h"
#include "vmm/control.h"
#include "vmm/counters.h"

/* Of /proc/self/statm, which is kept open: nothing is opened while the guest runs. */
static u64 resident_memory(const struct machine *machine)
{
	char text[128];
	ssize_t len = pread(machine->statm, text, sizeof(text) - 1, 0);
	unsigned long long pages = 0;

	if (len <= 0)
		return 0;
	text[len] = '\0';
	sscanf(text, "%*u %llu", &pages);
	return pages * sysconf(_SC_PAGESIZE);
}

static void count_memory(const struct machine *machine, struct counters *counters)
{
	u64 size = 0;

	for (unsigned i = 0; i < machine->config.ram_count; i++)
		size += machine->ram[i].last - machine->ram[i].start + 1;
	counters_begin(counters, "memory");
	counters_number(counters, "guest", size);
	counters_number(counters, "resident", resident_memory(machine));
}

void machine_count(const struct machine *machine, struct counters *counters)
{
	count_memory(machine, counters);
	vm_count(machine->vm, counters);
	devices_count(&machine->options->devices, counters);
}

/* ---- as JSON: an object for each part and queue ---- */

struct stat {
	struct counters counters;
	json_t *lines; /* an array, owned */
	json_t *at;    /* borrowed: the counters that are being told */
	size_t told;   /* lines that the client has */
};

/* That of a part of which something was told before. */
static json_t *find_line(const struct stat *stat, const char *part, int queue)
{
	for (size_t i = json_array_size(stat->lines); i--;) {
		json_t *line = json_array_get(stat->lines, i);
		const json_t *of = json_object_get(line, "queue");

		if (!strcmp(json_string_value(json_object_get(line, "part")), part) &&
		    (of ? json_integer_value(of) : -1) == queue)
			return json_object_get(line, "counters");
	}
	return NULL;
}

static void begin(struct counters *counters, const char *part, int queue)
{
	struct stat *stat = container_of(counters, struct stat, counters);
	json_t *line;

	stat->at = find_line(stat, part, queue);
	if (stat->at)
		return;
	stat->at = json_object();
	line = json_pack("{ss,so}", "part", part, "counters", stat->at);
	if (queue >= 0)
		json_object_set_new(line, "queue", json_integer(queue));
	json_array_append_new(stat->lines, line);
}

static void number(struct counters *counters, const char *key, u64 value)
{
	json_object_set_new(container_of(counters, struct stat, counters)->at, key,
			    json_integer(value));
}

static void text(struct counters *counters, const char *key, const char *value)
{
	json_object_set_new(container_of(counters, struct stat, counters)->at, key,
			    json_string(value));
}

static enum control_more stat_more(void *state, struct control_client *client)
{
	struct stat *stat = state;

	while (control_has_room(client)) {
		json_t *line = json_array_get(stat->lines, stat->told++);

		if (!line)
			return CONTROL_END;
		control_send(client, json_incref(line));
	}
	return CONTROL_AGAIN;
}

static void stat_end(void *state)
{
	struct stat *stat = state;

	json_decref(stat->lines);
	free(stat);
}

static const struct control_stream stat_stream = { .more = stat_more, .end = stat_end };

static void begin_stat(struct stat *stat, const struct machine *machine)
{
	stat->counters = (struct counters){ .begin = begin, .number = number, .text = text };
	stat->lines = json_array();
	machine_count(machine, &stat->counters);
}

json_t *machine_stat_json(const struct machine *machine)
{
	struct stat stat = { .told = 0 };

	begin_stat(&stat, machine);
	return stat.lines;
}

static int command_stat(void *arg, struct control_client *client, json_t *request,
			struct error *err)
{
	struct stat *stat = calloc(1, sizeof(*stat));
	int ret;

	if (!stat)
		return -ENOMEM;
	begin_stat(stat, arg);
	ret = control_stream(client, &stat_stream, stat, err);
	if (ret)
		stat_end(stat);
	return ret;
}

static const struct control_command machine_commands[] = {
	{ "stat", command_stat },
	{ 0 },
};

void machine_add_commands(struct machine *machine)
{
	control_add(machine->control, vm_commands, machine->vm);
	control_add(machine->control, machine_commands, machine);
	control_add(machine->control, debug_commands, machine->vm);
}
