/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "file.h"
#include "util/file.h"
#include "util/range.h"

/* As large as any logical block of a disk is in practice. */
#define PROBE_SIZE 4096u

static int disk_file_open_file(struct disk_file *file, const char *path, bool read_only,
			       struct stat *st, struct error *err)
{
	struct error why = { "" };
	int ret;

	file->fd = file_open_storage("disk", path, read_only ? O_RDONLY : O_RDWR, st, &why);
	if (file->fd >= 0)
		return 0;
	ret = file->fd;
	if (!read_only && (ret == -EACCES || ret == -EROFS || ret == -EPERM))
		return error_set(
			err, ret,
			"disk %s: cannot open it for writing: %s; give it as %s,ro to only read it",
			path, strerror(-ret), path);
	return error_set(err, ret, "%s", why.text);
}

static int disk_file_measure_block_device(struct disk_file *file, const char *path,
					  struct error *err)
{
	int sector = 0;

	if (ioctl(file->fd, BLKGETSIZE64, &file->info.size) || ioctl(file->fd, BLKSSZGET, &sector))
		return error_set(err, -errno, "disk %s: cannot ask for its size: %s", path,
				 strerror(errno));
	if (sector < (int)DISK_SECTOR || sector > (int)PROBE_SIZE || sector & (sector - 1))
		return error_set(err, -EINVAL, "disk %s: blocks of %d bytes are not supported",
				 path, sector);
	file->block_device = true;
	file->info.block_size = sector;
	return 0;
}

/*
 * The inode names a file for as long as it lives, whatever path leads to it;
 * the device's number names a device. Hashed (FNV-1a) to fit 20 bytes.
 */
static void disk_file_name(struct disk_file *file, const struct stat *st)
{
	u64 parts[2] = { file->block_device ? st->st_rdev : st->st_dev,
			 file->block_device ? 0 : st->st_ino };
	const u8 *bytes = (const u8 *)parts;
	u64 hash = 0xcbf29ce484222325;
	char name[sizeof(file->id) + 1];

	for (size_t i = 0; i < sizeof(parts); i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3;
	snprintf(name, sizeof(name), "lkvm%016llx", (unsigned long long)hash);
	memcpy(file->id, name, sizeof(file->id));
}

static int disk_file_measure(struct disk_file *file, const char *path, const struct stat *st,
			     struct error *err)
{
	int ret = 0;

	file->info.block_size = DISK_SECTOR;
	if (S_ISBLK(st->st_mode))
		ret = disk_file_measure_block_device(file, path, err);
	else
		file->info.size = st->st_size;
	if (ret)
		return ret;
	if (!file->info.size)
		return error_set(err, -EINVAL,
				 "disk %s: is empty; truncate -s SIZE gives it a size", path);
	if (file->info.size < file->info.block_size)
		return error_set(err, -EINVAL, "disk %s: is smaller than one sector of %u bytes",
				 path, file->info.block_size);
	file->info.size = align_down(file->info.size, file->info.block_size);
	file->align = file->info.block_size;
	disk_file_name(file, st);
	return 0;
}

/*
 * An open file description lock: it conflicts even between two disks of this
 * process, and goes with the last descriptor, however the process ends.
 */
static int disk_file_lock(struct disk_file *file, const char *path, struct error *err)
{
	struct flock lock = { .l_type = file->info.read_only ? F_RDLCK : F_WRLCK,
			      .l_whence = SEEK_SET };

	if (!fcntl(file->fd, F_OFD_SETLK, &lock))
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return error_set(err, -EBUSY, "disk %s: is in use by another lkvm%s", path,
				 file->info.read_only
					 ? " for writing"
					 : " (or given twice); readers share it with ,ro");
	/* A file system without locks: nobody to quarrel with, as far as we can know. */
	if (errno == ENOLCK || errno == EOPNOTSUPP || errno == EINVAL)
		return 0;
	return error_set(err, -errno, "disk %s: cannot lock it: %s", path, strerror(errno));
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
	file->info.direct = !options->buffered && !fcntl(file->fd, F_SETFL, flags | O_DIRECT) &&
			    disk_file_probe_direct(file);
	if (!file->info.direct && fcntl(file->fd, F_SETFL, flags))
		return error_set(err, -errno, "disk %s: %s", path, strerror(errno));
	if (!file->info.direct && options->direct)
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
	file->info.read_only = options->read_only;
	ret = disk_file_open_file(file, path, options->read_only, &st, err);
	if (ret)
		return ret;
	file->path = strdup(path);
	if (!file->path)
		ret = error_set(err, -ENOMEM, "disk %s: out of memory", path);
	if (!ret)
		ret = disk_file_measure(file, path, &st, err);
	if (!ret)
		ret = disk_file_lock(file, path, err);
	if (!ret)
		ret = disk_file_set_direct(file, path, options, err);
	if (ret)
		disk_file_close(file);
	/* Where the host cannot punch holes a discard does nothing and zeroes are written. */
	file->info.can_discard = !file->info.read_only;
	return ret;
}

void disk_file_close(struct disk_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
	free(file->path);
	file->path = NULL;
}
