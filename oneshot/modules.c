/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * depmod's files: modules.dep(5); or those of a tree: Linux, Documentation/kbuild/kbuild.rst,
 * "modules.order", "modules.builtin".
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oneshot/modules.h"
#include "util/file.h"

#define LONGEST_LIST (32 * MIB)
#define MODULES_NAME 128
/* Deeper needs are no tree's: the list goes round. */
#define DEEPEST 64
/* Between the names of what is needed, in a list and in a module. */
#define SPACES " \t\r,"

struct module {
	char name[MODULES_NAME];
	const char *path;  /* in the text; ended by ':' */
	const char *needs; /* paths behind it, up to the end of the line */
	bool wanted;
};

struct modules {
	char *folder;	      /* owned */
	bool is_tree;	      /* what a module needs is in its file */
	char *text, *builtin; /* owned; of the two files. builtin: NULL, there is none */
	struct module *list;  /* owned; by name */
	unsigned count;
	const struct module **order; /* owned; room for all */
	unsigned order_count;
};

/* ---- names ---- */

/* Of the path that begins @text and ends before any of @ends: "kernel/fs/fuse/virtio-fs.ko.xz". */
static void name_of(const char *text, const char *ends, char *name)
{
	size_t len = strcspn(text, ends), used = 0;
	const char *slash = memrchr(text, '/', len), *base = slash ? slash + 1 : text;
	const char *end = text + len;
	const char *suffix = memmem(base, end - base, ".ko", 3);

	for (end = suffix ? suffix : end; base < end && used < MODULES_NAME - 1; base++)
		name[used++] = *base == '-' ? '_' : *base;
	name[used] = '\0';
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct module *)a)->name, ((const struct module *)b)->name);
}

static struct module *find(const struct modules *modules, const char *path, const char *ends)
{
	struct module key;

	name_of(path, ends, key.name);
	return bsearch(&key, modules->list, modules->count, sizeof(key), compare);
}

static void path_of(const struct modules *modules, const struct module *module, char *path,
		    size_t size)
{
	const char *name = module->path;
	int len = strcspn(name, ":");

	if (*name == '/')
		snprintf(path, size, "%.*s", len, name);
	else
		snprintf(path, size, "%s/%.*s", modules->folder, len, name);
}

/* ---- the files ---- */

/* Terminated, the caller's; NULL with the reason in errno. */
static char *read_list(const char *folder, const char *name, struct error *err)
{
	char path[PATH_MAX + 32], *text;
	size_t len = 0;
	ssize_t got = 1;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = file_open_regular("modules", path, O_RDONLY, &st, err);
	if (fd < 0)
		return NULL;
	if ((u64)st.st_size > LONGEST_LIST)
		error_set(err, -EFBIG, "modules %s: longer than any list of modules", path);
	text = (u64)st.st_size > LONGEST_LIST ? NULL : malloc(st.st_size + 1);
	while (text && got > 0 && len < (size_t)st.st_size) {
		got = read(fd, text + len, st.st_size - len);
		len += MAX(got, 0);
	}
	close(fd);
	if (text)
		text[len] = '\0';
	return text;
}

static unsigned count_lines(const char *text)
{
	unsigned count = 1;

	for (; (text = strchr(text, '\n')); text++)
		count++;
	return count;
}

/* "PATH: PATH PATH"; other lines are none. */
static void read_line(struct modules *modules, const char *line)
{
	struct module *module = &modules->list[modules->count];
	const char *colon = line + strcspn(line, ":\n");

	if (*colon != ':')
		return;
	*module = (struct module){ .path = line, .needs = colon + 1 };
	name_of(line, ":", module->name);
	modules->count += *module->name != '\0';
}

/* Linux 4.19 lists a tree's modules as they will be installed. Its "kernel" has few of them. */
#define INSTALLED     "kernel/"
#define INSTALLED_LEN (sizeof(INSTALLED) - 1)

static bool is_as_installed(const char *order)
{
	while (*order && !strncmp(order, INSTALLED, INSTALLED_LEN)) {
		order += strcspn(order, "\n");
		order += *order == '\n';
	}
	return !*order;
}

/* Lines "PATH.o", or "PATH.ko" before Linux 6.3, become "PATH.ko:". */
static char *read_order(const char *folder)
{
	char *order = read_list(folder, "modules.order", NULL), *text = NULL, *to = NULL;
	const char *at = order;
	size_t skip;

	if (order)
		text = to = malloc(strlen(order) + count_lines(order) * sizeof(".ko:\n"));
	skip = order && is_as_installed(order) ? INSTALLED_LEN : 0;
	for (; text && at && *at; at += *at == '\n') {
		size_t len = strcspn(at, "\n");
		const char *dot = memrchr(at, '.', len);

		if (dot && dot >= at + skip)
			to += sprintf(to, "%.*s.ko:\n", (int)(dot - at - skip), at + skip);
		at += len;
	}
	if (text)
		*to = '\0';
	free(order);
	return text;
}

