/* SPDX-License-Identifier: BSD-2-Clause */
/* The raw format: the disk's bytes are the file's. */
#include <errno.h>

#include "driver.h"
#include "format.h"
#include "util/range.h"

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
	int ret = 0;

	if (options->format == DISK_FORMAT_GUESS)
		ret = format_check_raw(file, err);
	if (!ret)
		ret = raw_check_size(file, err);
	image->info = (struct disk_info){
		.size = file->size,
		.read_only = file->read_only,
		.direct = file->direct,
		/* Where the host cannot punch holes a discard does nothing, zeroes are written. */
		.can_discard = !file->read_only,
		.block_size = file->block_size,
	};
	return ret;
}

static enum disk_way raw_map(struct disk_image *image, struct disk_request *request)
{
	request->place = request->offset;
	return request->op == DISK_DISCARD || request->op == DISK_WRITE_ZEROES ? DISK_WAY_WORK
									       : DISK_WAY_FILE;
}

static int raw_work(struct disk_image *image, struct disk_request *request)
{
	const struct disk_file *file = &image->file;
	u64 moved = request->moved;

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
	}
	return -EINVAL;
}

const struct disk_driver raw_driver = {
	.name = "raw",
	.open = raw_open,
	.map = raw_map,
	.work = raw_work,
};
