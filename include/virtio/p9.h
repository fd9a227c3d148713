/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-9p: a folder of the host's over 9P2000.L (virtio 1.4, "9P Transport Device"). */
#ifndef VIRTIO_P9_H
#define VIRTIO_P9_H

#include "virtio/device.h"

struct folder;
struct loop;

#define VIRTIO_P9_TAG 64 /* the longest tag that we give */

/* @folder becomes the device's own, also on error. @tag: copied. @number: for the name. -errno. */
int virtio_p9_create(struct virtio_device **device, struct folder *folder, const char *tag,
		     unsigned number, struct loop *loop, struct dma_space *space);

#endif
