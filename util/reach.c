/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/reach.h"

static struct {
	struct reach *list;
	unsigned count;
	u64 capabilities[THREAD_KINDS];
	const char *needs_user, *prefers_user;
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

void reach_add_file(int fd)
{
	static const unsigned asking[] = {
		FUSE_SUPER_MAGIC, NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC,
		SMB2_SUPER_MAGIC, CEPH_SUPER_MAGIC, V9FS_MAGIC,	     AFS_SUPER_MAGIC,
	};
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(asking); i++) {
		if ((unsigned)fs.f_type == asking[i])
			process.prefers_user = "a file on FUSE or of the network";
	}
}

const char *reach_user_preferred(void)
{
	return process.prefers_user;
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
