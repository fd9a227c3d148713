/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/reach.h"

static struct {
	struct reach *list;
	unsigned count;
	u64 capabilities[THREAD_KINDS];
	const char *needs_user;
	bool host_kernel, names;
} process;

/* Takes @fd over. */
static int add(int fd, unsigned rights)
{
	struct reach *list = realloc(process.list, (process.count + 1) * sizeof(*list));

	if (!list) {
		close(fd);
		return -ENOMEM;
	}
	process.list = list;
	process.list[process.count++] = (struct reach){ fd, rights };
	return 0;
}

int reach_add_fd(int fd, unsigned rights)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? -errno : add(copy, rights);
}

int reach_add(const char *path, unsigned rights)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return add(fd, rights);
}

int reach_add_folder_of(const char *path, unsigned rights)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	return reach_add(dirname(copy), rights);
}

const struct reach *reach_list(unsigned *count)
{
	*count = process.count;
	return process.list;
}

void reach_forget(void)
{
	while (process.count)
		close(process.list[--process.count].fd);
	free(process.list);
	process.list = NULL;
}

void reach_need_user(const char *what)
{
	if (!process.needs_user)
		process.needs_user = what;
}

const char *reach_user_needed(void)
{
	return process.needs_user;
}

void reach_add_host_kernel(void)
{
	process.host_kernel = true;
}

bool reach_host_kernel(void)
{
	return process.host_kernel;
}

void reach_add_names(void)
{
	process.names = true;
}

bool reach_names(void)
{
	return process.names;
}

void reach_keep(enum thread_kind kind, u64 capabilities)
{
	process.capabilities[kind] |= capabilities;
	process.capabilities[THREAD_ANY] |= capabilities;
}

u64 reach_kept(enum thread_kind kind)
{
	return process.capabilities[kind];
}
