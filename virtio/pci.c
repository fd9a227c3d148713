/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Virtio Over PCI Bus": the function, its BARs and capabilities, its interrupts. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <linux/pci_regs.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>

#include "pci_state.h"
#include "util/range.h"
#include "virtio/pci.h"
#include "vmm/counters.h"
#include "vmm/ioevent.h"
#include "vmm/vm.h"

#define VENDOR		0x1af4
#define FIRST_DEVICE	0x1040 /* "adding 0x1040 to the Virtio Device ID" */
#define REVISION	1
#define VECTORS_BAR	1
#define VECTORS_BAR_MIN 0x1000
#define COMMON_SIZE	64 /* to the end of admin_queue_num, which is 0 */
#define WINDOW_DATA	sizeof(struct virtio_pci_cap)
#define NOWHERE		UINT64_MAX
#define PIN_INTA	1
#define ISR_QUEUE	1
#define MAX_QUEUES	((PCI_AT_END - PCI_AT_NOTIFY) / PCI_NOTIFY_STEP)

/*
 * Removing an ioevent holds the VM lock for a grace period: a guest that moves the BAR for
 * ever has its kicks leave the kernel instead.
 */
#define MAX_REMOVED 256

static_assert(VIRTIO_MMIO_INT_VRING == ISR_QUEUE && VIRTIO_MMIO_INT_CONFIG == VIRTIO_PCI_ISR_CONFIG,
	      "a device's causes are the bits of the ISR status");

static struct virtio_pci *pci_of(struct pci_function *function)
{
	return container_of(function, struct virtio_pci, function);
}

static struct virtio_pci *pci_of_transport(struct transport *transport)
{
	return container_of(transport, struct virtio_pci, transport);
}

/* ---- interrupts ---- */

/* "Used Buffer Notifications", "Notification of Device Configuration Changes". */
static void pci_interrupt(struct virtio_device *virtio, u32 cause, unsigned queue)
{
	struct virtio_pci *pci = pci_of_transport(virtio->transport_state);
	bool config = cause == VIRTIO_PCI_ISR_CONFIG;
	u16 vector = config ? pci->config_vector : pci->queues[queue].vector;

	/* "ISR status capability": the bit of the configuration is set with MSI-X, too. */
	if (config || !msix_is_enabled(pci->function.msix))
		pci->isr |= cause;
	if (!msix_is_enabled(pci->function.msix))
		virtio_pci_update_intx(pci);
	else if (vector != VIRTIO_MSI_NO_VECTOR)
		msix_signal(pci->function.msix, vector);
}

/* A vector that was never unmasked has no eventfd yet. INTx wants the ISR status to be set. */
static int pci_interrupt_fd(struct virtio_device *virtio, unsigned queue)
{
	struct virtio_pci *pci = pci_of_transport(virtio->transport_state);
	struct msix *msix = pci->function.msix;
	u16 vector = pci->queues[queue].vector;

	if (!msix_is_enabled(msix) || vector == VIRTIO_MSI_NO_VECTOR ||
	    !msix_vector_is_used(msix, vector))
		return -1;
	return msix_vector(msix, vector)->fd;
}

static void on_msix_enabled(struct msix *msix, void *arg, bool on)
{
	virtio_pci_interrupts_moved(arg);
}

static void on_vector_used(struct msix *msix, void *arg, unsigned n)
{
	virtio_pci_interrupts_moved(arg);
}

static const struct msix_ops vector_ops = {
	.enabled = on_msix_enabled,
	.vector_used = on_vector_used,
};

static const struct virtio_transport_ops pci_transport_ops = {
	.interrupt = pci_interrupt,
	.fault = transport_fault,
	.kick_again = transport_kick_again,
	.take_doorbell = transport_take_doorbell,
	.return_doorbell = transport_return_doorbell,
	.interrupt_fd = pci_interrupt_fd,
};

/* ---- doorbells, which are where BAR 4 is ---- */

static void pci_arm(struct transport *transport, unsigned queue)
{
	struct virtio_pci *pci = pci_of_transport(transport);
	int fd = transport->doorbells[queue].source.fd;

	if (pci->notify == NOWHERE || pci->ioevents_removed >= MAX_REMOVED)
		return;
	/* Whatever is written there is a kick of this queue: its value may say more. */
	pci->queues[queue].rung = !ioevent_add_any(transport->vm,
						   pci->notify + queue * PCI_NOTIFY_STEP, fd);
	if (!pci->queues[queue].rung)
		log_debug("%s: kicks of queue %u leave the kernel: no ioeventfd",
			  transport->virtio->name, queue);
}

