/* SPDX-License-Identifier: BSD-2-Clause */
/* Which files are taken for flash: what the guest writes there is the user's. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/aside.h"
#include "util/file.h"
#include "util/reach.h"
#include "vmm/flash.h"

/* Packages have variables there as they are at first, for copies. */
#define PACKAGED "/usr/"

static int refuse(const struct flash_file *file, int ret, const char *why, struct error *err)
{
	return error_set(err, ret, "--flash %s: %s", file->path, why);
}

static int check_size(const struct flash_file *file, u64 room, struct error *err)
{
	u64 size = file->size;

	if (size >= FLASH_SECTOR && size <= room && !(size & (size - 1)))
		return 0;
	return error_set(err, -EINVAL,
			 "--flash %s: it has %llu bytes, and must have a power of two of them, "
			 "from %llu KiB to %llu MiB",
			 file->path, (unsigned long long)size,
			 (unsigned long long)(FLASH_SECTOR / KIB),
			 (unsigned long long)(room / MIB));
}

/* Where the file is, whatever path led to it. */
static bool is_packaged(const struct flash_file *file)
{
	char link[40], path[PATH_MAX];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", file->fd);
	len = readlink(link, path, sizeof(path));
	return len > (ssize_t)strlen(PACKAGED) && !strncmp(path, PACKAGED, strlen(PACKAGED));
}

static int check_file(struct flash_file *file, u64 room, struct error *err)
{
	int ret = check_size(file, room, err);

	if (ret)
		return ret;
	if (is_packaged(file))
		return refuse(file, -EPERM,
			      "it is a package's, and the guest would write there: "
			      "give a copy of it",
			      err);
	ret = file_take(file->fd);
	if (ret)
		return refuse(file, ret,
			      ret == -EBUSY ? "in use, by another run or option" : strerror(-ret),
			      err);
	reach_add_file(file->fd);
	return 0;
}

struct opening {
	struct flash_file *file;
	u64 room;
	struct error *err;
	int ret;
};

static void open_file(void *arg)
{
	struct opening *opening = arg;
	struct flash_file *file = opening->file;
	struct error why = { "" };
	struct stat st;

	file->fd = file_open_regular("--flash", file->path, O_RDWR, &st, &why);
	if (file->fd == -EACCES || file->fd == -EROFS || file->fd == -EPERM) {
		opening->ret = refuse(file, file->fd,
				      "it cannot be written, which the guest does: give a copy of "
				      "your own",
				      opening->err);
	} else if (file->fd < 0) {
		opening->ret = error_set(opening->err, file->fd, "%s", why.text);
	} else {
		file->size = st.st_size;
		opening->ret = check_file(file, opening->room, opening->err);
	}
	if (file->fd < 0)
		file->fd = -1;
}

/* By a process aside, as the file system may not answer. */
int flash_file_open(struct flash_file *file, const char *path, u64 room, struct error *err)
{
	struct opening opening = { .file = file, .room = room, .err = err, .ret = -EIO };

	*file = (struct flash_file){ .path = path, .fd = -1 };
	aside_call("lkvm-flash", open_file, &opening);
	return opening.ret;
}
