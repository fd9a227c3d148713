/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host_sysfs.h"

/* What follows @format in the caller's arguments, as a path. */
#define MAKE_PATH(path, format)                                                                    \
	do {                                                                                       \
		va_list args;                                                                      \
                                                                                                   \
		va_start(args, format);                                                            \
		vsnprintf(path, sizeof(path), format, args);                                       \
		va_end(args);                                                                      \
	} while (0)

int vfio_sysfs_read(char *text, size_t size, const char *format, ...)
{
	char path[PATH_MAX];
	ssize_t len;
	int fd;

	MAKE_PATH(path, format);
	text[0] = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	if (len < 0)
		len = -errno;
	close(fd);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	text[MAX(len, 0)] = '\0';
	return len;
}

int vfio_sysfs_link(char *name, size_t size, const char *format, ...)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *last;
	ssize_t len;

	MAKE_PATH(path, format);
	name[0] = '\0';
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (strlen(last) >= size)
		return -ENAMETOOLONG;
	strcpy(name, last);
	return 0;
}

bool vfio_sysfs_exists(const char *format, ...)
{
	char path[PATH_MAX];

	MAKE_PATH(path, format);
	return !access(path, F_OK);
}

int vfio_sysfs_each(int (*each)(void *opaque, const char *name), void *opaque, const char *format,
		    ...)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *folder;
	int ret = 0;

	MAKE_PATH(path, format);
	folder = opendir(path);
	if (!folder)
		return -errno;
	while (!ret && (entry = readdir(folder))) {
		if (entry->d_name[0] != '.')
			ret = each(opaque, entry->d_name);
	}
	closedir(folder);
	return ret;
}

#define BUSY_TURNS 5

bool vfio_host_busy_again(int ret, unsigned *turns)
{
	const struct timespec moment = { .tv_nsec = 20000000 };

	if (ret != -EBUSY || (*turns)++ == BUSY_TURNS)
		return false;
	nanosleep(&moment, NULL);
	return true;
}
