/* SPDX-License-Identifier: BSD-2-Clause */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel_names.h"
#include "util/aside.h"
#include "util/file.h"

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

/* Debian has files of one line in the place of those in its debug packages. */
#define SMALLEST     4096
#define LARGEST_READ (4 * MIB)

static int open_one(const char *path)
{
	struct error err = { "" };
	struct stat st;
	int fd = file_open_regular("symbols", path, O_RDONLY, &st, &err);

	if (fd < 0 || st.st_size >= SMALLEST)
		return fd;
	close(fd);
	return -ENOENT;
}

/* NULL: the kernel has none, or is larger than programs that are no Linux. */
static struct symbols *read_own(const char *kernel)
{
	struct symbols *symbols = NULL;
	struct error err = { "" };
	char magic[SELFMAG];
	struct stat st;
	int fd = file_open_regular("symbols", kernel, O_RDONLY, &st, &err);

	if (fd < 0)
		return NULL;
	if (st.st_size <= (off_t)LARGEST_READ && pread(fd, magic, SELFMAG, 0) == SELFMAG &&
	    !memcmp(magic, ELFMAG, SELFMAG))
		symbols_read(&symbols, fd, kernel, &err);
	close(fd);
	return symbols;
}

static int find(const char *kernel)
{
	const char *slash = strrchr(kernel, '/');
	const char *version = strchr(slash ? slash : kernel, '-');
	char folder[PATH_MAX], path[PATH_MAX + 64];
	int fd = -ENOENT;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - kernel) : 1,
		 slash ? kernel : ".");
	for (unsigned i = 0; fd < 0 && i < ARRAY_SIZE(places); i++) {
		if (places[i].has_version && !version)
			continue;
		snprintf(path, sizeof(path), "%s%s%s", places[i].is_absolute ? "" : folder,
			 places[i].name, places[i].has_version ? version : "");
		fd = open_one(path);
	}
	return fd;
}

struct search {
	const char *kernel;
	struct symbols *symbols;
	int fd;
};

static void look_for(void *arg)
{
	struct search *search = arg;

	search->symbols = read_own(search->kernel);
	search->fd = search->symbols ? -ENOENT : find(search->kernel);
}

int kernel_names_open(const char *path, struct symbols **symbols)
{
	struct search wanted = { .kernel = path, .fd = -EIO };

	aside_call("lkvm-symbols", look_for, &wanted);
	*symbols = wanted.symbols;
	return wanted.fd;
}

/* It outlives its caller where the file system does not answer. */
struct loading {
	struct symbols *symbols;
	int fd;
};

static void load(void *arg)
{
	struct loading *loading = arg;
	struct error err = { "" };

	symbols_read(&loading->symbols, loading->fd, "symbols", &err);
}

struct symbols *kernel_names_load(int fd, int timeout_ms)
{
	struct loading *loading = calloc(1, sizeof(*loading));
	struct aside_config config = { .name = "lkvm-symbols",
				       .main = load,
				       .arg = loading,
				       .keep = { fd },
				       .keep_count = 1 };
	struct symbols *symbols;
	struct aside *aside;

	if (!loading)
		return NULL;
	loading->fd = fd;
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
