/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host says that a device has died (an uncorrectable error on its link), or wants it back (its
 * administrator takes it from vfio-pci, and waits for us). Either way the guest's device is gone:
 * it answers all ones, as one does that was pulled out, and the host has it.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "device.h"
#include "vmm/events.h"
#include "vmm/vm.h"

static void unwatch(struct vfio_notice *notice, struct loop *loop)
{
	if (notice->source.fd < 0)
		return;
	loop_remove(loop, &notice->source);
	close(notice->source.fd);
	notice->source.fd = -1;
}

void vfio_errors_unwatch(struct vfio_device *device)
{
	struct loop *loop = device->function.vm->loop;

	unwatch(&device->error, loop);
	unwatch(&device->request, loop);
}

/*
 * This may run in the handler of a notice's own source: the loop allows to remove it there. A vCPU
 * that has the host reset the device uses its descriptor, and gives it back itself.
 */
static void give_back(struct vfio_device *device, const char *why)
{
	if (device->resetting) {
		device->wanted_back = why;
		vfio_errors_unwatch(device);
		return;
	}
	device->gone = true;
	vm_event(device->function.vm, "device-gone", device->name, "%s", why);
	vfio_interrupts_update(device);
	vfio_regions_update(device);
	vfio_regions_unmap(device);
	vfio_errors_unwatch(device);
	vfio_device_close(device);
}

void vfio_errors_after_reset(struct vfio_device *device)
{
	if (device->wanted_back)
		give_back(device, device->wanted_back);
	device->wanted_back = NULL;
}

static void on_error(struct loop_source *source, u32 events)
{
	struct vfio_device *device = container_of(source, struct vfio_notice, source)->device;

	log_error("%s: the device reports an error from which it does not recover: it is gone for "
		  "the guest (the host's kernel log knows more)",
		  device->name);
	give_back(device, "it reports an error from which it does not recover");
}

static void on_request(struct loop_source *source, u32 events)
{
	struct vfio_device *device = container_of(source, struct vfio_notice, source)->device;

	log_warning("%s: the host wants the device back: it is gone for the guest", device->name);
	give_back(device, "the host wants it back");
}

static int watch(struct vfio_device *device, struct vfio_notice *notice, u32 index,
		 loop_handler *handle)
{
	int ret;

	notice->device = device;
	if (!device->irq_counts[index])
		return 0;
	notice->source = (struct loop_source){ .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
					       .events = EPOLLIN,
					       .handle = handle };
	if (notice->source.fd < 0)
		return -errno;
	ret = loop_add(device->function.vm->loop, &notice->source);
	if (!ret)
		ret = vfio_set_irqs(device, index, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1,
				    &notice->source.fd);
	if (ret)
		unwatch(notice, device->function.vm->loop);
	return ret;
}

int vfio_errors_watch(struct vfio_device *device)
{
	int ret = watch(device, &device->error, VFIO_PCI_ERR_IRQ_INDEX, on_error);

	if (!ret)
		ret = watch(device, &device->request, VFIO_PCI_REQ_IRQ_INDEX, on_request);
	return ret;
}
