/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lkvm run [DIR] -- COMMAND: a run for one command, whose status is the run's.
 *
 *   oneshot_plan()     what the options come to: the kernel, its modules, the folders; and the
 *                      devices for them, as though the user had named them
 *   oneshot_open_result()
 *   oneshot_prepare()  the initrd and the channels are made
 *   oneshot_start()    the machine is there
 *   (the guest runs)
 *   oneshot_finish()   output, verdict, result
 *   oneshot_free()
 */
#ifndef CMD_ONESHOT_H
#define CMD_ONESHOT_H

#include <limits.h>

#include "oneshot/findings.h"
#include "oneshot/initrd.h"
#include "oneshot/kernel.h"
#include "oneshot/modules.h"
#include "oneshot/pack.h"
#include "oneshot/session.h"
#include "oneshot/ways.h"
#include "options.h"
#include "util/error.h"
#include "vmm/terminal.h"
#include "vmm/vm.h"

struct diagnosis;
struct machine;
struct watch;
struct run_options;

/* Options that can be given again. */
#define ONESHOT_LIST_MAX 32
struct oneshot_list {
	char *items[ONESHOT_LIST_MAX];
	unsigned count;
};

struct oneshot_options {
	char **command;	  /* of argv, ended by NULL; NULL: this is no one-shot run */
	const char *root; /* NULL: the host's own */
	const char *word; /* beside it, while options are read; NULL: there is none */
	const char *modules, *user, *pwd, *result;
	bool rw, dry_run, shell, keep;
	char *shell_words[2]; /* the command, where it is a shell */
	struct oneshot_list env, folders, tmpfs;
};

#define ONESHOT_CONSOLE (16 * 1024)

struct oneshot {
	const struct run_options *run;			/* the caller's */
	char kernel[PATH_MAX], module_folder[PATH_MAX]; /* "": none */
	struct modules *modules;			/* owned; NULL: none */
	struct kernel_config kernel_config;
	bool scratch;
	struct ways ways;
	struct pack_size packed;	   /* of a root that is */
	bool is_terminal;		   /* the command has one */
	char *given[ONESHOT_LIST_MAX + 8]; /* owned: values of options that nobody gave */
	unsigned given_count;
	unsigned uid, gid;
	struct initrd_config config;
	int initrd_fd, result_fd, standard[3], signal_fd; /* owned; -1: none */
	struct session *session;
	struct vm *vm; /* the machine's, while there is one */
	struct loop_source signals;
	/* What was on the console last. */
	struct terminal_tap tap;
	struct terminal *terminal; /* the machine's; NULL: no tap is there */
	char console[ONESHOT_CONSOLE];
	u64 console_len; /* bytes in all; the last are at its rest by the size */
	struct findings findings;
	struct machine *machine; /* while there is one */
	struct watch *watch;	 /* the caller's */
	const char *core;	 /* a file that was written of the guest; NULL: none */
	u64 started_ns;
};

/* Exit statuses of --timeout, in the order of enum watch_limit. */
extern const int oneshot_timeout_statuses[];

/* init's program, cmd/oneshot_init.c. */
extern const char oneshot_init[], oneshot_init_end[];

/*
 * Before anything can be refused: what an earlier run left in the file of --result is nobody's
 * result from now on. -errno with a line: it holds something else.
 */
int oneshot_forget_result(const struct run_options *options, struct error *err);
/* @oneshot: zeroed. -EINVAL with a line; oneshot_free() in any case. Changes options->kernel. */
int oneshot_plan(struct oneshot *oneshot, struct run_options *options,
		 const struct option_group *groups, struct error *err);
/* What will be done, on standard output. */
void oneshot_print(const struct oneshot *oneshot);
/* --result's file, before anything can fail that is no wrong usage. -errno with a line. */
int oneshot_open_result(struct oneshot *oneshot, const struct run_options *options,
			struct error *err);
/*
 * -errno with a line. Standard input and output are kept for the command from now on. @watch is
 * told when the command starts.
 */
int oneshot_prepare(struct oneshot *oneshot, struct run_options *options, struct watch *watch,
		    struct error *err);
int oneshot_start(struct oneshot *oneshot, struct machine *machine, struct error *err);
/* The terminal's window may have another size; @continued: we were stopped, too. VM lock held. */
void oneshot_look(struct oneshot *oneshot, bool continued);
struct boot_time;
void oneshot_note_times(const struct oneshot *oneshot, struct boot_time *boot_time);
/*
 * Where SIGINT goes (watch_pass()): an eventfd.
 */
int oneshot_signal_fd(const struct oneshot *oneshot);

/* How the VM ended, apart from what its guest said. */
struct oneshot_end {
	enum vm_stop reason;		   /* the verdict's */
	enum vm_stop ended_by;		   /* what ended the run, and so what there is time for */
	int said;			   /* the status that an ordinary run would have */
	const struct diagnosis *diagnosis; /* what the vCPUs were at; NULL: not known */
	const char *why;		   /* it did not begin to run; "": it did */
	bool output_lost;		   /* of the guest's, but for the command's */
};

/*
 * The VM stopped for @reason: for what the run is over. A limit of one of its phases was not
 * reached by a command that had ended, but by its guest afterwards.
 */
enum vm_stop oneshot_reason(const struct oneshot *oneshot, enum vm_stop reason);
/*
 * Write what is left of the output, the result, and a line for people if the command did not end
 * by itself. Returns the exit status.
 */
int oneshot_finish(struct oneshot *oneshot, const struct oneshot_end *end);
/* Before the machine is destroyed. */
void oneshot_free(struct oneshot *oneshot);

#endif
