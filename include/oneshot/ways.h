/* SPDX-License-Identifier: BSD-2-Clause */
/* How a run for a command reaches its guest: by the best way that the guest's kernel has. */
#ifndef ONESHOT_WAYS_H
#define ONESHOT_WAYS_H

#include "oneshot/modules.h"
#include "vmm/kernel_config.h"

/* Of the command's streams. */
enum ways_streams {
	WAYS_VSOCK,
	WAYS_PORTS,	 /* of virtio-console */
	WAYS_NO_STREAMS, /* the kernel has neither */
};

/* Of the root folder. */
enum ways_root {
	WAYS_VIRTIO_FS,
	WAYS_9P,
	WAYS_PACKED, /* the kernel has neither: what fits is packed into the initial RAM disk */
};

struct ways {
	enum ways_streams streams;
	enum ways_root root;
};

/*
 * Whether a kernel has @part, built in or as the module @name that can be loaded; NULL: it is never
 * one. As below.
 */
bool ways_has(const struct modules *modules, const struct kernel_config *config, const char *name,
	      enum kernel_part part);

/*
 * Of a kernel with @modules, NULL for none that are known, and what @config says where those do not
 * tell what is built in (modules_knows_all()). What nobody knows of, a kernel is taken to have.
 */
struct ways ways_choose(const struct modules *modules, const struct kernel_config *config);

#endif
