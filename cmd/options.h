/* SPDX-License-Identifier: BSD-2-Clause */
/* Command-line options from a table: parsed, explained, and near misses named. */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include "util/error.h"
#include "util/types.h"

enum option_arg {
	OPTION_FLAG,	 /* --name */
	OPTION_VALUE,	 /* --name VALUE, --name=VALUE, -n VALUE, -nVALUE */
	OPTION_OPTIONAL, /* --name, --name=VALUE; --name VALUE if is_value() says so */
};

struct option_spec {
	char letter; /* 0: none */
	const char *name;
	enum option_arg arg;
	const char *value; /* what the help calls it */
	const char *help;
	/* @value: NULL if none was given; lives as long as argv. -errno with @err said. */
	int (*set)(void *target, char *value, struct error *err);
	/* Of OPTION_OPTIONAL: whether the next word can only be its value. NULL: never. */
	bool (*is_value)(const char *word);
	bool many; /* may be given again and again; else a second value is refused */
};

#define OPTIONS_MAX 64

/*
 * Parse argv[1..]. Words that are no options, and all words after "--", go to @word. 0, or
 * -EINVAL with a line in @err. @specs ends with an entry without a name.
 */
int options_parse(const struct option_spec *specs, int argc, char **argv, void *target,
		  int (*word)(void *target, char *word, struct error *err), struct error *err);

/* Two columns on stdout. */
void options_print(const struct option_spec *specs);

#endif
