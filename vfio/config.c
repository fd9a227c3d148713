/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration space of a passed device. The bus emulates BARs, Command, MSI, MSI-X and the list
 * of capabilities. For all other registers device->reads has the bits that are read from the
 * hardware, and device->writes those that are written to it. The host's driver checks each access
 * again, so nothing here can reach another device.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "device.h"
#include "sys.h"

/* In the upper byte of Status: errors that the hardware has seen, cleared by writing 1. */
#define STATUS_ERRORS 0xf9
#define LAST_PIN      4

static u32 all_ones(unsigned len)
{
	return ~0u >> (32 - 8 * len);
}

/* Of the hardware, @len 1, 2 or 4: all ones if it does not answer. */
static u32 config_get(const struct vfio_device *device, u32 offset, unsigned len)
{
	le32 value = cpu_to_le32(0);
	u64 at = device->config_offset + offset;

	if (device->fd < 0 || device->resetting ||
	    vfio_sys_read(device->fd, &value, len, at) != (ssize_t)len)
		return all_ones(len);
	return le32_to_cpu(value);
}

static void config_put(const struct vfio_device *device, u32 offset, unsigned len, u32 value)
{
	le32 bytes = cpu_to_le32(value);

	/* A failed write is not reported: the device is dead, and its reads return all ones. */
	if (device->fd >= 0)
		vfio_sys_write(device->fd, &bytes, len, device->config_offset + offset);
}

static u32 mask_of(const u8 *bits, u32 offset, unsigned len)
{
	u32 mask = 0;

	for (unsigned i = 0; i < len; i++)
		mask |= (u32)bits[offset + i] << (8 * i);
	return mask;
}

void vfio_config_read(struct pci_function *function, u32 offset, unsigned len, u32 *value)
{
	struct vfio_device *device = vfio_device_of(function);
	u32 mask = mask_of(device->reads, offset, len);

	if (device->gone)
		*value = all_ones(len);
	else if (mask)
		*value = (*value & ~mask) | (config_get(device, offset, len) & mask);
}

/* Write those bits of a hardware register that the guest may write. */
static void forward(struct vfio_device *device, u32 offset, unsigned len, u32 value)
{
	u32 mask = mask_of(device->writes, offset, len);

	if (mask != all_ones(len))
		value = (config_get(device, offset, len) & ~mask) | (value & mask);
	config_put(device, offset, len, value);
}

/* As wide as the guest's write where all of it is the hardware's, else byte by byte. */
static void forward_all(struct vfio_device *device, u32 offset, unsigned len, u32 value)
{
	if (mask_of(device->writes, offset, len) == all_ones(len)) {
		config_put(device, offset, len, value);
		return;
	}
	for (unsigned i = 0; i < len; i++) {
		if (device->writes[offset + i])
			forward(device, offset + i, 1, value >> (8 * i) & 0xff);
	}
}

/* ---- what a write does beyond that ---- */

/*
 * The hardware decodes its BARs all the time: a process that touches a mapped BAR which is not
 * decoded is killed by the host (SIGBUS). Whether the guest sees a BAR is decided by the bus.
 */
