/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot_cache_private.h"

#define FOLDER "lkvm"

/* "XDG Base Directory Specification": a relative path is to be ignored. */
static int parent_path(char *path)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int len;

	if (cache && *cache == '/')
		len = snprintf(path, PATH_MAX, "%s", cache);
	else if (home && *home == '/')
		len = snprintf(path, PATH_MAX, "%s/.cache", home);
	else
		return -EINVAL;
	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Whoever can put a file there could give us a kernel. */
static bool is_ours_alone(int fd, mode_t type)
{
	struct stat st;

	return !fstat(fd, &st) && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

static int open_folder(int at, const char *name, int flags, bool make)
{
	int fd;

	if (make && mkdirat(at, name, 0700) && errno != EEXIST)
		return -errno;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	if (fd < 0)
		return errno == ELOOP || errno == ENOTDIR ? -EPERM : -errno;
	if (is_ours_alone(fd, S_IFDIR))
		return fd;
	close(fd);
	return -EPERM;
}

int boot_folder_open(bool make)
{
	char path[PATH_MAX];
	int ret = parent_path(path), parent;

	if (ret)
		return ret;
	parent = open_folder(AT_FDCWD, path, 0, make);
	if (parent < 0)
		return parent;
	ret = open_folder(parent, FOLDER, O_NOFOLLOW, make);
	close(parent);
	return ret;
}

int boot_folder_open_entry(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (is_ours_alone(fd, S_IFREG))
		return fd;
	close(fd);
	return -EPERM;
}

int boot_folder_lock(int folder)
{
	int fd = openat(folder, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600), ret;

	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	ret = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(fd);
	return ret;
}

/* ---- its size ---- */

struct file {
	char name[NAME_MAX + 1];
	u64 size;
	struct timespec used;
};

struct files {
	struct file *files;
	size_t count, room;
	u64 size;
};

static bool is_entry(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot && (!strcmp(dot, ".ok") || !strcmp(dot, ".try") || !strcmp(dot, ".bad"));
}

static struct timespec later(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec) ? a : b;
}

/* When it was read is known to a day on most file systems, and on some only when it was written. */
static void add_file(struct files *files, int folder, const char *name)
{
	struct file *more;
	struct stat st;

	if (!is_entry(name) || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW))
		return;
	if (files->count == files->room) {
		more = realloc(files->files, (files->room * 2 + 16) * sizeof(*more));
		if (!more)
			return;
		files->files = more;
		files->room = files->room * 2 + 16;
	}
	more = &files->files[files->count++];
	snprintf(more->name, sizeof(more->name), "%s", name);
	/* An empty one takes something as well. */
	more->size = st.st_size + 4 * KIB;
	more->used = later(st.st_atim, st.st_mtim);
	files->size += more->size;
}

static int by_use(const void *a, const void *b)
{
	const struct timespec *one = &((const struct file *)a)->used;
	const struct timespec *other = &((const struct file *)b)->used;

	if (one->tv_sec != other->tv_sec)
		return one->tv_sec < other->tv_sec ? -1 : 1;
	return one->tv_nsec < other->tv_nsec ? -1 : one->tv_nsec > other->tv_nsec;
}

void boot_folder_trim(int folder, u64 max)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct files files = { NULL };
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		add_file(&files, folder, entry->d_name);
	closedir(dir);
	if (files.count)
		qsort(files.files, files.count, sizeof(*files.files), by_use);
	for (size_t i = 0; i < files.count && files.size > max; i++) {
		if (!unlinkat(folder, files.files[i].name, 0))
			files.size -= files.files[i].size;
	}
	free(files.files);
}
