/* SPDX-License-Identifier: BSD-2-Clause */
/* lkvm pause and resume; and what such commands have in common. */
#include <errno.h>

#include "cmd.h"
#include "control.h"
#include "util/log.h"
#include "vmm/control.h"

int control_set_name(void *arg, char *word, struct error *err)
{
	struct control_options *options = arg;

	if (options->name)
		return error_set(err, -EINVAL, "'%s': one VM at a time", word);
	options->name = word;
	return control_check_name(word, err);
}

int control_set_word(void *options, unsigned n, char *word, struct error *err)
{
	return control_set_name(options, word, err);
}

int control_run(const char *verb, const struct control_options *options,
		int (*one)(const struct query_to *to, const void *arg), const void *arg)
{
	const struct query_to to = { .name = options->name };

	if (options->all == (options->name != NULL)) {
		log_error("usage: lkvm %s NAME, or --all", verb);
		return EXIT_USAGE;
	}
	return options->all ? query_each(one, arg) : one(&to, arg);
}

/* ---- pause and resume ---- */

/*
 * Tell it, and print which of two words its answer means: it runs, or is paused. Nothing of one
 * that has gone where that is no mistake. @silence: query.h.
 */
static int tell_one(const struct query_to *to, const char *command, const char *silence,
		    const char *const words[2])
{
	struct query query;
	json_t *answer;
	int status = query_begin_to(&query, to, json_pack("{ss}", "command", command));

	if (status || !query.answer)
		return status;
	query.silence = silence;
	answer = query_next(&query);
	if (answer)
		printf("%s %s\n", to->name, words[json_is_true(json_object_get(answer, "paused"))]);
	json_decref(answer);
	fclose(query.answer);
	return query.status;
}

static const char unfinished[] =
	"has not paused yet, perhaps because the host does not finish its I/O: it pauses when that "
	"is over, unless 'lkvm resume' comes first";

static int pause_one(const struct query_to *to, const void *arg)
{
	static const char *const words[] = { "runs", "is paused" };

	return tell_one(to, "pause", unfinished, words);
}

static int resume_one(const struct query_to *to, const void *arg)
{
	static const char *const words[] = { "runs", "stays paused: it waits for the host" };

	return tell_one(to, "resume", NULL, words);
}

static int run_pause(const void *options)
{
	return control_run("pause", options, pause_one, NULL);
}

static int run_resume(const void *options)
{
	return control_run("resume", options, resume_one, NULL);
}

static const struct option_spec pause_specs[] = { CONTROL_NAME_SPEC, CONTROL_ALL_SPEC, { 0 } };

const struct verb pause_verb = {
	"pause",
	"NAME|--all",
	"hold a running VM still",
	pause_specs,
	control_set_word,
	0,
	run_pause,
	"Hold a VM still: return when its CPUs have stopped and its devices have finished\n"
	"what they had begun. The guest's clocks go on, and so does --timeout.\n" CONTROL_NAME_NOTE,
};

const struct verb resume_verb = {
	"resume",
	"NAME|--all",
	"let a paused VM go on",
	pause_specs,
	control_set_word,
	0,
	run_resume,
	"Let a paused VM go on.\n" CONTROL_NAME_NOTE,
};
