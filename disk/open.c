/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening a disk's files: which driver it has, and what is below and above it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"
#include "format.h"
#include "qcow2.h"
#include "qcow2_create.h"

/* Another program may run with $TMPDIR in memory: a VM's changes are large. */
#define SCRATCH_FOLDER "/var/tmp"
#define SCRATCH_BITS   16

static int choose_driver(struct disk_image *image, const struct disk_options *options,
			 struct error *err)
{
	bool qcow2 = options->format == DISK_FORMAT_QCOW2;
	int ret = 0;

	if (options->format == DISK_FORMAT_GUESS)
		ret = format_guess(&image->file, &qcow2, err);
	image->driver = qcow2 ? &qcow2_driver : &raw_driver;
	return ret;
}

int disk_backing_open(struct disk_image *image, const char *name, const char *format,
		      const struct disk_options *top, struct error *err)
{
	struct disk_image *backing = calloc(1, sizeof(*backing));
	struct disk_options options;
	char path[PATH_MAX];
	int ret;

	if (!backing)
		return error_set(err, -ENOMEM, "disk %s: out of memory", image->file.path);
	backing->over = image;
	ret = disk_backing_find(image, name, format, top, path, &options, err);
	if (!ret)
		ret = disk_image_open(backing, NULL, path, &options, err);
	if (ret) {
		free(backing);
		return ret;
	}
	image->backing = backing;
	/* What is above asks for sectors, whatever the file's own blocks are. */
	if (!backing->file.direct || backing->file.align <= DISK_SECTOR)
		return 0;
	ret = disk_file_leave_direct(&backing->file);
	return ret ? error_set(err, ret, "disk %s: %s", path, strerror(-ret)) : 0;
}

int disk_image_open(struct disk_image *image, const struct disk_driver *driver, const char *path,
		    const struct disk_options *options, struct error *err)
{
	int ret = disk_file_open(&image->file, path, options, err);

	if (ret)
		return ret;
	image->driver = driver;
	ret = disk_backing_check(image, options, err);
	if (!ret && !driver)
		ret = choose_driver(image, options, err);
	if (!ret)
		ret = image->driver->open(image, options, err);
	if (ret) {
		disk_file_close(&image->file);
		return ret;
	}
	if (image->backing_name)
		ret = disk_backing_open(image, image->backing_name, image->backing_format, options,
					err);
	if (!ret && options->format == DISK_FORMAT_QCOW2 && !options->read_only)
		format_unmark(&image->file);
	if (!ret)
		return 0;
	disk_image_close(image);
	return ret;
}

void disk_image_close(struct disk_image *image)
{
	if (image->driver->close)
		image->driver->close(image);
	if (image->backing)
		disk_image_close(image->backing);
	free(image->backing);
	image->backing = NULL;
	disk_file_close(&image->file);
}

/* ---- snapshots ---- */

static int open_scratch(struct disk_image *image, const char *path, struct error *err)
{
	const char *folder = getenv("TMPDIR");
	int fd;

	folder = folder && *folder ? folder : SCRATCH_FOLDER;
	fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(err, -errno,
				 "disk %s: no file for its changes in %s: %s; TMPDIR names "
				 "another folder",
				 path, folder, strerror(errno));
	return disk_file_adopt(&image->file, fd, path, err);
}

static int make_scratch(struct disk_image *image, const struct disk_info *below, struct error *err)
{
	struct qcow2_creation creation = { .size = below->size, .cluster_bits = SCRATCH_BITS };
	struct qcow2_header header;
	struct qcow2 *q;
	int ret = qcow2_create(&image->file, &creation, err);

	if (!ret)
		ret = qcow2_header_read(&image->file, true, &header, err);
	if (!ret)
		ret = qcow2_attach(image, &header, true, err);
	if (ret)
		return ret;
	q = image->state;
	q->scratch = true;
	image->driver = &qcow2_driver;
	return 0;
}

/* The image is never written, so others may read it as well. */
int disk_snapshot_open(struct disk_image *image, const char *path, const struct disk_options *given,
		       struct error *err)
{
	struct disk_image *below = calloc(1, sizeof(*below));
	struct disk_options options = *given;
	int ret;

	if (!below)
		return error_set(err, -ENOMEM, "disk %s: out of memory", path);
	options.read_only = true;
	ret = disk_image_open(below, NULL, path, &options, err);
	if (ret) {
		free(below);
		return ret;
	}
	image->backing = below;
	below->over = image;
	/* The guest's sectors are of 512 bytes now, whatever is below. */
	if (below->file.align > DISK_SECTOR)
		ret = disk_file_leave_direct(&below->file);
	if (ret)
		error_set(err, ret, "disk %s: %s", path, strerror(-ret));
	image->file.fd = -1;
	if (!ret)
		ret = open_scratch(image, path, err);
	if (!ret)
		ret = make_scratch(image, &below->info, err);
	if (!ret) {
		memcpy(image->file.id, below->file.id, sizeof(image->file.id));
		return 0;
	}
	disk_image_close(below);
	free(below);
	disk_file_close(&image->file);
	return ret;
}
