/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk on the command line; and a folder in a disk's place, which is the guest's root. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "disk/disk.h"
#include "root.h"
#include "util/aside.h"
#include "util/parse.h"
#include "virtio/blk.h"
#include "virtio/place.h"
#include "vmm/vm.h"

/* An image, AIO, a worker; and for each queue an eventfd and one of its vector. */
#define FDS_DISK  10
#define FDS_QUEUE 2

struct blk_state {
	const char *path;
	struct disk_options options;
	struct virtio_blk_options device_options;
	const char *limits[VIRTIO_BLK_LIMITS]; /* RATE[:BURST]; NULL: none */
	struct disk *disk;		       /* until the device owns it */
	struct virtio_device *device;	       /* the VM's; NULL: not made yet */
	struct root root;		       /* if it is a folder */
};

/* ---- a folder ---- */

static bool is_folder(const struct blk_state *state)
{
	struct stat st;

	return !stat(state->path, &st) && S_ISDIR(st.st_mode);
}

static const char *blk_class_words(const void *arg)
{
	const struct blk_state *state = arg;

	return is_folder(state) ? root_words(&state->root) : NULL;
}

static unsigned blk_class_fds(const void *arg)
{
	const struct blk_state *state = arg;

	if (is_folder(state))
		return share_fds(&state->root.share);
	return FDS_DISK + FDS_QUEUE * state->device_options.queues;
}

static const struct option_spec blk_options[];

/* Whether an option was given that only a file can have. */
static bool has_file_options(const struct blk_state *state)
{
	struct blk_state plain;

	memset(&plain, 0, sizeof(plain));
	option_preset(blk_options, &plain);
	plain.options.read_only = state->options.read_only;
	plain.options.snapshot = state->options.snapshot;
	return memcmp(&plain.options, &state->options, sizeof(plain.options)) ||
	       memcmp(&plain.device_options, &state->device_options,
		      sizeof(plain.device_options)) ||
	       memcmp(plain.limits, state->limits, sizeof(plain.limits));
}

static int prepare_root(struct blk_state *state, struct device_plan *plan, struct error *err)
{
	const struct disk_options *options = &state->options;

	if (has_file_options(state))
		return error_set(err, -EINVAL,
				 "--disk %s: a folder: mounts, ro, snapshot, fs and map are "
				 "for it, the others for files",
				 state->path);
	state->root.share.path = state->path;
	state->root.share.read_only = options->read_only;
	state->root.share.overlay = options->snapshot;
	return root_prepare(&state->root, plan, err);
}

/* ---- a disk ---- */

static const char *const limit_names[] = {
	[VIRTIO_BLK_BPS] = "bps",	  [VIRTIO_BLK_BPS_RD] = "bps_rd",
	[VIRTIO_BLK_BPS_WR] = "bps_wr",	  [VIRTIO_BLK_IOPS] = "iops",
	[VIRTIO_BLK_IOPS_RD] = "iops_rd", [VIRTIO_BLK_IOPS_WR] = "iops_wr",
};

/* A sector or a request a second is the least, and a GiB a nanosecond more than there is. */
#define MAX_RATE (1ull << 60)

static int parse_amount(const char *text, bool is_bytes, u64 *amount)
{
	int ret = is_bytes ? parse_size(text, 1, amount) : parse_u64(text, MAX_RATE, amount);

	if (!ret && (*amount < (is_bytes ? DISK_SECTOR : 1) || *amount > MAX_RATE))
		return -ERANGE;
	return ret;
}

/* "RATE" or "RATE:BURST". */
static int parse_rate(const char *text, bool is_bytes, struct virtio_blk_rate *rate)
{
	size_t len = strcspn(text, ":");
	char first[32];
	int ret;

	if (len >= sizeof(first))
		return -EINVAL;
	memcpy(first, text, len);
	first[len] = '\0';
	ret = parse_amount(first, is_bytes, &rate->rate);
	if (!ret && text[len])
		ret = parse_amount(text + len + 1, is_bytes, &rate->burst);
	return ret;
}

static int set_limits(struct blk_state *state, struct error *err)
{
	for (unsigned i = 0; i < VIRTIO_BLK_LIMITS; i++) {
		bool is_bytes = i < VIRTIO_BLK_IOPS;

		if (state->limits[i] &&
		    parse_rate(state->limits[i], is_bytes, &state->device_options.limits[i]))
			return error_set(err, -EINVAL,
					 "--disk %s: %s=%s: %s, and after a colon what may go at "
					 "once: %s",
					 state->path, limit_names[i], state->limits[i],
					 is_bytes ? "bytes a second, at least 512"
						  : "requests a second, at least 1",
					 is_bytes ? "20M:100M" : "500:2000");
	}
	return 0;
}

