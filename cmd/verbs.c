/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "options.h"
#include "options_print.h"
#include "util/log.h"
#include "util/parse.h"
#include "verbs.h"

#define VERBS_MAX 16

static const struct verb *find_verb(const struct verb_family *family, const char *name)
{
	for (const struct verb *verb = family->verbs; verb->name; verb++) {
		if (!strcmp(verb->name, name))
			return verb;
	}
	return NULL;
}

/* "show|trace|fault", or "show, trace and fault". */
static const char *list_verbs(const struct verb_family *family, const char *comma, const char *and,
			      char *text, size_t size)
{
	size_t len = 0;

	for (const struct verb *verb = family->verbs; verb->name && len < size; verb++)
		len += snprintf(text + len, size - len, "%s%s",
				verb == family->verbs ? ""
				: verb[1].name	      ? comma
						      : and,
				verb->name);
	return text;
}

static int unknown_verb(const struct verb_family *family, const char *name)
{
	const char *names[VERBS_MAX + 1] = { NULL };
	char text[200];
	const char *near;

	for (unsigned i = 0; i < VERBS_MAX && family->verbs[i].name; i++)
		names[i] = family->verbs[i].name;
	near = parse_nearest(name, names);
	if (near)
		log_error("lkvm %s %s: did you mean '%s'?", family->command, name, near);
	else
		log_error("lkvm %s %s: there are %s", family->command, name,
			  list_verbs(family, ", ", " and ", text, sizeof(text)));
	return EXIT_USAGE;
}

/* @family: NULL for a verb that is a command. */
static int say_usage(const struct verb_family *family, const struct verb *verb)
{
	char text[200];

	if (verb)
		log_error("usage: lkvm %s%s%s %s", family ? family->command : "", family ? " " : "",
			  verb->name, verb->arguments);
	else
		log_error("usage: lkvm %s %s ...", family->command,
			  list_verbs(family, "|", "|", text, sizeof(text)));
	return EXIT_USAGE;
}

/* ---- running one ---- */

struct call {
	const struct verb *verb;
	unsigned words;
	bool help;
	alignas(max_align_t) char options[VERB_OPTIONS_SIZE];
};

static const struct option_spec help_specs[] = {
	{ 'h', "help", OPTION_FLAG, .help = "this text", OPTION_FIELD(struct call, help) },
	{ 0 },
};

static int take_word(void *arg, char *word, struct error *err)
{
	struct call *call = arg;

	return call->verb->word(call->options, call->words++, word, err);
}

static const struct option_spec no_specs[] = { { 0 } };

static void print_help(const struct verb_family *family, const struct verb *verb)
{
	if (family)
		verbs_help(family);
	else
		verb_help(verb);
}

/* argv[0] is the verb. */
static int run(const struct verb_family *family, const struct verb *verb, int argc, char **argv)
{
	struct call call = { .verb = verb };
	struct option_group groups[] = { { help_specs, &call }, { no_specs, call.options }, { 0 } };
	struct error err = { "" };

	if (verb->specs)
		groups[1].specs = verb->specs;
	option_preset(groups[1].specs, call.options);
	if (options_parse(groups, argc, argv, take_word, &call, NULL, &err)) {
		log_error("%s", err.text);
		return EXIT_USAGE;
	}
	if (call.help) {
		print_help(family, verb);
		return EXIT_OK;
	}
	if (call.words < verb->words)
		return say_usage(family, verb);
	return verb->run(call.options);
}

int verb_run(const struct verb *verb, int argc, char **argv)
{
	return run(NULL, verb, argc, argv);
}

int verbs_run(const struct verb_family *family, int argc, char **argv)
{
	const struct verb *verb;

	assert(family->options_size <= VERB_OPTIONS_SIZE);
	if (argc < 2)
		return say_usage(family, NULL);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		verbs_help(family);
		return EXIT_OK;
	}
	verb = find_verb(family, argv[1]);
	return verb ? run(family, verb, argc - 1, argv + 1) : unknown_verb(family, argv[1]);
}

void verb_print_manual(const struct verb *verb)
{
	printf(".SS lkvm %s ", verb->name);
	options_print_roff(verb->arguments);
	putchar('\n');
	options_print_roff(verb->manual ? verb->manual : verb->summary);
	putchar('\n');
	if (verb->specs)
		options_print_manual(verb->specs);
}

void verbs_print_manual(const struct verb_family *family)
{
	for (const struct verb *verb = family->verbs; verb->name; verb++) {
		if (!verb->specs)
			continue;
		printf(".SS lkvm %s %s ", family->command, verb->name);
		options_print_roff(verb->arguments);
		putchar('\n');
		options_print_manual(verb->specs);
	}
}

void verb_help(const struct verb *verb)
{
	printf("usage: lkvm %s %s\n\n%s\n\n", verb->name, verb->arguments,
	       verb->manual ? verb->manual : verb->summary);
	if (verb->specs)
		options_print_help(verb->specs);
	options_print_help(help_specs);
}

void verbs_help(const struct verb_family *family)
{
	const struct verb *verb;

	for (verb = family->verbs; verb->name; verb++)
		printf("%s lkvm %s %s %s\n", verb == family->verbs ? "usage:" : "      ",
		       family->command, verb->name, verb->arguments);
	printf("\n");
	for (verb = family->verbs; verb->name; verb++) {
		printf("  %-10s %s\n", verb->name, verb->summary);
		if (verb->specs)
			options_print_help(verb->specs);
	}
	printf("\n");
	options_print_help(help_specs);
	printf("\n%s\n", family->notes);
}
