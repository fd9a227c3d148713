/* SPDX-License-Identifier: BSD-2-Clause */
/* Folders on the command line: what they have in common, and the classes of --fs and --9p. */
#include <linux/capability.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "message.h"
#include "share.h"
#include "util/reach.h"
#include "util/parse.h"
#include "virtio/fs.h"
#include "virtio/p9.h"
#include "virtio/place.h"
#include "vmm/vm.h"

/* kvmtool's: its guests mount it by this name, and it takes no longer ones. */
#define P9_DEFAULT_TAG "kvm_9p"
#define P9_LONGEST_TAG 32
#define FS_DEFAULT_TAG "lkvm"

/* An eventfd for each queue and each vector, the folder, the worker, a process aside. */
#define FDS_SHARE (2 * (VIRTIO_FS_MAX_QUEUES + 2) + 8)

const char *const share_maps[] = {
	[SHARE_MAP_AUTO] = "auto",
	[SHARE_MAP_HOST] = "host",
	[SHARE_MAP_SQUASH] = "squash",
	[SHARE_MAP_XATTR] = "xattr",
	NULL,
};

static const char *const share_caches[] = {
	[FUSE_CACHE_NONE] = "none",
	[FUSE_CACHE_AUTO] = "auto",
	[FUSE_CACHE_ALWAYS] = "always",
	NULL,
};

/* ---- what they have in common ---- */

unsigned share_fds(const struct share *share)
{
	return FDS_SHARE;
}

static enum folder_map map_of(const struct share *share)
{
	switch (share->map) {
	case SHARE_MAP_AUTO:
		break;
	case SHARE_MAP_HOST:
		return FOLDER_MAP_HOST;
	case SHARE_MAP_SQUASH:
		return FOLDER_MAP_SQUASH;
	case SHARE_MAP_XATTR:
		return FOLDER_MAP_XATTR;
	}
	return geteuid() ? FOLDER_MAP_SQUASH : FOLDER_MAP_HOST;
}

/* Of two with the same tag the guest would have one, it does not know which. */
static int check_tag(const struct share *share, const struct device_plan *plan, struct error *err)
{
	size_t most = share->protocol == SHARE_9P ? P9_LONGEST_TAG : VIRTIO_FS_TAG;

	if (!*share->tag || strlen(share->tag) > most)
		return error_set(err, -EINVAL, "folder %s: tag '%s': 1 to %zu bytes", share->path,
				 share->tag, most);
	for (const struct share *other = plan->shares; other; other = other->before) {
		if (other->protocol == share->protocol && !strcmp(other->tag, share->tag))
			return error_set(
				err, -EINVAL,
				"folders %s and %s: the tag of both is '%s': give one of them "
				"another, %s",
				other->path, share->path, share->tag,
				share->protocol == SHARE_9P ? "--9p DIR,TAG" : "--fs DIR,tag=TAG");
	}
	return 0;
}

#define CAPABILITY(name) (1ull << (CAP_##name))

/* What root may do to files; as the guest's users, with map=host. */
#define OF_FILES                                                                                   \
	(CAPABILITY(CHOWN) | CAPABILITY(DAC_OVERRIDE) | CAPABILITY(DAC_READ_SEARCH) |              \
	 CAPABILITY(FOWNER) | CAPABILITY(FSETID) | CAPABILITY(SYS_RESOURCE))
#define OF_USERS                                                                                   \
	(CAPABILITY(SETUID) | CAPABILITY(SETGID) | CAPABILITY(MKNOD) | CAPABILITY(SETFCAP) |       \
	 CAPABILITY(SYS_ADMIN))