/* It becomes a part of file names in the guest, as by udev's rules. */
static int check_serial(const struct blk_state *state, struct error *err)
{
	const char *serial = state->device_options.serial;
	size_t len = serial ? strlen(serial) : 1;

	if (!len || len > VIRTIO_BLK_MAX_SERIAL)
		return error_set(err, -EINVAL, "--disk %s: serial=%s: from 1 to %u characters",
				 state->path, serial, VIRTIO_BLK_MAX_SERIAL);
	for (; serial && *serial; serial++) {
		if (!isalnum((unsigned char)*serial) && !strchr("-_.:+", *serial))
			return error_set(
				err, -EINVAL,
				"--disk %s: serial=%s: letters, digits and - _ . : + alone",
				state->path, state->device_options.serial);
	}
	return 0;
}

static int blk_class_set(void *arg, char *value, struct error *err)
{
	struct blk_state *state = arg;
	int ret = check_serial(state, err);

	if (!strncmp(state->path, "scsi:", 5))
		return error_set(err, -EINVAL,
				 "--disk %s: there is no vhost-scsi: give the host's block device, "
				 "or ./%s for a file of that name",
				 state->path, state->path);
	if (!ret)
		ret = set_limits(state, err);
	if (!ret && state->device_options.ignore_discard &&
	    state->options.detect_zeroes == DISK_ZEROES_UNMAP)
		return error_set(
			err, -EINVAL,
			"--disk %s: detect-zeroes=unmap gives room back to the host, which "
			"discard=ignore forbids: leave one of them out",
			state->path);
	return ret;
}

struct opening {
	struct blk_state *state;
	struct error *err;
	int ret;
};

static void open_disk(void *arg)
{
	struct opening *opening = arg;
	struct blk_state *state = opening->state;

	opening->ret = disk_open(&state->disk, state->path, &state->options, opening->err);
}

static int blk_class_prepare(void *arg, struct device_plan *plan, struct error *err)
{
	struct blk_state *state = arg;
	struct opening opening = { state, err, -EIO };

	if (is_folder(state))
		return prepare_root(state, plan, err);
	if (state->root.fs || state->root.share.map || state->root.share.cross_mounts)
		return error_set(err, -EINVAL,
				 "--disk %s: no folder: mounts, fs and map are for folders",
				 state->path);
	/*
	 * Linux names virtio's disks in the order in which it finds them. A driver that waits for
	 * another one, or for an IOMMU, keeps that order, but nothing promises it.
	 */
	if (!plan->disk_words)
		plan->disk_words = state->options.read_only ? "root=/dev/vda ro"
							    : "root=/dev/vda rw";
	/* A device that died, or a frozen file system, may never answer: --timeout ends it then. */
	aside_call("lkvm-open", open_disk, &opening);
	return opening.ret;
}

