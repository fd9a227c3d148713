/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INTx with no exit: the host masks the line when it raises the trigger, which KVM turns into
 * the guest's level interrupt; at the guest's EOI KVM signals the other eventfd, at which the host
 * unmasks. A device that still asserts raises the trigger again.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "device.h"
#include "vmm/vm.h"

static int make_eventfds(struct vfio_device *device)
{
	device->intx_trigger = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	device->intx_unmask = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return device->intx_trigger < 0 || device->intx_unmask < 0 ? -EMFILE : 0;
}

static void close_eventfds(struct vfio_device *device)
{
	if (device->intx_trigger >= 0)
		close(device->intx_trigger);
	if (device->intx_unmask >= 0)
		close(device->intx_unmask);
	device->intx_trigger = device->intx_unmask = -1;
}

/* The trigger first: the host takes an unmask eventfd only after that. */
static int tell_host(struct vfio_device *device)
{
	int ret = vfio_set_irqs(device, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1,
				&device->intx_trigger);

	if (!ret)
		ret = vfio_set_irqs(device, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK, 0,
				    1, &device->intx_unmask);
	return ret;
}

int vfio_intx_start(struct vfio_device *device)
{
	struct irq *irq = device->function.vm->irq;
	int ret = make_eventfds(device);

	device->intx_gsi = pci_intx_gsi(&device->function);
	if (!ret)
		ret = irq_attach_fd(irq, device->intx_gsi, device->intx_trigger,
				    device->intx_unmask);
	if (ret) {
		close_eventfds(device);
		return ret;
	}
	ret = tell_host(device);
	if (ret)
		vfio_intx_stop(device);
	return ret;
}

void vfio_intx_stop(struct vfio_device *device)
{
	if (device->intx_trigger < 0)
		return;
	vfio_irqs_off(device, VFIO_PCI_INTX_IRQ_INDEX);
	irq_detach_fd(device->function.vm->irq, device->intx_gsi, device->intx_trigger);
	close_eventfds(device);
}
