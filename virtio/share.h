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
	struct folder *folder; /* until the device owns it */
};

extern const char *const share_maps[], *const share_protocols[];

/* What a file of its own and a place on a bus come to. */
unsigned share_fds(const struct share *share);
/* Open and check; with a line. */
int share_prepare(struct share *share, struct error *err);
int share_create(struct share *share, struct device_host *host, struct error *err);
void share_release(struct share *share);

#endif
