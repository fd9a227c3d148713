/* SPDX-License-Identifier: BSD-2-Clause */
/* Names in directories: looked up, made, moved, removed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "private.h"

static int lookup_in(struct folder *folder, struct folder_node *dir, int dir_fd, const char *name,
		     struct folder_entry *entry)
{
	int fd, ret;

	if (node_enter_known(folder, dir, dir_fd, name, entry))
		return 0;
	fd = step_path(folder, dir_fd, name);
	if (fd < 0)
		return fd;
	ret = node_enter(folder, dir, name, fd, entry);
	if (ret)
		close(fd);
	return ret;
}

/* "." and "..": a node that is known, by another of its names. */
static int lookup_known(struct folder *folder, struct folder_node *node, struct folder_entry *entry)
{
	int ret = folder_getattr(folder, node->id, 0, &entry->attr);

	if (ret)
		return ret;
	pthread_mutex_lock(&folder->lock);
	node->lookups++;
	pthread_mutex_unlock(&folder->lock);
	entry->node = node->id;
	return 0;
}

static int lookup_parent(struct folder *folder, struct folder_node *dir, struct folder_entry *entry)
{
	struct folder_node *parent;
	int ret;

	pthread_mutex_lock(&folder->lock);
	parent = dir->parent ? dir->parent : folder->root;
	parent->users++;
	pthread_mutex_unlock(&folder->lock);
	ret = lookup_known(folder, parent, entry);
	node_put(folder, parent);
	return ret;
}

int folder_lookup(struct folder *folder, u64 dir_id, const char *name, struct folder_entry *entry)
{
	struct folder_node *dir;
	int fd = node_open(folder, dir_id, &dir);
	int ret;

	if (fd < 0)
		return fd;
	if (!strcmp(name, "."))
		ret = lookup_known(folder, dir, entry);
	else if (!strcmp(name, ".."))
		ret = lookup_parent(folder, dir, entry);
	else if (!(ret = name_check(name)))
		ret = lookup_in(folder, dir, fd, name, entry);
	node_close(folder, dir);
	return ret;
}

int folder_hold(struct folder *folder, u64 id)
{
	struct folder_node *node;

	pthread_mutex_lock(&folder->lock);
	node = table_find(&folder->nodes, id);
	if (node)
		node->lookups++;
	pthread_mutex_unlock(&folder->lock);
	return node ? 0 : -ESTALE;
}

/* A name that is to be made or changed: the directory, open, or -errno. */
static int open_for_change(struct folder *folder, u64 dir_id, const char *name,
			   struct folder_node **dir)
{
	int ret = name_check(name);

	if (ret)
		return strcmp(name, ".") && strcmp(name, "..") ? ret : -EEXIST;
	if (folder->options.read_only)
		return -EROFS;
	return node_open(folder, dir_id, dir);
}

void entry_take_back(int dir_fd, const char *name, int fd)
{
	struct stat made, there;

	if (fstat(fd, &made) || fstatat(dir_fd, name, &there, AT_SYMLINK_NOFOLLOW) ||
	    made.st_ino != there.st_ino || made.st_dev != there.st_dev)
		return; /* somebody on the host was quicker */
	unlinkat(dir_fd, name, S_ISDIR(made.st_mode) ? AT_REMOVEDIR : 0);
}

/*
 * The inode was made at @name: keep what the guest believes of it, and enter it. If that
 * fails the name is taken away again.
 */
static int enter_new(struct folder *folder, const struct folder_cred *cred, struct folder_node *dir,
		     int dir_fd, const char *name, u32 mode, u32 major, u32 minor,
		     struct folder_entry *entry)
{
	int fd = step_path(folder, dir_fd, name);
	int ret;

	if (fd < 0)
		return fd;
	ret = attr_keep(folder, fd, cred, mode, major, minor);
	if (!ret)
		ret = node_enter(folder, dir, name, fd, entry);
	if (ret) {
		entry_take_back(dir_fd, name, fd);
		close(fd);
	}
	return ret;
}

