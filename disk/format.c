/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "format.h"

struct magic {
	const char *name;
	u16 offset, len;
	const char *bytes;
	bool compressed; /* and not a disk's format */
};

/* Each as its specification gives it; offsets are below HEADER_SIZE. */
static const struct magic magics[] = {
	/* The first one: check() knows it. */
	{ "a qcow2 image", 0, 4, "QFI\xfb", false },
	{ "a QED image", 0, 4, "QED", false },
	{ "a VMDK image", 0, 4, "KDMV", false },
	{ "a VMDK image", 0, 4, "COWD", false },
	{ "a VMDK descriptor", 0, 21, "# Disk DescriptorFile", false },
	{ "a VHDX image", 0, 8, "vhdxfile", false },
	{ "a VHD image", 0, 8, "conectix", false },
	{ "a VDI image", 64, 4, "\x7f\x10\xda\xbe", false },
	{ "a Parallels image", 0, 16, "WithoutFreeSpace", false },
	{ "a Parallels image", 0, 16, "WithouFreSpacExt", false },
	{ "compressed by gzip", 0, 3, "\x1f\x8b\x08", true },
	{ "compressed by xz", 0, 6, "\xfd\x37zXZ", true },
	{ "compressed by zstd", 0, 4, "\x28\xb5\x2f\xfd", true },
	{ "compressed by lz4", 0, 4, "\x04\x22\x4d\x18", true },
	{ "compressed by bzip2", 4, 6, "\x31\x41\x59\x26\x53\x59", true },
	{ "a zip archive", 0, 4, "PK\x03\x04", true },
};

#define HEADER_SIZE 4096

/* ECMA-119, "Volume descriptors": they begin at sector 16 of 2,048 bytes. */
#define ISO_OFFSET 32768
#define ISO_MAGIC  "CD001" /* from the second byte on */

/* What there is of HEADER_SIZE bytes at @offset; the rest is zero. @data: aligned for O_DIRECT. */
static int read_at(const struct disk_file *file, u64 offset, char *data)
{
	ssize_t done;

	memset(data, 0, HEADER_SIZE);
	do {
		done = pread(file->fd, data, HEADER_SIZE, offset);
	} while (done < 0 && errno == EINTR);
	return done < 0 ? -errno : 0;
}

static int refuse(const struct magic *magic, const char *path, struct error *err)
{
	if (magic->compressed)
		return error_set(err, -EINVAL,
				 "disk %s: is %s; unpack it, or give it with format=raw to show "
				 "the guest its bytes",
				 path, magic->name);
	return error_set(err, -EINVAL,
			 "disk %s: is %s; 'qemu-img convert -O raw' makes a raw one of it, or "
			 "give it with format=raw to show the guest its bytes",
			 path, magic->name);
}

/* An extended attribute of the file; its value is the format's name. */
#define MARK "user.lkvm.format"

bool format_mark_raw(const struct disk_file *file)
{
	return !fsetxattr(file->fd, MARK, "raw", 3, 0);
}

void format_unmark(const struct disk_file *file)
{
	fremovexattr(file->fd, MARK);
}

static bool is_marked(const struct disk_file *file)
{
	return fgetxattr(file->fd, MARK, NULL, 0) >= 0;
}

static int check_qcow2(const struct disk_file *file, struct error *err)
{
	/* No attribute stays with a device. */
	if (!file->block_device && !is_marked(file))
		return 0;
	return error_set(err, -EINVAL,
			 "disk %s: has the header of a qcow2 image, and %s; give it with "
			 "format=raw if the header is the guest's, with format=qcow2 if not",
			 file->path,
			 file->block_device ? "is a block device, which a guest may have written"
					    : "a guest has written it as a raw disk");
}

static const struct magic *find_magic(const char *header)
{
	for (unsigned i = 0; i < ARRAY_SIZE(magics); i++) {
		const struct magic *magic = &magics[i];

		if (!memcmp(header + magic->offset, magic->bytes, magic->len))
			return magic;
	}
	return NULL;
}

bool format_is_known(const char sector[512])
{
	return find_magic(sector);
}

/* Read, an ISO image is a disk like others. A stick may have been one before it was used anew. */
static bool may_be_iso(const struct disk_file *file)
{
	return file->read_only || file->block_device;
}

static int check(const struct disk_file *file, char *header, bool *qcow2, struct error *err)
{
	int ret = read_at(file, 0, header);
	const struct magic *magic = ret ? NULL : find_magic(header);

	*qcow2 = magic == &magics[0];
	if (*qcow2)
		return check_qcow2(file, err);
	if (magic)
		return refuse(magic, file->path, err);
	if (!ret && !may_be_iso(file))
		ret = read_at(file, ISO_OFFSET, header);
	if (ret)
		return error_set(err, ret, "disk %s: cannot read it: %s", file->path,
				 strerror(-ret));
	if (may_be_iso(file) || memcmp(header + 1, ISO_MAGIC, strlen(ISO_MAGIC)))
		return 0;
	return error_set(err, -EINVAL,
			 "disk %s: is an ISO 9660 image; give it as %s,ro, or with format=raw to "
			 "let the guest write it",
			 file->path, file->path);
}

int format_guess(const struct disk_file *file, bool *qcow2, struct error *err)
{
	void *header;
	int ret;

	if (posix_memalign(&header, HEADER_SIZE, HEADER_SIZE))
		return error_set(err, -ENOMEM, "disk %s: out of memory", file->path);
	ret = check(file, header, qcow2, err);
	free(header);
	return ret;
}
