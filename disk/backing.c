/* SPDX-License-Identifier: BSD-2-Clause */
/* Files below an image: where their names lead, and where they may not. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"

/* What the kernel calls an open file: without links, and not to be replaced behind us. */
static int real_name(const struct disk_file *file, char name[PATH_MAX])
{
	char link[40];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", file->fd);
	len = readlink(link, name, PATH_MAX - 1);
	if (len < 0)
		return -errno;
	name[len] = 0;
	return 0;
}

static const struct disk_image *topmost(const struct disk_image *image)
{
	while (image->over)
		image = image->over;
	return image;
}

static int check_folder(const struct disk_image *image, const struct disk_image *backing,
			struct error *err)
{
	char top[PATH_MAX], name[PATH_MAX];
	int ret = real_name(&topmost(image)->file, top);

	if (!ret)
		ret = real_name(&backing->file, name);
	if (ret)
		return error_set(err, ret, "disk %s: cannot tell where its backing file is: %s",
				 image->file.path, strerror(-ret));
	strrchr(top, '/')[1] = 0;
	if (!strncmp(top, name, strlen(top)))
		return 0;
	return error_set(err, -EPERM,
			 "disk %s: its backing file %s is not in its folder; backing=any allows "
			 "that",
			 image->file.path, backing->file.path);
}

static int check_loop(const struct disk_image *image, const struct disk_image *backing,
		      struct error *err)
{
	for (; image; image = image->over) {
		if (!memcmp(image->file.id, backing->file.id, sizeof(backing->file.id)))
			return error_set(err, -ELOOP, "disk %s: is its own backing file",
					 image->file.path);
	}
	return 0;
}

/* As others resolve it: relative to the folder of the image that has the name. */
static int find_path(const struct disk_image *image, const char *name, char path[PATH_MAX],
		     struct error *err)
{
	const char *folder = image->file.path, *end = strrchr(folder, '/');
	size_t colon = strcspn(name, ":"), slash = strcspn(name, "/");
	int len;

	if (!strncmp(name, "file:", 5))
		name += 5;
	else if (name[colon] && colon < slash)
		return error_set(err, -EINVAL,
				 "disk %s: its backing file '%.200s' is no file's name",
				 image->file.path, name);
	if (*name == '/' || !end)
		len = snprintf(path, PATH_MAX, "%s", name);
	else
		len = snprintf(path, PATH_MAX, "%.*s%s", (int)(end + 1 - folder), folder, name);
	if (len >= PATH_MAX)
		return error_set(err, -ENAMETOOLONG, "disk %s: its backing file's name is too long",
				 image->file.path);
	return 0;
}

static int find_format(const struct disk_image *image, const char *format,
		       struct disk_options *options, struct error *err)
{
	if (!*format)
		options->format = DISK_FORMAT_GUESS;
	else if (!strcmp(format, "raw"))
		options->format = DISK_FORMAT_RAW;
	else if (!strcmp(format, "qcow2"))
		options->format = DISK_FORMAT_QCOW2;
	else
		return error_set(err, -EINVAL,
				 "disk %s: its backing file is of format %s, and lkvm reads raw "
				 "and qcow2",
				 image->file.path, format);
	return 0;
}

static int check_depth(const struct disk_image *image, struct error *err)
{
	unsigned depth = 1;

	for (const struct disk_image *over = image; over; over = over->over)
		depth++;
	/* One is left for a snapshot. */
	if (depth < DISK_MAX_FILES)
		return 0;
	return error_set(err, -ELOOP, "disk %s: there are more than %d files in a chain",
			 topmost(image)->file.path, DISK_MAX_FILES - 1);
}

int disk_backing_find(const struct disk_image *image, const char *name, const char *format,
		      const struct disk_options *top, char *path, struct disk_options *options,
		      struct error *err)
{
	int ret = check_depth(image, err);

	*options = (struct disk_options){ .read_only = true,
					  .share = top->share,
					  .buffered = top->buffered,
					  .backing_anywhere = top->backing_anywhere };
	if (!ret)
		ret = find_path(image, name, path, err);
	return ret ? ret : find_format(image, format, options, err);
}

int disk_backing_check(const struct disk_image *image, const struct disk_options *options,
		       struct error *err)
{
	int ret = image->over ? check_loop(image->over, image, err) : 0;

	if (!ret && image->over && !options->backing_anywhere)
		ret = check_folder(image->over, image, err);
	return ret;
}
