/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-fs: a folder of the host's as a FUSE file system (virtio 1.4, "File System Device"). */
#ifndef VIRTIO_FS_H
#define VIRTIO_FS_H

#include "folder/fuse.h"
#include "virtio/device.h"

struct loop;

#define VIRTIO_FS_TAG 36 /* bytes of a tag, no terminator needed */

struct virtio_fs_options {
	const char *tag; /* 1 to VIRTIO_FS_TAG bytes; copied */
	unsigned queues; /* for requests: 1 to VIRTIO_FS_MAX_QUEUES */
	struct fuse_options fuse;
};

#define VIRTIO_FS_MAX_QUEUES 8

/* @folder becomes the device's own, also on error. @number: for the name alone. -errno. */
int virtio_fs_create(struct virtio_device **device, struct folder *folder,
		     const struct virtio_fs_options *options, unsigned number, struct loop *loop,
		     struct dma_space *space);

#endif
