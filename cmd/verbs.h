/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verbs. One is a row: its words, its options, and what it does. Parsing, help, manual page and
 * completion are made from the rows. It is a command, "lkvm pause NAME", or one of a family,
 * "lkvm iommu show NAME".
 */
#ifndef CMD_VERBS_H
#define CMD_VERBS_H

#include "util/error.h"
#include "util/option.h"

struct verb {
	const char *name;
	const char *arguments; /* as the help shows them: "NAME [--json]" */
	const char *summary;
	const struct option_spec *specs; /* ended by an entry without a name; NULL: none */
	/* The @n-th word, from 0, that is no option; -EINVAL with a line. */
	int (*word)(void *options, unsigned n, char *word, struct error *err);
	unsigned words;			 /* how many of them there must be */
	int (*run)(const void *options); /* an exit status */
	const char *manual;		 /* of a command: sentences that explain it; or NULL */
};

#define VERB_OPTIONS_SIZE 128

struct verb_family {
	const char *command;
	const struct verb *verbs; /* ended by an entry without a name */
	size_t options_size; /* of what is parsed to, at most VERB_OPTIONS_SIZE; it begins zero */
	const char *notes;   /* at the end of the help */
};

/* A verb that is a command. argv[0] is its name: an exit status. */
int verb_run(const struct verb *verb, int argc, char **argv);
void verb_help(const struct verb *verb);
/* For the manual page: a section of it, in man(7)'s language. */
void verb_print_manual(const struct verb *verb);
/* The same of a family, whose verb is argv[1]. */
int verbs_run(const struct verb_family *family, int argc, char **argv);
void verbs_help(const struct verb_family *family);
void verbs_print_manual(const struct verb_family *family);

#endif
