/* SPDX-License-Identifier: BSD-2-Clause */
/* What commands that go to one VM, or to all, have in common. */
#ifndef CMD_CONTROL_H
#define CMD_CONTROL_H

#include "query.h"
#include "util/error.h"
#include "verbs.h"

struct control_options {
	const char *name;
	bool all;
	bool json, watch, memory;
	unsigned timeout; /* seconds */
	const char *symbols;
	const char *sysrq;
	int nmi; /* the vCPU plus one; 0: none */
};

/* -n and --name, which name the VM as a word does; and -a. */
#define CONTROL_NAME_SPEC                                                                          \
	{                                                                                          \
		'n', "name", OPTION_CALL, "NAME", "the same as NAME alone",                        \
			.set = control_set_name                                                    \
	}
#define CONTROL_ALL_SPEC                                                                           \
	{                                                                                          \
		'a', "all", OPTION_FLAG, .help = "all of your VMs",                                \
					 OPTION_FIELD(struct control_options, all)                 \
	}

int control_set_name(void *options, char *value, struct error *err);
int control_set_word(void *options, unsigned n, char *word, struct error *err);

/* How to finish the help of such a command. */
#define CONTROL_NAME_NOTE                                                                          \
	"NAME is that of 'lkvm run --name NAME', or a process ID; 'lkvm list' lists those that "   \
	"run."

/* Call @one with @arg for the VM that was named, or for all; EXIT_USAGE with a line if it is not
 * so.
 */
int control_run(const char *verb, const struct control_options *options,
		int (*one)(const struct query_to *to, const void *arg), const void *arg);

#endif
