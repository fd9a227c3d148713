/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "options_print.h"
#include "run_options.h"
#include "verbs.h"

/* What the build puts into docs/lkvm.1. */
static void print_manual(void)
{
	options_print_manual(run_option_specs);
	printf(".SS arm64\n");
	options_print_manual(arm64_option_specs);
	printf(".SS Runs of a command\n");
	options_print_manual(oneshot_option_specs);
	printf(".SS Devices\n");
	for (unsigned row = 0; device_classes[row]; row++) {
		if (device_classes[row]->options)
			options_print_manual(device_classes[row]->options);
	}
}

/* The commands that go to running VMs and are rows with a text. */
static void print_commands(void)
{
	for (const struct command *command = commands; command->name; command++) {
		if (command->verb && !command->offline)
			verb_print_manual(command->verb);
	}
}

/* What the other commands take: iommu, vfio, image. */
static void print_families(void)
{
	for (const struct command *command = commands; command->name; command++) {
		if (command->family)
			verbs_print_manual(command->family);
	}
}

int cmd_help(int argc, char **argv)
{
	const struct command *command;

	if (argc >= 2 && !strcmp(argv[1], "--man")) {
		if (argc == 3 && !strcmp(argv[2], "commands"))
			print_commands();
		else if (argc == 3 && !strcmp(argv[2], "families"))
			print_families();
		else
			print_manual();
		return EXIT_OK;
	}
	if (argc > 1) {
		command = find_command(argv[1]);
		if (!command)
			return unknown_command(argv[1]);
		command_help(command);
		return EXIT_OK;
	}
	printf("usage: lkvm COMMAND [ARGS]\n\nThe most commonly used lkvm commands are:\n");
	for (command = commands; command->name; command++) {
		if (!command->refusal)
			printf("   %-11s %s\n", command->name, command->summary);
	}
	printf("\n'lkvm help COMMAND' explains a command.\n");
	return EXIT_OK;
}

void cmd_help_help(void)
{
	printf("usage: lkvm help [COMMAND]\n"
	       "       lkvm help --man [commands|families]\n\n"
	       "List the commands, or explain one. --man prints the options of 'lkvm run', the\n"
	       "commands that go to running VMs, or those of two words, as the manual page has "
	       "them.\n");
}
