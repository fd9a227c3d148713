/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSI and MSI-X of the hardware, tied to the eventfds of the guest's vectors (vmm/msi.h), through
 * which they reach the guest with no exit. The vectors of MSI-X are taken from the host one
 * by one, as the guest uses them: a device may have 2,048, of which its driver wants a dozen.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device.h"

/* VFIO returns a positive number if it has only so many vectors. */
static int set_trigger(struct vfio_device *device, u32 index, u32 start, u32 count, const int *fds)
{
	int ret = vfio_set_irqs(device, index, VFIO_IRQ_SET_ACTION_TRIGGER, start, count, fds);

	return ret > 0 ? -ENOSPC : ret;
}

/* ---- MSI ---- */

unsigned vfio_msi_probe(struct vfio_device *device, unsigned count)
{
	const unsigned most = count;
	int fds[32];
	int ret = -ENOSPC;

	memset(fds, 0xff, sizeof(fds)); /* -1: no eventfd yet */
	/*
	 * Powers of two, the largest first. One vector is not tried: it could fail only if the
	 * device itself is broken.
	 */
	for (count = ARRAY_SIZE(fds); count > 1; count /= 2) {
		if (count > most)
			continue;
		ret = set_trigger(device, VFIO_PCI_MSI_IRQ_INDEX, 0, count, fds);
		vfio_irqs_off(device, VFIO_PCI_MSI_IRQ_INDEX);
		if (!ret)
			break;
	}
	return count;
}

int vfio_msi_start(struct vfio_device *device)
{
	unsigned count = MIN(device->msi_wanted, 32u);
	int fds[32], ret;

	for (unsigned i = 0; i < count; i++)
		fds[i] = device->function.msi_vectors[i].fd;
	ret = set_trigger(device, VFIO_PCI_MSI_IRQ_INDEX, 0, count, fds);
	device->enabled = count;
	return ret;
}

/* ---- MSI-X ---- */

/* Switch vectors 0 to @count - 1 on, those that the guest uses with their eventfds. */
static int msix_enable(struct vfio_device *device, unsigned count)
{
	struct msix *msix = device->function.msix;
	int *fds = calloc(count, sizeof(*fds));
	int ret;

	if (!fds)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++)
		fds[i] = msix_vector_is_used(msix, i) ? msix_vector(msix, i)->fd : -1;
	ret = set_trigger(device, VFIO_PCI_MSIX_IRQ_INDEX, 0, count, fds);
	free(fds);
	device->enabled = ret ? 0 : count;
	return ret;
}

int vfio_msix_start(struct vfio_device *device)
{
	struct msix *msix = device->function.msix;
	unsigned count = 1;

	/*
	 * At least one, so that MSI-X is on in the hardware: the registers of some devices look
	 * different then.
	 */
	for (unsigned i = 1; i < msix_count(msix); i++) {
		if (msix_vector_is_used(msix, i))
			count = i + 1;
	}
	return msix_enable(device, count);
}

/*
 * Interrupts that came while the host had MSI-X off are lost, so all used vectors are raised: a
 * driver then looks at its device.
 */
static void raise_used(struct vfio_device *device)
{
	struct msix *msix = device->function.msix;
	u64 one = 1;

	for (unsigned i = 0; i < device->enabled; i++) {
		/* It can fail by overflow alone: then it is raised already. */
		if (msix_vector_is_used(msix, i) &&
		    write(msix_vector(msix, i)->fd, &one, sizeof(one)) < 0)
			continue;
	}
}

/*
 * The host's kernel cannot add to what is on (VFIO_IRQ_INFO_NORESIZE): all goes off and on again,
 * with room for twice as many, so that this happens a few times only.
 */
static int msix_regrow(struct vfio_device *device, unsigned n)
{
	unsigned before = device->enabled, need = n + 1;
	unsigned count = MIN(MAX(need, 2 * before), msix_count(device->function.msix));
	int ret;

	device->regrown++;
	vfio_irqs_off(device, VFIO_PCI_MSIX_IRQ_INDEX);
	ret = msix_enable(device, count);
	if (ret && count > need)
		ret = msix_enable(device, need);
	if (ret && before)
		msix_enable(device, before);
	raise_used(device);
	return ret;
}

int vfio_msix_vector_start(struct vfio_device *device, unsigned n)
{
	bool fixed = device->irq_flags[VFIO_PCI_MSIX_IRQ_INDEX] & VFIO_IRQ_INFO_NORESIZE;
	int ret;

	if (n >= device->enabled && (fixed || !device->enabled))
		return msix_regrow(device, n);
	ret = set_trigger(device, VFIO_PCI_MSIX_IRQ_INDEX, n, 1,
			  &msix_vector(device->function.msix, n)->fd);
	if (!ret)
		device->enabled = MAX(device->enabled, n + 1);
	return ret;
}
