/* SPDX-License-Identifier: BSD-2-Clause */
/* What a one-shot run is made of: the devices that it has, and what its command is. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oneshot.h"
#include "oneshot_ways.h"
#include "run_options.h"
#include "util/parse.h"

/* The names of modules follow. */
#define LONGEST_CONFIG (ONESHOT_CONFIG_SIZE - 12 * KIB)

/* Of the folder @n of --rwdir. */
#define TAG "lkvm_%u"

/* ---- devices, as though they had been given ---- */

static int give(struct oneshot *oneshot, const struct option_group *groups, const char *name,
		const char *value, struct error *err)
{
	char *copy = strdup(value);

	if (!copy)
		return error_set(err, -ENOMEM, "out of memory");
	oneshot->given[oneshot->given_count++] = copy;
	return options_give(groups, name, copy, err);
}

/* An item of a list has its commas twice. */
static void quote(const char *text, char *to, size_t size)
{
	size_t len = 0;

	for (; *text && len + 2 < size; text++) {
		to[len++] = *text;
		if (*text == ',')
			to[len++] = ',';
	}
	to[len] = '\0';
}

static int give_root(struct oneshot *oneshot, const struct option_group *groups, struct error *err)
{
	const struct oneshot_options *options = &oneshot->run->oneshot;
	char folder[2 * PATH_MAX], value[2 * PATH_MAX + 64];

	quote(options->root ? options->root : "/", folder, sizeof(folder));
	/* The host's root is of several file systems, as a rule. */
	snprintf(value, sizeof(value), "%s,fs=%s%s%s", folder,
		 oneshot->ways.root == WAYS_9P ? "9p" : "virtiofs", oneshot->scratch ? ",ro" : "",
		 options->root ? "" : ",mounts");
	return give(oneshot, groups, "disk", value, err);
}

static int give_folder(struct oneshot *oneshot, const struct option_group *groups, unsigned n,
		       struct error *err)
{
	const char *path = oneshot->run->oneshot.folders.items[n];
	bool is_9p = oneshot->ways.root == WAYS_9P;
	char folder[2 * PATH_MAX], value[2 * PATH_MAX + 64];

	quote(path, folder, sizeof(folder));
	snprintf(value, sizeof(value), is_9p ? "%s," TAG : "%s,tag=" TAG, folder, n);
	return give(oneshot, groups, is_9p ? "9p" : "fs", value, err);
}

/* Ports of one device, of which the control channel's is the last. */
static int give_ports(struct oneshot *oneshot, const struct option_group *groups, struct error *err)
{
	static const struct {
		const char *name;
		enum oneshot_channel channel;
	} ports[] = {
		{ ONESHOT_PORT_STDIN, ONESHOT_STDIN },
		{ ONESHOT_PORT_STDOUT, ONESHOT_STDOUT },
		{ ONESHOT_PORT_STDERR, ONESHOT_STDERR },
		{ ONESHOT_PORT_CONTROL, ONESHOT_CONTROL },
	};
	char value[64];
	int ret = 0;

	for (unsigned i = 0; !ret && i < ARRAY_SIZE(ports); i++) {
		snprintf(value, sizeof(value), "%s=channel:%d", ports[i].name, ports[i].channel);
		ret = give(oneshot, groups, "port", value, err);
	}
	return ret;
}

static int give_devices(struct oneshot *oneshot, struct run_options *options,
			const struct option_group *groups, struct error *err)
{
	bool is_packed = oneshot->ways.root == WAYS_PACKED;
	int ret = is_packed ? 0 : give_root(oneshot, groups, err);

	for (unsigned i = 0; !ret && i < options->oneshot.folders.count; i++)
		ret = give_folder(oneshot, groups, i, err);
	if (!ret && !devices_asked_for(&options->devices, "network"))
		ret = give(oneshot, groups, "network", "mode=none", err);
	if (!ret && oneshot->ways.streams == WAYS_PORTS)
		ret = give_ports(oneshot, groups, err);
	else if (!ret && !devices_asked_for(&options->devices, "vsock"))
		ret = give(oneshot, groups, "vsock", ONESHOT_CID, err);
	return ret;
}

/* ---- the command ---- */

/* NAME by the passwd(5) of the guest's root. */
static int find_user(struct oneshot *oneshot, const char *name, struct error *err)
{
	const char *root = oneshot->run->oneshot.root;
	char path[PATH_MAX + 16];
	struct passwd *user;
	FILE *file;

	snprintf(path, sizeof(path), "%s/etc/passwd", root ? root : "");
	file = fopen(path, "re");
	while (file && (user = fgetpwent(file))) {
		if (strcmp(user->pw_name, name))
			continue;
		oneshot->uid = user->pw_uid;
		oneshot->gid = user->pw_gid;
		fclose(file);
		return 0;
	}
	if (file)
		fclose(file);
	return error_set(err, -EINVAL, "--user %s: there is no such user in %s", name, path);
}

