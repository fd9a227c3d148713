/* SPDX-License-Identifier: BSD-2-Clause */
#include "oneshot/ways.h"

bool ways_has(const struct modules *modules, const struct kernel_config *config, const char *name,
	      enum kernel_part part)
{
	enum modules_has found = modules && name ? modules_find(modules, name) : MODULES_UNKNOWN;

	if (found != MODULES_UNKNOWN)
		return found != MODULES_ABSENT;
	/* A module whose file is not known cannot be loaded. */
	return !*config->source || config->has[part] == KERNEL_BUILT_IN;
}

struct ways ways_choose(const struct modules *modules, const struct kernel_config *config)
{
	struct ways ways = { WAYS_NO_STREAMS, WAYS_PACKED };

	if (ways_has(modules, config, "vmw_vsock_virtio_transport", KERNEL_VSOCK))
		ways.streams = WAYS_VSOCK;
	else if (ways_has(modules, config, "virtio_console", KERNEL_VIRTIO_CONSOLE))
		ways.streams = WAYS_PORTS;
	/* The faster one first. */
	if (ways_has(modules, config, "virtiofs", KERNEL_VIRTIO_FS))
		ways.root = WAYS_VIRTIO_FS;
	else if (ways_has(modules, config, "9p", KERNEL_9P) &&
		 ways_has(modules, config, "9pnet_virtio", KERNEL_9P_VIRTIO))
		ways.root = WAYS_9P;
	return ways;
}