static void disarm(struct virtio_pci *pci, unsigned queue)
{
	if (!pci->queues[queue].rung)
		return;
	ioevent_remove_any(pci->transport.vm, pci->notify + queue * PCI_NOTIFY_STEP,
			   pci->transport.doorbells[queue].source.fd);
	pci->queues[queue].rung = false;
	if (++pci->ioevents_removed == MAX_REMOVED)
		log_debug("%s: its BAR has moved too often: kicks leave the kernel from now on",
			  pci->transport.virtio->name);
}

/* What is at the old address from now on is not ours: nothing there may ring our doorbells. */
static void move_doorbells(struct virtio_pci *pci, gpa_t notify)
{
	const struct virtio_device *virtio = pci->transport.virtio;

	if (pci->notify == notify)
		return;
	for (unsigned i = 0; i < virtio->queue_count; i++)
		disarm(pci, i);
	pci->notify = notify;
	for (unsigned i = 0; i < virtio->queue_count; i++) {
		if (pci->transport.doorbells[i].armed && !virtio->kick_on_vcpu)
			pci_arm(&pci->transport, i);
	}
}

/* ---- BARs ---- */

static u64 registers_read(struct bus_region *region, u64 offset, unsigned len)
{
	return virtio_pci_read(container_of(region, struct virtio_pci, registers), offset, len);
}

static void registers_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	virtio_pci_write(container_of(region, struct virtio_pci, registers), offset, value, len);
}

static const struct bus_ops registers_ops = { .read = registers_read, .write = registers_write };

static u64 vectors_read(struct bus_region *region, u64 offset, unsigned len)
{
	const struct virtio_pci *pci = container_of(region, struct virtio_pci, vectors);

	if (offset < pci->pending_bits)
		return msix_table_read(pci->function.msix, offset, len);
	return msix_pba_read(pci->function.msix, offset - pci->pending_bits, len);
}

static void vectors_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct virtio_pci *pci = container_of(region, struct virtio_pci, vectors);

	/* The pending bits are read-only. */
	if (offset < pci->pending_bits)
		msix_table_write(pci->function.msix, offset, value, len);
}

static const struct bus_ops vectors_ops = { .read = vectors_read, .write = vectors_write };

static void on_bar_changed(struct pci_function *function, unsigned n)
{
	struct virtio_pci *pci = pci_of(function);
	const struct pci_bar *bar = &function->bars[n];
	struct bus_region *region = n == PCI_REGISTERS_BAR ? &pci->registers : &pci->vectors;
	bool there;

	pci_region_remove(function, n, region);
	there = bar->decoded && !pci_region_add(function, n, 0, bar->size, region);
	if (n == PCI_REGISTERS_BAR)
		move_doorbells(pci, there ? bar->address + PCI_AT_NOTIFY : NOWHERE);
}

/* ---- configuration space ---- */

/*
 * "PCI configuration access capability": which registers the guest has put into the
 * window. Only those that another capability tells of, "all accesses MUST be aligned".
 */
static bool window_open(const struct virtio_pci *pci, u32 *offset, u32 *len)
{
	const struct pci_function *function = &pci->function;

	*offset = pci_get32(function, pci->window + VIRTIO_PCI_CAP_OFFSET);
	*len = pci_get32(function, pci->window + VIRTIO_PCI_CAP_LENGTH);
	return function->config[pci->window + VIRTIO_PCI_CAP_BAR] == PCI_REGISTERS_BAR &&
	       (*len == 1 || *len == 2 || *len == 4) && is_aligned(*offset, *len) &&
	       *offset < PCI_AT_END;
}

/* The bits of a register of @len bytes. */
static u32 width_mask(u32 len)
{
	return UINT32_MAX >> 8 * (4 - len);
}

static bool is_window(const struct virtio_pci *pci, u32 offset)
{
	return align_down(offset, 4) == pci->window + WINDOW_DATA;
}

static void on_config_read(struct pci_function *function, u32 offset, unsigned len, u32 *value)
{
	struct virtio_pci *pci = pci_of(function);
	u32 data, at, width;

	if (!is_window(pci, offset))
		return;
	data = pci_get32(function, pci->window + WINDOW_DATA);
	if (window_open(pci, &at, &width)) {
		data &= ~width_mask(width);
		data |= virtio_pci_read(pci, at, width) & width_mask(width);
		pci_set32(function, pci->window + WINDOW_DATA, data);
	}
	*value = data >> 8 * (offset % 4) & width_mask(len);
}

static void write_window(struct virtio_pci *pci)
{
	u32 data = pci_get32(&pci->function, pci->window + WINDOW_DATA), at, width;

	if (window_open(pci, &at, &width))
		virtio_pci_write(pci, at, data & width_mask(width), width);
}

