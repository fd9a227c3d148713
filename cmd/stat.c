/* SPDX-License-Identifier: BSD-2-Clause */
/* lkvm stat. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "control.h"
#include "util/log.h"

#define WATCH_SECONDS 1

static void print_value(const char *key, const json_t *value)
{
	if (json_is_string(value))
		printf(" %s=%s", key, json_string_value(value));
	else
		printf(" %s=%lld", key, (long long)json_integer_value(value));
}

static void print_part(const json_t *line)
{
	const json_t *queue = json_object_get(line, "queue");
	const char *key;
	json_t *value;

	printf("%s", query_text(line, "part"));
	if (queue)
		printf(" queue %lld", (long long)json_integer_value(queue));
	printf(":");
	json_object_foreach(json_object_get(line, "counters"), key, value) print_value(key, value);
	printf("\n");
}

/* One look at what was asked for. */
struct look {
	const struct control_options *options;
	json_t *all; /* parts of all VMs; NULL: they are printed as they come */
};

/* @lines takes the line, or is NULL and it is printed. */
static void take(const struct control_options *options, json_t *line, json_t *lines)
{
	if (options->memory && strcmp(query_text(line, "part"), "memory"))
		return;
	if (lines)
		json_array_append(lines, line);
	else
		print_part(line);
}

static int stat_one(const struct query_to *to, const void *arg)
{
	const struct look *look = arg;
	const struct control_options *options = look->options;
	json_t *lines, *line;
	struct query query;
	int status = query_begin_to(&query, to, json_pack("{ss}", "command", "stat"));

	if (status || !query.answer)
		return status;
	lines = look->all ? json_array() : NULL;
	if (options->all && !lines)
		printf("%s\n", to->name);
	query.may_end |= options->watch;
	while ((line = query_next(&query))) {
		if (options->all && lines)
			json_object_set_new(line, "vm", json_string(to->name));
		take(options, line, lines);
		json_decref(line);
	}
	fclose(query.answer);
	/* Half of the parts of one that ended meanwhile would be taken for all. */
	if (lines && query.ended)
		json_array_extend(look->all, lines);
	json_decref(lines);
	return query.status;
}

/* One document, or with --watch a line of it. Of one that has ended there is nothing to say. */
static void print_json(const struct look *look, int status)
{
	bool none = !json_array_size(look->all);

	if (!look->all || (none && (status || !look->options->all)))
		return;
	json_dumpf(look->all, stdout, look->options->watch ? JSON_COMPACT : JSON_INDENT(2));
	printf("\n");
}

/* @again: of a VM that was there before, so that it may have ended. */
static int look_once(const struct control_options *options, bool again)
{
	const struct query_to to = { .name = options->name, .may_be_gone = true };
	const struct look look = { options, options->json ? json_array() : NULL };
	int status = again && options->name ? stat_one(&to, &look)
					    : control_run("stat", options, stat_one, &look);

	print_json(&look, status);
	json_decref(look.all);
	return status;
}

/* Those that were there may have ended: that is the end of --watch, and no mistake. */
static bool has_ended(const char *name)
{
	struct query query;
	int ret = query_open(&query, name);

	if (!ret)
		fclose(query.answer);
	return ret == -ENOENT || ret == -ECONNREFUSED;
}

static int run_stat(const void *arg)
{
	const struct control_options *options = arg;
	int status = look_once(options, false);

	while (!status && options->watch) {
		if (!options->json)
			printf("\n");
		if (fflush(stdout))
			return EXIT_OK;
		sleep(WATCH_SECONDS);
		if (options->name && has_ended(options->name))
			return EXIT_OK;
		status = look_once(options, true);
	}
	return status;
}

#define FIELD(field) OPTION_FIELD(struct control_options, field)

static const struct option_spec specs[] = {
	CONTROL_NAME_SPEC,
	CONTROL_ALL_SPEC,
	{ 'm', "memory", OPTION_FLAG, .help = "memory alone", FIELD(memory) },
	{ 'w', "watch", OPTION_FLAG, .help = "again each second, to Ctrl-C or the VM's end",
	  FIELD(watch) },
	{ 0, "json", OPTION_FLAG, .help = "for programs; with --watch a line each time",
	  FIELD(json) },
	{ 0 },
};

const struct verb stat_verb = {
	"stat",
	"NAME|--all [--watch] [--json]",
	"show what a running VM counts",
	specs,
	control_set_word,
	0,
	run_stat,
	"Show what a VM counts: exits of its CPUs by kind, requests, packets and faults of its\n"
	"devices, kicks, chains and interrupts of their queues, and memory in bytes. All are "
	"counted\n"
	"from the VM's start.\n" CONTROL_NAME_NOTE,
};
