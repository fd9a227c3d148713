/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk on a disk (virtio 1.4, "Block Device"). */
#ifndef VIRTIO_BLK_H
#define VIRTIO_BLK_H

#include "virtio/device.h"

struct disk;
struct loop;

/*
 * @disk becomes the device's own, also on error. @number: for the name alone.
 * @space: borrowed. -ENOMEM, or what disk_start() said.
 */
int virtio_blk_create(struct virtio_device **device, struct disk *disk, unsigned number,
		      struct loop *loop, struct dma_space *space);

/* Tell its requests. */
void virtio_blk_count(const struct virtio_device *device, struct counters *counters);

#endif
