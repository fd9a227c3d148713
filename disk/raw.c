/* SPDX-License-Identifier: BSD-2-Clause */
/* The raw format: the disk's bytes are the file's. */
#include <errno.h>
#include <stdlib.h>

#include "driver.h"
#include "format.h"
#include "request_memory.h"
#include "util/range.h"

/*
 * A guest must not be able to make its disk an image of another format, which a later start
 * would take for one. Where the user has said that the disk is raw, that is noted with
 * the file; where he has not, or it cannot be, the first sector is watched.
 */
static bool is_watched(const struct disk_image *image, const struct disk_request *request)
{
	return image->state && request->op == DISK_WRITE && request->offset < DISK_SECTOR;
}

static int raw_check_size(const struct disk_file *file, struct error *err)
{
	if (!file->size)
		return error_set(err, -EINVAL,
				 "disk %s: is empty; truncate -s SIZE gives it a size", file->path);
	if (file->size < file->block_size)
		return error_set(err, -EINVAL, "disk %s: is smaller than one sector of %u bytes",
				 file->path, file->block_size);
	if (!is_aligned(file->size, file->block_size))
		return error_set(
			err, -EINVAL,
			"disk %s: %llu bytes are not whole sectors of %u, so its end would "
			"be hidden; 'truncate -s %%%u' appends zeroes",
			file->path, (unsigned long long)file->size, file->block_size,
			file->block_size);
	return 0;
}

static int raw_open(struct disk_image *image, const struct disk_options *options, struct error *err)
{
	const struct disk_file *file = &image->file;
	int ret = raw_check_size(file, err);

	if (ret)
		return ret;
	if (!file->read_only && (options->format != DISK_FORMAT_RAW || !format_mark_raw(file)))
		/* Nothing but a sign that it is watched. */
		image->state = image;
	image->info = (struct disk_info){
		.size = file->size,
		.read_only = file->read_only,
		.direct = file->direct,
		/* Where the host cannot punch holes a discard does nothing, zeroes are written. */
		.can_discard = !file->read_only,
		.block_size = file->block_size,
	};
	return 0;
}

static enum disk_way raw_map(struct disk_image *image, struct disk_request *request)
{
	request->place = request->offset;
	if (is_watched(image, request))
		return DISK_WAY_WORK;
	return request->op == DISK_DISCARD || request->op == DISK_WRITE_ZEROES ? DISK_WAY_WORK
									       : DISK_WAY_FILE;
}

/* Of the first block a copy is looked at and written: the guest may change its own meanwhile. */
static int raw_write_first(struct disk_image *image, const struct disk_request *request)
{
	const struct disk_file *file = &image->file;
	u64 len = MIN(request->len, 4096);
	void *block;
	int ret;

	if (posix_memalign(&block, 4096, 4096))
		return -ENOMEM;
	request_copy(request, 0, block, len, false);
	if (format_is_known(block)) {
		disk_trouble_set(&image->trouble,
				 "the guest writes another format's header to its raw disk, which "
				 "is refused; give it with format=raw to allow that",
				 0);
		ret = -EPERM;
	} else {
		ret = disk_file_write(file, block, len, 0);
	}
	free(block);
	return ret || len == request->len
		       ? ret
		       : disk_file_move(file, request, len, request->len - len, len);
}

static int raw_work(struct disk_image *image, struct disk_request *request)
{
	const struct disk_file *file = &image->file;
	u64 moved = request->moved;

	if (is_watched(image, request) && !moved)
		return raw_write_first(image, request);
	switch (request->op) {
	case DISK_READ:
	case DISK_WRITE:
		return disk_file_move(file, request, moved, request->len - moved,
				      request->offset + moved);
	case DISK_FLUSH:
		return disk_file_flush(file);
	case DISK_DISCARD:
		return disk_file_discard(file, request->offset, request->len);
	case DISK_WRITE_ZEROES:
		return disk_file_zero(file, request->offset, request->len, request->may_unmap);
	case DISK_PREPARE:
		break;
	}
	return -EINVAL;
}

const struct disk_driver raw_driver = {
	.name = "raw",
	.open = raw_open,
	.map = raw_map,
	.work = raw_work,
	.flushes_file_alone = true,
};
