/* SPDX-License-Identifier: BSD-2-Clause */
/* The command's process: its ends of the streams, its user and folder, its program. */
#include "init.h"

static const char *words[ONESHOT_WORDS + 1], *variables[ONESHOT_WORDS + 1];
static unsigned word_count, variable_count;

/* In the child: @what failed, and the parent reads of it. */
static void child_fails(int report, const char *what, const char *name, long error)
{
	struct failure failure = { .error = error };

	text_join(failure.text, sizeof(failure.text), what, name);
	sys_write(report, &failure, sizeof(failure));
	sys_exit(127);
}

/* A file without a first line is the shell's, as execvp(3) has it. */
static long execute(const char *path)
{
	static const char *shell[ONESHOT_WORDS + 2];
	long ret = sys_execute(path, words, variables);

	if (ret != -ENOEXEC)
		return ret;
	shell[0] = "/bin/sh";
	shell[1] = path;
	for (unsigned i = 1; i < word_count; i++)
		shell[i + 1] = words[i];
	return sys_execute(shell[0], shell, variables);
}

/* The PATH of the command's environment is looked through: the first error that says more than that
 * there is no such file. */
static long execute_by_path(void)
{
	const char *path = DEFAULT_PATH;
	long error = -ENOENT;

	for (unsigned i = 0; i < variable_count; i++) {
		if (text_begins(variables[i], "PATH="))
			path = variables[i] + 5;
	}
	for (;;) {
		const char *end = text_find(path, ':');
		size_t len = end ? (size_t)(end - path) : text_length(path);
		char folder[2048], file[4096];
		long ret;

		text_cut(folder, sizeof(folder), path, len);
		text_join(file, sizeof(file), len ? folder : ".", "/");
		text_join(file + text_length(file), sizeof(file) - text_length(file), words[0], "");
		ret = execute(file);
		if (ret != -ENOENT && ret != -ENOTDIR)
			error = ret;
		if (!end)
			return error;
		path = end + 1;
	}
}

static void run_command(int report) __attribute__((noreturn));
static void run_command(int report)
{
	const char *uid = config_next(ONESHOT_UID, NULL), *gid = config_next(ONESHOT_GID, NULL);
	const char *pwd = config_next(ONESHOT_PWD, NULL);
	long ret;

	sys_setsid();
	sys_block_signals(0);
	if (terminal_is_there())
		sys_control(0, TIOCSCTTY, NULL);
	ret = pwd ? sys_chdir(pwd) : 0;
	if (ret)
		child_fails(report, "cannot change to ", pwd, ret);
	ret = uid ? sys_set_user(text_number(uid), gid ? text_number(gid) : 0) : 0;
	if (ret)
		child_fails(report, "cannot become user ", uid, ret);
	ret = text_find(words[0], '/') ? execute(words[0]) : execute_by_path();
	child_fails(report, "cannot run ", words[0], ret);
	for (;;)
		sys_exit(127);
}

static unsigned collect(enum oneshot_config key, const char **list)
{
	unsigned count = 0;

	for_each_value(value, key)
	{
		if (count < ONESHOT_WORDS)
			list[count++] = value;
	}
	list[count] = NULL;
	return count;
}

void command_collect_variables(void)
{
	variable_count = collect(ONESHOT_VARIABLE, variables);
}

bool command_collect_words(void)
{
	word_count = collect(ONESHOT_WORD, words);
	return word_count;
}

void command_set_word(const char *word)
{
	words[0] = word;
	words[1] = NULL;
	word_count = 1;
}

static void make_pipe(struct ends *ends, unsigned n)
{
	bool is_input = n == ONESHOT_STDIN;
	int fds[2];

	if (sys_pipe(fds, O_CLOEXEC))
		host_fail("no pipes", -EMFILE);
	ends->theirs[n] = fds[!is_input];
	ends->ours[n] = fds[is_input];
}

void ends_make(struct ends *ends)
{
	const char *size = config_next(ONESHOT_TERMINAL, NULL);
	int theirs = size ? terminal_make(text_number(size)) : -1;

	for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++) {
		bool apart = i == ONESHOT_STDERR && config_next(ONESHOT_APART, NULL);

		if (theirs < 0 || apart) {
			make_pipe(ends, i);
			continue;
		}
		ends->theirs[i] = sys_copy(theirs);
		ends->ours[i] = i == ONESHOT_STDERR ? -1 : terminal_copy();
	}
	sys_close(theirs);
}

int command_start(const struct ends *ends, int *report)
{
	int reports[2], pid;

	if (sys_pipe(reports, O_CLOEXEC))
		host_fail("no pipes", -EMFILE);
	pid = sys_fork();
	if (pid < 0)
		host_fail("cannot make a process", pid);
	if (!pid) {
		for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++)
			sys_dup(ends->theirs[i], i - ONESHOT_STDIN);
		run_command(reports[1]);
	}
	sys_close(reports[1]);
	*report = reports[0];
	return pid;
}
