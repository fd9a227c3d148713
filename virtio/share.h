/* SPDX-License-Identifier: BSD-2-Clause */
/* Folders on the command line: --fs, --9p and --disk DIR. */
#ifndef VIRTIO_SHARE_H
#define VIRTIO_SHARE_H

#include "folder/fuse.h"
#include "vmm/device_class.h"

/* As enum folder_map, but for the one of people who do not say. */
enum share_map { SHARE_MAP_AUTO, SHARE_MAP_HOST, SHARE_MAP_SQUASH, SHARE_MAP_XATTR };

enum share_protocol { SHARE_9P, SHARE_VIRTIOFS };

/* --fs and --9p differ in this, and in their options. */
struct share {
	const char *path;
	const char *tag; /* NULL: that of the protocol */
	enum share_protocol protocol;
	bool read_only, writeback;
	enum fuse_cache cache;
	enum share_map map;
	bool old_rings; /* packed=off */
	bool cross_mounts;
	bool overlay; /* as of struct folder_options */
	const char *scratch;
	u64 scratch_size;
	struct folder *folder;	      /* until the device owns it */
	struct share *before;	      /* in struct device_plan's list */
	struct virtio_device *device; /* the VM's; NULL: not made yet */
};

extern const char *const share_maps[];

/* What a file of its own and a place on a bus come to. */
unsigned share_fds(const struct share *share);
/* Open and check; with a line. */
int share_prepare(struct share *share, struct device_plan *plan, struct error *err);
int share_create(struct share *share, struct device_host *host, struct error *err);
/* The guest has mounted it at some time; before the VM is destroyed. */
bool share_was_used(const struct share *share);
void share_release(struct share *share);

#endif
