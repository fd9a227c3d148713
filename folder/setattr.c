/* SPDX-License-Identifier: BSD-2-Clause */
/* The calls about a node's attributes: asked, and set in their order. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

static int get_attr(struct folder *folder, const struct folder_node *node, int fd,
		    struct folder_attr *attr)
{
	struct statx stx;
	int ret = attr_stat(fd, &stx);

	if (ret)
		return ret;
	attr_fill(folder, fd, &stx, attr);
	attr->version = node->version;
	return 0;
}

int folder_getattr(struct folder *folder, u64 id, u64 file_id, struct folder_attr *attr)
{
	struct folder_file *file = file_id ? file_get(folder, file_id) : NULL;
	struct folder_node *node;
	int fd, ret;

	if (file) {
		ret = get_attr(folder, file->node, file->fd, attr);
		file_put(folder, file);
		return ret;
	}
	fd = node_open(folder, id, &node);
	if (fd < 0)
		return fd;
	ret = get_attr(folder, node, fd, attr);
	if (!ret && node == folder->root && !attr->nlink)
		trouble_root_gone(folder);
	node_close(folder, node);
	return ret;
}

s64 folder_readlink(struct folder *folder, u64 id, char *target, size_t size)
{
	struct folder_node *node;
	int fd = node_open(folder, id, &node);
	s64 len;

	if (fd < 0)
		return fd;
	len = readlinkat(fd, "", target, size);
	if (len < 0)
		len = errno == ENOENT ? -EINVAL : -errno; /* ENOENT: it is no link */
	node_close(folder, node);
	return len;
}

int folder_statfs(struct folder *folder, u64 id, struct statvfs *st)
{
	struct folder_node *node;
	int fd = node_open(folder, id, &node);
	int ret;

	if (fd < 0)
		return fd;
	ret = fstatvfs(fd, st) ? -errno : 0;
	node_close(folder, node);
	return ret;
}

/* ---- writing ---- */

/* @fd: O_PATH of the node; @file: an open file of it, or NULL. */
struct change {
	struct folder *folder;
	struct folder_node *node;
	struct folder_file *file;
	int fd;
};

static int host_chmod(int fd, u32 mode)
{
	struct fd_name name;

	return chmod(fd_name(&name, fd), mode) ? -errno : 0;
}

/* What the guest believes changes; what it has not said stays as it sees it. */
static int change_belief(const struct change *change, u32 what, const struct folder_attr *set)
{
	struct folder_attr now;
	int ret = get_attr(change->folder, change->node, change->fd, &now);

	if (ret)
		return ret;
	if (what & FOLDER_SET_MODE)
		now.mode = (now.mode & S_IFMT) | (set->mode & 07777);
	if (what & FOLDER_SET_UID)
		now.uid = set->uid;
	if (what & FOLDER_SET_GID)
		now.gid = set->gid;
	return attr_believe(change->fd, &now);
}

static int change_mode(const struct change *change, u32 what, const struct folder_attr *set)
{
	int ret;

	if (!(what & FOLDER_SET_MODE))
		return 0;
	if (S_ISLNK(change->node->key.type))
		return -EOPNOTSUPP;
	ret = host_chmod(change->fd, attr_host_mode(change->folder,
						    change->node->key.type | (set->mode & 07777)));
	if (!ret && change->folder->options.map == FOLDER_MAP_XATTR)
		ret = change_belief(change, FOLDER_SET_MODE, set);
	return ret;
}

static int change_owner(const struct change *change, u32 what, const struct folder_attr *set)
{
	what &= FOLDER_SET_UID | FOLDER_SET_GID;
	if (!what)
		return 0;
	switch (change->folder->options.map) {
	case FOLDER_MAP_HOST:
		return fchownat(change->fd, "", what & FOLDER_SET_UID ? set->uid : (uid_t)-1,
				what & FOLDER_SET_GID ? set->gid : (gid_t)-1,
				AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)
			       ? -errno
			       : 0;
	case FOLDER_MAP_XATTR:
		return attr_can_believe(change->node->key.type) ? change_belief(change, what, set)
								: 0;
	case FOLDER_MAP_SQUASH:
		break;
	}
	return 0;
}

