/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "util/parse.h"

#define OPTIONS_MAX 128

struct parser {
	const struct option_group *groups;
	int argc, index; /* of the word that is looked at */
	char **argv;
	const struct option_spec *given[OPTIONS_MAX]; /* with values, and not to be repeated */
	unsigned given_count;
};

/* An option, and the group that it is in. */
struct found {
	const struct option_group *group;
	const struct option_spec *spec; /* NULL: there is none */
};

static struct found find(const struct option_group *groups, char letter, const char *name,
			 size_t len)
{
	for (; groups->specs; groups++) {
		for (const struct option_spec *spec = groups->specs; spec->name; spec++) {
			if (letter ? spec->letter == letter
				   : strlen(spec->name) == len && !strncmp(spec->name, name, len))
				return (struct found){ groups, spec };
		}
	}
	return (struct found){ 0 };
}

static int say_unknown(const struct option_group *groups, const char *given, struct error *err)
{
	const char *names[OPTIONS_MAX + 1] = { NULL };
	size_t len = strcspn(given, "=");
	unsigned count = 0;
	char word[64];
	const char *near;

	for (; groups->specs; groups++) {
		for (unsigned i = 0; groups->specs[i].name && count < OPTIONS_MAX; i++)
			names[count++] = groups->specs[i].name;
	}
	snprintf(word, sizeof(word), "%.*s", (int)len, given);
	near = parse_nearest(word, names);
	if (near)
		return error_set(err, -EINVAL, "unknown option --%s: did you mean --%s?", word,
				 near);
	return error_set(err, -EINVAL, "unknown option --%s: --help lists what there is", word);
}

/* Repeating a flag changes nothing; of two values one would be lost silently. */
static int check_once(struct parser *parser, const struct option_spec *spec, struct error *err)
{
	if (spec->type == OPTION_FLAG || spec->many)
		return 0;
	for (unsigned i = 0; i < parser->given_count; i++) {
		if (parser->given[i] == spec)
			return error_set(err, -EINVAL, "--%s is given twice: once is enough",
					 spec->name);
	}
	if (parser->given_count < OPTIONS_MAX)
		parser->given[parser->given_count++] = spec;
	return 0;
}

static int set(struct parser *parser, const struct found *found, char *value, struct error *err)
{
	const struct option_group *group = found->group;
	void *target = group->target;
	int ret = check_once(parser, found->spec, err);

	if (ret)
		return ret;
	if (group->find_target)
		target = group->find_target(group, found->spec);
	return target ? option_set(found->spec, target, value, err)
		      : error_set(err, -ENOMEM, "--%s: out of memory", found->spec->name);
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
	struct found found = find(parser->groups, '\0', name, strcspn(name, "="));
	char text[64];
	const struct option_spec *spec = found.spec;

	if (!spec)
		return say_unknown(parser->groups, name, err);
	if (value)
		return spec->type == OPTION_FLAG
			       ? error_set(err, -EINVAL, "--%s takes no value", spec->name)
			       : set(parser, &found, value + 1, err);
	if (spec->type == OPTION_FLAG || (spec->optional && (!next || !option_is_item(spec, next))))
		return set(parser, &found, NULL, err);
	if (!next)
		return error_set(err, -EINVAL, "--%s needs a value: --%s %s", spec->name,
				 spec->name, option_value_text(spec, text, sizeof(text)));
	parser->index++;
	return set(parser, &found, next, err);
}

/* "-n", "-n VALUE", "-nVALUE". */
static int parse_short(struct parser *parser, struct error *err)
{
	char *word = parser->argv[parser->index];
	struct found found = find(parser->groups, word[1], NULL, 0);
	const struct option_spec *spec = found.spec;
	char *value = word[2] ? word + 2 : NULL, text[64];

	if (!spec)
		return error_set(err, -EINVAL, "unknown option %s: --help lists what there is",
				 word);
	if (spec->type == OPTION_FLAG) {
		if (value)
			return error_set(err, -EINVAL, "-%c takes no value", spec->letter);
		return set(parser, &found, NULL, err);
	}
	if (!value && spec->optional &&
	    (!next_word(parser) || !option_is_item(spec, next_word(parser))))
		return set(parser, &found, NULL, err);
	if (!value) {
		value = next_word(parser);
		parser->index++;
	}
	if (!value)
		return error_set(err, -EINVAL, "-%c needs a value: -%c %s", spec->letter,
				 spec->letter, option_value_text(spec, text, sizeof(text)));
	return set(parser, &found, value, err);
}

int options_parse(const struct option_group *groups, int argc, char **argv,
		  int (*word)(void *arg, char *word, struct error *err), void *arg,
		  struct error *err)
{
	struct parser parser = { .groups = groups, .argc = argc, .argv = argv };
	bool words_only = false;
	int ret = 0;

	for (parser.index = 1; !ret && parser.index < argc; parser.index++) {
		char *given = argv[parser.index];

		if (words_only || given[0] != '-' || !given[1])
			ret = word(arg, given, err);
		else if (!strcmp(given, "--"))
			words_only = true;
		else if (given[1] == '-')
			ret = parse_long(&parser, err);
		else
			ret = parse_short(&parser, err);
	}
	return ret;
}