static void on_config_written(struct pci_function *function, u32 offset, unsigned len, u32 value)
{
	struct virtio_pci *pci = pci_of(function);

	/* "Bus Master": without it a function accesses no memory. */
	transport_pause(&pci->transport, TRANSPORT_NO_MASTER,
			!(pci_get16(function, PCI_COMMAND) & PCI_COMMAND_MASTER));
	/* MSI-X Enable may be what was written. */
	virtio_pci_update_intx(pci);
	if (is_window(pci, offset))
		write_window(pci);
	else if (offset == PCI_COMMAND)
		transport_await_idle(&pci->transport, TRANSPORT_NO_MASTER);
}

/* ---- making it ---- */

/* PCI Code and ID Assignment, "Class Codes". */
static u32 class_of(u32 id)
{
	switch (id) {
	case VIRTIO_ID_NET:
		return 0x020000; /* Ethernet */
	case VIRTIO_ID_BLOCK:
	case VIRTIO_ID_9P:
		return 0x018000; /* mass storage, other */
	case VIRTIO_ID_CONSOLE:
	case VIRTIO_ID_VSOCK:
		return 0x078000; /* communication, other */
	case VIRTIO_ID_IOMMU:
		return 0x080600; /* IOMMU */
	default:
		return 0xff0000; /* fits nowhere else */
	}
}

/* Returns where it is, or -ENOSPC. */
static int add_structure(struct virtio_pci *pci, u8 type, u32 offset, u32 length, u16 size)
{
	struct pci_function *function = &pci->function;
	int at = pci_add_capability(function, PCI_CAP_ID_VNDR, 0, size);

	if (at < 0)
		return at;
	function->config[at + VIRTIO_PCI_CAP_LEN] = size;
	function->config[at + VIRTIO_PCI_CAP_CFG_TYPE] = type;
	function->config[at + VIRTIO_PCI_CAP_BAR] = PCI_REGISTERS_BAR;
	pci_set32(function, at + VIRTIO_PCI_CAP_OFFSET, offset);
	pci_set32(function, at + VIRTIO_PCI_CAP_LENGTH, length);
	return at;
}

/* A capability for each structure that there is. */
static int add_structures(struct virtio_pci *pci)
{
	const struct virtio_device *virtio = pci->transport.virtio;
	const u16 plain = sizeof(struct virtio_pci_cap);
	int at, ret;

	at = add_structure(pci, VIRTIO_PCI_CAP_NOTIFY_CFG, PCI_AT_NOTIFY,
			   virtio->queue_count * PCI_NOTIFY_STEP,
			   sizeof(struct virtio_pci_notify_cap));
	if (at < 0)
		return at;
	pci_set32(&pci->function, at + VIRTIO_PCI_NOTIFY_CAP_MULT, PCI_NOTIFY_STEP);
	ret = add_structure(pci, VIRTIO_PCI_CAP_COMMON_CFG, PCI_AT_COMMON, COMMON_SIZE, plain);
	if (ret >= 0)
		ret = add_structure(pci, VIRTIO_PCI_CAP_ISR_CFG, PCI_AT_ISR, 1, plain);
	if (ret >= 0 && virtio->config_size)
		ret = add_structure(pci, VIRTIO_PCI_CAP_DEVICE_CFG, PCI_AT_DEVICE,
				    virtio->config_size, plain);
	return ret;
}

/* The window through which all of them can be reached. */
static int add_window(struct virtio_pci *pci)
{
	struct pci_function *function = &pci->function;
	int at = add_structure(pci, VIRTIO_PCI_CAP_PCI_CFG, 0, 0,
			       sizeof(struct virtio_pci_cfg_cap));

	if (at < 0)
		return at;
	pci->window = at;
	function->writable[at + VIRTIO_PCI_CAP_BAR] = 0xff;
	for (unsigned i = VIRTIO_PCI_CAP_OFFSET; i < sizeof(struct virtio_pci_cfg_cap); i++)
		function->writable[at + i] = 0xff;
	return 0;
}

/* The table in the first half of its BAR, the pending bits in the second. */
static int add_vectors(struct virtio_pci *pci, unsigned count)
{
	u32 size = VECTORS_BAR_MIN;
	int ret;

	while (size / 2 < count * MSIX_ENTRY_SIZE)
		size *= 2;
	pci->pending_bits = size / 2;
	ret = pci_add_bar(&pci->function, VECTORS_BAR, PCI_BAR_MEMORY32, size, false);
	if (ret)
		return ret;
	return pci_add_msix(&pci->function, 0, count, VECTORS_BAR, 0, VECTORS_BAR,
			    pci->pending_bits, &vector_ops, pci);
}