static int read_modules(struct modules *modules, struct error *err)
{
	struct error why = { "" };
	unsigned lines;

	modules->text = read_list(modules->folder, "modules.dep", &why);
	if (!modules->text) {
		modules->text = read_order(modules->folder);
		modules->is_tree = modules->text;
	}
	if (!modules->text)
		return error_set(err, -ENOENT, "%s", why.text);
	modules->builtin = read_list(modules->folder, "modules.builtin", NULL);
	lines = count_lines(modules->text);
	modules->list = calloc(lines, sizeof(*modules->list));
	modules->order = calloc(lines, sizeof(*modules->order));
	if (!modules->list || !modules->order)
		return error_set(err, -ENOMEM, "out of memory");
	for (const char *line = modules->text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (*line)
			read_line(modules, line);
	}
	qsort(modules->list, modules->count, sizeof(*modules->list), compare);
	return 0;
}

int modules_open(struct modules **out, const char *folder, struct error *err)
{
	struct modules *modules = calloc(1, sizeof(*modules));
	int ret = -ENOMEM;

	if (modules)
		modules->folder = strdup(folder);
	if (modules && modules->folder)
		ret = read_modules(modules, err);
	if (ret) {
		modules_close(modules);
		return error_set(err, ret, "modules %s: %s", folder, strerror(-ret));
	}
	*out = modules;
	return 0;
}

void modules_close(struct modules *modules)
{
	if (!modules)
		return;
	free(modules->folder);
	free(modules->text);
	free(modules->builtin);
	free(modules->list);
	free(modules->order);
	free(modules);
}

/* ---- questions ---- */

static bool is_built_in(const struct modules *modules, const char *name)
{
	char wanted[MODULES_NAME], other[MODULES_NAME];

	name_of(name, "", wanted);
	for (const char *line = modules->builtin; line && *line;) {
		name_of(line, "\n", other);
		if (!strcmp(other, wanted))
			return true;
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return false;
}

/* A tree's list may be older than what was built, or cleaned, since. */
static bool is_there(const struct modules *modules, const struct module *module)
{
	char path[PATH_MAX];

	if (!modules->is_tree)
		return true;
	path_of(modules, module, path, sizeof(path));
	return !access(path, R_OK);
}

enum modules_has modules_find(const struct modules *modules, const char *name)
{
	const struct module *module = find(modules, name, "");

	if (module && is_there(modules, module))
		return MODULES_FILE;
	if (is_built_in(modules, name))
		return MODULES_BUILT_IN;
	return modules->builtin ? MODULES_ABSENT : MODULES_UNKNOWN;
}

bool modules_knows_all(const struct modules *modules)
{
	return modules->builtin;
}

static int want(struct modules *modules, struct module *module, unsigned depth);

static int want_needed(struct modules *modules, const struct module *module, const char *need,
		       unsigned depth)
{
	int ret = 0;

	while (!ret && *(need += strspn(need, SPACES)) && *need != '\n') {
		struct module *other = find(modules, need, SPACES "\n");

		/* What is listed as needed and is no file is for the kernel to miss. */
		if (other && other != module)
			ret = want(modules, other, depth + 1);
		need += strcspn(need, SPACES "\n");
	}
	return ret;
}

/* What the file of a module in a tree says. The caller frees it. NULL: it cannot be read. */
static char *ask_file(const struct modules *modules, const struct module *module)
{
	char path[PATH_MAX], *needs;
	size_t len;
	void *data;

	path_of(modules, module, path, sizeof(path));
	if (module_read(path, &data, &len, NULL))
		return NULL;
	needs = module_needs(data, len);
	free(data);
	return needs;
}

static int want(struct modules *modules, struct module *module, unsigned depth)
{
	char *asked = NULL;
	int ret;

	if (module->wanted)
		return 0;
	if (depth == DEEPEST)
		return -ELOOP;
	if (modules->is_tree) {
		asked = ask_file(modules, module);
		if (!asked)
			return -ENOENT;
	}
	ret = want_needed(modules, module, asked ? asked : module->needs, depth);
	free(asked);
	if (ret || module->wanted)
		return ret;
	module->wanted = true;
	modules->order[modules->order_count++] = module;
	return 0;
}

int modules_want(struct modules *modules, const char *name)
{
	struct module *module = find(modules, name, "");

	if (module)
		return want(modules, module, 0);
	return is_built_in(modules, name) ? 0 : -ENOENT;
}

unsigned modules_count(const struct modules *modules)
{
	return modules->order_count;
}

void modules_path(const struct modules *modules, unsigned n, char *path, size_t size)
{
	path_of(modules, modules->order[n], path, size);
}
