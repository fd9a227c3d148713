/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
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

/* On overlayfs an inode is born again when it is first written. */
static bool has_births(int fd)
{
	struct statfs st;

	return !fstatfs(fd, &st) && st.f_type != OVERLAYFS_SUPER_MAGIC;
}

static int open_root(struct folder *folder, const char *path, struct error *err)
{
	int fd;

	if (folder->options.overlay)
		return overlay_mount(folder, path, err);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_set(err, -errno, "folder %s: %s", path, strerror(errno)) : fd;
}

/* What the guest believes cannot be kept where there are no attributes. */
static int check_attributes(const struct folder *folder, int fd, const char *path,
			    struct error *err)
{
	char name[32];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	if (folder->options.map != FOLDER_MAP_XATTR ||
	    getxattr(name, FOLDER_XATTR_STAT, NULL, 0) >= 0 || errno != EOPNOTSUPP)
		return 0;
	return error_set(err, -EOPNOTSUPP,
			 "folder %s: its file system keeps no extended attributes, which map=xattr "
			 "needs; map=squash does not",
			 path);
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
	fd = open_root(folder, path, err);
	if (fd < 0)
		return fd;
	ret = check_attributes(folder, fd, path, err);
	if (ret) {
		close(fd);
		return ret;
	}
	folder->has_openat2 = step_has_openat2(fd);
	folder->has_births = has_births(fd);
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
	folder->uid = geteuid();
	folder->gid = getegid();
	folder->scratch = -1;
	fill_defaults(&folder->options);
	pthread_mutex_init(&folder->lock, NULL);
	pthread_mutex_init(&folder->locking, NULL);
	pthread_cond_init(&folder->unlocked, NULL);
	list_init(&folder->lru);
	list_init(&folder->nameless);
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
	sync_forget_all(folder);
	folder->noted = folder->told = 0;
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
	if (folder->scratch >= 0)
		close(folder->scratch);
	free(folder->buckets);
	table_destroy(&folder->nodes);
	table_destroy(&folder->files);
	if (folder->process == getpid())
		close(folder->proc_fd);
	pthread_mutex_destroy(&folder->lock);
	pthread_cond_destroy(&folder->unlocked);
	pthread_mutex_destroy(&folder->locking);
	free(folder);
}

int folder_file(const struct folder *folder)
{
	return folder->root->fd;
}
