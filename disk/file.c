/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "file.h"
#include "holder.h"
#include "util/file.h"
#include "util/range.h"
#include "util/reach.h"

/* As large as any logical block of a disk is in practice. */
#define PROBE_SIZE 4096u

/* A disk that is somebody's is asked for so often, with so many microseconds between. */
#define HOLDER_TRIES 30
#define HOLDER_PAUSE 10000

/* The folder that has proc and sys. holder.h says why it has a name. */
#define HOST_ROOT ""

/*
 * An lkvm that was killed is gone before its processes aside are (util/aside.h), and they have the
 * disk for a moment longer: whoever starts the next one then need not know that.
 */
static bool disk_file_wait_for_holder(unsigned *tries)
{
	if (++*tries == HOLDER_TRIES)
		return false;
	usleep(HOLDER_PAUSE);
	return true;
}

/* Nobody writes a block device that is mounted, or a part of another: O_EXCL fails there. */
static int disk_file_refuse_busy(const char *path, dev_t device, struct error *err)
{
	char holder[192];

	holder_of_device(HOST_ROOT, device, holder, sizeof(holder));
	return error_set(err, -EBUSY,
			 "disk %s: %s; writing it would destroy what is there: give it as %s,ro, "
			 "or with share=on to write it all the same",
			 path, holder, path);
}

static int disk_file_open_file(struct disk_file *file, const char *path,
			       const struct disk_options *options, struct stat *st,
			       struct error *err)
{
	int flags = options->read_only ? O_RDONLY : O_RDWR, ret;
	unsigned tries = 0;
	bool is_busy;
	struct error why;

	/* It says nothing of a regular file. */
	if (!options->read_only && !options->share)
		flags |= O_EXCL;
	do {
		why.text[0] = 0;
		file->fd = file_open_storage("disk", path, flags, st, &why);
		is_busy = file->fd == -EBUSY && flags & O_EXCL && S_ISBLK(st->st_mode);
	} while (is_busy && disk_file_wait_for_holder(&tries));
	if (file->fd >= 0)
		return 0;
	ret = file->fd;
	if (is_busy)
		return disk_file_refuse_busy(path, st->st_rdev, err);
	if (!options->read_only && (ret == -EACCES || ret == -EROFS || ret == -EPERM))
		return error_set(
			err, ret,
			"disk %s: cannot open it for writing: %s; give it as %s,ro to only read it",
			path, strerror(-ret), path);
	return error_set(err, ret, "%s", why.text);
}

static int disk_file_measure_block_device(struct disk_file *file, const char *path,
					  struct error *err)
{
	int sector = 0, read_only = 0;

	/* The kernel opens a write-protected one for writing, and refuses each write. */
	if (!file->read_only && !ioctl(file->fd, BLKROGET, &read_only) && read_only)
		return error_set(err, -EROFS,
				 "disk %s: is write-protected; give it as %s,ro to only read it",
				 path, path);
	if (ioctl(file->fd, BLKGETSIZE64, &file->size) || ioctl(file->fd, BLKSSZGET, &sector))
		return error_set(err, -errno, "disk %s: cannot ask for its size: %s", path,
				 strerror(errno));
	if (sector < (int)DISK_SECTOR || sector > (int)PROBE_SIZE || sector & (sector - 1))
		return error_set(err, -EINVAL, "disk %s: blocks of %d bytes are not supported",
				 path, sector);
	file->block_device = true;
	file->block_size = sector;
	return 0;
}

/*
 * The inode names a file for as long as it lives, whatever path leads to it: st_dev, st_rdev and
 * st_ino in a row, which is kvmtool's name. The device's number names a device; it, and what is
 * too long for 20 bytes, is hashed (FNV-1a).
 */