/* "NAME", "UID", "UID:GID". */
static int plan_user(struct oneshot *oneshot, const char *word, struct error *err)
{
	const char *colon = strchr(word, ':');
	char uid[32];
	u64 value, group;

	snprintf(uid, sizeof(uid), "%.*s", (int)(colon ? colon - word : (long)strlen(word)), word);
	if (*word < '0' || *word > '9')
		return find_user(oneshot, word, err);
	if (parse_u64(uid, UINT32_MAX - 1, &value))
		return error_set(err, -EINVAL, "--user %s: NAME, UID or UID:GID", word);
	group = value;
	if (colon && parse_u64(colon + 1, UINT32_MAX - 1, &group))
		return error_set(err, -EINVAL, "--user %s: NAME, UID or UID:GID", word);
	oneshot->uid = value;
	oneshot->gid = group;
	return 0;
}

static void add_number(struct oneshot *oneshot, enum oneshot_config key, unsigned value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	initrd_config_add(&oneshot->config, key, text);
}

/* Whether one of --env from the one of number @n on is of the same name as @variable. */
static bool is_replaced(const struct oneshot_list *list, unsigned n, const char *variable)
{
	size_t len = strcspn(variable, "=");

	for (; n < list->count; n++) {
		const char *item = list->items[n];

		if (!strncmp(item, variable, len) && (item[len] == '=' || !item[len]))
			return true;
	}
	return false;
}

/* The caller's environment, but for what --env says otherwise; of a name the last one counts. */
static int add_environment(struct oneshot *oneshot, struct error *err)
{
	const struct oneshot_list *list = &oneshot->run->oneshot.env;

	for (char **variable = environ; *variable; variable++) {
		if (!is_replaced(list, 0, *variable))
			initrd_config_add(&oneshot->config, ONESHOT_VARIABLE, *variable);
	}
	for (unsigned i = 0; i < list->count; i++) {
		const char *item = list->items[i];

		if (*item == '=' || !*item)
			return error_set(err, -EINVAL,
					 "--env %s: NAME=VALUE, or NAME to leave it out", item);
		if (strchr(item, '=') && !is_replaced(list, i + 1, item))
			initrd_config_add(&oneshot->config, ONESHOT_VARIABLE, item);
	}
	return 0;
}

/* Where the command is to be: the caller's own folder, if the guest has it. */
static int add_folder(struct oneshot *oneshot, struct error *err)
{
	const struct oneshot_options *options = &oneshot->run->oneshot;
	char here[PATH_MAX];

	if (options->pwd && *options->pwd != '/')
		return error_set(err, -EINVAL, "--pwd %s: an absolute path, please", options->pwd);
	if (options->pwd)
		initrd_config_add(&oneshot->config, ONESHOT_PWD, options->pwd);
	if (options->pwd || options->root)
		return 0;
	/* It was removed, or its path is longer than any that can be named. */
	if (!getcwd(here, sizeof(here)))
		return error_set(err, -errno,
				 "the folder that lkvm runs in has no path (%s): say with --pwd "
				 "where the command begins",
				 strerror(errno));
	initrd_config_add(&oneshot->config, ONESHOT_PWD, here);
	return 0;
}

/* ---- what is mounted in the root ---- */

struct place {
	enum oneshot_config key;
	const char *path;
	unsigned n; /* of its option */
};

static int by_length(const void *a, const void *b)
{
	const struct place *one = a, *two = b;
	size_t left = strlen(one->path), right = strlen(two->path);

	return left != right ? (left < right ? -1 : 1) : (int)one->n - (int)two->n;
}

static unsigned collect_places(const struct oneshot_list *list, enum oneshot_config key,
			       struct place *places)
{
	for (unsigned i = 0; i < list->count; i++)
		places[i] = (struct place){ key, list->items[i], i };
	return list->count;
}

/* The outermost first, so that none is hidden by another in which it lies. */
static void add_places(struct oneshot *oneshot)
{
	const struct oneshot_options *options = &oneshot->run->oneshot;
	struct place places[2 * ONESHOT_LIST_MAX];
	unsigned count = collect_places(&options->folders, ONESHOT_FOLDER, places);
	char mount[PATH_MAX + 64];

	count += collect_places(&options->tmpfs, ONESHOT_TMPFS, places + count);
	qsort(places, count, sizeof(*places), by_length);
	for (unsigned i = 0; i < count; i++) {
		bool is_folder = places[i].key == ONESHOT_FOLDER;

		snprintf(mount, sizeof(mount), TAG ":%s", places[i].n, places[i].path);
		initrd_config_add(&oneshot->config, places[i].key,
				  is_folder ? mount : places[i].path);
	}
}

/* Links in the root may lead out of it, seen from here: it is enough that there is a name. */
static char *find_shell(const struct oneshot_options *options)
{
	static char fallback[] = "/bin/sh";
	char *shell = getenv("SHELL"), path[2 * PATH_MAX];
	struct stat st;

	if (!shell || *shell != '/')
		return fallback;
	snprintf(path, sizeof(path), "%s%s", options->root ? options->root : "", shell);
	return lstat(path, &st) ? fallback : shell;
}

