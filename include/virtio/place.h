/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio device and the place that it was given. */
#ifndef VIRTIO_PLACE_H
#define VIRTIO_PLACE_H

#include "util/error.h"
#include "virtio/device.h"
#include "vmm/device_class.h"

/*
 * Put @device on the transport of @place: the VM owns it from here on. On -errno, with a
 * line, it has been destroyed.
 */
int virtio_device_put(struct virtio_device *device, const struct device_place *place,
		      struct error *err);

#endif
