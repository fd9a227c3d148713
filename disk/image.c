/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk/image.h"
#include "format.h"
#include "image_private.h"
#include "qcow2.h"
#include "qcow2_create.h"

#define DEFAULT_CLUSTER (64 * KIB)

int image_cluster_bits(const char *path, u64 size, unsigned *bits, struct error *err)
{
	size = size ? size : DEFAULT_CLUSTER;
	*bits = __builtin_ctzll(size);
	if (size == 1ull << *bits && *bits >= QCOW2_MIN_CLUSTER_BITS &&
	    *bits <= QCOW2_MAX_CLUSTER_BITS)
		return 0;
	return error_set(err, -EINVAL,
			 "%s: clusters are of 512 bytes to 2 MiB, and a power of two: not %llu",
			 path, (unsigned long long)size);
}

/* The backing file must be there, and be what it is said to be. */
static int find_backing(const char *path, const struct image_creation *creation, u64 *size,
			struct error *err)
{
	struct disk_image image = { .file = { .fd = -1, .path = (char *)path } };
	struct disk_options options = { .backing_anywhere = true };
	const char *format = creation->backing_format == DISK_FORMAT_RAW     ? "raw"
			     : creation->backing_format == DISK_FORMAT_QCOW2 ? "qcow2"
									     : "";
	int ret = disk_backing_open(&image, creation->backing, format, &options, err);

	if (ret)
		return ret;
	*size = image.backing->info.size;
	disk_image_close(image.backing);
	free(image.backing);
	return 0;
}

static int create_raw(struct disk_file *file, u64 size, struct error *err)
{
	if (!size || size % DISK_SECTOR || size > INT64_MAX)
		return error_set(err, -EINVAL, "%s: its size must be whole sectors of %u",
				 file->path, DISK_SECTOR);
	if (ftruncate(file->fd, size))
		return error_set(err, -errno, "%s: cannot make it so large: %s", file->path,
				 strerror(errno));
	return 0;
}

int image_create(const char *path, const struct image_creation *creation, struct error *err)
{
	struct qcow2_creation qcow2 = { .size = creation->size };
	struct image_name name;
	struct disk_file file;
	u64 backing_size = 0;
	int ret = 0;

	if (creation->format == DISK_FORMAT_QCOW2)
		ret = image_cluster_bits(path, creation->cluster_size, &qcow2.cluster_bits, err);
	if (!ret && creation->backing)
		ret = find_backing(path, creation, &backing_size, err);
	if (!ret)
		ret = image_new_file(&file, &name, path, err);
	if (ret)
		return ret;
	if (!qcow2.size)
		qcow2.size = backing_size;
	qcow2.backing = creation->backing;
	qcow2.backing_format = creation->backing_format == DISK_FORMAT_QCOW2 ? "qcow2" : "raw";
	ret = creation->format == DISK_FORMAT_QCOW2 ? qcow2_create(&file, &qcow2, err)
						    : create_raw(&file, qcow2.size, err);
	if (!ret && fsync(file.fd))
		ret = error_set(err, -errno, "%s: cannot write it: %s", path, strerror(errno));
	return image_end_file(&file, &name, ret, err);
}

/* ---- what it is ---- */

static int take_header(const struct disk_file *file, struct image_info *info, struct error *err)
{
	struct qcow2_header header;
	int ret = qcow2_header_read(file, false, &header, err);

	if (ret)
		return ret;
	info->format = "qcow2";
	info->size = header.size;
	info->version = header.version;
	info->cluster_size = 1u << header.cluster_bits;
	info->refcount_bits = 1u << header.refcount_order;
	info->snapshots = header.snapshot_count;
	info->zstd = header.zstd;
	info->dirty = header.incompatible & QCOW2_DIRTY;
	info->corrupt = header.incompatible & QCOW2_CORRUPT;
	info->lazy_refcounts = header.compatible & 1;
	memcpy(info->backing, header.backing, sizeof(info->backing));
	memcpy(info->backing_format, header.backing_format, sizeof(info->backing_format));
	return 0;
}

int image_get_info(const char *path, enum disk_format format, struct image_info *info,
		   struct error *err)
{
	struct disk_options options = { .read_only = true, .share = true, .buffered = true };
	bool qcow2 = format == DISK_FORMAT_QCOW2;
	struct disk_file file;
	struct stat st;
	int ret = disk_file_open(&file, path, &options, err);

	if (ret)
		return ret;
	memset(info, 0, sizeof(*info));
	if (format == DISK_FORMAT_GUESS)
		ret = format_guess(&file, &qcow2, err);
	info->format = "raw";
	info->size = file.size;
	if (!fstat(file.fd, &st))
		info->allocated = st.st_blocks * 512ULL;
	if (!ret && qcow2)
		ret = take_header(&file, info, err);
	disk_file_close(&file);
	return ret;
}

/* ---- whether it is sound ---- */

static int check_open(struct disk_image *image, bool repair, struct image_check *check,
		      struct error *err)
{
	struct qcow2_header header;
	struct qcow2_report report;
	int ret = qcow2_header_read(&image->file, false, &header, err);
	u64 features;

	if (!ret && repair && header.incompatible & QCOW2_CORRUPT)
		ret = error_set(err, -EINVAL,
				"disk %s: is marked corrupt, which --repair cannot mend; "
				"'lkvm image convert' saves what can be read",
				image->file.path);
	/* Bitmaps and the like have clusters that the check does not know. */
	if (!ret && repair && header.autoclear)
		ret = error_set(err, -EINVAL,
				"disk %s: has bitmaps or other features that --repair would "
				"harm; 'qemu-img check -r all' repairs it",
				image->file.path);
	if (!ret)
		ret = qcow2_attach(image, &header, repair, err);
	if (ret)
		return ret;
	ret = qcow2_check(image->state, repair, &report);
	features = htobe64(header.incompatible & ~(u64)QCOW2_DIRTY);
	if (!ret && repair && !report.errors && header.incompatible & QCOW2_DIRTY)
		ret = qcow2_header_change(&image->file, 72, &features, sizeof(features));
	qcow2_driver.close(image);
	if (ret)
		return error_set(err, ret, "disk %s: cannot check it: %s", image->file.path,
				 strerror(-ret));
	*check = (struct image_check){ .errors = report.errors,
				       .leaks = report.leaks,
				       .clusters = report.clusters,
				       .packed = report.packed,
				       .repaired = report.repaired };
	memcpy(check->first, report.first, sizeof(check->first));
	return 0;
}

int image_check(const char *path, bool repair, struct image_check *check, struct error *err)
{
	struct disk_options options = { .read_only = !repair, .buffered = true };
	struct disk_image image = { 0 };
	int ret = disk_file_open(&image.file, path, &options, err);

	if (ret)
		return ret;
	ret = check_open(&image, repair, check, err);
	disk_file_close(&image.file);
	return ret;
}
