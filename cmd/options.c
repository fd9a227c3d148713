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
	bool undone;			/* it was given with "no-" in front */
};

static struct found find_letter(const struct option_group *groups, char letter)
{
	for (; groups->specs; groups++) {
		for (const struct option_spec *spec = groups->specs; spec->name; spec++) {
			if (spec->letter == letter)
				return (struct found){ groups, spec };
		}
	}
	return (struct found){ 0 };
}

/* A name as it was given, which may be the beginning of an option's. */
struct given {
	const char *name;
	size_t len;
};

static bool begins(const struct option_spec *spec, const struct given *given, bool whole)
{
	return !strncmp(spec->name, given->name, given->len) && (!whole || !spec->name[given->len]);
}

/* How many there are; the first one goes to *found. */
static unsigned count_names(const struct option_group *groups, const struct given *given,
			    bool whole, struct found *found)
{
	unsigned count = 0;

	for (; groups->specs; groups++) {
		for (const struct option_spec *spec = groups->specs; spec->name; spec++) {
			if (begins(spec, given, whole) && !count++)
				*found = (struct found){ groups, spec };
		}
	}
	return count;
}

/* The whole name first: "debug" is one, though "debug-mmio" begins so. */
static unsigned find_names(const struct option_group *groups, const struct given *given,
			   struct found *found)
{
	unsigned count = given->len ? count_names(groups, given, true, found) : 0;

	return count || !given->len ? count : count_names(groups, given, false, found);
}

static unsigned find_long(const struct option_group *groups, const struct given *given,
			  struct found *found)
{
	unsigned count = find_names(groups, given, found);
	struct given undone;

	*found = count ? *found : (struct found){ 0 };
	if (count || strncmp(given->name, "no-", 3) || given->len < 3)
		return count;
	undone = (struct given){ given->name + 3, given->len - 3 };
	count = find_names(groups, &undone, found);
	found->undone = true;
	return count;
}

/* The names that it may be the beginning of: "--a, --b". */
static int say_ambiguous(const struct option_group *groups, const struct given *given,
			 const struct found *found, struct error *err)
{
	const unsigned skip = found->undone ? 3 : 0;
	const struct given sought = { given->name + skip, given->len - skip };
	char text[300] = "";
	size_t len = 0;

	for (; groups->specs; groups++) {
		for (const struct option_spec *spec = groups->specs; spec->name; spec++) {
			if (begins(spec, &sought, false) && len < sizeof(text))
				len += snprintf(text + len, sizeof(text) - len, "%s--%s",
						len ? ", " : "", spec->name);
		}
	}
	return error_set(err, -EINVAL, "--%.*s may be short for several: %s", (int)given->len,
			 given->name, text);
}

static int say_unknown(const struct option_group *groups, const struct given *given,
		       struct error *err)
{
	const char *names[OPTIONS_MAX + 1] = { NULL };
	unsigned count = 0;
	char word[64];
	const char *near;

	for (; groups->specs; groups++) {
		for (unsigned i = 0; groups->specs[i].name && count < OPTIONS_MAX; i++)
			names[count++] = groups->specs[i].name;
	}
	snprintf(word, sizeof(word), "%.*s", (int)given->len, given->name);
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

/* "--no-X": as if it had not been given. */
static int undo(struct parser *parser, const struct found *found, struct error *err)
{
	const struct option_spec *spec = found->spec;

	for (unsigned i = 0; i < parser->given_count; i++) {
		if (parser->given[i] == spec)
			parser->given[i] = NULL;
	}
	if (spec->many || (found->group->undo ? found->group->undo(found->group, spec)
					      : option_undo(spec, found->group->target)))
		return error_set(err, -EINVAL, "--no-%s undoes nothing: leave --%s out", spec->name,
				 spec->name);
	return 0;
}

static char *next_word(const struct parser *parser)
{
	return parser->index + 1 < parser->argc ? parser->argv[parser->index + 1] : NULL;
}

/* What is the same whether or not there is a value. 0: there may be one. */
static int refuse(const struct found *found, struct error *err)
{
	const char *why = found->spec->type == OPTION_REFUSED ? found->spec->help
							      : found->group->refusal;

	return why ? error_set(err, -EINVAL, "--%s: %s", found->spec->name, why) : 0;
}

/* @value: what stands behind the option in the same word; NULL: nothing. @name: for lines. */
static int parse_value(struct parser *parser, const struct found *found, char *value,
		       const char *name, struct error *err)
{
	const struct option_spec *spec = found->spec;
	char *next = next_word(parser), text[64];

	if (spec->type == OPTION_FLAG || found->undone)
		return value	       ? error_set(err, -EINVAL, "%s takes no value", name)
		       : found->undone ? undo(parser, found, err)
				       : set(parser, found, NULL, err);
	if (value || (spec->optional && (!next || !option_is_item(spec, next))))
		return set(parser, found, value, err);
	if (!next)
		return error_set(err, -EINVAL, "%s needs a value: %s %s", name, name,
				 option_value_text(spec, text, sizeof(text)));
	parser->index++;
	return set(parser, found, next, err);
}

/* "--name" and what may follow; moves on over a value in the next word. */
static int parse_long(struct parser *parser, struct error *err)
{
	char *name = parser->argv[parser->index] + 2, *value = strchr(name, '=');
	const struct given given = { name, strcspn(name, "=") };
	struct found found;
	unsigned count = find_long(parser->groups, &given, &found);
	char called[64];

	if (!count)
		return say_unknown(parser->groups, &given, err);
	if (count > 1)
		return say_ambiguous(parser->groups, &given, &found, err);
	snprintf(called, sizeof(called), "--%s%s", found.undone ? "no-" : "", found.spec->name);
	if (refuse(&found, err))
		return -EINVAL;
	return parse_value(parser, &found, value ? value + 1 : NULL, called, err);
}

/* "-n", "-n VALUE", "-nVALUE". */
static int parse_short(struct parser *parser, struct error *err)
{
	char *word = parser->argv[parser->index];
	const char called[] = { '-', word[1], '\0' };
	struct found found = find_letter(parser->groups, word[1]);

	if (!found.spec)
		return error_set(err, -EINVAL, "unknown option %s: --help lists what there is",
				 word);
	if (refuse(&found, err))
		return -EINVAL;
	return parse_value(parser, &found, word[2] ? word + 2 : NULL, called, err);
}

int options_parse(const struct option_group *groups, int argc, char **argv,
		  int (*word)(void *arg, char *word, struct error *err), void *arg, int *rest,
		  struct error *err)
{
	struct parser parser = { .groups = groups, .argc = argc, .argv = argv };
	bool words_only = false;
	int ret = 0;

	for (parser.index = 1; !ret && parser.index < argc; parser.index++) {
		char *given = argv[parser.index];

		if (words_only || given[0] != '-' || !given[1])
			ret = word(arg, given, err);
		else if (!strcmp(given, "--") && rest)
			break;
		else if (!strcmp(given, "--"))
			words_only = true;
		else if (given[1] == '-')
			ret = parse_long(&parser, err);
		else
			ret = parse_short(&parser, err);
	}
	/* It stopped at the "--". */
	if (!ret && rest)
		*rest = parser.index < argc ? parser.index + 1 : 0;
	return ret;
}

int options_give(const struct option_group *groups, const char *name, char *value,
		 struct error *err)
{
	struct parser parser = { .groups = groups };
	struct given given = { name, strlen(name) };
	struct found found;

	find_long(groups, &given, &found);
	return set(&parser, &found, value, err);
}