void vfio_config_command(struct vfio_device *device)
{
	const u16 guests = PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR;
	u16 command = pci_get16(&device->function, PCI_COMMAND) & guests;

	if (device->gone)
		command = 0;
	vfio_device_set_master(device, command & PCI_COMMAND_MASTER);
	config_put(device, PCI_COMMAND, 2, command | PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
}

static bool touches(u32 offset, unsigned len, u32 at, unsigned size)
{
	return offset < at + size && at < offset + len;
}

/* The byte @at of a write of @len bytes of @value to @offset, which touches it. */
static u8 byte_of(u32 offset, u32 value, u32 at)
{
	return value >> (8 * (at - offset));
}

/* Whether the write sets @bit of the byte @at. */
static bool sets(u32 offset, unsigned len, u32 value, u32 at, u8 bit)
{
	return touches(offset, len, at, 1) && byte_of(offset, value, at) & bit;
}

/*
 * Function Level Reset, in either capability: the host does it, and restores the registers that
 * have to survive.
 */
static bool asks_reset(const struct vfio_device *device, u32 offset, unsigned len, u32 value)
{
	u32 pcie = device->pcie + PCI_EXP_DEVCTL + 1, af = device->af + PCI_AF_CTRL;

	if (device->pcie && sets(offset, len, value, pcie, PCI_EXP_DEVCTL_BCR_FLR >> 8))
		return pci_get32(&device->function, device->pcie + PCI_EXP_DEVCAP) &
		       PCI_EXP_DEVCAP_FLR;
	return device->af && sets(offset, len, value, af, PCI_AF_CTRL_FLR);
}

static void guest_reset(struct vfio_device *device)
{
	/* The function first: that hides the BARs, which the hardware is about to lose. */
	pci_function_reset(&device->function);
	vfio_config_command(device);
	vfio_interrupts_update(device);
	if (!vfio_device_reset(device))
		log_limited(&device->log, LOG_WARNING, "%s: the host cannot reset it for the guest",
			    device->name);
	device->asleep = false;
	/* What other vCPUs wrote meanwhile. */
	vfio_config_command(device);
	vfio_interrupts_update(device);
	vfio_regions_update(device);
	vfio_errors_after_reset(device);
}

/* Registers are hidden before the device falls asleep, and shown when it is awake. */
static void write_power(struct vfio_device *device, u32 offset, unsigned len, u32 value)
{
	u32 at = device->pm + PCI_PM_CTRL;
	bool asleep = byte_of(offset, value, at) & PCI_PM_CTRL_STATE_MASK;

	if (asleep) {
		device->asleep = true;
		vfio_regions_update(device);
	}
	forward_all(device, offset, len, value);
	if (!asleep && device->asleep) {
		device->asleep = false;
		/* Without "No Soft Reset" it has lost its state on the way to D0. */
		vfio_config_command(device);
		vfio_regions_update(device);
	}
}

void vfio_config_written(struct pci_function *function, u32 offset, unsigned len, u32 value)
{
	struct vfio_device *device = vfio_device_of(function);
	const bool mastered = device->master;

	if (device->gone || device->resetting)
		return;
	if (touches(offset, len, PCI_COMMAND, 2)) {
		vfio_config_command(device);
		vfio_interrupts_update(device);
	}
	if (asks_reset(device, offset, len, value))
		guest_reset(device);
	else if (device->pm && touches(offset, len, device->pm + PCI_PM_CTRL, 1))
		write_power(device, offset, len, value);
	else if (mask_of(device->writes, offset, len))
		forward_all(device, offset, len, value);
	/* As drivers do when they let go of it. */
	if (mastered && !device->master) {
		unasked_begin(&device->unasked);
		unasked_await(&device->unasked);
	}
}

/* ---- building ---- */

static int read_all(struct vfio_device *device, u8 *hardware, struct error *err)
{
	ssize_t got = vfio_sys_read(device->fd, hardware, device->config_size,
				    device->config_offset);

	if (got != (ssize_t)device->config_size || device->config_size < PCI_STD_HEADER_SIZEOF)
		return error_set(err, -EIO,
				 "%s: its configuration space cannot be read: is it powered?",
				 device->name);
	if ((hardware[PCI_HEADER_TYPE] & PCI_HEADER_TYPE_MASK) != PCI_HEADER_TYPE_NORMAL)
		return error_set(err, -ENOTSUP, "%s: a bridge, which cannot be passed",
				 device->name);
	return 0;
}

static void copy(struct vfio_device *device, const u8 *hardware, u32 offset, u32 size)
{
	memcpy(device->function.config + offset, hardware + offset, size);
}

int vfio_config_build(struct vfio_device *device, struct error *err)
{
	u8 hardware[PCI_CONFIG_SIZE] = { 0 };
	int ret = read_all(device, hardware, err);

	if (ret)
		return ret;
	copy(device, hardware, PCI_VENDOR_ID, 4);
	copy(device, hardware, PCI_REVISION_ID, 4);
	copy(device, hardware, PCI_SUBSYSTEM_VENDOR_ID, 4);
	copy(device, hardware, PCI_MIN_GNT, 2);
	device->reads[PCI_STATUS] = PCI_STATUS_INTERRUPT;
	device->reads[PCI_STATUS + 1] = device->writes[PCI_STATUS + 1] = STATUS_ERRORS;
	/* INTA to INTD. A pin with another number cannot be wired: the guest sees none. */
	if (device->irq_counts[VFIO_PCI_INTX_IRQ_INDEX] && hardware[PCI_INTERRUPT_PIN] <= LAST_PIN)
		pci_set_interrupt_pin(&device->function, hardware[PCI_INTERRUPT_PIN]);
	ret = vfio_regions_build(device, hardware, err);
	return ret ? ret : vfio_capabilities_build(device, hardware, err);
}
