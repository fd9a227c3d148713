/* SPDX-License-Identifier: BSD-2-Clause */
/* A command line parsed by tables of options, with near misses named. */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include "util/option.h"

/* Options that go to one target. */
struct option_group {
	const struct option_spec *specs; /* ended by an entry without a name */
	void *target;
	/* If not NULL: gives the target instead, each time that @spec is given. NULL: no memory. */
	void *(*find_target)(const struct option_group *group, const struct option_spec *spec);
	/* If not NULL: instead of option_undo(), for "--no-X". */
	int (*undo)(const struct option_group *group, const struct option_spec *spec);
	const char *refusal; /* if not NULL: why none of them is taken */
};

/*
 * Parse argv[1..] by @groups, which end with an entry without specs. Long options may be shortened
 * as far as they stay unique, and "--no-X" undoes what X did before it, as in kvmtool. Words that
 * are no options, and all words after "--", go to @word with @arg. 0, or -errno with a line in
 * @err.
 * @rest: NULL, or what follows "--" is the caller's: its index in argv, 0 if there is no "--".
 */
int options_parse(const struct option_group *groups, int argc, char **argv,
		  int (*word)(void *arg, char *word, struct error *err), void *arg, int *rest,
		  struct error *err);
/* The option @name of @groups as though it had been given with @value, which may be changed. */
int options_give(const struct option_group *groups, const char *name, char *value,
		 struct error *err);

#endif
