/* SPDX-License-Identifier: BSD-2-Clause */
/* The one way down into the folder: by openat2(), or step by step where the host does not have it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "private.h"

static int open_beneath(const struct folder *folder, int dir_fd, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
			   (folder->options.cross_mounts ? 0 : RESOLVE_NO_XDEV),
	};
	int fd;

	/* EAGAIN: a rename somewhere on the host crossed the walk. */
	for (int tries = 0; tries < 100; tries++) {
		fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd < 0 ? -errno : fd;
}

/* ENOSYS before Linux 5.6; filters that are older than it refuse what they do not know. */
bool step_has_openat2(int dir_fd)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH };
	int fd = syscall(SYS_openat2, dir_fd, ".", &how, sizeof(how));

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* ---- without it ---- */

/* "mnt_id:" of proc_pid_fdinfo(5). Negative: it is not told. */
static long mount_of(int fd)
{
	char path[32], text[512];
	const char *line;
	ssize_t len;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	len = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (info >= 0)
		close(info);
	if (len <= 0)
		return -1;
	text[len] = '\0';
	line = strstr(text, "mnt_id:");
	return line ? strtol(line + strlen("mnt_id:"), NULL, 10) : -1;
}

/*
 * One component, which is neither "." nor "..", leads to what is in the directory: O_PATH with
 * O_NOFOLLOW opens a link itself, and a link is no directory for the next step.
 */
static int open_step(const struct folder *folder, int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	long mount;

	if (fd < 0)
		return -errno;
	if (folder->options.cross_mounts)
		return fd;
	mount = mount_of(fd);
	if (mount >= 0 && mount == mount_of(dir_fd))
		return fd;
	close(fd);
	return -EXDEV;
}

static int open_steps(const struct folder *folder, int dir_fd, const char *path)
{
	char name[NAME_MAX + 1];
	int at = dir_fd, fd = -ENOENT;

	while (*path) {
		size_t len = strcspn(path, "/");

		if (len > NAME_MAX) {
			fd = -ENAMETOOLONG;
		} else {
			memcpy(name, path, len);
			name[len] = '\0';
			fd = name_check(name) ? -EINVAL : open_step(folder, at, name);
		}
		if (at != dir_fd)
			close(at);
		if (fd < 0)
			break;
		at = fd;
		path += len + (path[len] == '/');
	}
	return fd;
}

int step_path(const struct folder *folder, int dir_fd, const char *path)
{
	return folder->has_openat2 ? open_beneath(folder, dir_fd, path)
				   : open_steps(folder, dir_fd, path);
}