static void disk_file_name(struct disk_file *file, const struct stat *st)
{
	u64 parts[2] = { file->block_device ? st->st_rdev : st->st_dev,
			 file->block_device ? 0 : st->st_ino };
	const u8 *bytes = (const u8 *)parts;
	u64 hash = 0xcbf29ce484222325;
	char name[64];

	for (size_t i = 0; i < sizeof(parts); i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3;
	snprintf(name, sizeof(name), "%llu%llu%llu", (unsigned long long)st->st_dev,
		 (unsigned long long)st->st_rdev, (unsigned long long)st->st_ino);
	if (file->block_device || strlen(name) > sizeof(file->id))
		snprintf(name, sizeof(name), "lkvm%016llx", (unsigned long long)hash);
	memset(file->id, 0, sizeof(file->id));
	memcpy(file->id, name, MIN(strlen(name), sizeof(file->id)));
}

static int disk_file_measure(struct disk_file *file, const char *path, const struct stat *st,
			     struct error *err)
{
	int ret = 0;

	file->block_size = DISK_SECTOR;
	if (S_ISBLK(st->st_mode))
		ret = disk_file_measure_block_device(file, path, err);
	else
		file->size = st->st_size;
	if (ret)
		return ret;
	file->align = file->block_size;
	disk_file_name(file, st);
	return 0;
}

/* What the kernel calls the file, in the links of all who have it open; "" if it does not say. */
static void disk_file_find_link(const struct disk_file *file, char *link, size_t size)
{
	char path[40];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	len = readlink(path, link, size - 1);
	link[MAX(len, 0)] = 0;
}

static int disk_file_refuse_locked(const struct disk_file *file, const char *path,
				   struct flock *lock, struct error *err)
{
	char link[PATH_MAX], holder[192];

	/* An open file description's lock is nobody's to the kernel: -1. */
	if (fcntl(file->fd, F_OFD_GETLK, lock) || lock->l_type == F_UNLCK)
		lock->l_pid = -1;
	disk_file_find_link(file, link, sizeof(link));
	holder_of_lock(HOST_ROOT, link, lock->l_pid, holder, sizeof(holder));
	if (file->read_only)
		return error_set(err, -EBUSY,
				 "disk %s: %s; share=on reads what is written meanwhile", path,
				 holder);
	return error_set(err, -EBUSY,
			 "disk %s: %s; a disk that can be written has one user; ,ro shares it with "
			 "other readers",
			 path, holder);
}

static int disk_file_try_lock(const struct disk_file *file, struct flock *lock)
{
	unsigned tries = 0;

	do {
		if (!fcntl(file->fd, F_OFD_SETLK, lock))
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			return -errno;
	} while (disk_file_wait_for_holder(&tries));
	return -EBUSY;
}

/*
 * An open file description lock: it conflicts even between two disks of this
 * process, and goes with the last descriptor, however the process ends. Writers
 * that share it take the lock of a reader: it only keeps out a writer that does not share.
 */
static int disk_file_lock(struct disk_file *file, const char *path,
			  const struct disk_options *options, struct error *err)
{
	bool alone = !file->read_only && !options->share;
	struct flock lock = { .l_type = alone ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };
	int ret;

	/* A reader that shares needs no lock: it keeps no other out and is kept out by none. */
	if (file->read_only && options->share)
		return 0;
	ret = disk_file_try_lock(file, &lock);
	if (ret == -EBUSY)
		return disk_file_refuse_locked(file, path, &lock, err);
	/* The file system has no locks, so other users cannot be known. */
	if (!ret || ret == -ENOLCK || ret == -EOPNOTSUPP || ret == -EINVAL)
		return 0;
	return error_set(err, ret, "disk %s: cannot lock it: %s", path, strerror(-ret));
}

/* A loop device takes no lock on its file, and may be mounted. */
static int disk_file_check_loop(const struct disk_file *file, const char *path,
				const struct disk_options *options, struct error *err)
{
	char link[PATH_MAX], holder[192];

	if (file->block_device || file->read_only || options->share)
		return 0;
	disk_file_find_link(file, link, sizeof(link));
	if (!holder_is_loop(HOST_ROOT, link, holder, sizeof(holder)))
		return 0;
	return error_set(err, -EBUSY,
			 "disk %s: %s; 'losetup -d' gives it back, share=on writes it all the same",
			 path, holder);
}

/* Whether a read with exactly the alignment that we promise to keep works. */
static bool disk_file_probe_direct(const struct disk_file *file)
{
	void *buffer;
	bool works;

	if (posix_memalign(&buffer, PROBE_SIZE, 2 * PROBE_SIZE))
		return false;
	works = pread(file->fd, (char *)buffer + file->align, file->align, 0) ==
		(ssize_t)file->align;
	free(buffer);
	return works;
}

static int disk_file_set_direct(struct disk_file *file, const char *path,
				const struct disk_options *options, struct error *err)
{
	int flags = fcntl(file->fd, F_GETFL);

	if (flags < 0)
		return error_set(err, -errno, "disk %s: %s", path, strerror(errno));
	file->direct = !options->buffered && !fcntl(file->fd, F_SETFL, flags | O_DIRECT) &&
		       disk_file_probe_direct(file);
	if (!file->direct && fcntl(file->fd, F_SETFL, flags))
		return error_set(err, -errno, "disk %s: %s", path, strerror(errno));
	if (!file->direct && options->direct)
		return error_set(err, -EINVAL,
				 "disk %s: its file system does not take O_DIRECT with %u-byte "
				 "blocks; leave \"direct\" out",
				 path, file->align);
	return 0;
}

int disk_file_open(struct disk_file *file, const char *path, const struct disk_options *options,
		   struct error *err)
{
	struct stat st;
	int ret;

	memset(file, 0, sizeof(*file));
	file->read_only = options->read_only;
	ret = disk_file_open_file(file, path, options, &st, err);
	if (ret)
		return ret;
	file->path = strdup(path);
	if (!file->path)
		ret = error_set(err, -ENOMEM, "disk %s: out of memory", path);
	if (!ret)
		ret = disk_file_measure(file, path, &st, err);
	if (!ret)
		ret = disk_file_lock(file, path, options, err);
	if (!ret)
		ret = disk_file_check_loop(file, path, options, err);
	if (!ret)
		ret = disk_file_set_direct(file, path, options, err);
	if (ret)
		disk_file_close(file);
	else
		reach_add_file(file->fd);
	return ret;
}

int disk_file_adopt(struct disk_file *file, int fd, const char *path, struct error *err)
{
	const struct disk_options options = { 0 };
	int ret = 0;

	*file = (struct disk_file){ .fd = fd, .block_size = DISK_SECTOR, .align = DISK_SECTOR };
	file->path = strdup(path);
	if (!file->path)
		ret = error_set(err, -ENOMEM, "disk %s: out of memory", path);
	if (!ret)
		ret = disk_file_set_direct(file, path, &options, err);
	if (ret)
		disk_file_close(file);
	else
		reach_add_file(fd);
	return ret;
}

int disk_file_leave_direct(struct disk_file *file)
{
	int flags = fcntl(file->fd, F_GETFL);

	if (!file->direct)
		return 0;
	if (flags < 0 || fcntl(file->fd, F_SETFL, flags & ~O_DIRECT))
		return -errno;
	file->direct = false;
	return 0;
}

void disk_file_close(struct disk_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
	free(file->path);
	file->path = NULL;
}
