/* SPDX-License-Identifier: BSD-2-Clause */
/* Attributes of nodes, and whose they are: to the host, and as the guest believes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "private.h"

int attr_stat(int fd, struct statx *stx)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME, stx)
		       ? -errno
		       : 0;
}

/* ---- what the guest believes: FOLDER_MAP_XATTR ---- */

struct belief {
	u32 uid, gid, mode, major, minor;
};

static bool belief_read(int fd, struct belief *belief)
{
	struct fd_name name;
	char text[80];
	ssize_t len = getxattr(fd_name(&name, fd), FOLDER_XATTR_STAT, text, sizeof(text) - 1);

	if (len <= 0)
		return false;
	text[len] = '\0';
	return sscanf(text, "%u %u %o %u %u", &belief->uid, &belief->gid, &belief->mode,
		      &belief->major, &belief->minor) == 5;
}

static int belief_write(int fd, const struct belief *belief)
{
	struct fd_name name;
	char text[80];
	int len = snprintf(text, sizeof(text), "%u %u %o %u %u", belief->uid, belief->gid,
			   belief->mode, belief->major, belief->minor);

	return setxattr(fd_name(&name, fd), FOLDER_XATTR_STAT, text, len, 0) ? -errno : 0;
}

/* The inodes that can have a "user." attribute: xattr(7). */
bool attr_can_believe(u32 mode)
{
	return S_ISREG(mode) || S_ISDIR(mode);
}

int attr_believe(int fd, const struct folder_attr *attr)
{
	const struct belief belief = { attr->uid, attr->gid, attr->mode, attr->rdev_major,
				       attr->rdev_minor };

	return belief_write(fd, &belief);
}

int attr_keep(struct folder *folder, int fd, const struct folder_cred *cred, u32 mode, u32 major,
	      u32 minor)
{
	struct belief belief = { cred->uid, cred->gid, mode, major, minor };

	if (folder->options.map != FOLDER_MAP_XATTR || S_ISLNK(mode))
		return 0;
	return belief_write(fd, &belief);
}

/*
 * A guest could otherwise give everybody on the host a program that runs as the caller. With
 * xattrs the host's bits let the caller do all, and the guest's kernel judges by its own.
 */
u32 attr_host_mode(const struct folder *folder, u32 mode)
{
	u32 all = S_ISDIR(mode) ? 0700 : 0600;

	if (folder->options.map == FOLDER_MAP_HOST)
		return mode & 07777;
	mode &= S_ISDIR(mode) ? 0777 | S_ISVTX : 0777;
	return folder->options.map == FOLDER_MAP_XATTR ? mode | all : mode;
}

/* ---- reading ---- */

static struct timespec time_of(const struct statx_timestamp *time)
{
	return (struct timespec){ time->tv_sec, time->tv_nsec };
}

u64 attr_ino(const struct folder *folder, u64 dev, u64 ino)
{
	if (!folder->root || dev == folder->root->key.dev)
		return ino;
	return ino ^ (dev * 0x9e3779b97f4a7c15ull & ~0xffffffffull);
}

static void fill_owner(struct folder *folder, int fd, struct folder_attr *attr)
{
	struct belief belief;

	if (folder->options.map == FOLDER_MAP_HOST)
		return;
	if (attr->uid == folder->uid)
		attr->uid = 0;
	if (attr->gid == folder->gid)
		attr->gid = 0;
	if (folder->options.map != FOLDER_MAP_XATTR || !attr_can_believe(attr->mode) ||
	    !belief_read(fd, &belief))
		return;
	/* A directory stays one, whatever somebody wrote there. */
	if (S_ISDIR(attr->mode))
		belief.mode = S_IFDIR | (belief.mode & 07777);
	attr->uid = belief.uid;
	attr->gid = belief.gid;
	attr->mode = belief.mode & S_IFMT ? belief.mode : S_IFREG | belief.mode;
	attr->rdev_major = belief.major;
	attr->rdev_minor = belief.minor;
}

void attr_fill(struct folder *folder, int fd, const struct statx *stx, struct folder_attr *attr)
{
	*attr = (struct folder_attr){
		.ino = attr_ino(folder, (u64)stx->stx_dev_major << 32 | stx->stx_dev_minor,
				stx->stx_ino),
		.size = stx->stx_size,
		.blocks = stx->stx_blocks,
		.atime = time_of(&stx->stx_atime),
		.mtime = time_of(&stx->stx_mtime),
		.ctime = time_of(&stx->stx_ctime),
		.btime = time_of(&stx->stx_btime),
		.mode = stx->stx_mode,
		.nlink = stx->stx_nlink,
		.uid = stx->stx_uid,
		.gid = stx->stx_gid,
		.rdev_major = stx->stx_rdev_major,
		.rdev_minor = stx->stx_rdev_minor,
		.block_size = stx->stx_blksize,
	};
	fill_owner(folder, fd, attr);
}
