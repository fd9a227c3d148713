/* SPDX-License-Identifier: BSD-2-Clause */
/* lkvm events. */
#include "cmd.h"
#include "control.h"
#include "util/log.h"

/* False: standard output does not take it. */
static bool show(const json_t *line)
{
	/* The first line says that it has begun. */
	if (json_object_get(line, "events"))
		return true;
	json_dumpf(line, stdout, JSON_COMPACT);
	printf("\n");
	return query_shown();
}

static int follow(const char *name)
{
	struct query query;
	bool shown = true;
	json_t *line;
	int status = query_begin(&query, name, json_pack("{ss}", "command", "events"));

	if (status)
		return status;
	while (shown && (line = query_next(&query))) {
		query_follow(&query);
		shown = show(line);
		json_decref(line);
	}
	fclose(query.answer);
	return query.status;
}

static int run_events(const void *arg)
{
	const struct control_options *options = arg;

	if (!options->name) {
		log_error("usage: lkvm events NAME");
		return EXIT_USAGE;
	}
	return follow(options->name);
}

static const struct option_spec specs[] = { CONTROL_NAME_SPEC, { 0 } };

const struct verb events_verb = {
	"events",
	"NAME",
	"follow what happens to a running VM",
	specs,
	control_set_word,
	0,
	run_events,
	"Print what has happened to a VM since its start, and what happens, a JSON object on a "
	"line,\n"
	"to Ctrl-C or the VM's end: started, booted, paused, resumed, reset, fault, panic,\n"
	"watchdog, device-gone, stopped.\n" CONTROL_NAME_NOTE,
};
