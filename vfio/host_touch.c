/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host_sysfs.h"

int vfio_sysfs_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	/* In one write: each is a command of its own to the kernel. */
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int vfio_host_open_group(const struct vfio_paths *paths, int group)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/vfio/%d", paths->dev, group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
