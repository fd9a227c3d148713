/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>

#include "cmd.h"

int cmd_help(int argc, char **argv)
{
	const struct command *command;

	if (argc > 1) {
		command = find_command(argv[1]);
		if (!command)
			return unknown_command(argv[1]);
		command->help();
		return EXIT_OK;
	}
	printf("usage: lkvm COMMAND [ARGS]\n\nThe most commonly used lkvm commands are:\n");
	for (command = commands; command->name; command++)
		printf("   %-10s %s\n", command->name, command->summary);
	printf("\n'lkvm help COMMAND' explains a command.\n");
	return EXIT_OK;
}

void cmd_help_help(void)
{
	printf("usage: lkvm help [COMMAND]\n\nList the commands, or explain one.\n");
}
