/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk on the command line. */
#include <stdio.h>
#include <string.h>

#include "disk/disk.h"
#include "virtio/blk.h"
#include "virtio/place.h"
#include "vmm/vm.h"

struct blk_state {
	const char *path;
	struct disk_options options;
	struct disk *disk;	      /* until the device owns it */
	struct virtio_device *device; /* the VM's; NULL: not made yet */
};

static int blk_class_prepare(void *arg, struct device_plan *plan, struct error *err)
{
	struct blk_state *state = arg;

	return disk_open(&state->disk, state->path, &state->options, err);
}

static int blk_class_create(void *arg, struct device_host *host, struct error *err)
{
	struct blk_state *state = arg;
	struct virtio_device *device;
	struct device_place place;
	struct disk *disk = state->disk;
	char name[32];
	struct device_want want = { .name = name };
	int ret;

	/* --disk alone makes such devices, so that it is the n-th disk that has the name n. */
	snprintf(name, sizeof(name), "virtio-blk %u", host->instance);
	ret = device_place(host, &want, &place, err);
	if (ret)
		return ret;
	state->disk = NULL;
	ret = virtio_blk_create(&device, disk, host->instance, host->vm->loop, place.space);
	if (ret)
		return error_set(err, ret, "cannot make %s: %s", name, strerror(-ret));
	ret = virtio_device_put(device, &place, err);
	if (!ret)
		state->device = device;
	return ret;
}

static bool blk_class_describe(const void *arg, unsigned n, char *line, size_t size)
{
	const struct blk_state *state = arg;

	if (n || !state->device)
		return false;
	virtio_blk_describe(state->device, line, size);
	return true;
}

static void blk_class_release(void *arg)
{
	disk_close(((struct blk_state *)arg)->disk);
}

static const char *const formats[] = {
	[DISK_FORMAT_GUESS] = "auto",
	[DISK_FORMAT_RAW] = "raw",
	NULL,
};

static const struct option_spec blk_items[] = {
	{ 0, "file", OPTION_FILE, "FILE", "raw image or block device", .first = true,
	  OPTION_FIELD(struct blk_state, path) },
	{ 0, "ro", OPTION_FLAG, .help = "read-only, which others may have open as well",
	  .manual = "Read-only, which others may have open as well; a write-protected device needs "
		    "it.",
	  OPTION_FIELD(struct blk_state, options.read_only) },
	{ 0, "direct", OPTION_FLAG, .help = "insist on O_DIRECT, which is else used where it works",
	  OPTION_FIELD(struct blk_state, options.direct) },
	{ 0, "share", OPTION_CHOICE, .help = "whether others may write it at the same time",
	  .manual =
		  "Whether others may have it open and write it at the same time. Without it a "
		  "disk "
		  "that another program has, a block device that is mounted or a part of another, "
		  "and a file behind a loop device are refused with the name of the holder. With "
		  "ro as well it reads what others write",
	  .choices = option_off_on, OPTION_FIELD(struct blk_state, options.share) },
	{ 0, "format", OPTION_CHOICE, .help = "raw: even if it looks like another format",
	  .manual =
		  "auto refuses a file whose first bytes are those of another format (qcow2, VMDK, "
		  "VHDX, gzip ...), and an ISO image that can be written; raw opens it as it is",
	  .choices = formats, OPTION_FIELD(struct blk_state, options.format),
	  .preset = DISK_FORMAT_GUESS },
	{ 0 },
};

static const struct option_spec blk_options[] = {
	{ 'd', "disk", OPTION_LIST,
	  .help = "raw image or block device as virtio-blk; again for more",
	  .manual = "A raw image or block device as virtio-blk; can be given again. In the file's "
		    "name a "
		    "comma is written as two. A disk that can be written has one user. The "
		    "size of an "
		    "image is a multiple of 512 bytes.",
	  .items = blk_items, .many = true },
	{ 0 },
};

const struct device_class virtio_blk_class = {
	.name = "virtio-blk",
	.options = blk_options,
	.count = DEVICE_EACH,
	.bus = DEVICE_BUS_ANY,
	.state_size = sizeof(struct blk_state),
	.prepare = blk_class_prepare,
	.create = blk_class_create,
	.describe = blk_class_describe,
	.release = blk_class_release,
};
