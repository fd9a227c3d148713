/* SPDX-License-Identifier: BSD-2-Clause */
/* A folder as the guest's root file system: --disk DIR, --overlay. */
#ifndef VIRTIO_ROOT_H
#define VIRTIO_ROOT_H

#include "share.h"

enum root_fs { ROOT_AUTO, ROOT_9P, ROOT_VIRTIOFS };

/* All zeros but what was asked for: share.path, read_only, map and overlay, and fs. */
struct root {
	struct share share;
	enum root_fs fs;
	bool guessed; /* nothing says what the kernel has */
};

extern const char *const root_filesystems[];

/* As the members of struct device_class. */
int root_prepare(struct root *root, struct device_plan *plan, struct error *err);
const char *root_words(const struct root *root);
const char *root_advise(const struct root *root);

#endif
