/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio device and the place that it was given. */
#ifndef VIRTIO_PLACE_H
#define VIRTIO_PLACE_H

#include "util/error.h"
#include "util/option.h"
#include "virtio/device.h"
#include "vmm/device_class.h"

/*
 * Put @device on the transport of @place: the VM owns it from here on. On -errno, with a
 * line, it has been destroyed.
 */
int virtio_device_put(struct virtio_device *device, const struct device_place *place,
		      struct error *err);

/* For the lists of devices: packed=off sets a bool of the target, device_want.old_rings. */
extern const char *const virtio_packed_words[];
#define VIRTIO_PACKED_ITEM(type, field)                                                            \
	{                                                                                          \
		0, "packed", OPTION_CHOICE, .help = "whether it offers packed rings, as --packed", \
					    .choices = virtio_packed_words,                        \
					    OPTION_FIELD(type, field)                              \
	}

#endif
