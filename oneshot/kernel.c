/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "oneshot/kernel.h"
#include "util/file.h"

/* Linux, Documentation/arch/x86/boot.rst: "HdrS", and the place of a string, less 0x200. */
#define X86_MAGIC   0x202
#define X86_VERSION 0x20e
#define X86_OFFSET  0x200
/* What each kernel has in its data: init/version.c. */
#define BANNER	   "Linux version "
#define BANNER_LEN (sizeof(BANNER) - 1)
#define CHUNK	   (1u * 1024 * 1024)
#define LONGEST	   (256u * 1024 * 1024)

/* In a folder: of a build, for one architecture, and of installed modules, which is for any. */
static const struct {
	const char *arch, *name;
} places[] = {
	{ "x86", "arch/x86/boot/bzImage" },
	{ "arm64", "arch/arm64/boot/Image" },
	{ "arm64", "arch/arm64/boot/Image.gz" },
	{ NULL, "vmlinuz" },
	{ NULL, "kernel" },
};

static bool is_file(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode);
}

static bool is_folder(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static bool has(const char *folder, const char *name, char *path)
{
	return snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX && is_file(path);
}

/* What may well be taken for a folder with a kernel: says what it is. @other: what that is for. */
static int refuse_folder(const char *folder, const char *arch, const char *other, struct error *err)
{
	const char *wanted = NULL;
	char path[PATH_MAX];

	for (unsigned i = 0; i < ARRAY_SIZE(places) && !wanted; i++)
		wanted = places[i].arch && !strcmp(places[i].arch, arch) ? places[i].name : NULL;
	if (other)
		return error_set(err, -EISDIR,
				 "--kernel %s: the kernel in this tree is for %s, and guests here "
				 "are for %s: build one for that",
				 folder, other, arch);
	if (has(folder, "Kconfig", path) || has(folder, ".config", path))
		return error_set(err, -EISDIR,
				 "--kernel %s: no kernel in this folder: the tree is not built: "
				 "there is no %s: run make in it",
				 folder, wanted);
	return error_set(err, -EISDIR,
			 "--kernel %s: is a directory, and there is no kernel in this folder: "
			 "neither arch/*/boot/bzImage or Image, nor vmlinuz",
			 folder);
}

/* A tree may have been built for each architecture, one after the other. */
static int find_in_folder(const char *folder, const char *arch, char *path, struct error *err)
{
	const char *other = NULL;

	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		bool fits = !places[i].arch || !strcmp(places[i].arch, arch);

		if (!has(folder, places[i].name, path))
			continue;
		if (fits)
			return 0;
		other = places[i].arch;
	}
	return refuse_folder(folder, arch, other, err);
}

int kernel_find(const char *word, const char *arch, char *path, struct error *err)
{
	struct utsname host;

	if (!word) {
		uname(&host);
		snprintf(path, PATH_MAX, "/boot/vmlinuz-%s", host.release);
		return is_file(path) ? 0
				     : error_set(err, -ENOENT,
						 "no kernel: say --kernel FILE, as %s is not there",
						 path);
	}
	if (is_folder(word))
		return find_in_folder(word, arch, path, err);
	if (access(word, F_OK) && !strchr(word, '/')) {
		snprintf(path, PATH_MAX, "/boot/vmlinuz-%s", word);
		if (is_file(path))
			return 0;
	}
	/* It may have been meant for the root's folder. */
	if (access(word, F_OK) && errno == ENOENT)
		return error_set(err, -ENOENT, "'%s': there is no such kernel, and no such folder",
				 word);
	if (snprintf(path, PATH_MAX, "%s", word) >= PATH_MAX)
		return error_set(err, -ENAMETOOLONG, "--kernel: %s", strerror(ENAMETOOLONG));
	return 0;
}

/* ---- versions ---- */

/* Up to the first space. */
static void take_version(const char *text, char *version)
{
	snprintf(version, KERNEL_VERSION_SIZE, "%.*s", (int)strcspn(text, " \t\r\n"), text);
	/* It becomes part of a path. */
	if (strchr(version, '/'))
		*version = '\0';
}

