/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_names.h"
#include "util/aside.h"

void kernel_names_place(struct kernel_names *names, const char *anchor, u64 address)
{
	u64 known = names->symbols ? symbols_address(names->symbols, anchor) : 0;

	if (known && address)
		names->moved = address - known;
}

const char *kernel_names_find(const struct kernel_names *names, u64 address, u64 *offset)
{
	return names->symbols ? symbols_name(names->symbols, address - names->moved, offset) : NULL;
}

/* ---- a kernel's own ---- */

/* Where symbols are: the folder of the kernel, what is behind it, and "-VERSION" if its name ends
 * so. */
static const struct {
	const char *name;
	bool has_version, is_absolute;
} places[] = {
	{ "/System.map", true },
	{ "/System.map", false },
	{ "/../../../System.map", false },
	{ "/../../../vmlinux", false },
	{ "/vmlinux", false },
	{ "/usr/lib/debug/boot/System.map", true, true },
	{ "/usr/lib/debug/boot/vmlinux", true, true },
};

static struct symbols *open_one(const char *path)
{
	struct symbols *symbols;
	struct error err = { "" };

	return symbols_open(&symbols, path, &err) ? NULL : symbols;
}

static struct symbols *find(const char *kernel)
{
	const char *slash = strrchr(kernel, '/');
	const char *version = strchr(slash ? slash : kernel, '-');
	char folder[PATH_MAX], path[PATH_MAX + 64];
	struct symbols *symbols = open_one(kernel);

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - kernel) : 1,
		 slash ? kernel : ".");
	for (unsigned i = 0; !symbols && i < ARRAY_SIZE(places); i++) {
		if (places[i].has_version && !version)
			continue;
		snprintf(path, sizeof(path), "%s%s%s", places[i].is_absolute ? "" : folder,
			 places[i].name, places[i].has_version ? version : "");
		symbols = open_one(path);
	}
	return symbols;
}

/* It outlives its caller where the file system does not answer. */
struct loading {
	struct symbols *symbols;
	char path[PATH_MAX];
};

static void load(void *arg)
{
	struct loading *loading = arg;

	loading->symbols = find(loading->path);
}

struct symbols *kernel_names_load(const char *path, int timeout_ms)
{
	struct loading *loading = calloc(1, sizeof(*loading));
	struct aside_config config = { .name = "lkvm-symbols", .main = load, .arg = loading };
	struct symbols *symbols = NULL;
	struct aside *aside;

	if (!loading)
		return NULL;
	snprintf(loading->path, sizeof(loading->path), "%s", path);
	if (aside_start(&aside, &config)) {
		free(loading);
		return NULL;
	}
	if (!aside_wait(aside, timeout_ms))
		return NULL;
	symbols = loading->symbols;
	aside_destroy(aside);
	free(loading);
	return symbols;
}
