/* SPDX-License-Identifier: BSD-2-Clause */
/* Options of runs of a command. Without a command they are refused. */
#include <errno.h>

#include "run_options.h"

#define FIELD(field) OPTION_FIELD(struct run_options, oneshot.field)

static int add_item(struct oneshot_list *list, const char *option, char *value, struct error *err)
{
	if (list->count == ONESHOT_LIST_MAX)
		return error_set(err, -EINVAL, "--%s: at most %d times", option, ONESHOT_LIST_MAX);
	list->items[list->count++] = value;
	return 0;
}

static int set_env(void *target, char *value, struct error *err)
{
	return add_item(&((struct run_options *)target)->oneshot.env, "env", value, err);
}

/* A folder in the root: that itself cannot be one. */
static int check_place(const char *option, const char *path, struct error *err)
{
	if (*path != '/')
		return error_set(err, -EINVAL, "--%s %s: an absolute path, please", option, path);
	return path[strspn(path, "/.")] ? 0
					: error_set(err, -EINVAL,
						    "--%s %s: that is all of the root: name a "
						    "folder in it",
						    option, path);
}

static int set_rwdir(void *target, char *value, struct error *err)
{
	if (check_place("rwdir", value, err))
		return -EINVAL;
	return add_item(&((struct run_options *)target)->oneshot.folders, "rwdir", value, err);
}

static int set_tmp(void *target, char *value, struct error *err)
{
	if (check_place("tmp", value, err))
		return -EINVAL;
	return add_item(&((struct run_options *)target)->oneshot.tmpfs, "tmp", value, err);
}

const struct option_spec oneshot_option_specs[] = {
	{ 0, "modules", OPTION_FILE, "DIR", "where the kernel's modules are",
	  "The folder of the kernel's modules, with its modules.dep, or the tree in which they "
	  "were built. "
	  "Without it, what is beside the kernel, the tree in which it was built, or "
	  "/lib/modules/VERSION.",
	  FIELD(modules) },
	{ 0, "env", OPTION_CALL, "NAME[=VALUE]",
	  "a variable more, or with NAME alone one less; again for more",
	  "The command has the caller's environment: a variable more, or with "
	  "NAME alone one less. Can be given again; of one name the last counts.",
	  .set = set_env, .many = true },
	{ 0, "user", OPTION_WORD, "USER", "whose it is (root's)",
	  "Whose the command is: a name of the guest's passwd, UID, or UID:GID. "
	  "Without it root's, with the caller's rights in folders.",
	  FIELD(user) },
	{ 0, "pwd", OPTION_FILE, "DIR", "where it begins",
	  "Where the command begins: an absolute path in the guest. Without it the caller's "
	  "folder, or / of a "
	  "root that was named.",
	  FIELD(pwd) },
	{ 0, "rw", OPTION_FLAG, .help = "changes of the root folder are kept", FIELD(rw) },
	{ 0, "rwdir", OPTION_CALL, "DIR", "changes in it are kept; again for more",
	  "A folder of the host's, by its absolute path, that the guest has at the same place, "
	  "where changes are kept. Can be given again.",
	  .set = set_rwdir, .many = true },
	{ 0, "tmp", OPTION_CALL, "DIR", "an empty folder; again for more",
	  "A folder that is empty, in the guest's memory: an absolute path. Can be given "
	  "again. /run is one anyway.",
	  .set = set_tmp, .many = true },
	{ 0, "shell", OPTION_FLAG, .help = "run a shell in place of a COMMAND",
	  .manual = "Run a shell in place of a COMMAND: SHELL of the environment, if the root has "
		    "it, else /bin/sh",
	  FIELD(shell) },
	{ 0, "keep", OPTION_FLAG, .help = "keep the guest of a command that failed, for a shell",
	  .manual = "When the command failed, run a shell in its guest, on the terminal that this "
		    "needs. The run ends when that does, with the command's status. A guest "
		    "that panicked or crashed is kept, paused, for lkvm debug, until the run is "
		    "ended",
	  FIELD(keep) },
	{ 0, "result", OPTION_FILE, "FILE", "write how it ended, as JSON", FIELD(result) },
	{ 0, "dry-run", OPTION_FLAG, .help = "say what would be done", FIELD(dry_run) },
	{ 0 },
};