static int truncate_node(const struct change *change, u64 size)
{
	struct fd_name name;
	int fd, ret;

	if (change->file && ftruncate(change->file->fd, size) == 0)
		return 0;
	/* EINVAL: it is open for reading. Linux's 9p names any open fid of the file. */
	if (change->file && errno != EINVAL)
		return -errno;
	if (!S_ISREG(change->node->key.type))
		return S_ISDIR(change->node->key.type) ? -EISDIR : -EINVAL;
	fd = open(fd_name(&name, change->fd), O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	ret = ftruncate(fd, size) ? -errno : 0;
	close(fd);
	return ret;
}

static int change_size(const struct change *change, u32 what, const struct folder_attr *set)
{
	if (!(what & FOLDER_SET_SIZE))
		return 0;
	if (set->size > INT64_MAX)
		return -EINVAL;
	/* As ourselves: the guest's kernel has judged, and asks for set-ID bits to go where they
	 * must, by groups that we do not know. */
	return truncate_node(change, set->size);
}

/* "chmod u-s,g-s" where a change of the contents or of the owner demands it: inode(7). */
static int kill_privilege(const struct change *change, u32 what)
{
	struct folder_attr now;
	u32 kill = S_ISUID;
	int ret;

	if (!(what & FOLDER_SET_KILL_PRIV) || !S_ISREG(change->node->key.type))
		return 0;
	ret = get_attr(change->folder, change->node, change->fd, &now);
	if (ret)
		return ret;
	if (now.mode & S_IXGRP)
		kill |= S_ISGID;
	if (!(now.mode & kill))
		return 0;
	now.mode &= ~kill;
	return change_mode(change, FOLDER_SET_MODE, &now);
}

static struct timespec time_to_set(u32 what, u32 given, u32 now, struct timespec time)
{
	if (what & now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	if (!(what & given))
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	return time;
}

static int change_times(const struct change *change, u32 what, const struct folder_attr *set)
{
	struct timespec times[2] = {
		time_to_set(what, FOLDER_SET_ATIME, FOLDER_SET_ATIME_NOW, set->atime),
		time_to_set(what, FOLDER_SET_MTIME, FOLDER_SET_MTIME_NOW, set->mtime),
	};

	if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
		return 0;
	if (times[0].tv_nsec < 0 || times[1].tv_nsec < 0)
		return -EINVAL;
	return utimensat(change->fd, "", times, AT_EMPTY_PATH) ? -errno : 0;
}

static int apply(const struct change *change, u32 what, const struct folder_attr *set)
{
	/* The host takes set-ID bits away with the old owner: the mode that is asked for is next.
	 */
	int ret = change_owner(change, what, set);

	if (!ret)
		ret = change_mode(change, what, set);
	if (!ret)
		ret = change_size(change, what, set);
	if (!ret)
		ret = kill_privilege(change, what);
	if (!ret)
		ret = change_times(change, what, set);
	return ret;
}

int folder_setattr(struct folder *folder, u64 id, u64 file_id, u32 what,
		   const struct folder_attr *set, struct folder_attr *now)
{
	struct change change = { .folder = folder };
	int ret;

	if (folder->options.read_only)
		return -EROFS;
	change.fd = node_open(folder, id, &change.node);
	if (change.fd < 0)
		return change.fd;
	change.file = file_id ? file_get(folder, file_id) : NULL;
	if (change.file && change.file->node != change.node) {
		file_put(folder, change.file);
		change.file = NULL;
	}
	ret = apply(&change, what, set);
	node_written(folder, change.node, change.fd);
	if (!ret)
		ret = get_attr(folder, change.node, change.fd, now);
	if (change.file)
		file_put(folder, change.file);
	node_close(folder, change.node);
	return ret;
}
