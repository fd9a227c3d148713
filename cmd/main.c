/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "util/log.h"
#include "util/parse.h"
#include "verbs.h"

const struct command commands[] = {
	{ "run", "Start a virtual machine", .run = cmd_run, .help = cmd_run_help },
	{ "list", "List the running VMs", &list_verb },
	{ "pause", "Hold a running VM still", &pause_verb },
	{ "resume", "Let a paused VM go on", &resume_verb },
	{ "stop", "End a running VM", &stop_verb },
	{ "balloon", "Ask a running guest to do without memory", &balloon_verb },
	{ "stat", "Show what a running VM counts", &stat_verb },
	{ "debug", "Look into a running VM's CPUs", &debug_verb },
	{ "console", "Use a running VM's console", &console_verb },
	{ "events", "Follow what happens to a running VM", &events_verb },
	{ "exec", "Run one more command in the guest of a command", .run = cmd_exec,
	  .help = cmd_exec_help },
	{ "ssh", "Log into a running guest", .run = cmd_ssh, .help = cmd_ssh_help },
	{ "vsock", "Connect to a port of a running guest's", &vsock_verb },
	{ "iommu", "Look into a running VM's IOMMU", .family = &iommu_family },
	{ "vfio", "See, check, bind and release the host's PCI devices", .family = &vfio_family },
	{ "image", "Make, see, check and convert disk images", .family = &image_family },
	{ "result", "Turn results of runs into a test report", &result_verb, .offline = true },
	{ "setup", .refusal = "setup: lkvm keeps no root file systems; make a folder, and give it "
			      "with 'lkvm run -d FOLDER'" },
	{ "sandbox", .refusal = "sandbox: a command in a folder is 'lkvm run FOLDER -- COMMAND', "
				"and a program as init 'lkvm run -d FOLDER -p init=/PROGRAM'" },
	{ "completion", "Print the shell's completion", .run = cmd_completion,
	  .help = cmd_completion_help },
	{ "version", "Print the version", .run = cmd_version, .help = cmd_version_help },
	{ "help", "Explain a command", .run = cmd_help, .help = cmd_help_help },
	{ 0 },
};

const struct command *find_command(const char *name)
{
	for (const struct command *command = commands; command->name; command++) {
		if (!strcmp(command->name, name))
			return command;
	}
	return NULL;
}

int unknown_command(const char *name)
{
	const char *names[ARRAY_SIZE(commands)] = { NULL };
	const char *near;

	for (unsigned i = 0; commands[i].name; i++)
		names[i] = commands[i].name;
	near = parse_nearest(name, names);
	if (near)
		log_error("unknown command %s: did you mean '%s'?", name, near);
	else
		log_error("unknown command %s: 'lkvm help' lists what there is", name);
	return EXIT_USAGE;
}

static bool asks_for_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

static int command_run(const struct command *command, int argc, char **argv)
{
	if (command->refusal) {
		log_error("%s", command->refusal);
		return EXIT_USAGE;
	}
	if (command->verb)
		return verb_run(command->verb, argc, argv);
	if (command->family)
		return verbs_run(command->family, argc, argv);
	if (argc > 1 && asks_for_help(argv[1])) {
		command->help();
		return EXIT_OK;
	}
	return command->run(argc, argv);
}

void command_help(const struct command *command)
{
	if (command->refusal)
		printf("%s\n", command->refusal);
	else if (command->verb)
		verb_help(command->verb);
	else if (command->family)
		verbs_help(command->family);
	else
		command->help();
}

/* A file that we open must never become somebody's standard stream. */
static void hold_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static int run_command(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		cmd_help(1, argv);
		return EXIT_USAGE;
	}
	if (asks_for_help(argv[1]))
		return cmd_help(1, argv);
	if (!strcmp(argv[1], "--version"))
		return cmd_version(1, argv);
	command = find_command(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	return command_run(command, argc - 1, argv + 1);
}

/* What a command printed has not arrived before this says so: /dev/full, a disk without room. */
static int finish_output(int status)
{
	bool failed = ferror(stdout);
	/* Text that is longer than the buffer has failed before. */
	int error = failed ? errno : 0;

	errno = 0;
	failed |= fflush(stdout) != 0;
	error = errno ? errno : error;
	/* A reader that went away, as in "| head", wanted no more. */
	if (!failed || error == EPIPE)
		return status;
	log_error("cannot write to standard output: %s", error ? strerror(error) : "error");
	return status == EXIT_OK ? EXIT_HOST : status;
}

int main(int argc, char **argv)
{
	/* Longer than any help: the reason why it cannot be written is then that of the last flush.
	 */
	static char buffer[64 * KIB];
	int status;

	/* One heap for all threads: each would map one of its own, and they seldom allocate. */
	mallopt(M_ARENA_MAX, 1);
	hold_standard_fds();
	if (!isatty(STDOUT_FILENO))
		setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	status = finish_output(run_command(argc, argv));
	log_flush(LOG_FLUSH_MS);
	return status;
}
