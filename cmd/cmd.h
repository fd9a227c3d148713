/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands of the command line. */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include <stdbool.h>

/* Exit statuses, as README and the manual page promise them. */
enum exit_status {
	EXIT_OK = 0,	   /* the guest powered off or rebooted */
	EXIT_HOST = 1,	   /* the host failed us */
	EXIT_USAGE = 2,	   /* what the user asked for cannot be done; nothing was touched */
	EXIT_PANIC = 3,	   /* the guest's kernel panicked or a vCPU died */
	EXIT_TIMEOUT = 4,  /* --timeout */
	EXIT_WATCHDOG = 5, /* the guest's watchdog ran out */
	EXIT_HANG = 6,	   /* --hang */
	/*
	 * Of a run for a command (cmd/oneshot.h), where the small numbers are the command's own.
	 * The last four are as of timeout(1) and the shell.
	 */
	EXIT_COMMAND_REBOOT = 112,	  /* the guest reset the machine before the command ended */
	EXIT_COMMAND_OUT_OF_MEMORY = 113, /* a panic, as there was no memory */
	EXIT_COMMAND_INIT_DIED = 114,	  /* a panic, as there was no init any more */
	EXIT_COMMAND_OOPS = 115,	  /* a panic after an oops */
	EXIT_COMMAND_CRASH = 116,	  /* a vCPU cannot go on: a triple fault and the like */
	EXIT_COMMAND_HANG = 117,
	EXIT_COMMAND_RUN_TIMEOUT = 118,	 /* --timeout run= */
	EXIT_COMMAND_BOOT_TIMEOUT = 119, /* --timeout boot= */
	EXIT_COMMAND_NO_KVM = 120,	 /* this host has no KVM, or none for this user */
	EXIT_COMMAND_NO_END = 121,   /* the guest ended, or could not go on, before the command */
	EXIT_COMMAND_WATCHDOG = 122, /* as the ordinary ones */
	EXIT_COMMAND_PANIC = 123,
	EXIT_COMMAND_TIMEOUT = 124,
	EXIT_COMMAND_HOST = 125,
	EXIT_COMMAND_NO_PROGRAM = 126, /* the command is there and cannot be run */
	EXIT_COMMAND_NOT_FOUND = 127,
	EXIT_SIGNAL = 128, /* plus the signal's number; Ctrl-A x counts as SIGINT */
};

struct verb;
struct verb_family;

struct command {
	const char *name;
	const char *summary; /* half a line, for "lkvm help" */
	/* Of a command that is a verb, or a family of them (cmd/verbs.h), instead of the others. */
	const struct verb *verb;
	const struct verb_family *family;
	/* Of a word of kvmtool's that is none of ours: why, and what to do instead. */
	const char *refusal;
	/* It goes to no running VM, though it is a verb: the manual page has it elsewhere. */
	bool offline;
	int (*run)(int argc, char **argv); /* argv[0] is the command's name */
	void (*help)(void);
};

/* Ended by an entry without a name. */
extern const struct command commands[];

int cmd_run(int argc, char **argv);
void cmd_run_help(void);
int cmd_exec(int argc, char **argv);
void cmd_exec_help(void);
int cmd_ssh(int argc, char **argv);
void cmd_ssh_help(void);
int cmd_completion(int argc, char **argv);
void cmd_completion_help(void);
int cmd_version(int argc, char **argv);
void cmd_version_help(void);
int cmd_help(int argc, char **argv);
void cmd_help_help(void);

extern const struct verb_family iommu_family, vfio_family, image_family;
extern const struct verb list_verb, pause_verb, resume_verb, stop_verb, stat_verb, events_verb,
	console_verb, debug_verb, balloon_verb, result_verb, vsock_verb;

void command_help(const struct command *command);
/* NULL if there is none of that name. */
const struct command *find_command(const char *name);
/* One line on stderr about a word that is no command, with the nearest one; EXIT_USAGE. */
int unknown_command(const char *name);

#endif
