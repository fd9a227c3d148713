/* SPDX-License-Identifier: BSD-2-Clause */
/* What a one-shot run is made of. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oneshot.h"
#include "run_options.h"
#include "util/parse.h"
#include "vmm/kernel_config.h"

/* What init can take: CONFIG_SIZE there. */
#define LONGEST_CONFIG (500 * KIB)

/* ---- the kernel and its modules ---- */

enum part_use { PART_NEEDED, PART_EITHER, PART_OPTIONAL };

/* What leads to all devices, and the command's channels; in the order in which they are loaded. */
static const struct part {
	const char *module;
	enum part_use use;
} parts[] = {
	{ "pci-host-generic", PART_OPTIONAL },
	{ "virtio_mmio", PART_EITHER },
	{ "virtio_pci", PART_EITHER },
	{ "vmw_vsock_virtio_transport", PART_NEEDED },
};

static enum modules_has has(const struct oneshot *oneshot, const char *name)
{
	return oneshot->modules ? modules_find(oneshot->modules, name) : MODULES_UNKNOWN;
}

static int want(struct oneshot *oneshot, const char *name, enum part_use use, struct error *err)
{
	if (!oneshot->modules || !modules_want(oneshot->modules, name))
		return 0;
	if (use != PART_NEEDED || has(oneshot, name) != MODULES_ABSENT)
		return 0;
	return error_set(err, -ENOENT,
			 "--kernel %s has no %s, neither built in nor in %s, which a command needs",
			 oneshot->kernel, name, oneshot->module_folder);
}

/* Virtio-fs is the faster one. What says nothing of a kernel may have it. */
static void choose_protocol(struct oneshot *oneshot)
{
	struct kernel_config config;

	if (oneshot->modules) {
		oneshot->is_9p = has(oneshot, "virtiofs") == MODULES_ABSENT;
		return;
	}
	kernel_config_read(&config, oneshot->kernel);
	oneshot->is_9p = *config.source && config.has[KERNEL_VIRTIO_FS] != KERNEL_BUILT_IN &&
			 config.has[KERNEL_9P] == KERNEL_BUILT_IN;
}

/* Before their buses are there: so the IOMMU, an earlier row, is there before what it translates.
 */
static int want_drivers(struct oneshot *oneshot, struct error *err)
{
	int ret = 0;

	for (unsigned row = 0; !ret && device_classes[row]; row++) {
		const struct device_class *class = device_classes[row];

		if (class->module &&
		    devices_asked_for(&oneshot->run->devices, class->options->name))
			ret = want(oneshot, class->module, PART_OPTIONAL, err);
	}
	return ret;
}

static int want_modules(struct oneshot *oneshot, struct error *err)
{
	int ret = want_drivers(oneshot, err);

	for (unsigned i = 0; !ret && i < ARRAY_SIZE(parts); i++)
		ret = want(oneshot, parts[i].module, parts[i].use, err);
	if (!ret && oneshot->is_9p)
		ret = want(oneshot, "9pnet_virtio", PART_NEEDED, err);
	if (!ret)
		ret = want(oneshot, oneshot->is_9p ? "9p" : "virtiofs", PART_NEEDED, err);
	if (!ret && oneshot->scratch)
		ret = want(oneshot, "overlay", PART_NEEDED, err);
	return ret;
}

static int plan_kernel(struct oneshot *oneshot, struct run_options *options, struct error *err)
{
	const char *modules = options->oneshot.modules;
	int ret;

	if (!options->kernel)
		run_options_find_kernel(options);
	ret = kernel_find(options->kernel, oneshot->kernel, err);

	if (ret)
		return ret;
	options->kernel = oneshot->kernel;
	if (modules)
		snprintf(oneshot->module_folder, PATH_MAX, "%s", modules);
	else
		kernel_find_modules(oneshot->kernel, oneshot->module_folder);
	if (*oneshot->module_folder)
		ret = modules_open(&oneshot->modules, oneshot->module_folder, err);
	choose_protocol(oneshot);
	return ret ? ret : want_modules(oneshot, err);
}

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
	snprintf(value, sizeof(value), "%s,fs=%s%s%s", folder, oneshot->is_9p ? "9p" : "virtiofs",
		 oneshot->scratch ? ",ro" : "", options->root ? "" : ",mounts");
	return give(oneshot, groups, "disk", value, err);
}

static int give_folder(struct oneshot *oneshot, const struct option_group *groups, unsigned n,
		       struct error *err)
{
	const char *path = oneshot->run->oneshot.folders.items[n];
	char folder[2 * PATH_MAX], value[2 * PATH_MAX + 64], mount[PATH_MAX + 64];

	if (*path != '/')
		return error_set(err, -EINVAL, "--rwdir %s: an absolute path, please", path);
	quote(path, folder, sizeof(folder));
	snprintf(value, sizeof(value), oneshot->is_9p ? "%s,lkvm_%u" : "%s,tag=lkvm_%u", folder, n);
	snprintf(mount, sizeof(mount), "lkvm_%u:%s", n, path);
	initrd_config_add(&oneshot->config, ONESHOT_FOLDER, mount);
	return give(oneshot, groups, oneshot->is_9p ? "9p" : "fs", value, err);
}