/* The folder, and nothing else, is reached by name while the guest runs. */
static int keep_in_reach(const struct share *share, struct error *err)
{
	unsigned rights = share->read_only ? REACH_READ : REACH_READ | REACH_WRITE | REACH_CHANGE;
	int ret = reach_add_fd(folder_file(share->folder), rights);

	reach_need_user("a shared folder");
	reach_keep(THREAD_FOLDER,
		   map_of(share) == FOLDER_MAP_HOST ? OF_FILES | OF_USERS : OF_FILES);
	return ret ? error_set(err, ret, "folder %s: %s", share->path, strerror(-ret)) : 0;
}

int share_prepare(struct share *share, struct device_plan *plan, struct error *err)
{
	const struct folder_options options = { .read_only = share->read_only,
						.cross_mounts = share->cross_mounts,
						.syncs = share->protocol == SHARE_VIRTIOFS,
						.map = map_of(share),
						.overlay = share->overlay,
						.scratch = share->scratch,
						.scratch_size = share->scratch_size };
	int ret;

	if (!share->tag)
		share->tag = share->protocol == SHARE_9P ? P9_DEFAULT_TAG : FS_DEFAULT_TAG;
	ret = check_tag(share, plan, err);
	if (ret)
		return ret;
	share->before = plan->shares;
	plan->shares = share;
	if (share->writeback && share->cache == FUSE_CACHE_NONE)
		return error_set(err, -EINVAL,
				 "folder %s: writeback needs cache=auto or cache=always",
				 share->path);
	ret = folder_open(&share->folder, share->path, &options, err);
	return ret ? ret : keep_in_reach(share, err);
}

static int make_device(struct share *share, struct device_host *host, struct dma_space *space,
		       struct virtio_device **device)
{
	struct virtio_fs_options options = {
		.tag = share->tag,
		.queues = MIN(host->vm->config->cpus, VIRTIO_FS_MAX_QUEUES),
		.fuse = { .cache = share->cache, .writeback = share->writeback },
	};
	struct folder *folder = share->folder;

	share->folder = NULL;
	if (share->protocol == SHARE_9P)
		return virtio_p9_create(device, folder, share->tag, host->instance, host->vm->loop,
					space);
	return virtio_fs_create(device, folder, &options, host->instance, host->vm->loop, space);
}

int share_create(struct share *share, struct device_host *host, struct error *err)
{
	const char *kind = share->protocol == SHARE_9P ? "virtio-9p" : "virtio-fs";
	struct virtio_device *device;
	struct device_place place;
	char name[32];
	struct device_want want = { .name = name, .old_rings = share->old_rings };
	int ret;

	snprintf(name, sizeof(name), "%s %u", kind, host->instance);
	ret = device_place(host, &want, &place, err);
	if (ret)
		return ret;
	ret = make_device(share, host, place.space, &device);
	if (ret)
		return error_set(err, ret, "cannot make %s: %s", name, strerror(-ret));
	ret = virtio_device_put(device, &place, err);
	if (!ret)
		share->device = device;
	return ret;
}

bool share_was_used(const struct share *share)
{
	return share->device && message_device_was_used(share->device);
}

void share_release(struct share *share)
{
	folder_close(share->folder);
}

/* ---- the classes ---- */

static unsigned share_class_fds(const void *state)
{
	return share_fds(state);
}

static int p9_class_prepare(void *state, struct device_plan *plan, struct error *err)
{
	return share_prepare(state, plan, err);
}

static int fs_class_prepare(void *state, struct device_plan *plan, struct error *err)
{
	struct share *share = state;

	share->protocol = SHARE_VIRTIOFS;
	return share_prepare(share, plan, err);
}

static int share_class_create(void *state, struct device_host *host, struct error *err)
{
	return share_create(state, host, err);
}

static void share_class_release(void *state)
{
	share_release(state);
}

#define MAP_MANUAL                                                                                 \
	"Whose the guest's files are. host: IDs are the same in guest and host, which needs "      \
	"root. squash: all are the caller's, whom the guest sees as root; set-user-ID bits and "   \
	"device nodes are not made. xattr: so too, and what the guest believes of owners, modes "  \
	"and device nodes is kept in user.lkvm.stat, an extended attribute. auto: host for "       \
	"root, squash for others"

