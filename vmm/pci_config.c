/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A function's configuration space (PCI Express Base 6.0, "PCI-Compatible Configuration
 * Registers"): the guest's reads and writes, and what a write changes.
 */
#include <linux/pci_regs.h>
#include <string.h>

#include "pci_private.h"
#include "util/range.h"

#define COMMAND_WRITABLE                                                                           \
	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |           \
	 PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)
#define STATUS_CLEAR                                                                               \
	(PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT | PCI_STATUS_REC_TARGET_ABORT |           \
	 PCI_STATUS_REC_MASTER_ABORT | PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY)

static void put_le16(u8 *bytes, u16 value)
{
	const le16 le = cpu_to_le16(value);

	memcpy(bytes, &le, sizeof(le));
}

static void function_destroy(struct device *device)
{
	struct pci_function *function = container_of(device, struct pci_function, device);

	function->ops->destroy(function);
}

static int function_seal(struct device *device)
{
	struct pci_function *function = container_of(device, struct pci_function, device);

	return function->ops->seal ? function->ops->seal(function) : 0;
}

static void function_pause(struct device *device)
{
	struct pci_function *function = container_of(device, struct pci_function, device);

	if (function->ops->pause)
		function->ops->pause(function);
}

static void function_resume(struct device *device)
{
	struct pci_function *function = container_of(device, struct pci_function, device);

	if (function->ops->resume)
		function->ops->resume(function);
}

static void function_report(const struct device *device, struct counters *counters)
{
	const struct pci_function *function = container_of(device, const struct pci_function,
							   device);

	if (function->ops->report)
		function->ops->report(function, counters);
}

static bool function_settled(const struct device *device)
{
	const struct pci_function *function = container_of(device, struct pci_function, device);

	return !function->ops->settled || function->ops->settled(function);
}

static const struct device_ops function_device_ops = {
	.seal = function_seal,
	.pause = function_pause,
	.resume = function_resume,
	.settled = function_settled,
	.report = function_report,
	.destroy = function_destroy,
};

void pci_function_init(struct pci_function *function, struct vm *vm,
		       const struct pci_function_ops *ops, struct dma_space *space, u16 vendor,
		       u16 device, u32 class, u8 revision)
{
	memset(function, 0, sizeof(*function));
	function->device.ops = &function_device_ops;
	function->device.info = (struct device_info){
		.name = "PCI function",
		.kind = DEVICE_PCI,
		.resource.gsi = DEVICE_NO_IRQ,
		.endpoint = DEVICE_NO_ENDPOINT,
	};
	list_init(&function->device.node);
	function->vm = vm;
	function->ops = ops;
	function->space = space;
	pci_set16(function, PCI_VENDOR_ID, vendor);
	pci_set16(function, PCI_DEVICE_ID, device);
	pci_set32(function, PCI_CLASS_REVISION, class << 8 | revision);
	put_le16(function->writable + PCI_COMMAND, COMMAND_WRITABLE);
	put_le16(function->clear + PCI_STATUS, STATUS_CLEAR);
	function->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	function->writable[PCI_INTERRUPT_LINE] = 0xff;
}

u32 pci_function_read(struct pci_function *function, u32 offset, unsigned len)
{
	u32 value = 0;

	for (unsigned i = 0; i < len; i++)
		value |= (u32)function->config[offset + i] << (8 * i);
	pci_msi_read_pending(function, offset, len, &value);
	if (function->ops->config_read)
		function->ops->config_read(function, offset, len, &value);
	return value;
}

static void store(struct pci_function *function, u32 offset, unsigned len, u32 value)
{
	for (unsigned i = 0; i < len; i++) {
		u8 byte = value >> (8 * i), old = function->config[offset + i];
		u8 writable = function->writable[offset + i];

		old &= ~(function->clear[offset + i] & byte);
		function->config[offset + i] = (old & ~writable) | (byte & writable);
	}
}

/*
 * INTx goes before MSI comes, and comes back after MSI has gone: a passed device can
 * have one of them at a time.
 */
static void apply(struct pci_function *function, bool intx_before)
{
	bool intx = pci_intx_allowed(function);

	if (intx_before && !intx && function->ops->intx_allowed)
		function->ops->intx_allowed(function, false);
	pci_msi_update(function);
	pci_msix_update(function);
	if (!intx_before && intx && function->ops->intx_allowed)
		function->ops->intx_allowed(function, true);
	pci_intx_update(function);
}

void pci_function_write(struct pci_function *function, u32 offset, u32 value, unsigned len)
{
	bool header = offset < PCI_STD_HEADER_SIZEOF;
	bool intx = pci_intx_allowed(function);

	store(function, offset, len, value);
	if (header)
		pci_bars_update(function);
	if (header || pci_msi_has(function, offset))
		apply(function, intx);
	if (function->ops->config_written)
		function->ops->config_written(function, offset, len, value);
}

static void reset_registers(struct pci_function *function)
{
	pci_set16(function, PCI_COMMAND, 0);
	pci_bars_update(function);
	pci_bars_clear(function);
	function->config[PCI_CACHE_LINE_SIZE] = 0;
	function->config[PCI_INTERRUPT_LINE] = 0;
	pci_msi_reset(function);
	pci_intx(function, false);
}

void pci_function_reset(struct pci_function *function)
{
	bool intx = pci_intx_allowed(function);

	reset_registers(function);
	apply(function, intx);
}

/* ops->intx_allowed is not called: INTx is not coming back. */
void pci_function_release(struct pci_function *function)
{
	struct pci_bus *bus = function->bus;

	reset_registers(function);
	pci_msi_update(function);
	pci_msi_destroy(function);
	if (!bus)
		return;
	bus->functions[pci_bdf(function)] = NULL;
	function->bus = NULL;
}
