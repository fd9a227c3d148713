/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-console (virtio 1.4, "Console Device"): one port, hvc0; or named ports, which are
 * /dev/virtio-ports/NAME to Linux.
 */
#ifndef VIRTIO_CONSOLE_H
#define VIRTIO_CONSOLE_H

#include "virtio/device.h"

struct loop;
struct terminal;

/*
 * For its class, and for tests, which have a machine of their own. @terminal, @space: borrowed.
 * -ENOMEM.
 */
int virtio_console_create(struct virtio_device **device, struct terminal *terminal,
			  struct dma_space *space);

#define VIRTIO_CONSOLE_PORTS 15
#define VIRTIO_CONSOLE_NAME  64 /* bytes of the longest name, with its end */

struct virtio_console_port {
	const char *name; /* borrowed */
	struct terminal *terminal;
	/*
	 * In the place of @terminal, if not NULL: a stream socket that is connected, the device's
	 * from here on and -1 then. Each side hears of the other's end. @loop: borrowed.
	 */
	int *channel;
	struct loop *loop;
};

/* One device with @count ports, up to VIRTIO_CONSOLE_PORTS; @ports is copied. -ENOMEM. */
int virtio_console_create_ports(struct virtio_device **device,
				const struct virtio_console_port *ports, unsigned count,
				struct dma_space *space);

#endif