static bool version_of_x86(int fd, char *version)
{
	char text[KERNEL_VERSION_SIZE] = "", magic[4];
	u8 place[2];

	if (pread(fd, magic, sizeof(magic), X86_MAGIC) != sizeof(magic) ||
	    memcmp(magic, "HdrS", sizeof(magic)) ||
	    pread(fd, place, sizeof(place), X86_VERSION) != sizeof(place) ||
	    pread(fd, text, sizeof(text) - 1, X86_OFFSET + place[0] + place[1] * 256) <= 0)
		return false;
	take_version(text, version);
	return *version;
}

/* The first that a number follows, and not a format of printk()'s. */
static bool find_banner(const char *window, size_t len, char *version)
{
	const char *at = window, *end = window + len;

	while ((at = memmem(at, end - at, BANNER, BANNER_LEN))) {
		at += BANNER_LEN;
		if (at < end && *at >= '0' && *at <= '9')
			take_version(at, version);
		if (*version)
			return true;
	}
	return false;
}

/*
 * An Image has its data as it is. It is read piece by piece, and a banner that begins near the end
 * of one is looked at with the next.
 */
static bool version_by_banner(int fd, char *version)
{
	const size_t kept = BANNER_LEN + KERNEL_VERSION_SIZE;
	char *window = malloc(kept + CHUNK + 1);
	size_t len = 0;
	ssize_t got = 1;
	bool found = false;

	for (off_t at = 0; window && got > 0 && !found && at < LONGEST; at += got) {
		got = pread(fd, window + len, CHUNK, at);
		len += MAX(got, 0);
		window[len] = '\0';
		found = find_banner(window, got > 0 && len > kept ? len - kept : len, version);
		if (len > kept) {
			memmove(window, window + len - kept, kept);
			len = kept;
		}
	}
	free(window);
	return found;
}

/* Of "vmlinuz-6.1.0". */
static void version_by_name(const char *path, char *version)
{
	const char *slash = strrchr(path, '/'), *dash = strchr(slash ? slash : path, '-');

	*version = '\0';
	if (dash)
		take_version(dash + 1, version);
}

void kernel_version(const char *path, char *version)
{
	struct stat st;
	int fd = file_open_regular("kernel", path, O_RDONLY, &st, NULL);

	*version = '\0';
	if (fd < 0)
		return;
	if (!version_of_x86(fd, version) && !version_by_banner(fd, version))
		version_by_name(path, version);
	close(fd);
}

/* ---- modules ---- */

static bool has_modules(const char *folder)
{
	char path[PATH_MAX];

	return has(folder, "modules.dep", path);
}

/* Up to the last slash, which goes with what follows it: the name. NULL: there is none. */
static const char *cut_name(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash)
		return NULL;
	*slash = '\0';
	return slash + 1;
}

/* TREE/arch/NAME/boot/KERNEL, whatever links lead there: of a tree with modules. */
static bool find_tree(const char *path, char *tree)
{
	char order[PATH_MAX];
	const char *boot, *arch;

	if (!realpath(path, tree) || !cut_name(tree))
		return false;
	boot = cut_name(tree);
	if (!boot || strcmp(boot, "boot") || !cut_name(tree))
		return false;
	arch = cut_name(tree);
	return arch && !strcmp(arch, "arch") && has(tree, "modules.order", order);
}

void kernel_find_modules(const char *path, char *folder)
{
	const char *slash = strrchr(path, '/');
	int len = slash ? MAX(slash - path, 1) : 1;
	const char *at = slash ? path : ".";
	char version[KERNEL_VERSION_SIZE];

	snprintf(folder, PATH_MAX, "%.*s", len, at);
	if (has_modules(folder))
		return;
	snprintf(folder, PATH_MAX, "%.*s/modules", len, at);
	if (has_modules(folder) || find_tree(path, folder))
		return;
	kernel_version(path, version);
	snprintf(folder, PATH_MAX, "/lib/modules/%s", version);
	if (!*version || !has_modules(folder))
		*folder = '\0';
}
