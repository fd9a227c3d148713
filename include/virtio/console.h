/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-console, one port: hvc0 (virtio 1.4, "Console Device"). */
#ifndef VIRTIO_CONSOLE_H
#define VIRTIO_CONSOLE_H

#include "virtio/device.h"

struct terminal;

/*
 * For its class, and for tests, which have a machine of their own. @terminal, @space: borrowed.
 * -ENOMEM.
 */
int virtio_console_create(struct virtio_device **device, struct terminal *terminal,
			  struct dma_space *space);

#endif
