/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "private.h"

#define DEFAULT_NODES (4u << 20)
#define LEAST_FDS     64u

static unsigned quarter_of_fds(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > 1u << 20)
		return 1u << 18;
	return MAX((unsigned)limit.rlim_cur / 4, LEAST_FDS);
}

static void fill_defaults(struct folder_options *options)
{
	if (!options->max_nodes)
		options->max_nodes = DEFAULT_NODES;
	if (!options->max_fds)
		options->max_fds = quarter_of_fds();
	if (!options->max_files)
		options->max_files = quarter_of_fds();
}

static int open_folder(struct folder *folder, const char *path, struct error *err)
{
	int fd, ret;

	if (folder->options.map == FOLDER_MAP_HOST && geteuid())
		return error_set(err, -EPERM,
				 "folder %s: map=host needs root; map=squash and map=xattr do not",
				 path);
	if (access("/proc/self/fd", X_OK))
		return error_set(err, -errno, "folder %s: /proc/self/fd: %s", path,
				 strerror(errno));
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, -errno, "folder %s: %s", path, strerror(errno));
	ret = node_create_root(folder, fd);
	if (ret)
		return error_set(err, ret, "folder %s: %s", path, strerror(-ret));
	return 0;
}

int folder_open(struct folder **out, const char *path, const struct folder_options *options,
		struct error *err)
{
	struct folder *folder = calloc(1, sizeof(*folder));
	int ret;

	if (!folder)
		return error_set(err, -ENOMEM, "out of memory");
	folder->options = *options;
	fill_defaults(&folder->options);
	pthread_mutex_init(&folder->lock, NULL);
	list_init(&folder->lru);
	table_init(&folder->nodes, folder->options.max_nodes);
	table_init(&folder->files, folder->options.max_files);
	ret = open_folder(folder, path, err);
	if (ret) {
		folder_close(folder);
		return ret;
	}
	*out = folder;
	return 0;
}

void folder_reset(struct folder *folder)
{
	file_close_all(folder);
	node_forget_all(folder);
}

void folder_close(struct folder *folder)
{
	if (!folder)
		return;
	folder_reset(folder);
	if (folder->root) {
		close(folder->root->fd);
		free(folder->root);
	}
	free(folder->buckets);
	table_destroy(&folder->nodes);
	table_destroy(&folder->files);
	if (folder->process == getpid())
		close(folder->proc_fd);
	pthread_mutex_destroy(&folder->lock);
	free(folder);
}

bool folder_is_read_only(const struct folder *folder)
{
	return folder->options.read_only;
}

int folder_file(const struct folder *folder)
{
	return folder->root->fd;
}

/* In a process aside /proc/self is another one than where the folder was opened. */
static int open_proc(struct folder *folder)
{
	int fd = 0;

	pthread_mutex_lock(&folder->lock);
	if (folder->process != getpid()) {
		fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0) {
			folder->proc_fd = fd;
			folder->process = getpid();
		}
	}
	fd = fd < 0 ? -errno : folder->proc_fd;
	pthread_mutex_unlock(&folder->lock);
	return fd;
}

int folder_thread_start(struct folder *folder)
{
	int proc_fd = open_proc(folder);

	if (proc_fd < 0)
		return proc_fd;
	/* Modes are the guest's business, umask included. */
	if (unshare(CLONE_FS) || fchdir(proc_fd))
		return -errno;
	umask(0);
	/* Not setgroups(), which changes the groups of all threads. */
	if (folder->options.map == FOLDER_MAP_HOST && syscall(SYS_setgroups, 0, NULL))
		return -errno;
	return 0;
}

/* The kernel takes the powers over files away with the file system user ID of root. */
void cred_enter(const struct folder *folder, const struct folder_cred *cred)
{
	if (folder->options.map != FOLDER_MAP_HOST || !cred)
		return;
	setfsgid(cred->gid);
	setfsuid(cred->uid);
}

void cred_leave(const struct folder *folder, const struct folder_cred *cred)
{
	if (folder->options.map != FOLDER_MAP_HOST || !cred)
		return;
	setfsuid(geteuid());
	setfsgid(getegid());
}

int name_check(const char *name)
{
	if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	return 0;
}

const char *fd_name(struct fd_name *name, int fd)
{
	snprintf(name->text, sizeof(name->text), "%d", fd);
	return name->text;
}
