/* SPDX-License-Identifier: BSD-2-Clause */
/* VFIO_DEVICE_SET_IRQS (linux/vfio.h), for all kinds of interrupts and notices. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "sys.h"

int vfio_set_irqs(struct vfio_device *device, u32 index, u32 action, u32 start, u32 count,
		  const int *fds)
{
	size_t size = sizeof(struct vfio_irq_set) + count * sizeof(*fds);
	struct vfio_irq_set *set = calloc(1, size);
	int ret;

	if (!set)
		return -ENOMEM;
	*set = (struct vfio_irq_set){
		.argsz = size,
		.flags = action | VFIO_IRQ_SET_DATA_EVENTFD,
		.index = index,
		.start = start,
		.count = count,
	};
	memcpy(set->data, fds, count * sizeof(*fds));
	ret = vfio_sys_ioctl(device->fd, VFIO_DEVICE_SET_IRQS, set);
	free(set);
	return ret;
}

/* It allocates no memory, so it cannot fail: the caller closes the eventfds next. */
void vfio_irqs_off(struct vfio_device *device, u32 index)
{
	struct vfio_irq_set none = {
		.argsz = sizeof(none),
		.flags = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_NONE,
		.index = index,
	};

	vfio_sys_ioctl(device->fd, VFIO_DEVICE_SET_IRQS, &none);
}
