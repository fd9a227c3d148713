/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
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

/* ---- files that are written anew ---- */

#define START_MAX  32
#define TAKE_TRIES 30
#define TAKE_NS	   10000000

static int lock_file(int fd, short type)
{
	const struct timespec pause = { .tv_nsec = TAKE_NS };
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };

	for (unsigned i = 0; fcntl(fd, F_OFD_SETLK, &lock); i++) {
		if (errno != EAGAIN && errno != EACCES)
			return errno == ENOLCK || errno == EOPNOTSUPP || errno == EINVAL ? 0
											 : -errno;
		if (i == TAKE_TRIES)
			return -EBUSY;
		nanosleep(&pause, NULL);
	}
	return 0;
}

int file_take(int fd)
{
	return lock_file(fd, F_WRLCK);
}

int file_share(int fd)
{
	return lock_file(fd, F_RDLCK);
}

static bool begins_with(int fd, const struct file_start *start)
{
	char found[START_MAX];

	return pread(fd, found, start->len, 0) == (ssize_t)start->len &&
	       !memcmp(found, start->bytes, start->len);
}

static int check_start(int fd, const struct named *named, const struct stat *st,
		       const struct file_start *start, struct error *err)
{
	if (!st->st_size || begins_with(fd, start))
		return 0;
	return error_set(err, -EEXIST,
			 "%s %s: is there, and is not %s: remove it, or choose another name",
			 named->what, named->path, start->what);
}

static int empty(int fd, const struct named *named, const struct file_start *start,
		 struct error *err)
{
	struct stat st;
	int ret = file_take(fd);

	if (ret == -EBUSY)
		return error_set(err, ret, "%s %s: is in use: choose another name", named->what,
				 named->path);
	/* Not as it was before we had it. */
	if (!ret && fstat(fd, &st))
		ret = -errno;
	if (!ret) {
		ret = check_start(fd, named, &st, start, err);
		if (ret)
			return ret;
		ret = ftruncate(fd, 0) ? -errno : 0;
	}
	return ret ? error_set(err, ret, "%s %s: %s", named->what, named->path, strerror(-ret)) : 0;
}

int file_open_anew(const char *option, const char *path, const struct file_start *start,
		   struct error *err)
{
	const struct named named = { option, path, false };
	struct stat st;
	int fd = open_named(&named, O_RDWR | O_CREAT, &st, err);
	int ret = fd < 0 ? fd : empty(fd, &named, start, err);

	if (ret && fd >= 0)
		close(fd);
	return ret ? ret : fd;
}

int file_check_anew(const char *option, const char *path, const struct file_start *start,
		    struct error *err)
{
	const struct named named = { option, path, false };
	struct stat st;
	int fd, ret;

	if (stat(path, &st) && errno == ENOENT)
		return 0;
	fd = open_named(&named, O_RDONLY, &st, err);
	ret = fd < 0 ? fd : check_start(fd, &named, &st, start, err);
	if (fd >= 0)
		close(fd);
	return ret;
}

bool file_has_suffix(const char *path, const char *suffix)
{
	size_t len = strlen(path), end = strlen(suffix);

	return len > end && !strcmp(path + len - end, suffix);
}