static void pci_destroy(struct pci_function *function)
{
	struct virtio_pci *pci = pci_of(function);
	struct virtio_device *virtio = pci->transport.virtio;

	transport_end(&pci->transport);
	/* The ioevents go with the VM: see doorbell_close(). */
	for (unsigned i = 0; i < virtio->queue_count; i++)
		pci->queues[i].rung = false;
	pci_function_release(function);
	transport_destroy(&pci->transport);
	virtio->ops->destroy(virtio);
	free(pci);
}

static int on_seal(struct pci_function *function)
{
	return transport_seal(&pci_of(function)->transport);
}

static void on_pause(struct pci_function *function)
{
	transport_pause(&pci_of(function)->transport, TRANSPORT_VM_PAUSED, true);
}

static void on_resume(struct pci_function *function)
{
	transport_pause(&pci_of(function)->transport, TRANSPORT_VM_PAUSED, false);
}

static bool on_settled(const struct pci_function *function)
{
	return transport_settled(&container_of(function, struct virtio_pci, function)->transport);
}

static void on_report(const struct pci_function *function, struct counters *counters)
{
	virtio_device_count(
		container_of(function, const struct virtio_pci, function)->transport.virtio,
		counters);
}

static const struct pci_function_ops function_ops = {
	.seal = on_seal,
	.pause = on_pause,
	.resume = on_resume,
	.settled = on_settled,
	.report = on_report,
	.config_read = on_config_read,
	.config_written = on_config_written,
	.bar_changed = on_bar_changed,
	.destroy = pci_destroy,
};

static int build(struct virtio_pci *pci, u32 endpoint)
{
	struct pci_function *function = &pci->function;
	struct virtio_device *virtio = pci->transport.virtio;
	int ret;

	function->device.info.name = virtio->name;
	function->device.info.endpoint = endpoint;
	/* "SHOULD have a PCI Subsystem Device ID of 0x40 or higher". */
	pci_set16(function, PCI_SUBSYSTEM_VENDOR_ID, VENDOR);
	pci_set16(function, PCI_SUBSYSTEM_ID, FIRST_DEVICE + virtio->id);
	pci_set_interrupt_pin(function, PIN_INTA);
	/* Not prefetchable: to read the ISR status is to clear it. */
	ret = pci_add_bar(function, PCI_REGISTERS_BAR, PCI_BAR_MEMORY64, PCI_AT_END, false);
	if (!ret)
		ret = add_vectors(pci, virtio->queue_count + 1);
	if (!ret)
		ret = add_structures(pci);
	return ret < 0 ? ret : add_window(pci);
}

/* All that a struct virtio_pci is before its function is built. */
static struct virtio_pci *allocate(struct virtio_device *virtio)
{
	struct virtio_pci *pci = calloc(1, sizeof(*pci) +
						   virtio->queue_count * sizeof(pci->queues[0]));

	if (!pci)
		return NULL;
	pci->registers.ops = &registers_ops;
	pci->vectors.ops = &vectors_ops;
	pci->notify = NOWHERE;
	pci->transport.arm = pci_arm;
	pci->transport.paused = true; /* Bus Master is clear */
	return pci;
}

int virtio_pci_create(struct vm *vm, struct pci_bus *bus, struct virtio_device *virtio, u16 bdf,
		      u32 endpoint)
{
	struct virtio_pci *pci;
	int ret;

	assert(virtio->queue_count < MIN(MAX_QUEUES, MSIX_MAX_VECTORS));
	assert(virtio->config_size <= PCI_PAGE);
	pci = allocate(virtio);
	if (!pci)
		return -ENOMEM;
	ret = transport_init(&pci->transport, vm, virtio, endpoint);
	if (ret)
		goto free_pci;
	pci->transport.offered |= 1ull << VIRTIO_F_NOTIF_CONFIG_DATA & ~virtio->lacks;
	pci_function_init(&pci->function, vm, &function_ops, virtio->space, VENDOR,
			  FIRST_DEVICE + virtio->id, class_of(virtio->id), REVISION);
	ret = build(pci, endpoint);
	if (!ret)
		ret = pci_bus_add(bus, &pci->function, bdf >> 3, bdf & 7);
	if (ret)
		goto release_function;
	transport_adopt(&pci->transport, &pci_transport_ops);
	virtio_pci_forget(pci);
	return 0;

release_function:
	pci_function_release(&pci->function);
	transport_destroy(&pci->transport);
free_pci:
	free(pci);
	return ret;
}
