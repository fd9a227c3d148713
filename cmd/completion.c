/* SPDX-License-Identifier: BSD-2-Clause */
/* The completion of bash, made from the tables of commands, verbs and options. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "options_print.h"
#include "run_options.h"
#include "util/log.h"
#include "verbs.h"

static const char head[] =
	"# bash completion for lkvm, made by 'lkvm completion bash'\n"
	"_lkvm_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }\n"
	"_lkvm_files() { mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); }\n"
	"_lkvm_names() { _lkvm_words \"$(lkvm list 2>/dev/null | awk 'NR > 2 { print $2 }')\"; }\n"
	"_lkvm() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	"\tCOMPREPLY=()\n"
	"\t# '=' is a word of its own: --console=virtio is three.\n"
	"\tif [ \"$cur\" = = ]; then cur=\n"
	"\telif [ \"$prev\" = = ]; then prev=${COMP_WORDS[COMP_CWORD-2]}\n"
	"\tfi\n";

static const char tail[] = "}\n"
			   "complete -o filenames -F _lkvm lkvm\n";

static void print_commands(void)
{
	printf("\tif [ \"$COMP_CWORD\" = 1 ]; then _lkvm_words \"");
	for (const struct command *command = commands; command->name; command++) {
		if (!command->refusal)
			printf("%s ", command->name);
	}
	printf("\"; return; fi\n");
}

static void print_run(void)
{
	unsigned row;

	printf("\trun)\n\t\tcase $prev in\n");
	options_print_cases(run_option_specs);
	options_print_cases(arm64_option_specs);
	options_print_cases(oneshot_option_specs);
	for (row = 0; device_classes[row]; row++) {
		if (device_classes[row]->options)
			options_print_cases(device_classes[row]->options);
	}
	printf("\t\tesac\n\t\tcase $cur in\n\t\t-*) _lkvm_words \"");
	options_print_words(run_option_specs);
	options_print_words(arm64_option_specs);
	options_print_words(oneshot_option_specs);
	for (row = 0; device_classes[row]; row++) {
		if (device_classes[row]->options)
			options_print_words(device_classes[row]->options);
	}
	printf("\" ;;\n\t\t*) _lkvm_files ;;\n\t\tesac ;;\n");
}

static void print_family(const struct verb_family *family)
{
	const struct verb *verb;

	printf("\t%s)\n\t\tif [ \"$COMP_CWORD\" = 2 ]; then _lkvm_words \"", family->command);
	for (verb = family->verbs; verb->name; verb++)
		printf("%s ", verb->name);
	printf("\"; return; fi\n\t\tcase ${COMP_WORDS[2]}:$cur in\n");
	for (verb = family->verbs; verb->name; verb++) {
		if (!verb->specs)
			continue;
		printf("\t\t%s:-*) _lkvm_words \"", verb->name);
		options_print_words(verb->specs);
		printf("\" ;;\n");
	}
	for (verb = family->verbs; verb->name; verb++) {
		if (!strncmp(verb->arguments, "NAME", strlen("NAME")))
			printf("\t\t%s:*) _lkvm_names ;;\n", verb->name);
		else if (!strncmp(verb->arguments, "FILE", strlen("FILE")))
			printf("\t\t%s:*) _lkvm_files ;;\n", verb->name);
	}
	printf("\t\tesac ;;\n");
}

static void print_verb(const struct verb *verb)
{
	printf("\t%s)\n\t\tcase $cur in\n", verb->name);
	if (verb->specs) {
		printf("\t\t-*) _lkvm_words \"");
		options_print_words(verb->specs);
		printf("\" ;;\n");
	}
	if (!strncmp(verb->arguments, "NAME", strlen("NAME")))
		printf("\t\t*) _lkvm_names ;;\n");
	printf("\t\tesac ;;\n");
}

static void print_bash(void)
{
	printf("%s", head);
	print_commands();
	printf("\tcase ${COMP_WORDS[1]} in\n");
	print_run();
	for (const struct command *command = commands; command->name; command++) {
		if (command->family)
			print_family(command->family);
		if (command->verb)
			print_verb(command->verb);
	}
	printf("\tesac\n%s", tail);
}

int cmd_completion(int argc, char **argv)
{
	if (argc != 2 || strcmp(argv[1], "bash")) {
		log_error("usage: lkvm completion bash");
		return EXIT_USAGE;
	}
	print_bash();
	return EXIT_OK;
}

void cmd_completion_help(void)
{
	printf("usage: lkvm completion bash\n\n"
	       "Print what bash needs to complete lkvm's words: eval \"$(lkvm completion "
	       "bash)\"\n");
}
