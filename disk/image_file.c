/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file of a new image. It gets its name when it is whole, however a conversion ends: half of
 * one looks like all of it. Where a file system has no files without a name, the name until then is
 * another.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image_private.h"

static int refuse_existing(const char *path, struct error *err)
{
	return error_set(err, -EEXIST,
			 "%s: is there already; remove it first, or take another name", path);
}

/* -errno, of which many say that there is no such thing. */
static int open_unnamed(const char *path)
{
	char folder[PATH_MAX];
	int fd;

	if (access("/proc/self/fd", X_OK))
		return -errno;
	snprintf(folder, sizeof(folder), "%s", path);
	fd = open(dirname(folder), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
	return fd < 0 ? -errno : fd;
}

static int open_part(struct image_name *name, struct error *err)
{
	int fd;

	snprintf(name->part, sizeof(name->part), "%s.part", name->path);
	fd = open(name->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd >= 0)
		return fd;
	if (errno == EEXIST)
		return refuse_existing(name->part, err);
	return error_set(err, -errno, "%s: cannot make it: %s", name->path, strerror(errno));
}

static int open_new(struct image_name *name, struct error *err)
{
	struct stat st;
	int fd;

	if (strlen(name->path) + strlen(".part") >= PATH_MAX)
		return error_set(err, -ENAMETOOLONG, "%s: its name is too long", name->path);
	if (!lstat(name->path, &st))
		return refuse_existing(name->path, err);
	fd = open_unnamed(name->path);
	return fd >= 0 ? fd : open_part(name, err);
}

int image_new_file(struct disk_file *file, struct image_name *name, const char *path,
		   struct error *err)
{
	int fd;

	*name = (struct image_name){ .path = path };
	fd = open_new(name, err);
	if (fd < 0)
		return fd;
	*file = (struct disk_file){ .fd = fd, .block_size = DISK_SECTOR, .align = DISK_SECTOR };
	file->path = strdup(path);
	return file->path ? 0
			  : image_end_file(file, name,
					   error_set(err, -ENOMEM, "%s: out of memory", path), err);
}

/* Neither call replaces what is there by now. */
static int name_file(const struct disk_file *file, struct image_name *name)
{
	char link[40];

	if (*name->part) {
		if (!renameat2(AT_FDCWD, name->part, AT_FDCWD, name->path, RENAME_NOREPLACE)) {
			name->part[0] = '\0';
			return 0;
		}
		/* NFS has no such flag, and links. */
		if (errno != EINVAL && errno != ENOSYS)
			return -errno;
		return linkat(AT_FDCWD, name->part, AT_FDCWD, name->path, 0) ? -errno : 0;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", file->fd);
	return linkat(AT_FDCWD, link, AT_FDCWD, name->path, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

/* A new name is as safe as the file when its folder is. Not all file systems can say so. */
static int flush_folder(const char *path)
{
	char folder[PATH_MAX];
	int fd, ret = 0;

	snprintf(folder, sizeof(folder), "%s", path);
	fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fsync(fd) && errno != EINVAL && errno != EROFS && errno != EBADF)
		ret = -errno;
	close(fd);
	return ret;
}

int image_end_file(struct disk_file *file, struct image_name *name, int ret, struct error *err)
{
	if (!ret) {
		ret = name_file(file, name);
		if (!ret)
			ret = flush_folder(name->path);
		if (ret == -EEXIST)
			refuse_existing(name->path, err);
		else if (ret)
			error_set(err, ret, "%s: cannot give it its name: %s", name->path,
				  strerror(-ret));
	}
	disk_file_close(file);
	/* It may have both names by now. */
	if (*name->part)
		unlink(name->part);
	return ret;
}
