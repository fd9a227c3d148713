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

/* "--name" and what may follow; moves *index over a value in the next word. */
static int parse_long(const struct option_spec *specs, char **argv, int argc, int *index,
		      void *target, struct error *err)
{
	char *name = argv[*index] + 2;
	char *value = strchr(name, '=');
	const struct option_spec *spec = find_name(specs, name, strcspn(name, "="));

	if (!spec)
		return say_unknown(specs, name, err);
	if (value)
		value++;
	if (spec->arg == OPTION_FLAG && value)
		return error_set(err, -EINVAL, "--%s takes no value", spec->name);
	if (spec->arg == OPTION_VALUE && !value) {
		if (*index + 1 >= argc)
			return error_set(err, -EINVAL, "--%s needs a value: --%s %s", spec->name,
					 spec->name, spec->value);
		value = argv[++*index];
	}
	if (spec->arg == OPTION_OPTIONAL && !value && *index + 1 < argc && spec->is_value &&
	    spec->is_value(argv[*index + 1]))
		value = argv[++*index];
	return spec->set(target, value, err);
}

/* "-n", "-n VALUE", "-nVALUE". */
static int parse_short(const struct option_spec *specs, char **argv, int argc, int *index,
		       void *target, struct error *err)
{
	char *word = argv[*index];
	const struct option_spec *spec = find_letter(specs, word[1]);
	char *value = word[2] ? word + 2 : NULL;

	if (!spec)
		return error_set(err, -EINVAL, "unknown option %s: --help lists what there is",
				 word);
	if (spec->arg != OPTION_VALUE) {
		if (value)
			return error_set(err, -EINVAL, "-%c takes no value", spec->letter);
		return spec->set(target, NULL, err);
	}
	if (!value && *index + 1 >= argc)
		return error_set(err, -EINVAL, "-%c needs a value: -%c %s", spec->letter,
				 spec->letter, spec->value);
	return spec->set(target, value ? value : argv[++*index], err);
}

int options_parse(const struct option_spec *specs, int argc, char **argv, void *target,
		  int (*word)(void *target, char *word, struct error *err), struct error *err)
{
	int ret = 0;

	for (int i = 1; !ret && i < argc; i++) {
		if (!strncmp(argv[i], "--", 2) && argv[i][2])
			ret = parse_long(specs, argv, argc, &i, target, err);
		else if (argv[i][0] == '-' && argv[i][1] && argv[i][1] != '-')
			ret = parse_short(specs, argv, argc, &i, target, err);
		else
			ret = word(target, argv[i], err);
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
