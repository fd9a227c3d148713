/* SPDX-License-Identifier: BSD-2-Clause */
/* A group: the devices that the host's IOMMU cannot tell apart. They are passed together. */
#ifndef VFIO_GROUP_H
#define VFIO_GROUP_H

#include "util/error.h"
#include "vfio/host.h"

struct vfio_container;

struct vfio_group {
	int number;			  /* the host's */
	int fd;				  /* owned */
	struct vfio_container *container; /* borrowed */
};

/*
 * Open the group of @host; @name is the device's name in messages. -errno with a line: the group is
 * in use, this user may not open it, or other drivers have members of it, which the line names.
 */
int vfio_group_open(struct vfio_group *group, const struct vfio_paths *paths,
		    const struct vfio_host_device *host, const char *name, struct error *err);
/* Its devices are closed. Idempotent. */
void vfio_group_close(struct vfio_group *group);

#endif
