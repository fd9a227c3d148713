/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-rng: the host's getrandom() (virtio 1.4, "Entropy Device"). */
#ifndef VIRTIO_RNG_H
#define VIRTIO_RNG_H

#include "virtio/device.h"

/* For its class, and for tests, which have a machine of their own. @space: borrowed. -ENOMEM. */
int virtio_rng_create(struct virtio_device **device, struct dma_space *space);

#endif
