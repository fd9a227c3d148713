/* SPDX-License-Identifier: BSD-2-Clause */
/* Extended attributes. Our own are hidden from the guest. */
#include <errno.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>

#include "private.h"

static bool begins_with(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

/*
 * What the host's kernel acts on is the guest's only where IDs are the same: with
 * "security.capability" a program of the guest's would have the powers of root on the host, and
 * POSIX ACLs name the host's users. An ordinary caller could not set those; root could.
 */
static int check_name(const struct folder *folder, const char *name)
{
	if (begins_with(name, FOLDER_XATTR_PREFIX))
		return -EPERM;
	if (folder->options.map != FOLDER_MAP_HOST && !begins_with(name, "user."))
		return -EOPNOTSUPP;
	return 0;
}

static int check_write(const struct folder *folder, const char *name)
{
	return folder->options.read_only ? -EROFS : check_name(folder, name);
}

s64 folder_getxattr(struct folder *folder, u64 id, const char *name, void *value, size_t size)
{
	s64 ret = check_name(folder, name);
	struct folder_node *node;
	struct fd_name link;
	int fd;

	if (ret)
		return ret == -EPERM ? -ENODATA : ret;
	fd = node_open(folder, id, &node);
	if (fd < 0)
		return fd;
	ret = getxattr(fd_name(&link, fd), name, value, size);
	ret = ret < 0 ? -errno : ret;
	node_close(folder, node);
	return ret;
}

/* Take the names that are not the guest's out of the list; returns what is left of @len. */
static size_t hide_others(const struct folder *folder, char *list, size_t len)
{
	size_t kept = 0;

	for (size_t at = 0; at < len;) {
		size_t name = strnlen(list + at, len - at) + 1;

		if (at + name > len)
			break;
		if (!check_name(folder, list + at)) {
			memmove(list + kept, list + at, name);
			kept += name;
		}
		at += name;
	}
	return kept;
}

s64 folder_listxattr(struct folder *folder, u64 id, char *list, size_t size)
{
	struct folder_node *node;
	struct fd_name link;
	char all[XATTR_LIST_MAX];
	int fd = node_open(folder, id, &node);
	ssize_t len;

	if (fd < 0)
		return fd;
	len = listxattr(fd_name(&link, fd), all, sizeof(all));
	len = len < 0 ? -errno : len;
	node_close(folder, node);
	if (len < 0)
		return len;
	len = hide_others(folder, all, len);
	if (!size)
		return len;
	if ((size_t)len > size)
		return -ERANGE;
	memcpy(list, all, len);
	return len;
}

int folder_setxattr(struct folder *folder, u64 id, const char *name, const void *value, size_t size,
		    int flags)
{
	struct folder_node *node;
	struct fd_name link;
	int ret = check_write(folder, name);
	int fd;

	if (ret)
		return ret;
	fd = node_open(folder, id, &node);
	if (fd < 0)
		return fd;
	ret = setxattr(fd_name(&link, fd), name, value, size, flags) ? -errno : 0;
	node_written(folder, node, fd);
	node_close(folder, node);
	return ret;
}

int folder_removexattr(struct folder *folder, u64 id, const char *name)
{
	struct folder_node *node;
	struct fd_name link;
	int ret = check_write(folder, name);
	int fd;

	if (ret)
		return ret;
	fd = node_open(folder, id, &node);
	if (fd < 0)
		return fd;
	ret = removexattr(fd_name(&link, fd), name) ? -errno : 0;
	node_written(folder, node, fd);
	node_close(folder, node);
	return ret;
}
