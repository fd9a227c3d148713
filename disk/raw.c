/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "raw.h"
#include "util/file.h"
#include "util/range.h"

/* As large as any logical block of a disk is in practice. */
#define PROBE_SIZE 4096u

static int raw_open_file(struct raw *raw, const char *path, bool read_only, struct stat *st,
			 struct error *err)
{
	struct error why = { "" };
	int ret;

	raw->fd = file_open_storage("disk", path, read_only ? O_RDONLY : O_RDWR, st, &why);
	if (raw->fd >= 0)
		return 0;
	ret = raw->fd;
	if (!read_only && (ret == -EACCES || ret == -EROFS || ret == -EPERM))
		return error_set(
			err, ret,
			"disk %s: cannot open it for writing: %s; give it as %s,ro to only read it",
			path, strerror(-ret), path);
	return error_set(err, ret, "%s", why.text);
}

static int raw_measure_block_device(struct raw *raw, const char *path, struct error *err)
{
	int sector = 0;

	if (ioctl(raw->fd, BLKGETSIZE64, &raw->info.size) || ioctl(raw->fd, BLKSSZGET, &sector))
		return error_set(err, -errno, "disk %s: cannot ask for its size: %s", path,
				 strerror(errno));
	if (sector < (int)DISK_SECTOR || sector > (int)PROBE_SIZE || sector & (sector - 1))
		return error_set(err, -EINVAL, "disk %s: blocks of %d bytes are not supported",
				 path, sector);
	raw->block_device = true;
	raw->info.block_size = sector;
	return 0;
}

/*
 * The inode names a file for as long as it lives, whatever path leads to it;
 * the device's number names a device. Hashed (FNV-1a) to fit 20 bytes.
 */
static void raw_name(struct raw *raw, const struct stat *st)
{
	u64 parts[2] = { raw->block_device ? st->st_rdev : st->st_dev,
			 raw->block_device ? 0 : st->st_ino };
	const u8 *bytes = (const u8 *)parts;
	u64 hash = 0xcbf29ce484222325;
	char name[sizeof(raw->id) + 1];

	for (size_t i = 0; i < sizeof(parts); i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3;
	snprintf(name, sizeof(name), "lkvm%016llx", (unsigned long long)hash);
	memcpy(raw->id, name, sizeof(raw->id));
}

static int raw_measure(struct raw *raw, const char *path, const struct stat *st, struct error *err)
{
	int ret = 0;

	raw->info.block_size = DISK_SECTOR;
	if (S_ISBLK(st->st_mode))
		ret = raw_measure_block_device(raw, path, err);
	else
		raw->info.size = st->st_size;
	if (ret)
		return ret;
	if (!raw->info.size)
		return error_set(err, -EINVAL,
				 "disk %s: is empty; truncate -s SIZE gives it a size", path);
	if (raw->info.size < raw->info.block_size)
		return error_set(err, -EINVAL, "disk %s: is smaller than one sector of %u bytes",
				 path, raw->info.block_size);
	raw->info.size = align_down(raw->info.size, raw->info.block_size);
	raw->align = raw->info.block_size;
	raw_name(raw, st);
	return 0;
}

/*
 * An open file description lock: it conflicts even between two disks of this
 * process, and goes with the last descriptor, however the process ends.
 */
static int raw_lock(struct raw *raw, const char *path, struct error *err)
{
	struct flock lock = { .l_type = raw->info.read_only ? F_RDLCK : F_WRLCK,
			      .l_whence = SEEK_SET };

	if (!fcntl(raw->fd, F_OFD_SETLK, &lock))
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return error_set(err, -EBUSY, "disk %s: is in use by another lkvm%s", path,
				 raw->info.read_only
					 ? " for writing"
					 : " (or given twice); readers share it with ,ro");
	/* A file system without locks: nobody to quarrel with, as far as we can know. */
	if (errno == ENOLCK || errno == EOPNOTSUPP || errno == EINVAL)
		return 0;
	return error_set(err, -errno, "disk %s: cannot lock it: %s", path, strerror(errno));
}

/* Whether a read with exactly the alignment that we promise to keep works. */
static bool raw_probe_direct(const struct raw *raw)
{
	void *buffer;
	bool works;

	if (posix_memalign(&buffer, PROBE_SIZE, 2 * PROBE_SIZE))
		return false;
	works = pread(raw->fd, (char *)buffer + raw->align, raw->align, 0) == (ssize_t)raw->align;
	free(buffer);
	return works;
}

static int raw_set_direct(struct raw *raw, const char *path, const struct disk_options *options,
			  struct error *err)
{
	int flags = fcntl(raw->fd, F_GETFL);

	if (flags < 0)
		return error_set(err, -errno, "disk %s: %s", path, strerror(errno));
	raw->info.direct = !options->buffered && !fcntl(raw->fd, F_SETFL, flags | O_DIRECT) &&
			   raw_probe_direct(raw);
	if (!raw->info.direct && fcntl(raw->fd, F_SETFL, flags))
		return error_set(err, -errno, "disk %s: %s", path, strerror(errno));
	if (!raw->info.direct && options->direct)
		return error_set(err, -EINVAL,
				 "disk %s: its file system does not take O_DIRECT with %u-byte "
				 "blocks; leave \"direct\" out",
				 path, raw->align);
	return 0;
}

int raw_open(struct raw *raw, const char *path, const struct disk_options *options,
	     struct error *err)
{
	struct stat st;
	int ret;

	memset(raw, 0, sizeof(*raw));
	raw->info.read_only = options->read_only;
	ret = raw_open_file(raw, path, options->read_only, &st, err);
	if (ret)
		return ret;
	ret = raw_measure(raw, path, &st, err);
	if (!ret)
		ret = raw_lock(raw, path, err);
	if (!ret)
		ret = raw_set_direct(raw, path, options, err);
	if (ret)
		raw_close(raw);
	/* Where the host cannot punch holes a discard does nothing and zeroes are written. */
	raw->info.can_discard = !raw->info.read_only;
	return ret;
}

void raw_close(struct raw *raw)
{
	if (raw->fd >= 0)
		close(raw->fd);
	raw->fd = -1;
}
