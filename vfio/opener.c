/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host_sysfs.h"
#include "problem.h"

struct search {
	const struct vfio_paths *paths;
	const char *process;
	const char *node;
	char *text;
};

static int look_at_fd(void *opaque, const char *fd)
{
	struct search *search = opaque;
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%s/fd/%s", search->paths->proc, search->process, fd);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return 0;
	target[len] = '\0';
	return !strcmp(target, search->node);
}

static int look_at_process(void *opaque, const char *process)
{
	struct search *search = opaque;
	char command[32];

	if (!isdigit((unsigned char)process[0]))
		return 0;
	search->process = process;
	/* Only root sees the descriptors of other users' processes. */
	if (vfio_sysfs_each(look_at_fd, search, "%s/%s/fd", search->paths->proc, process) != 1)
		return 0;
	vfio_sysfs_read(command, sizeof(command), "%s/%s/comm", search->paths->proc, process);
	snprintf(search->text, 64, "process %.16s (%s)", process, command);
	return 1;
}

void vfio_find_opener(const struct vfio_paths *paths, const char *node, char text[64])
{
	struct search search = { .paths = paths, .node = node, .text = text };

	text[0] = '\0';
	if (paths->proc)
		vfio_sysfs_each(look_at_process, &search, "%s", paths->proc);
}

void vfio_find_group_opener(const struct vfio_paths *paths, int group, char text[64])
{
	char node[PATH_MAX];

	snprintf(node, sizeof(node), "%s/vfio/%d", paths->dev, group);
	vfio_find_opener(paths, node, text);
}
