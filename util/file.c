/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/file.h"

struct named {
	const char *what, *path;
	bool storage; /* a block device will do */
};

static int check_kind(const struct named *named, const struct stat *st, struct error *err)
{
	if (S_ISREG(st->st_mode) || (named->storage && S_ISBLK(st->st_mode)))
		return 0;
	if (S_ISDIR(st->st_mode))
		return error_set(err, -EISDIR, "%s %s: is a directory; give %s", named->what,
				 named->path,
				 named->storage ? "an image file or a block device" : "a file");
	return error_set(err, -EINVAL, "%s %s: is %s", named->what, named->path,
			 named->storage ? "neither a regular file nor a block device"
					: "not a regular file");
}

/*
 * Looked at before it is opened, since to open some devices is to use them, and after,
 * since the name may lead elsewhere by then. O_NONBLOCK covers the time between.
 */
static int open_named(const struct named *named, int flags, struct stat *st, struct error *err)
{
	int ret = stat(named->path, st) ? 0 : check_kind(named, st, err);
	int fd;

	if (ret)
		return ret;
	fd = open(named->path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
	if (fd < 0)
		return error_set(err, -errno, "%s %s: %s", named->what, named->path,
				 strerror(errno));
	if (fstat(fd, st) || fcntl(fd, F_SETFL, flags))
		ret = error_set(err, -errno, "%s %s: %s", named->what, named->path,
				strerror(errno));
	else
		ret = check_kind(named, st, err);
	if (ret)
		close(fd);
	return ret ? ret : fd;
}

int file_open_regular(const char *what, const char *path, int flags, struct stat *st,
		      struct error *err)
{
	const struct named named = { what, path, false };

	return open_named(&named, flags, st, err);
}

int file_open_storage(const char *what, const char *path, int flags, struct stat *st,
		      struct error *err)
{
	const struct named named = { what, path, true };

	return open_named(&named, flags, st, err);
}

bool file_has_suffix(const char *path, const char *suffix)
{
	size_t len = strlen(path), end = strlen(suffix);

	return len > end && !strcmp(path + len - end, suffix);
}
