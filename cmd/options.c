/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "util/parse.h"

static const struct option_spec *find_letter(const struct option_spec *specs, char letter)
{
	for (; specs->name; specs++) {
		if (specs->letter && specs->letter == letter)
			return specs;
	}
	return NULL;
}

static const struct option_spec *find_name(const struct option_spec *specs, const char *name,
					   size_t len)
{
	for (; specs->name; specs++) {
		if (strlen(specs->name) == len && !strncmp(specs->name, name, len))
			return specs;
	}
	return NULL;
}

static int say_unknown(const struct option_spec *specs, const char *given, struct error *err)
{
	const char *names[OPTIONS_MAX + 1] = { NULL };
	size_t len = strcspn(given, "=");
	char word[64];
	const char *near;

	for (unsigned i = 0; specs[i].name && i < OPTIONS_MAX; i++)
		names[i] = specs[i].name;
	snprintf(word, sizeof(word), "%.*s", (int)len, given);
	near = parse_nearest(word, names);
	if (near)
		return error_set(err, -EINVAL, "unknown option --%s: did you mean --%s?", word,
				 near);
	return error_set(err, -EINVAL, "unknown option --%s: --help lists what there is", word);
}

struct parser {
	const struct option_spec *specs;
	int argc, index; /* of the word that is looked at */
	char **argv;
	void *target;
	u64 given; /* a bit for each of the specs */
};

/* Repeating a flag changes nothing; of two values one would be lost silently. */
static int set(struct parser *parser, const struct option_spec *spec, char *value,
	       struct error *err)
{
	u64 bit = 1ULL << (spec - parser->specs);

	if (parser->given & bit && spec->arg != OPTION_FLAG && !spec->many)
		return error_set(err, -EINVAL, "--%s is given twice: once is enough", spec->name);
	parser->given |= bit;
	return spec->set(parser->target, value, err);
}

static char *next_word(const struct parser *parser)
{
	return parser->index + 1 < parser->argc ? parser->argv[parser->index + 1] : NULL;
}

/* "--name" and what may follow; moves on over a value in the next word. */
static int parse_long(struct parser *parser, struct error *err)
{
	char *name = parser->argv[parser->index] + 2;
	char *value = strchr(name, '='), *next = next_word(parser);
	const struct option_spec *spec = find_name(parser->specs, name, strcspn(name, "="));

	if (!spec)
		return say_unknown(parser->specs, name, err);
	if (value)
		return spec->arg == OPTION_FLAG
			       ? error_set(err, -EINVAL, "--%s takes no value", spec->name)
			       : set(parser, spec, value + 1, err);
	if (spec->arg == OPTION_VALUE && !next)
		return error_set(err, -EINVAL, "--%s needs a value: --%s %s", spec->name,
				 spec->name, spec->value);
	if (spec->arg == OPTION_VALUE ||
	    (spec->arg == OPTION_OPTIONAL && next && spec->is_value && spec->is_value(next))) {
		value = next;
		parser->index++;
	}
	return set(parser, spec, value, err);
}

/* "-n", "-n VALUE", "-nVALUE". */
static int parse_short(struct parser *parser, struct error *err)
{
	char *word = parser->argv[parser->index];
	const struct option_spec *spec = find_letter(parser->specs, word[1]);
	char *value = word[2] ? word + 2 : NULL;

	if (!spec)
		return error_set(err, -EINVAL, "unknown option %s: --help lists what there is",
				 word);
	if (spec->arg != OPTION_VALUE) {
		if (value)
			return error_set(err, -EINVAL, "-%c takes no value", spec->letter);
		return set(parser, spec, NULL, err);
	}
	if (!value) {
		value = next_word(parser);
		parser->index++;
	}
	if (!value)
		return error_set(err, -EINVAL, "-%c needs a value: -%c %s", spec->letter,
				 spec->letter, spec->value);
	return set(parser, spec, value, err);
}

int options_parse(const struct option_spec *specs, int argc, char **argv, void *target,
		  int (*word)(void *target, char *word, struct error *err), struct error *err)
{
	struct parser parser = { .specs = specs, .argc = argc, .argv = argv, .target = target };
	bool words_only = false;
	int ret = 0;

	for (parser.index = 1; !ret && parser.index < argc; parser.index++) {
		char *given = argv[parser.index];

		if (words_only || given[0] != '-' || !given[1])
			ret = word(target, given, err);
		else if (!strcmp(given, "--"))
			words_only = true;
		else if (given[1] == '-')
			ret = parse_long(&parser, err);
		else
			ret = parse_short(&parser, err);
	}
	return ret;
}

void options_print(const struct option_spec *specs)
{
	for (; specs->name; specs++) {
		char left[64];
		int len = 0;

		if (specs->letter)
			len = snprintf(left, sizeof(left), "-%c, ", specs->letter);
		else
			len = snprintf(left, sizeof(left), "    ");
		len += snprintf(left + len, sizeof(left) - len, "--%s", specs->name);
		if (specs->arg == OPTION_VALUE)
			snprintf(left + len, sizeof(left) - len, " %s", specs->value);
		else if (specs->arg == OPTION_OPTIONAL)
			snprintf(left + len, sizeof(left) - len, "[=%s]", specs->value);
		printf("  %-30s %s\n", left, specs->help);
	}
}
