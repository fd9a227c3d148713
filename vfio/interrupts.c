/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device has one kind of interrupt on at a time (PCI and VFIO require that). The guest switches
 * between kinds in several register writes; after each of them we work out which kind it wants and
 * switch to that.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "device.h"

/*
 * INTx is switched on when the driver first enables decoding or bus mastering: before that the
 * device has no interrupt to send, and a guest that uses MSI-X from the start is spared the cost.
 */
static bool wants_intx(const struct vfio_device *device)
{
	const struct pci_function *function = &device->function;
	u16 command = pci_get16(function, PCI_COMMAND);

	return function->config[PCI_INTERRUPT_PIN] && !(command & PCI_COMMAND_INTX_DISABLE) &&
	       command & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static enum vfio_irq_mode wanted_mode(const struct vfio_device *device)
{
	if (device->gone || device->resetting || !device->on_bus)
		return VFIO_IRQ_OFF;
	if (device->msix_wanted)
		return VFIO_IRQ_MSIX;
	if (device->msi_wanted)
		return VFIO_IRQ_MSI;
	return wants_intx(device) ? VFIO_IRQ_INTX : VFIO_IRQ_OFF;
}

static void mode_stop(struct vfio_device *device)
{
	switch (device->mode) {
	case VFIO_IRQ_INTX:
		vfio_intx_stop(device);
		break;
	case VFIO_IRQ_MSI:
		vfio_irqs_off(device, VFIO_PCI_MSI_IRQ_INDEX);
		break;
	case VFIO_IRQ_MSIX:
		vfio_irqs_off(device, VFIO_PCI_MSIX_IRQ_INDEX);
		break;
	case VFIO_IRQ_OFF:
		break;
	}
	device->enabled = 0;
	device->mode = VFIO_IRQ_OFF;
}

static int mode_start(struct vfio_device *device, enum vfio_irq_mode mode)
{
	switch (mode) {
	case VFIO_IRQ_INTX:
		return vfio_intx_start(device);
	case VFIO_IRQ_MSI:
		return vfio_msi_start(device);
	case VFIO_IRQ_MSIX:
		return vfio_msix_start(device);
	case VFIO_IRQ_OFF:
		break;
	}
	return 0;
}

void vfio_interrupts_update(struct vfio_device *device)
{
	static const char *const names[] = {
		[VFIO_IRQ_OFF] = "no",
		[VFIO_IRQ_INTX] = "INTx",
		[VFIO_IRQ_MSI] = "MSI",
		[VFIO_IRQ_MSIX] = "MSI-X",
	};
	enum vfio_irq_mode mode = wanted_mode(device);
	int ret;

	if (mode == device->mode && (mode != VFIO_IRQ_MSI || device->enabled == device->msi_wanted))
		return;
	mode_stop(device);
	ret = mode_start(device, mode);
	/*
	 * Set on failure too, so that the same switch is not tried again at each write of the
	 * guest.
	 */
	device->mode = mode;
	if (ret)
		log_limited(&device->log, LOG_ERROR,
			    "%s: the host does not switch its %s interrupts on: %s", device->name,
			    names[mode], strerror(-ret));
}

/* ---- what the guest's MSI-X table says (vmm/msix.h) ---- */

void vfio_msix_enabled(struct msix *msix, void *arg, bool on)
{
	struct vfio_device *device = arg;

	device->msix_wanted = on;
	vfio_interrupts_update(device);
}

void vfio_msix_vector_used(struct msix *msix, void *arg, unsigned n)
{
	struct vfio_device *device = arg;
	int ret;

	if (device->mode != VFIO_IRQ_MSIX || device->gone)
		return;
	ret = vfio_msix_vector_start(device, n);
	if (ret)
		log_limited(&device->log, LOG_ERROR,
			    "%s: the host has no interrupt for its MSI-X vector %u: %s",
			    device->name, n, strerror(-ret));
}
