/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk on the command line; and a folder in a disk's place, which is the guest's root. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "disk/disk.h"
#include "share.h"
#include "virtio/blk.h"
#include "virtio/place.h"
#include "vmm/vm.h"

struct blk_state {
	const char *path;
	struct disk_options options;
	struct disk *disk;	      /* until the device owns it */
	struct virtio_device *device; /* the VM's; NULL: not made yet */
	struct share root;	      /* if it is a folder: its options, and the rest then */
};

/* ---- a folder: as kvmtool has it ---- */

/* kvmtool's tag: the kernel mounts it by itself, as no root= names another. */
#define P9_ROOT_TAG "/dev/root"
#define FS_ROOT_TAG "lkvm_root"

static bool is_folder(const struct blk_state *state)
{
	struct stat st;

	return !stat(state->path, &st) && S_ISDIR(st.st_mode);
}

static const char *blk_class_words(const void *arg)
{
	const struct blk_state *state = arg;
	bool read_only = state->options.read_only;

	if (!is_folder(state))
		return NULL;
	if (state->root.protocol == SHARE_VIRTIOFS)
		return read_only ? "ro root=" FS_ROOT_TAG " rootfstype=virtiofs"
				 : "rw root=" FS_ROOT_TAG " rootfstype=virtiofs";
#define P9_WORDS " rootflags=trans=virtio,version=9p2000.L,cache=loose rootfstype=9p"
	return read_only ? "ro" P9_WORDS : "rw" P9_WORDS;
}

static unsigned blk_class_fds(const void *arg)
{
	const struct blk_state *state = arg;

	return is_folder(state) ? share_fds(&state->root) : 0;
}

static int prepare_root(struct blk_state *state, struct device_plan *plan, struct error *err)
{
	const struct disk_options *options = &state->options;

	if (plan->root_taken)
		return error_set(err, -EINVAL, "--disk %s: one folder alone can be the root",
				 state->path);
	if (options->direct || options->share || options->format != DISK_FORMAT_GUESS)
		return error_set(err, -EINVAL,
				 "--disk %s: a folder: direct, share and format are for files",
				 state->path);
	plan->root_taken = true;
	state->root.path = state->path;
	state->root.read_only = options->read_only;
	state->root.tag = state->root.protocol == SHARE_9P ? P9_ROOT_TAG : FS_ROOT_TAG;
	/* Nobody else installs into it while it runs, as a rule; and seconds do no harm. */
	state->root.cache = FUSE_CACHE_AUTO;
	return share_prepare(&state->root, err);
}

/* ---- a disk ---- */

static int blk_class_prepare(void *arg, struct device_plan *plan, struct error *err)
{
	struct blk_state *state = arg;

	if (is_folder(state))
		return prepare_root(state, plan, err);
	if (state->root.protocol || state->root.map)
		return error_set(err, -EINVAL, "--disk %s: no folder: fs and map are for folders",
				 state->path);
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

	if (state->root.folder)
		return share_create(&state->root, host, err);
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

static void blk_class_report(const void *arg, struct counters *counters)
{
	const struct blk_state *state = arg;

	if (state->device)
		virtio_blk_count(state->device, counters);
}

static void blk_class_release(void *arg)
{
	struct blk_state *state = arg;

	disk_close(state->disk);
	share_release(&state->root);
}

static const char *const formats[] = {
	[DISK_FORMAT_GUESS] = "auto",
	[DISK_FORMAT_RAW] = "raw",
	[DISK_FORMAT_QCOW2] = "qcow2",
	NULL,
};

static const char *const backings[] = { "folder", "any", NULL };

static const struct option_spec blk_items[] = {
	{ 0, "file", OPTION_FILE, "FILE", "raw or qcow2 image, block device, or folder: the root",
	  .first = true, OPTION_FIELD(struct blk_state, path) },
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
		  "auto takes a qcow2 image for one, unless a guest may have written its header: a "
		  "block device, or a file that was once written with format=raw. It refuses a "
		  "file "
		  "whose first bytes are those of another format (VMDK, VHDX, gzip ...), and an "
		  "ISO "
		  "image that can be written; and a raw disk's guest may not write such a header. "
		  "raw opens a file as it is",
	  .choices = formats, OPTION_FIELD(struct blk_state, options.format),
	  .preset = DISK_FORMAT_GUESS },
	{ 0, "fs", OPTION_CHOICE, .help = "how a folder is shown",
	  .manual =
		  "How a folder is shown: by what the guest's kernel has built in, or its initrd. "
		  "Debian's cloud kernels have virtiofs and no 9p",
	  .choices = share_protocols, OPTION_FIELD(struct blk_state, root.protocol) },
	{ 0, "map", OPTION_CHOICE, .help = "whose files in a folder are, as of --fs",
	  .choices = share_maps, OPTION_FIELD(struct blk_state, root.map) },
	{ 0, "snapshot", OPTION_CHOICE, .help = "whether changes are forgotten at the end",
	  .manual = "Whether changes are forgotten at the end. They go to a file without a name in "
		    "TMPDIR, or in /var/tmp; the disk's own file is only read, and others may read "
		    "it as well",
	  .choices = option_off_on, OPTION_FIELD(struct blk_state, options.snapshot) },
	{ 0, "backing", OPTION_CHOICE, .help = "where the files below a qcow2 image may be",
	  .manual =
		  "Where the files below a qcow2 image may be: in the image's folder or below it, "
		  "or anywhere. A relative name is looked for in the folder of the image that "
		  "has it. A chain has at most 8 files",
	  .choices = backings, OPTION_FIELD(struct blk_state, options.backing_anywhere) },
	{ 0 },
};

static const struct option_spec blk_options[] = {
	{ 'd', "disk", OPTION_LIST, .help = "image or block device as virtio-blk; again for more",
	  .manual = "A raw or qcow2 image or a block device as virtio-blk; can be given again. In "
		    "the file's "
		    "name a "
		    "comma is written as two. A disk that can be written has one user. The "
		    "size of an "
		    "image is a multiple of 512 bytes. A folder in the place of a file is the "
		    "guest's root file system, and the kernel's command line says so. There can "
		    "be one.",
	  .items = blk_items, .many = true },
	{ 0 },
};

const struct device_class virtio_blk_class = {
	.name = "virtio-blk",
	.options = blk_options,
	.count = DEVICE_EACH,
	.bus = DEVICE_BUS_ANY,
	.state_size = sizeof(struct blk_state),
	.fds = blk_class_fds,
	.kernel_words = blk_class_words,
	.prepare = blk_class_prepare,
	.create = blk_class_create,
	.report = blk_class_report,
	.release = blk_class_release,
};