static bool is_terminal(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* Where standard error goes elsewhere, it does so from the guest as well. */
static void add_terminal(struct oneshot *oneshot)
{
	struct winsize size = { 0 };

	if (!oneshot->is_terminal)
		return;
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	add_number(oneshot, ONESHOT_TERMINAL, ONESHOT_WINDOW_SIZE(size.ws_col, size.ws_row));
	if (!isatty(STDERR_FILENO))
		initrd_config_add(&oneshot->config, ONESHOT_APART, "");
	if (oneshot->run->oneshot.keep)
		initrd_config_add(&oneshot->config, ONESHOT_KEEP,
				  find_shell(&oneshot->run->oneshot));
}

static const char *const root_types[] = {
	[WAYS_VIRTIO_FS] = "virtiofs",
	[WAYS_9P] = "9p",
	[WAYS_PACKED] = ONESHOT_PACKED,
};

static int plan_command(struct oneshot *oneshot, struct error *err)
{
	const struct oneshot_options *options = &oneshot->run->oneshot;
	struct initrd_config *config = &oneshot->config;
	int ret = options->user ? plan_user(oneshot, options->user, err) : 0;

	if (ret)
		return ret;
	initrd_config_add(config, ONESHOT_ROOT, root_types[oneshot->ways.root]);
	if (oneshot->ways.streams == WAYS_PORTS)
		initrd_config_add(config, ONESHOT_PORTS, "");
	if (oneshot->scratch)
		initrd_config_add(config, ONESHOT_SCRATCH, "");
	add_places(oneshot);
	initrd_config_add(config, ONESHOT_HOST_NAME,
			  oneshot->run->is_named ? oneshot->run->name : "lkvm");
	if (options->user) {
		add_number(oneshot, ONESHOT_UID, oneshot->uid);
		add_number(oneshot, ONESHOT_GID, oneshot->gid);
	}
	if (!oneshot->run->channels_alone && oneshot->ways.streams == WAYS_VSOCK)
		initrd_config_add(config, ONESHOT_EXEC, "");
	ret = add_folder(oneshot, err);
	add_terminal(oneshot);
	if (!ret)
		ret = add_environment(oneshot, err);
	for (char **word = options->command; *word; word++)
		initrd_config_add(config, ONESHOT_WORD, *word);
	return ret ? ret : initrd_config_check(config, LONGEST_CONFIG, err);
}

/* ---- all of it ---- */

static int check(const struct run_options *options, struct error *err)
{
	if (*options->oneshot.command && options->oneshot.shell &&
	    options->oneshot.command != options->oneshot.shell_words)
		return error_set(err, -EINVAL, "--shell and a command: one of them");
	if (!*options->oneshot.command)
		return error_set(err, -EINVAL, "no command behind '--': lkvm run [DIR] -- COMMAND");
	if (options->oneshot.keep && !is_terminal())
		return error_set(err, -EINVAL,
				 "--keep: there is nobody to look around: it needs a terminal for "
				 "standard input and output");
	if (options->initrd)
		return error_set(
			err, -EINVAL,
			"--initrd: a run of a command has an initrd of lkvm's: leave it out");
	if (options->no_defaults)
		return error_set(err, -EINVAL, "--nodefaults is not for the run of a command");
	if (options->overlay && options->oneshot.rw)
		return error_set(err, -EINVAL, "--overlay and --rw: one of them");
	if (options->oneshot.rw && !options->oneshot.root)
		return error_set(err, -EINVAL,
				 "--rw: that would be this host's own root: name a folder, or what "
				 "may be changed with --rwdir");
	return 0;
}

int oneshot_plan(struct oneshot *oneshot, struct run_options *options,
		 const struct option_group *groups, struct error *err)
{
	int ret;

	if (options->oneshot.shell && !*options->oneshot.command) {
		options->oneshot.shell_words[0] = find_shell(&options->oneshot);
		options->oneshot.command = options->oneshot.shell_words;
	}
	ret = check(options, err);
	oneshot->run = options;
	oneshot->initrd_fd = oneshot->result_fd = oneshot->signal_fd = -1;
	for (unsigned i = 0; i < ARRAY_SIZE(oneshot->standard); i++)
		oneshot->standard[i] = -1;
	/* A run with a name can be asked for more. */
	options->channels_alone = !options->is_named &&
				  !devices_asked_for(&options->devices, "vsock");
	oneshot->is_terminal = is_terminal();
	oneshot->scratch = !options->oneshot.rw && !options->overlay;
	if (!ret)
		ret = oneshot_choose_ways(oneshot, options, err);
	if (!ret)
		ret = plan_command(oneshot, err);
	return ret ? ret : give_devices(oneshot, options, groups, err);
}