static int blk_class_create(void *arg, struct device_host *host, struct error *err)
{
	struct blk_state *state = arg;
	struct virtio_device *device;
	struct device_place place;
	struct disk *disk = state->disk;
	char name[32];
	struct device_want want = { .name = name, .old_rings = state->root.share.old_rings };
	int ret;

	if (state->root.share.folder)
		return share_create(&state->root.share, host, err);
	/* --disk alone makes such devices, so that it is the n-th disk that has the name n. */
	snprintf(name, sizeof(name), "virtio-blk %u", host->instance);
	ret = device_place(host, &want, &place, err);
	if (ret)
		return ret;
	state->disk = NULL;
	state->device_options.number = host->instance;
	state->device_options.vm = host->vm;
	ret = virtio_blk_create(&device, disk, &state->device_options, host->vm->loop, place.space);
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

static const char *blk_class_advise(const void *arg)
{
	return root_advise(&((const struct blk_state *)arg)->root);
}

static void blk_class_release(void *arg)
{
	struct blk_state *state = arg;

	disk_close(state->disk);
	share_release(&state->root.share);
}

static const char *const formats[] = {
	[DISK_FORMAT_GUESS] = "auto",
	[DISK_FORMAT_RAW] = "raw",
	[DISK_FORMAT_QCOW2] = "qcow2",
	NULL,
};

static const char *const backings[] = { "folder", "any", NULL };

static const char *const caches[] = { "writeback", "writethrough", NULL };
static const char *const discards[] = { "unmap", "ignore", NULL };
static const char *const detects[] = { "off", "on", "unmap", NULL };
static const char *const write_policies[] = { "report", "stop", "enospc", NULL };
static const char *const read_policies[] = { "report", "stop", NULL };

#define LIMIT(name, which, help_text, ...)                                                         \
	{                                                                                          \
		0, name, OPTION_WORD, "RATE[:BURST]", help_text,                                   \
			__VA_ARGS__ OPTION_FIELD(struct blk_state, limits[which])                  \
	}

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
		  "ro as well it reads what others write. A qcow2 image has one writer: with "
		  "share=on it can only be read",
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
	  .manual = "How a folder is shown. auto: by what the kernel has, for which it says so: in "
		    "itself (CONFIG_IKCONFIG), or by a file beside it (config-VERSION, config, "
		    ".config, "
		    "modules.builtin); else by 9p. Debian's cloud kernels have virtiofs and no 9p",
	  .choices = root_filesystems, OPTION_FIELD(struct blk_state, root.fs) },
	{ 0, "map", OPTION_CHOICE, .help = "whose the files in a folder are, as with --fs",
	  .choices = share_maps, OPTION_FIELD(struct blk_state, root.share.map) },
	{ 0, "mounts", OPTION_FLAG, .help = "a folder: file systems mounted in it are entered",
	  OPTION_FIELD(struct blk_state, root.share.cross_mounts) },
	{ 0, "snapshot", OPTION_CHOICE, .help = "whether changes are forgotten at the end",
	  .manual = "Whether changes are forgotten at the end. They go to a file without a name in "
		    "TMPDIR, or in /var/tmp; the disk's own file is only read, and others may read "
		    "it as well. For a folder it is --overlay",
	  .choices = option_off_on, OPTION_FIELD(struct blk_state, options.snapshot) },
	{ 0, "backing", OPTION_CHOICE, .help = "where the files below a qcow2 image may be",
	  .manual =
		  "Where the files below a qcow2 image may be: in the image's folder or below it, "
		  "or anywhere. A relative name is looked for in the folder of the image that "
		  "has it. A chain has at most 8 files",
	  .choices = backings, OPTION_FIELD(struct blk_state, options.backing_anywhere) },
	{ 0, "serial", OPTION_WORD, "TEXT", "the serial number, by which the guest finds it",
	  "The serial number, by which the guest finds it: as /dev/disk/by-id/virtio-TEXT, and in "
	  "/sys/block/vda/serial. At most 20 letters, digits and - _ . : +. Without it one is made "
	  "of the file's inode, as by kvmtool, or of the device's number",
	  OPTION_FIELD(struct blk_state, device_options.serial) },
	{ 0, "queues", OPTION_NUMBER, "N", "queues, so that several CPUs have one each", .min = 1,
	  .max = VIRTIO_BLK_MAX_QUEUES, .preset = 1,
	  OPTION_FIELD(struct blk_state, device_options.queues) },
	{ 0, "cache", OPTION_CHOICE, .help = "when a write is on stable storage",
	  .manual = "When a write is on stable storage: after the guest's next flush, or with "
		    "writethrough when it is answered. The guest can change it "
		    "(/sys/block/vda/queue/write_cache)",
	  .choices = caches, OPTION_FIELD(struct blk_state, device_options.write_through) },
	{ 0, "discard", OPTION_CHOICE, .help = "whether what the guest discards is given back",
	  .manual = "Whether room that the guest discards is given back to the host. With ignore "
		    "the guest is offered no discards",
	  .choices = discards, OPTION_FIELD(struct blk_state, device_options.ignore_discard) },
	{ 0, "detect-zeroes", OPTION_CHOICE, .help = "whether zeroes that are written take no room",
	  .manual = "Whether a write of nothing but zeroes is made without moving them, and with "
		    "unmap by giving the room back to the host",
	  .choices = detects, OPTION_FIELD(struct blk_state, options.detect_zeroes) },
	LIMIT("bps", VIRTIO_BLK_BPS, "bytes a second, read and written",
	      "Bytes a second, read and written, such as 20M; after a colon how many may go at "
	      "once "
	      "after a rest, else what a tenth of a second brings. A request larger than that "
	      "makes "
	      "those behind it wait the longer. More than one of these limits can be given", ),
	LIMIT("bps_rd", VIRTIO_BLK_BPS_RD, "bytes a second that are read", ),
	LIMIT("bps_wr", VIRTIO_BLK_BPS_WR, "bytes a second that are written", ),
	LIMIT("iops", VIRTIO_BLK_IOPS, "requests a second", ),
	LIMIT("iops_rd", VIRTIO_BLK_IOPS_RD, "reads a second", ),
	LIMIT("iops_wr", VIRTIO_BLK_IOPS_WR, "writes a second", ),
	{ 0, "werror", OPTION_CHOICE, .help = "what becomes of a write that the host fails",
	  .manual = "What becomes of a write that the host fails: the guest is told; or it is "
		    "paused, "
		    "and the write is tried again: by 'lkvm resume', and where the host had no "
		    "room every second. enospc stops for lack of room alone, and reports the rest",
	  .choices = write_policies,
	  OPTION_FIELD(struct blk_state, device_options.on_write_error) },
	{ 0, "rerror", OPTION_CHOICE, .help = "the same of a read", .choices = read_policies,
	  OPTION_FIELD(struct blk_state, device_options.on_read_error) },
	VIRTIO_PACKED_ITEM(struct blk_state, root.share.old_rings),
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
	  .items = blk_items, .set = blk_class_set, .many = true },
	{ 0 },
};

const struct device_class virtio_blk_class = {
	.name = "virtio-blk",
	.module = "virtio_blk",
	.options = blk_options,
	.count = DEVICE_EACH,
	.bus = DEVICE_BUS_ANY,
	.state_size = sizeof(struct blk_state),
	.fds = blk_class_fds,
	.kernel_words = blk_class_words,
	.prepare = blk_class_prepare,
	.create = blk_class_create,
	.report = blk_class_report,
	.advise = blk_class_advise,
	.release = blk_class_release,
};
