/* SPDX-License-Identifier: BSD-2-Clause */
/* "lkvm pause" and "lkvm resume". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "list.h"
#include "options.h"
#include "options_print.h"
#include "query.h"
#include "util/log.h"
#include "vmm/control.h"

struct pause_options {
	const char *name;
	bool all;
	bool help;
};

static int set_name(void *arg, char *word, struct error *err)
{
	struct pause_options *options = arg;

	if (options->name)
		return error_set(err, -EINVAL, "'%s': one VM at a time", word);
	options->name = word;
	return control_check_name(word, err);
}

static int set_name_option(void *arg, char *value, struct error *err)
{
	return set_name(arg, value, err);
}

static const struct option_spec specs[] = {
	{ 'n', "name", OPTION_CALL, "NAME", "the same as NAME alone", .set = set_name_option },
	{ 'a', "all", OPTION_FLAG, .help = "all of your VMs",
	  OPTION_FIELD(struct pause_options, all) },
	{ 'h', "help", OPTION_FLAG, .help = "this text", OPTION_FIELD(struct pause_options, help) },
	{ 0 },
};

/* The VM's answer: whether it is paused now. A status, or -1 with *paused set. @silence: query.h.
 */
static int ask(const char *name, const char *command, const char *silence, bool *paused)
{
	struct query query;
	json_t *answer;
	int status = query_begin(&query, name, json_pack("{ss}", "command", command));

	if (status)
		return status;
	query.silence = silence;
	answer = query_next(&query);
	*paused = json_is_true(json_object_get(answer, "paused"));
	fclose(query.answer);
	if (!answer)
		return query.status;
	json_decref(answer);
	return -1;
}

static const char unfinished[] =
	"has not paused yet, perhaps because the host does not finish its I/O: it pauses when that "
	"is over, unless 'lkvm resume' comes first";

static int pause_one(const char *name)
{
	bool paused = false;
	int status = ask(name, "pause", unfinished, &paused);

	if (status >= 0)
		return status;
	printf("%s is paused\n", name);
	return EXIT_OK;
}

static int resume_one(const char *name)
{
	bool paused = false;
	int status = ask(name, "resume", NULL, &paused);

	if (status >= 0)
		return status;
	printf("%s %s\n", name, paused ? "stays paused: it waits for the host" : "runs");
	return EXIT_OK;
}

/* The last status that is none of success counts. */
static int each(int (*one)(const char *name))
{
	struct running_vm *vms;
	int count = list_running(&vms), status = EXIT_OK;

	if (count < 0) {
		log_error("cannot look for running VMs: %s", strerror(-count));
		return EXIT_HOST;
	}
	for (int i = 0; i < count; i++) {
		int ret = one(vms[i].name);

		status = ret ? ret : status;
	}
	free(vms);
	return status;
}

static int run(int argc, char **argv, int (*one)(const char *name), void (*help)(void))
{
	struct pause_options options = { NULL };
	const struct option_group groups[] = { { specs, &options }, { 0 } };
	struct error err = { "" };

	if (options_parse(groups, argc, argv, set_name, &options, &err)) {
		log_error("%s", err.text);
		return EXIT_USAGE;
	}
	if (options.help) {
		help();
		return EXIT_OK;
	}
	if (options.all == (options.name != NULL)) {
		log_error("usage: lkvm %s NAME, or --all", argv[0]);
		return EXIT_USAGE;
	}
	return options.all ? each(one) : one(options.name);
}

int cmd_pause(int argc, char **argv)
{
	return run(argc, argv, pause_one, cmd_pause_help);
}

int cmd_resume(int argc, char **argv)
{
	return run(argc, argv, resume_one, cmd_resume_help);
}

static const char name_note[] =
	"\nNAME is that of 'lkvm run --name NAME'; 'lkvm list' lists those that run.\n";

void cmd_pause_help(void)
{
	printf("usage: lkvm pause NAME|--all\n\n"
	       "Hold a VM still: return when its CPUs have stopped and its devices have finished\n"
	       "what they had begun. The guest's clocks go on, and so does --timeout.\n\n");
	options_print_help(specs);
	printf("%s", name_note);
}

void cmd_resume_help(void)
{
	printf("usage: lkvm resume NAME|--all\n\nLet a paused VM go on.\n\n");
	options_print_help(specs);
	printf("%s", name_note);
}