static int give_devices(struct oneshot *oneshot, struct run_options *options,
			const struct option_group *groups, struct error *err)
{
	int ret = give_root(oneshot, groups, err);

	for (unsigned i = 0; !ret && i < options->oneshot.folders.count; i++)
		ret = give_folder(oneshot, groups, i, err);
	if (!ret && !devices_asked_for(&options->devices, "network"))
		ret = give(oneshot, groups, "network", "mode=none", err);
	if (!ret && !devices_asked_for(&options->devices, "vsock"))
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

/* The caller's environment, but for what --env says otherwise, which comes last. */
static int add_environment(struct oneshot *oneshot, struct error *err)
{
	const struct oneshot_list *list = &oneshot->run->oneshot.env;

	for (char **variable = environ; *variable; variable++) {
		size_t len = strcspn(*variable, "=");
		bool replaced = false;

		for (unsigned i = 0; i < list->count; i++)
			replaced |= !strncmp(list->items[i], *variable, len) &&
				    (list->items[i][len] == '=' || !list->items[i][len]);
		if (!replaced)
			initrd_config_add(&oneshot->config, ONESHOT_VARIABLE, *variable);
	}
	for (unsigned i = 0; i < list->count; i++) {
		if (*list->items[i] == '=' || !*list->items[i])
			return error_set(err, -EINVAL,
					 "--env %s: NAME=VALUE, or NAME to leave it out",
					 list->items[i]);
		if (strchr(list->items[i], '='))
			initrd_config_add(&oneshot->config, ONESHOT_VARIABLE, list->items[i]);
	}
	return 0;
}

/* Where the command is to be: the caller's own folder, if the guest has it. */
static void add_folder(struct oneshot *oneshot)
{
	const struct oneshot_options *options = &oneshot->run->oneshot;
	char here[PATH_MAX];

	if (options->pwd)
		initrd_config_add(&oneshot->config, ONESHOT_PWD, options->pwd);
	else if (!options->root && getcwd(here, sizeof(here)))
		initrd_config_add(&oneshot->config, ONESHOT_PWD, here);
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

	oneshot->is_terminal = is_terminal();
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

static int plan_command(struct oneshot *oneshot, struct error *err)
{
	const struct oneshot_options *options = &oneshot->run->oneshot;
	struct initrd_config *config = &oneshot->config;
	int ret = options->user ? plan_user(oneshot, options->user, err) : 0;

	if (ret)
		return ret;
	initrd_config_add(config, ONESHOT_ROOT, oneshot->is_9p ? "9p" : "virtiofs");
	if (oneshot->scratch)
		initrd_config_add(config, ONESHOT_SCRATCH, "");
	for (unsigned i = 0; i < options->tmpfs.count; i++)
		initrd_config_add(config, ONESHOT_TMPFS, options->tmpfs.items[i]);
	initrd_config_add(config, ONESHOT_HOST_NAME,
			  oneshot->run->is_named ? oneshot->run->name : "lkvm");
	if (options->user) {
		add_number(oneshot, ONESHOT_UID, oneshot->uid);
		add_number(oneshot, ONESHOT_GID, oneshot->gid);
	}
	if (!oneshot->run->channels_alone)
		initrd_config_add(config, ONESHOT_EXEC, "");
	add_folder(oneshot);
	add_terminal(oneshot);
	ret = add_environment(oneshot, err);
	for (char **word = options->command; *word; word++)
		initrd_config_add(config, ONESHOT_WORD, *word);
	if (!ret && config->failed)
		ret = error_set(err, -ENOMEM, "out of memory");
	if (!ret && config->len > LONGEST_CONFIG)
		ret = error_set(err, -E2BIG,
				"the command and its environment are longer than %llu KiB",
				LONGEST_CONFIG / KIB);
	return ret;
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
	oneshot->scratch = !options->oneshot.rw && !options->overlay;
	if (!ret)
		ret = plan_kernel(oneshot, options, err);
	if (!ret)
		ret = plan_command(oneshot, err);
	return ret ? ret : give_devices(oneshot, options, groups, err);
}

void oneshot_print(const struct oneshot *oneshot)
{
	const struct oneshot_options *options = &oneshot->run->oneshot;
	const char *changes = oneshot->scratch	      ? "forgotten"
			      : oneshot->run->overlay ? "in a layer of the host's"
						      : "kept";
	char path[PATH_MAX], version[KERNEL_VERSION_SIZE];

	kernel_version(oneshot->kernel, version);
	printf("kernel   %s%s%s\n", oneshot->kernel, *version ? ", " : "", version);
	printf("modules  %s\n", *oneshot->module_folder ? oneshot->module_folder : "none");
	for (unsigned i = 0; oneshot->modules && i < modules_count(oneshot->modules); i++) {
		modules_path(oneshot->modules, i, path, sizeof(path));
		printf("load     %s\n", path);
	}
	printf("root     %s over %s, changes are %s\n", options->root ? options->root : "/",
	       oneshot->is_9p ? "9p" : "virtio-fs", changes);
	for (unsigned i = 0; i < options->folders.count; i++)
		printf("folder   %s, changes are kept\n", options->folders.items[i]);
	printf("memory   %llu MiB\ncpus     %u\ncommand ",
	       (unsigned long long)(oneshot->run->ram / MIB), oneshot->run->cpus);
	for (char **word = options->command; *word; word++)
		printf(" %s", *word);
	printf("\n");
}