static bool is_device(u32 mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

/* The mode of what is made on the host for a node of @mode; 0: it cannot be. */
static u32 mode_to_make(const struct folder *folder, u32 mode)
{
	u32 bits = attr_host_mode(folder, mode);

	switch (folder->options.map) {
	case FOLDER_MAP_HOST:
		return (mode & S_IFMT) | bits;
	case FOLDER_MAP_SQUASH:
		return is_device(mode) ? 0 : (mode & S_IFMT) | bits;
	case FOLDER_MAP_XATTR:
		return S_IFREG | bits;
	}
	return 0;
}

int folder_mknod(struct folder *folder, const struct folder_cred *cred, u64 dir_id,
		 const char *name, u32 mode, u32 major, u32 minor, struct folder_entry *entry)
{
	u32 made = mode_to_make(folder, mode);
	struct folder_node *dir;
	int fd, ret;

	/* Directories and links have calls of their own; the kernel reads no type as a file. */
	if (!(mode & S_IFMT))
		return -EINVAL;
	if (S_ISDIR(mode) || S_ISLNK(mode) || !made)
		return -EPERM;
	fd = open_for_change(folder, dir_id, name, &dir);
	if (fd < 0)
		return fd;
	cred_enter(folder, cred);
	ret = mknodat(fd, name, made, is_device(made) ? makedev(major, minor) : 0) ? -errno : 0;
	cred_leave(folder, cred);
	if (!ret)
		ret = enter_new(folder, cred, dir, fd, name, mode, major, minor, entry);
	node_close(folder, dir);
	return ret;
}

int folder_mkdir(struct folder *folder, const struct folder_cred *cred, u64 dir_id,
		 const char *name, u32 mode, struct folder_entry *entry)
{
	struct folder_node *dir;
	int fd = open_for_change(folder, dir_id, name, &dir);
	int ret;

	if (fd < 0)
		return fd;
	cred_enter(folder, cred);
	ret = mkdirat(fd, name, attr_host_mode(folder, S_IFDIR | (mode & 07777))) ? -errno : 0;
	cred_leave(folder, cred);
	if (!ret)
		ret = enter_new(folder, cred, dir, fd, name, S_IFDIR | (mode & 07777), 0, 0, entry);
	node_close(folder, dir);
	return ret;
}

int folder_symlink(struct folder *folder, const struct folder_cred *cred, u64 dir_id,
		   const char *name, const char *target, struct folder_entry *entry)
{
	struct folder_node *dir;
	int fd = open_for_change(folder, dir_id, name, &dir);
	int ret;

	if (fd < 0)
		return fd;
	cred_enter(folder, cred);
	ret = symlinkat(target, fd, name) ? -errno : 0;
	cred_leave(folder, cred);
	if (!ret)
		ret = enter_new(folder, cred, dir, fd, name, S_IFLNK | 0777, 0, 0, entry);
	node_close(folder, dir);
	return ret;
}

int folder_link(struct folder *folder, u64 id, u64 dir_id, const char *name,
		struct folder_entry *entry)
{
	struct folder_node *dir, *node;
	int fd = open_for_change(folder, dir_id, name, &dir);
	struct fd_name link;
	int node_fd, ret;

	if (fd < 0)
		return fd;
	node_fd = node_open(folder, id, &node);
	if (node_fd < 0) {
		node_close(folder, dir);
		return node_fd;
	}
	/* The link in /proc is followed to the inode, and no further. */
	ret = linkat(AT_FDCWD, fd_name(&link, node_fd), fd, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
	node_written(folder, node, node_fd);
	if (!ret)
		ret = lookup_in(folder, dir, fd, name, entry);
	node_close(folder, node);
	node_close(folder, dir);
	return ret;
}

int folder_unlink(struct folder *folder, u64 dir_id, const char *name, int flags)
{
	struct folder_node *dir, *node;
	int fd, ret;

	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	fd = open_for_change(folder, dir_id, name, &dir);
	if (fd < 0)
		return fd;
	node = node_losing(folder, dir, fd, name);
	ret = unlinkat(fd, name, flags) ? -errno : 0;
	node_lost(folder, node, !ret);
	node_close(folder, dir);
	return ret;
}

static int rename_between(struct folder *folder, struct folder_node *dir, const char *name,
			  u64 new_id, const char *new_name, u32 flags)
{
	struct folder_node *new_dir, *node = NULL;
	int fd = open_for_change(folder, new_id, new_name, &new_dir);
	int ret;

	if (fd < 0)
		return fd;
	if (!(flags & (RENAME_NOREPLACE | RENAME_EXCHANGE)))
		node = node_losing(folder, new_dir, fd, new_name);
	ret = renameat2(dir->fd, name, fd, new_name, flags) ? -errno : 0;
	node_lost(folder, node, !ret);
	if (!ret)
		node_moved(folder, dir, name, new_dir, new_name, flags & RENAME_EXCHANGE);
	node_close(folder, new_dir);
	return ret;
}

int folder_rename(struct folder *folder, u64 dir_id, const char *name, u64 new_id,
		  const char *new_name, u32 flags)
{
	struct folder_node *dir;
	int fd, ret;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT) ||
	    (flags & RENAME_WHITEOUT && folder->options.map != FOLDER_MAP_HOST))
		return -EINVAL;
	fd = open_for_change(folder, dir_id, name, &dir);
	if (fd < 0)
		return fd;
	ret = rename_between(folder, dir, name, new_id, new_name, flags);
	node_close(folder, dir);
	return ret;
}