static const struct option_spec fs_items[] = {
	{ 0, "dir", OPTION_FILE, "DIR", "folder of the host's", .first = true,
	  OPTION_FIELD(struct share, path) },
	{ 0, "tag", OPTION_WORD, "TAG",
	  "what the guest mounts it by: mount -t virtiofs TAG PLACE (lkvm)",
	  OPTION_FIELD(struct share, tag) },
	{ 0, "ro", OPTION_FLAG, .help = "nothing in it is changed",
	  OPTION_FIELD(struct share, read_only) },
	{ 0, "cache", OPTION_CHOICE, .help = "how long the guest trusts what it has read",
	  .manual = "none: each access comes to the host, and what others do to the folder is seen "
		    "at once. auto: names and attributes for a second, contents until the file is "
		    "opened again. always: for ever; nobody else may change the folder meanwhile",
	  .choices = share_caches, .preset = FUSE_CACHE_AUTO, OPTION_FIELD(struct share, cache) },
	{ 0, "map", OPTION_CHOICE, .help = "whose the guest's files are", .manual = MAP_MANUAL,
	  .choices = share_maps, OPTION_FIELD(struct share, map) },
	{ 0, "mounts", OPTION_FLAG, .help = "file systems that are mounted in it are entered",
	  OPTION_FIELD(struct share, cross_mounts) },
	{ 0, "writeback", OPTION_FLAG, .help = "the guest collects its writes",
	  OPTION_FIELD(struct share, writeback) },
	VIRTIO_PACKED_ITEM(struct share, old_rings),
	{ 0 },
};

static const struct option_spec fs_options[] = {
	{ 0, "fs", OPTION_LIST, .help = "a folder of the host's, over virtio-fs; again for more",
	  .manual =
		  "A folder of the host's over virtio-fs; can be given again. The guest sees what "
		  "is in the folder and nothing else: links are followed by the guest alone, and "
		  "other file systems that are mounted within it are not entered.",
	  .items = fs_items, .many = true },
	{ 0 },
};

const struct device_class virtio_fs_class = {
	.name = "virtio-fs",
	.options = fs_options,
	.count = DEVICE_EACH,
	.bus = DEVICE_BUS_ANY,
	.state_size = sizeof(struct share),
	.fds = share_class_fds,
	.prepare = fs_class_prepare,
	.create = share_class_create,
	.release = share_class_release,
};

/* kvmtool's form: the tag has no name of its own. */
static int set_9p(void *target, char *value, struct error *err)
{
	struct share *share = target;
	char *cursor = value;

	share->path = parse_next_item(&cursor);
	share->tag = parse_next_item(&cursor);
	if (!share->path || !*share->path || parse_next_item(&cursor))
		return error_set(err, -EINVAL, "--9p: a folder, and perhaps a tag: DIR[,TAG]");
	return 0;
}

static const struct option_spec p9_options[] = {
	{ 0, "9p", OPTION_CALL, "DIR[,TAG]",
	  "a folder of the host's, over 9p (kvm_9p); again for more",
	  .manual = "A folder of the host's over 9p, as --fs for kernels without virtio-fs; can be "
		    "given again. The guest mounts it with mount -t 9p -o trans=virtio TAG "
		    "PLACE; without a TAG here it is kvm_9p. What it caches its mount says: with "
		    "-o cache=loose nobody else may change the folder meanwhile",
	  .set = set_9p, .many = true },
	{ 0 },
};

const struct device_class virtio_9p_class = {
	.name = "virtio-9p",
	.options = p9_options,
	.count = DEVICE_EACH,
	.bus = DEVICE_BUS_ANY,
	.state_size = sizeof(struct share),
	.fds = share_class_fds,
	.prepare = p9_class_prepare,
	.create = share_class_create,
	.release = share_class_release,
};
