/* SPDX-License-Identifier: BSD-2-Clause */
/* lkvm list. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "list.h"
#include "query.h"
#include "util/log.h"
#include "verbs.h"

/* What the VMs of one round, which are asked at once, have to answer. */
#define ROUND	      64
#define ROUND_SECONDS 2

struct list_options {
	bool json, wide;
	bool running, folders;
};

/* ---- asking ---- */

struct asked {
	const struct running_vm *vm;
	struct query query;
	json_t *status; /* NULL: it does not answer */
	bool begun;
};

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void begin(struct asked *asked, const struct running_vm *vm)
{
	*asked = (struct asked){ .vm = vm };
	if (vm->busy)
		return;
	asked->begun = !query_begin_at(&asked->query, vm, json_pack("{ss}", "command", "status"));
}

/* An answer until @end of seconds_now(). Silence is no mistake here. */
static void finish(struct asked *asked, double end)
{
	double left = end - seconds_now();
	char line[4096 + 1];

	if (!asked->begun)
		return;
	query_wait(&asked->query, left > 0.001 ? (u64)(left * 1000) : 1);
	if (fgets(line, sizeof(line), asked->query.answer))
		asked->status = json_loads(line, 0, NULL);
	fclose(asked->query.answer);
}

/* ---- printing ---- */

static const char *state_of(const struct asked *asked)
{
	if (asked->vm->busy)
		return "busy";
	return asked->status ? query_text(asked->status, "state") : "silent";
}

static void print_uptime(u64 seconds)
{
	printf(" %3llu:%02llu:%02llu", (unsigned long long)(seconds / 3600),
	       (unsigned long long)(seconds / 60 % 60), (unsigned long long)(seconds % 60));
}

/* Those that somebody can open. Paths are others' choice, and the terminal is ours. */
static void print_ports(const json_t *ports)
{
	const json_t *port;
	size_t i;

	json_array_foreach(ports, i, port)
	{
		const char *path = query_text(port, "path");

		if (!strcmp(query_text(port, "kind"), "file"))
			continue;
		printf(" %s=", query_text(port, "name"));
		for (; *path; path++)
			putchar((u8)*path < ' ' || *path == 0x7f ? '?' : *path);
	}
}

static void print_row(const struct asked *asked, const struct list_options *options)
{
	printf("%5d %-20s ", asked->vm->pid, asked->vm->name);
	if (!options->wide || !asked->status) {
		printf("%s", state_of(asked));
	} else {
		printf("%-8s %4llu %7lluM", state_of(asked),
		       (unsigned long long)query_number(asked->status, "cpus"),
		       (unsigned long long)(query_number(asked->status, "memory") / MIB));
		print_uptime(query_number(asked->status, "uptime"));
		printf("   %s", query_text(asked->status, "console"));
		print_ports(json_object_get(asked->status, "ports"));
	}
	printf("\n");
}

static json_t *json_of(const struct asked *asked)
{
	json_t *json = asked->status ? json_incref(asked->status) : json_object();

	json_object_set_new(json, "name", json_string(asked->vm->name));
	json_object_set_new(json, "pid", json_integer(asked->vm->pid));
	json_object_set_new(json, "state", json_string(state_of(asked)));
	return json;
}

static void show(const struct asked *asked, const struct list_options *options, json_t *all)
{
	if (all)
		json_array_append_new(all, json_of(asked));
	else
		print_row(asked, options);
}

static void ask_round(const struct running_vm *vms, int count, const struct list_options *options,
		      json_t *all)
{
	struct asked asked[ROUND];
	double end = seconds_now() + ROUND_SECONDS;

	for (int i = 0; i < count; i++)
		begin(&asked[i], &vms[i]);
	for (int i = 0; i < count; i++) {
		finish(&asked[i], end);
		show(&asked[i], options, all);
		json_decref(asked[i].status);
	}
}

/* The first two lines are what programs skip that read kvmtool's. */
static void print_head(const struct list_options *options)
{
	printf("%5s %-20s STATE%s\n", "PID", "NAME",
	       options->wide ? "    CPUS   MEMORY    UPTIME   CONSOLE" : "");
	printf("----------------------------------%s\n",
	       options->wide ? "-----------------------------------" : "");
}

static int run_list(const void *arg)
{
	const struct list_options *options = arg;
	json_t *all = options->json ? json_array() : NULL;
	struct running_vm *vms = NULL;
	/* There are no root file systems of ours to be listed. */
	int count = options->folders && !options->running ? 0 : list_running(&vms);

	if (count < 0) {
		log_error("cannot look for running VMs: %s", strerror(-count));
		json_decref(all);
		return EXIT_HOST;
	}
	if (!all)
		print_head(options);
	for (int i = 0; i < count; i += ROUND)
		ask_round(vms + i, MIN(count - i, ROUND), options, all);
	if (all) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		printf("\n");
	}
	json_decref(all);
	free(vms);
	return EXIT_OK;
}

static int set_word(void *target, unsigned n, char *word, struct error *err)
{
	return error_set(err, -EINVAL, "'%s': list takes no names", word);
}

#define FIELD(field) OPTION_FIELD(struct list_options, field)

static const struct option_spec specs[] = {
	{ 'l', "long", OPTION_FLAG, .help = "with CPUs, memory, time since the start and console",
	  FIELD(wide) },
	{ 0, "json", OPTION_FLAG, .help = "for programs", FIELD(json) },
	{ 'i', "run", OPTION_FLAG, .help = "running VMs, which is what it lists anyway",
	  FIELD(running) },
	{ 'r', "rootfs", OPTION_FLAG, .help = "root file systems, of which lkvm has none",
	  FIELD(folders) },
	{ 0 },
};

const struct verb list_verb = {
	"list",
	"[-l|--json]",
	"list the running VMs",
	specs,
	set_word,
	0,
	run_list,
	"List the VMs that you run, with their process IDs and states: running, paused, silent\n"
	"(it does not answer) or busy (others ask it). Sockets of VMs that were killed are "
	"removed.",
};
